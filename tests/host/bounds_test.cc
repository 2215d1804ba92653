// SPDX-License-Identifier: GPL-2.0
// Limits: what a bound refuses, that it is exact, and that nothing of what was refused stays.
#include "bounds_rig.h"

namespace rig
{
namespace
{

TEST_F(Bound, TheLastByteFitsAndNoMore)
{
	Container *c = start(ns(1));
	bound("kmemsize 6400 6400\n");
	std::vector<u64> objects;
	for (u64 object; (object = make(k64_)) != 0;)
		objects.push_back(object);
	EXPECT_EQ(objects.size(), 100u);
	EXPECT_EQ(resource("kmemsize")["held"], "6400");
	EXPECT_EQ(resource("kmemsize")["maxheld"], "6400");
	EXPECT_EQ(resource("kmemsize")["failcnt"], "1");
	EXPECT_EQ(resource("kmemsize")["forced"], "0");
	EXPECT_EQ(held(*c).objects, 100);
	gone(objects.back());
	EXPECT_NE(objects.back() = make(k64_), 0u) << "a free makes room for exactly one";
	EXPECT_EQ(make(k64_), 0u);
	for (u64 object : objects)
		gone(object);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(ledger_sum(c->index, ByteKind::kmemsize), Raw{});
}

// What a module is made of is not its loader's; what another task of the container allocates meanwhile is.
TEST_F(Bound, WhoLoadsAModuleIsChargedForNothing)
{
	Container *c = start(ns(1));
	const u64 before = make(k64_);
	bc_loading(true);
	const u64 others = make(k64_);
	host::set_loads(true);
	EXPECT_NE(gates.small.relaxed(), 0u) << "the trampolines do not ask";
	const u64 of_the_module = make(k64_);
	EXPECT_NE(make(k8k_), 0u);
	host::set_loads(false);
	bc_loading(false);
	EXPECT_EQ(gates.small.relaxed(), 0u);
	const u64 after = make(k64_);
	EXPECT_EQ(held(*c).objects, 3);
	EXPECT_EQ(raw_held(*c).bytes, 192);
	for (const u64 object : {before, others, of_the_module, after})
		gone(object);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

TEST_F(Bound, FarItCountsInCellsAndComesNearByItself)
{
	Container *c = start(ns(1));
	bound("kmemsize 4M 4M");
	work();
	EXPECT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::far));
	EXPECT_TRUE(c->has_cells());
	EXPECT_EQ(gates.small.relaxed(), 0u) << "the fast path is the fast path again";
	u64 count = 0;
	std::vector<u64> objects;
	for (u64 object; (object = make(k8k_)) != 0; ++count)
		objects.push_back(object);
	EXPECT_EQ(count, 512u);
	EXPECT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::near));
	EXPECT_EQ(gates.small.relaxed(), 0u) << "nor is anybody else sent a longer way";
	EXPECT_EQ(held(*c).bytes, 4 << 20);
	for (u64 object : objects)
		gone(object);
	work_for(3000);
	EXPECT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::far));
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(gates.small.relaxed(), 0u);
}

// Where there are no cells a word says so by its sign, for single objects: one of them, of a task that an interrupt
// came over, is there, and two bulks in interrupts on top of it.
TEST_F(Bound, BulksInInterruptsAreNotLostWhereThereAreNoCells)
{
	Container *c = start(ns(1));
	bound("kmemsize 1M 1M");
	ASSERT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::near));
	const Cache k256{256, false, "kmalloc-256"};
	std::vector<u64> objects;
	for (u32 i = 0; i < 64; ++i)
		objects.push_back(slabs_.make(k256.key, 256));
	charged_many(ns(1), objects, kText, k256.cache_key());
	EXPECT_EQ(held(*c).bytes, 64 * 256);
	u64 *nowhere = &no_cells()->packed[0];
	platform::PreemptOff section; // one CPU
	const u64 once = pack(Stride{4096});
	for (int i = 0; i < 3; ++i)
		EXPECT_TRUE(platform::percpu_add(nowhere, u64{0} - once));
	freed_many(objects);
	for (int i = 0; i < 3; ++i)
		platform::percpu_add(nowhere, once);
	EXPECT_EQ(raw_held(*c), Raw{});
}

