// SPDX-License-Identifier: GPL-2.0
// Sites and containers that come and go under real threads, and everything at once.
#include "race_rig.h"

namespace rig
{
namespace
{

// Sites::intern() by many: a pair has one place, whoever comes first, and what is read through it is complete.
TEST_F(Race, SiteInterning)
{
	constexpr u64 kPairs = 400;
	std::vector<std::vector<u32>> got(kThreads, std::vector<u32>(kPairs * 2));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    in_step.arrive_and_wait();
		    for (u64 i = 0; i < kPairs * 2; ++i) {
			    platform::PreemptOff section;
			    const Cache &cache = i % 2 == 0 ? k64_ : dentry_;
			    const SiteIndex index = sites.intern(Address{kText + i / 2 * 16}, cache.cache_key());
			    const Site &site = sites[index];
			    EXPECT_EQ(site.stride.value, cache.stride);
			    EXPECT_EQ(site.kind, i % 2 == 0 ? ByteKind::kmemsize : ByteKind::dcachesize);
			    EXPECT_STREQ(sites.cache_name(site), i % 2 == 0 ? "kmalloc-64" : "dentry");
			    got[cpu][i] = index.value;
		    }
	    },
	    [&] { // caches and modules that go meanwhile are others
		    for (int i = 0; i < 3; ++i) {
			    bc_cache_gone(k8k_.key);
			    bc_text_going(kText + 0x100000, kText + 0x200000);
		    }
	    });
	for (u32 cpu = 1; cpu < kThreads; ++cpu)
		EXPECT_EQ(got[cpu], got[0]);
	EXPECT_EQ(sites.count(), kPairs * 2);
	nothing_lost();
}

// A module's text goes while its objects are freed and shown.
TEST_F(Race, TextGoesWhileItsSymbolsAreRead)
{
	host::add_symbol(kText, 0x10000, "leaky_function", "leaky");
	start(ns(1));
	std::vector<u64> objects;
	for (u64 i = 0; i < 200; ++i) {
		objects.push_back(slabs_.make(k64_.key, 64));
		charged(ns(1), objects.back(), kText + i * 16, k64_.cache_key());
	}
	together(
	    2,
	    [&](u32 cpu) {
		    if (cpu == 0) {
			    for (u64 object : objects)
				    freed(object);
		    } else {
			    bc_text_going(kText, kText + 0x10000);
		    }
	    },
	    [&] {
		    for (int i = 0; i < 5; ++i)
			    render(BC_FILE_OBJECTS, 1);
	    });
	EXPECT_EQ(raw_held(*find(ns(1))), Raw{});
}

// find_or_make() by many for one namespace: one is made, everybody gets it, and one reference is taken.
TEST_F(Race, ContainerCreation)
{
	constexpr u64 kSpaces = 60;
	std::atomic<u32> made{0};
	std::vector<std::vector<Container *>> got(kThreads, std::vector<Container *>(kSpaces));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u64 n = 0; n < kSpaces; ++n) {
			    in_step.arrive_and_wait();
			    if (n % 2 == 0) {
				    made += bc_task_forked(ns(n), 100, "init", false) != 0;
				    platform::PreemptOff section;
				    got[cpu][n] = containers.find(ns(n));
			    } else { // by a charge
				    const u64 object = slabs_.make(k64_.key, 64);
				    charged(ns(n), object, kText, k64_.cache_key());
				    platform::PreemptOff section;
				    got[cpu][n] = containers.find(ns(n));
			    }
		    }
	    },
	    [&] {
		    for (int i = 0; i < 20; ++i) {
			    bc_task_forked(ns(1), 55, "late", false);
			    render(BC_FILE_CONTAINERS);
			    work();
		    }
	    });
	EXPECT_EQ(made, kSpaces / 2);
	EXPECT_EQ(containers.count(), kSpaces);
	for (u64 n = 0; n < kSpaces; ++n) {
		ASSERT_NE(got[0][n], nullptr);
		for (u32 cpu = 1; cpu < kThreads; ++cpu)
			EXPECT_EQ(got[cpu][n], got[0][n]);
		EXPECT_EQ(host::references(ns(n)), 1);
		EXPECT_EQ(held(*got[0][n]).objects, n % 2 == 0 ? 0 : kThreads);
	}
	nothing_lost();
}

