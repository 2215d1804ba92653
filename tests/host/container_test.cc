// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include <atomic>
#include <thread>

namespace rig
{
namespace
{

class ContainerTest : public Core
{
};

TEST_F(ContainerTest, MadeByItsFirstTask)
{
	EXPECT_EQ(bc_container_id(ns(1)), 0u);
	const u32 id = bc_task_forked(ns(1), 4711, "systemd", false);
	EXPECT_EQ(id, 1u);
	EXPECT_EQ(bc_task_forked(ns(1), 4712, "bash", false), 0u) << "the second task makes none";
	EXPECT_EQ(bc_container_id(ns(1)), id);
	const Container *c = find(ns(1));
	EXPECT_EQ(c->init.relaxed(), 4711);
	EXPECT_STREQ(c->command, "systemd");
	EXPECT_EQ(c->pidns, bc_pidns_inum(ns(1)));
	EXPECT_EQ(c->current(), State::running);
	EXPECT_FALSE(c->since_load);
	EXPECT_EQ(host::references(ns(1)), 1);
	EXPECT_NE(host::kicks(), 0u);
	EXPECT_EQ(bc_task_forked(ns(2), 4713, "init", true), id + 1);
	EXPECT_TRUE(find(ns(2))->since_load);
}

TEST_F(ContainerTest, MadeByAChargeAndNamedByItsFork)
{
	{
		platform::PreemptOff section;
		host::set_namespace(ns(1));
		current_container();
	}
	EXPECT_EQ(find(ns(1))->init.relaxed(), 0);
	bc_task_forked(ns(1), 99, "late", false);
	EXPECT_EQ(find(ns(1))->init.relaxed(), 99);
}

// A task that dies slowly allocates after its container was judged.
TEST_F(ContainerTest, NoneIsMadeForANamespaceAtItsEnd)
{
	Container *c = start(ns(1));
	stop(ns(1));
	host::set_alive(ns(1), false);
	work_for(100);
	EXPECT_EQ(c->current(), State::clean);
	const Cache cache(64, false, "kmalloc-64");
	charged(ns(1), slabs_.make(cache.key, 64), 1 << 20, cache.cache_key());
	EXPECT_EQ(find(ns(1)), nullptr);
	EXPECT_EQ(containers.count(), 1u);
	EXPECT_TRUE(recorded().empty());
	EXPECT_EQ(health.of(Loss::containers_lost), 0);
}

TEST_F(ContainerTest, FoundAmongMany)
{
	for (u64 n = 0; n < config_.max_containers; ++n)
		start(ns(n));
	EXPECT_EQ(containers.count(), config_.max_containers);
	for (u64 n = 0; n < config_.max_containers; ++n) {
		Container *c = find(ns(n));
		ASSERT_NE(c, nullptr);
		EXPECT_EQ(c->ns.relaxed(), ns(n));
		platform::PreemptOff section;
		EXPECT_EQ(containers.find_id(c->id()), c);
		EXPECT_EQ(containers.at(c->index), c);
	}
	u32 last = ~0u;
	containers.each([&](Container &c) {
		EXPECT_NE(c.id().value, last);
		last = c.id().value;
	});
}

TEST_F(ContainerTest, NoRoomMeansOverflow)
{
	for (u64 n = 0; n < config_.max_containers; ++n)
		start(ns(n));
	EXPECT_FALSE(containers.overflow_used());
	EXPECT_EQ(bc_task_forked(ns(1000), 1, "one-too-many", false), 0u);
	EXPECT_TRUE(containers.overflow_used());
	EXPECT_EQ(health.of(Loss::containers_lost), 1);
	EXPECT_EQ(find(ns(1000)), nullptr);
	EXPECT_EQ(host::references(ns(1000)), 0);
	const Cache cache(64, false, "kmalloc-64");
	const u64 object = slabs_.make(cache.key, 64);
	charged(ns(1000), object, 1 << 20, cache.cache_key());
	EXPECT_EQ(held(*containers.overflow()).bytes, 64);
	freed(object);
	EXPECT_EQ(raw_held(*containers.overflow()), Raw{});
}

TEST_F(ContainerTest, ChargesAboveTheMostStayCheap)
{
	for (u64 n = 0; n < config_.max_containers; ++n)
		start(ns(n));
	const Cache cache(64, false, "kmalloc-64");
	charged(ns(1000), slabs_.make(cache.key, 64), 1 << 20, cache.cache_key());
	const unsigned long before = host::made(host::Kind::mem) + host::made(host::Kind::percpu);
	for (int i = 0; i < 20; ++i)
		charged(ns(1000), slabs_.make(cache.key, 64), 1 << 20, cache.cache_key());
	EXPECT_EQ(host::made(host::Kind::mem) + host::made(host::Kind::percpu), before)
	    << "no memory is taken to find that there is no room";
}

TEST_F(ContainerTest, NoMemoryMeansOverflowAndLeavesNothing)
{
	host::fail(host::Kind::mem, 1);
	EXPECT_EQ(bc_task_forked(ns(1), 1, "x", false), 0u);
	EXPECT_EQ(find(ns(1)), nullptr);
	EXPECT_EQ(health.of(Loss::containers_lost), 1);
	EXPECT_NE(bc_task_forked(ns(1), 1, "x", false), 0u) << "and later there is room";
}

TEST_F(ContainerTest, ForgettingTakesItOutOfTheHash)
{
	Container *a = start(ns(1));
	for (u64 n = 2; n < 100; ++n) // company in its bucket
		start(ns(n));
	containers.forget_namespace(*a);
	EXPECT_EQ(find(ns(1)), nullptr);
	EXPECT_EQ(host::references(ns(1)), 0);
	for (u64 n = 2; n < 100; ++n)
		EXPECT_NE(find(ns(n)), nullptr);
	{
		platform::PreemptOff section;
		EXPECT_EQ(containers.find_id(a->id()), a) << "still there by its ID";
	}
	containers.forget_namespace(*a); // twice is once
	EXPECT_EQ(host::references(ns(1)), 0);
	EXPECT_NE(bc_task_forked(ns(1), 1, "again", false), 0u) << "the address may come back as another namespace";
	EXPECT_NE(find(ns(1)), a);
}

// A task found its container just before the worker forgot it, and only then writes it down as its CPU's last one:
// after forget_namespace() no CPU may remember it, for it will be freed.
TEST_F(ContainerTest, NoCpuRemembersAForgottenOne)
{
	Container *c = start(ns(1));
	std::atomic<int> step{0};
	std::atomic<bool> asked{false};
	host::on_cpu_forget([&] { asked = true; });
	std::thread task([&] {
		host::set_cpu(3);
		platform::PreemptOff section;
		Container *found = containers.find(ns(1));
		EXPECT_EQ(found, c);
		step = 1;
		for (int i = 0; i < 50 && !asked;
		     ++i) // until the CPUs were asked, or the worker waits for this section
			std::this_thread::sleep_for(std::chrono::milliseconds(1));
		if (asked) // let bc_cpu_forget() end
			std::this_thread::sleep_for(std::chrono::milliseconds(20));
		platform::set_cpu_last(found);
	});
	while (step == 0)
		std::this_thread::yield();
	containers.forget_namespace(*c);
	task.join();
	host::on_cpu_forget({});
	host::set_cpu(3);
	EXPECT_NE(platform::cpu_last(), c);
}

TEST_F(ContainerTest, IdsCountUpAndAreNotReused)
{
	const u32 first = start(ns(1))->id().value;
	for (u64 n = 2; n < 400; ++n) {
		const u32 id = start(ns(n))->id().value;
		EXPECT_EQ(id, first + n - 1);
		stop(ns(n));
		work_for(20);
	}
	EXPECT_LE(containers.count(), kStoppedKept + 1) << "the oldest stopped ones have gone";
}

// Anyone can make pid namespaces of his own: they have half of the table.
TEST_F(ContainerTest, UsersLeaveRoomForTheAdministrators)
{
	const auto gets_a_row = [](u64 n) {
		bc_tasks tasks{};
		tasks.pids = 1;
		host::set_tasks(ns(n), tasks);
		bc_task_forked(ns(n), 100, "init", false);
		return find(ns(n)) != nullptr;
	};
	restart(machine(8));
	for (u64 n = 1; n <= 6; ++n) {
		host::set_of_user(ns(n));
		EXPECT_EQ(gets_a_row(n), n <= 4) << n;
	}
	EXPECT_EQ(health.of(Loss::containers_lost), 2);
	for (u64 n = 11; n <= 14; ++n)
		EXPECT_TRUE(gets_a_row(n)) << n;
	EXPECT_FALSE(gets_a_row(15));
	EXPECT_TRUE(host::overflows().empty());
	work();
	work();
	EXPECT_EQ(host::overflows(), std::vector<u32>{8}) << "once";
	stop(ns(1));
	work_for(60000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "clean");
}

// Younger than the module, though nobody saw it start: there was no room.
TEST_F(ContainerTest, WhoGetsARowLaterHasTheLimitsOfTheYoung)
{
	bc_config config = machine(2);
	config.default_limits = "kmemsize=4096:8192";
	restart(config);
	start(ns(1));
	start(ns(2));
	const Cache k64{64, false, "kmalloc-64"};
	bc_tasks tasks{};
	tasks.pids = 1;
	host::set_tasks(ns(3), tasks);
	bc_task_forked(ns(3), 100, "init", false);
	EXPECT_EQ(find(ns(3)), nullptr);
	bc_all_are_seen();
	stop(ns(1));
	work_for(60000);
	stop(ns(2));
	work_for(60000);
	charged(ns(3), slabs_.make(k64.key, 64), kText, k64.cache_key());
	ASSERT_NE(find(ns(3)), nullptr);
	EXPECT_NE(find(ns(3)), containers.overflow());
	EXPECT_EQ(row(render(BC_FILE_RESOURCES, find(ns(3))->id().value), "kmemsize")["limit"], "8192");
	EXPECT_FALSE(find(ns(3))->since_load);
}

TEST_F(ContainerTest, Renumbering)
{
	Container *a = start(ns(1));
	start(ns(2));
	EXPECT_TRUE(containers.reserve(ContainerId{50}));
	containers.renumber(*a, ContainerId{50});
	EXPECT_FALSE(containers.reserve(ContainerId{50})) << "taken";
	EXPECT_EQ(bc_container_id(ns(1)), 50u);
	EXPECT_EQ(bc_container_id(ns(2)), 2u);
}

} // namespace
} // namespace rig