// Near a bound many at once are one look, and none of them is counted where not all of them fit.
TEST_F(Bound, ManyAtOnceAllOrNone)
{
	Container *c = start(ns(1));
	bound("kmemsize 6400 6400");
	ASSERT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::near));
	std::vector<u64> first, second;
	std::vector<void *> pointers;
	for (u32 i = 0; i < 60; ++i)
		first.push_back(slabs_.make(k64_.key, 64));
	charged_many(ns(1), first, kText, k64_.cache_key());
	EXPECT_EQ(held(*c).bytes, 60 * 64);
	for (u32 i = 0; i < 41; ++i) {
		second.push_back(slabs_.make(k64_.key, 64));
		pointers.push_back(reinterpret_cast<void *>(second.back()));
	}
	host::set_namespace(ns(1));
	{
		platform::PreemptOff section;
		EXPECT_FALSE(charge_together(*c, pointers.data(), 41, Address{kText}, k64_.cache_key(), kGfpKernel));
		EXPECT_EQ(charge_many(*c, pointers.data(), 41, Address{kText}, k64_.cache_key(), kGfpKernel), 0u);
	}
	EXPECT_EQ(held(*c).bytes, 60 * 64);
	EXPECT_EQ(resource("kmemsize")["failcnt"], "0");
	EXPECT_FALSE(admit_late(pointers.data(), 41, Address{kText}, k64_.cache_key(), kGfpKernel, true));
	EXPECT_EQ(held(*c).bytes, 60 * 64);
	EXPECT_EQ(resource("kmemsize")["failcnt"], "1");
	EXPECT_TRUE(admit_late(pointers.data(), 40, Address{kText}, k64_.cache_key(), kGfpKernel, true));
	EXPECT_EQ(held(*c).bytes, 6400);
	EXPECT_EQ(resource("kmemsize")["maxheld"], "6400");
	second.pop_back();
	freed_many(first);
	EXPECT_EQ(raw_held(*c), (Raw{40 * 64, 40}));
	freed_many(second);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(ledger_sum(c->index, ByteKind::kmemsize), Raw{});
}

TEST_F(Bound, WhatIsInTheCellsCounts)
{
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
		host::set_cpu(cpu);
		for (u32 i = 0; i < 10; ++i)
			objects.push_back(make(k64_));
	}
	bound("kmemsize 2624 2624"); // 40 are there, one more
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(make(k64_), 0u);
	// Freed on another CPU than it was allocated on.
	host::set_cpu(0);
	gone(objects.back());
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(held(*c).bytes, 2624);
}

TEST_F(Bound, SmallerThanTheCells)
{
	restart([] {
		bc_config c = machine();
		c.default_limits = "kmemsize=128:128";
		return c;
	}());
	start(ns(1));
	EXPECT_NE(make(k64_), 0u);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(make(k64_), 0u) << "with a bound that cells would hide it counts without them from the start";
}

TEST_F(Bound, BelowWhatIsHeldIsAllowed)
{
	start(ns(1));
	const u64 a = make(k8k_);
	bound("kmemsize 64 64");
	EXPECT_EQ(resource("kmemsize")["held"], "8192");
	EXPECT_EQ(make(k64_), 0u);
	gone(a);
	EXPECT_NE(make(k64_), 0u);
}

TEST_F(Bound, ReclaimableHasItsOwn)
{
	start(ns(1));
	bound("dcachesize 192 192");
	EXPECT_NE(make(dentry_), 0u);
	EXPECT_EQ(make(dentry_), 0u);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(resource("dcachesize")["failcnt"], "1");
	EXPECT_EQ(resource("kmemsize")["failcnt"], "0");
}