// A container's last object is freed while the worker stops, evicts and frees the container: the counter is still
// being folded when the sum is zero already.
TEST_F(Race, RetireAgainstALateFold)
{
	std::atomic<u64> handed{0}, taken{0}; // objects on their way to the threads that free them
	constexpr u64 kRing = 64;
	std::vector<std::atomic<u64>> ring(kRing);
	std::atomic<bool> done{false};
	together(
	    2,
	    [&](u32) {
		    while (!done || taken < handed) {
			    u64 n = taken;
			    const bool filled = n < handed;
			    // Read between the two looks: filled by then, and not yet filled anew.
			    const u64 object = ring[n % kRing];
			    if (!filled || !taken.compare_exchange_weak(n, n + 1)) {
				    std::this_thread::yield();
				    continue;
			    }
			    freed(object);
			    slabs_.free(object);
		    }
	    },
	    [&] {
		    const int last = 100 + 20 * kEffort;
		    for (int n = 1; n <= last; ++n) {
			    start(ns(static_cast<u64>(n)));
			    for (int i = 0; i < 4; ++i) {
				    const Cache &cache = i == 0 ? k8k_ : i == 1 ? dentry_ : k1k_;
				    const u64 object = slabs_.make(cache.key, cache.stride);
				    charged(ns(static_cast<u64>(n)), object, kText, cache.cache_key());
				    while (handed - taken >= kRing)
					    std::this_thread::yield();
				    ring[handed % kRing] = object;
				    ++handed;
			    }
			    stop(ns(static_cast<u64>(n)));
			    for (int i = 0; i < 3; ++i) {
				    work();
				    host::advance(1);
			    }
		    }
		    while (taken < handed)
			    std::this_thread::yield();
		    done = true;
	    });
	work_for(500);
	EXPECT_EQ(containers.count(), kStoppedKept);
	containers.each([](Container &c) {
		EXPECT_EQ(c.current(), State::clean);
		EXPECT_EQ(raw_held(c), Raw{});
	});
	EXPECT_TRUE(recorded().empty());
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

// A container gets another ID while its own root asks for it: the one before, or the new one.
TEST_F(Race, AnotherIdWhileItIsAskedFor)
{
	start(ns(1));
	std::atomic<bool> done{false};
	together(
	    kThreads,
	    [&](u32) {
		    while (!done) {
			    const u32 id = bc_container_id(ns(1));
			    ASSERT_TRUE(id == 1 || (id >= 100 && id <= 100 + 20 * kEffort)) << id;
		    }
	    },
	    [&] {
		    u32 id = 1;
		    for (u32 next = 100; next <= 100 + 20 * kEffort; id = next++) {
			    const std::string line = "name " + std::to_string(id) + " x " + std::to_string(next);
			    EXPECT_EQ(bc_control(line.data(), line.size()), 0);
			    work();
		    }
		    done = true;
	    });
	EXPECT_EQ(bc_container_id(ns(1)), 100u + 20 * kEffort);
}

// Everything at once, with the worker's rounds and every file read.
TEST_F(Race, AllOfIt)
{
	restart(machine(1000));
	std::atomic<u32> running{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    u64 n = cpu * 1000 + 1;
		    for (int i = 0; i < 6 * kEffort; ++i, ++n) {
			    bc_tasks tasks{};
			    tasks.pids = 1;
			    host::set_tasks(ns(n), tasks);
			    bc_task_forked(ns(n), static_cast<s32>(n), "x", false);
			    std::vector<u64> objects;
			    for (u32 k = 0; k < 60; ++k) {
				    const Cache &cache = k % 9 == 0 ? k8k_ : k % 3 == 0 ? dentry_ : k64_;
				    objects.push_back(slabs_.make(cache.key, cache.stride));
				    charged(ns(n), objects.back(), kText + k % 20 * 8, cache.cache_key());
			    }
			    no_tasks(ns(n));
			    bc_init_exited(ns(n));
			    for (u64 object : objects) {
				    freed(object);
				    slabs_.free(object);
			    }
		    }
		    --running;
	    },
	    [&] {
		    while (running != 0) {
			    work();
			    host::advance(100);
			    render(BC_FILE_BEANCOUNTERS);
			    render(BC_FILE_CONTAINERS);
			    render(BC_FILE_HEALTH);
			    containers.each([](Container &c) {
				    render(BC_FILE_OBJECTS, c.id().value);
				    render(BC_FILE_LEAKS, c.id().value);
			    });
		    }
	    });
	work_for(60000);
	EXPECT_TRUE(recorded().empty());
	containers.each([](Container &c) { EXPECT_EQ(c.current(), State::clean); });
	nothing_lost();
}

} // namespace
} // namespace rig