TEST_F(Bound, HardAtTheBarrierSoftAboveTheLimitForcedNever)
{
	start(ns(1));
	restart([] {
		bc_config c = machine();
		c.atomic_slack = 128;
		return c;
	}());
	start(ns(1));
	bound("kmemsize 64 128");
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(make(k64_), 0u);
	EXPECT_EQ(make(k64_, kText, 0), 0u) << "GFP_NOWAIT";
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u) << "GFP_ATOMIC, up to the limit";
	EXPECT_EQ(resource("kmemsize")["forced"], "0");
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u) << "and up to the slack, as forced";
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u);
	EXPECT_EQ(resource("kmemsize")["forced"], "128");
	EXPECT_EQ(make(k64_, kText, platform::kGfpHigh), 0u);
	EXPECT_EQ(resource("kmemsize")["held"], "256");
	const auto refusals = lines(render(BC_FILE_REFUSALS, 1));
	ASSERT_EQ(refusals.size(), 4u);
	EXPECT_EQ(words(refusals[1])[5], "limit");
	EXPECT_EQ(words(refusals[3])[5], "barrier");

	EXPECT_NE(make(k64_, kText, kGfpKernel & ~platform::kGfpFs), 0u) << "GFP_NOFS";
	EXPECT_NE(make(k64_, kText, kGfpKernel & ~platform::kGfpIo), 0u) << "GFP_NOIO";
	EXPECT_NE(make(k64_, kText, kGfpKernel | platform::kGfpNoFail), 0u);
	host::set_task(true, false, false);
	EXPECT_NE(make(k64_), 0u) << "PF_MEMALLOC, PF_EXITING";
	host::set_task(false, true, false);
	EXPECT_NE(make(k64_), 0u) << "in a scope without IO or FS";
	host::set_task(false, false, true);
	EXPECT_NE(make(k64_), 0u) << "in a page fault";
	host::set_task(false, false, false);
	host::set_audit(true);
	EXPECT_NE(make(k64_), 0u) << "for the host's audit";
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u) << "... whether it may wait or not";
	host::set_audit(false);
	EXPECT_EQ(make(k64_), 0u);
	EXPECT_EQ(resource("kmemsize")["forced"], std::to_string(128 + 8 * 64));
	EXPECT_EQ(health.of(Loss::forced), 2 + 8);

	bc_core_switch_off();
	EXPECT_NE(make(k64_), 0u) << "with hooks that nobody can take away, nothing is refused";
	EXPECT_EQ(health.of(Loss::forced), 2 + 9);
}

// A step of a maple tree that has its first node comes back until it has the rest.
TEST_F(Bound, WhatWouldBeAskedForForEverIsWaitedForAndThenLetThrough)
{
	start(ns(1));
	bound("kmemsize 128 128");
	EXPECT_NE(make(k64_), 0u);
	std::array<void *, 3> nodes;
	for (void *&node : nodes)
		node = reinterpret_cast<void *>(slabs_.make(k64_.key, 64));
	int waits = 0;
	host::on_wait([&](bool) { ++waits; });
	const auto several = [&] {
		return admit_late(nodes.data(), 3, Address{kText}, k64_.cache_key(), kGfpKernel, true);
	};
	EXPECT_FALSE(several());
	EXPECT_EQ(waits, 2);
	host::set_maple_retry(true);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(make(k64_), 0u) << "one alone is the first, and whoever asks gives up";
	waits = 0;
	EXPECT_TRUE(several());
	EXPECT_EQ(waits, 2) << "the dead go first";
	host::set_maple_retry(false);
	EXPECT_FALSE(several());
	EXPECT_EQ(resource("kmemsize")["held"], "320");
	EXPECT_EQ(resource("kmemsize")["forced"], "192");
	EXPECT_EQ(resource("kmemsize")["failcnt"], "3");
	EXPECT_EQ(health.of(Loss::forced), 1);
}

TEST_F(Bound, DeadObjectsDoNotRefuseLivingOnes)
{
	start(ns(1));
	bound("kmemsize 128 128");
	const u64 a = make(k64_);
	EXPECT_NE(make(k64_), 0u);
	bool freed_once = false;
	host::on_wait([&](bool) {
		if (!freed_once)
			gone(a); // RCU's callback comes
		freed_once = true;
	});
	EXPECT_NE(make(k64_), 0u);
	EXPECT_TRUE(freed_once);
	EXPECT_EQ(resource("kmemsize")["failcnt"], "0");
	EXPECT_EQ(resource("kmemsize")["waited"], "1");
	std::vector<bool> batches;
	host::on_wait([&](bool b) { batches.push_back(b); });
	EXPECT_EQ(make(k64_), 0u);
	EXPECT_EQ(batches, (std::vector<bool>{false, true})) << "RCU first, then kfree_rcu()'s batches, then no more";
	EXPECT_EQ(make(k64_, kText, 0), 0u);
	EXPECT_EQ(batches.size(), 2u) << "GFP_NOWAIT does not wait";
}

TEST_F(Bound, RefusedWhereNobodyFlushes)
{
	start(ns(1));
	bound("kmemsize 64 64");
	EXPECT_NE(make(k64_), 0u);
	host::refuse_waits(true);
	EXPECT_EQ(make(k64_), 0u);
}

TEST_F(Bound, NeighboursAndTheHostAreNotTouched)
{
	start(ns(1));
	Container *b = start(ns(2));
	bound("kmemsize 0 0\nnumproc 0 0");
	EXPECT_EQ(make(k64_), 0u);
	EXPECT_NE(make(k64_, kText, kGfpKernel, 2), 0u);
	EXPECT_NE(make(task_, kText + 0x1010, kGfpKernel, 2), 0u);
	EXPECT_EQ(failcnt(*b), 0);
	EXPECT_EQ(held(*b).bytes, 64 + 9152);
	host::set_namespace(nullptr);
	EXPECT_TRUE(allocated(nullptr, slabs_.make(k64_.key, 64), kText, k64_.cache_key()));
}

TEST_F(Bound, AStoppedContainerIsInNobodysWay)
{
	start(ns(1));
	bound("kmemsize 1M 1M\nnumproc 1 1");
	const u64 object = make(k64_);
	EXPECT_NE(gates.any.relaxed(), 0u);
	stop(ns(1));
	work();
	EXPECT_EQ(gates.any.relaxed(), 0u);
	EXPECT_EQ(gates.small.relaxed(), 0u);
	gone(object);
	work_for(1000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "clean");
}

TEST_F(Bound, OneThatIsSwitchingIsNotEvicted)
{
	Container *c = start(ns(1));
	ASSERT_EQ(set(1, "kmemsize 1M 1M"), 0);
	ASSERT_TRUE(switching(*c));
	ASSERT_TRUE(host::take_flush_kick()); // which is late
	stop(ns(1));
	work_for(100);
	for (u64 i = 2; i < 2 + 2 * kStoppedKept; ++i) {
		start(ns(i));
		stop(ns(i));
		work_for(100);
	}
	EXPECT_NE(render(BC_FILE_RESOURCES, 1), "error -2");
	EXPECT_EQ(c->current(), State::settling) << "nor concluded";
	bc_core_flush();
	work_for(100);
	EXPECT_EQ(c->current(), State::clean);
	for (u64 i = 1000; i < 1000 + 2 * kStoppedKept; ++i) { // it is the last of them that stopped
		start(ns(i));
		stop(ns(i));
		work_for(100);
	}
	EXPECT_EQ(render(BC_FILE_RESOURCES, 1), "error -2");
}

} // namespace
} // namespace rig
