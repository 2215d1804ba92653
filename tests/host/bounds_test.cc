// SPDX-License-Identifier: GPL-2.0
// Limits: what a bound refuses, that it is exact, and that nothing of what was refused stays.
#include "rig.h"

#include "bounds_text.h"

#include <atomic>
#include <thread>

namespace rig
{
namespace
{

constexpr u64 kText = 0xffffffff81000000;

int set(u32 id, const std::string &text) { return bc_set_resources(id, text.data(), text.size()); }

class Bound : public Core
{
      protected:
	Bound()
	{
		host::add_symbol(kText, 0x100, "somebody");
		host::add_symbol(kText + 0x1000, 0x100, "copy_process");
		host::add_symbol(kText + 0x2000, 0x100, "__sigqueue_alloc");
		host::add_symbol(kText + 0x3000, 0x100, "alloc_empty_file");
		host::add_symbol(kText + 0x4000, 0x100, "alloc_tty_struct");
		host::add_symbol(kText + 0x5000, 0x100, "sk_prot_alloc");
	}
	// 0: refused
	u64 make(const Cache &cache, u64 caller = kText, u32 gfp = kGfpKernel, u64 n = 1)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		if (allocated(ns(n), object, caller, cache.cache_key(), gfp))
			return object;
		slabs_.free(object);
		return 0;
	}
	void gone(u64 object)
	{
		freed(object);
		slabs_.free(object);
	}
	// Bounds in force, as a write to the file leaves them.
	void bound(const std::string &text, u32 id = 1)
	{
		ASSERT_EQ(set(id, text), 0);
		ASSERT_TRUE(bc_wait_for_frees(false));
	}
	std::map<std::string, std::string> resource(const char *name, u32 id = 1)
	{
		return row(render(BC_FILE_RESOURCES, id), name);
	}
	Cache k64_{64, false, "kmalloc-64"};
	Cache k8k_{8192, false, "kmalloc-8k"};
	Cache task_{9152, false, "task_struct"};
	Cache dentry_{192, true, "dentry"};
	Cache tcp_{2432, false, "TCPv6"};
	Cache unix_{1024, false, "UNIX-STREAM"};
};

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
	EXPECT_FALSE(admit_late(pointers.data(), 41, Address{kText}, k64_.cache_key(), kGfpKernel));
	EXPECT_EQ(held(*c).bytes, 60 * 64);
	EXPECT_EQ(resource("kmemsize")["failcnt"], "1");
	EXPECT_TRUE(admit_late(pointers.data(), 40, Address{kText}, k64_.cache_key(), kGfpKernel));
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
	EXPECT_EQ(make(k64_), 0u);
	EXPECT_EQ(resource("kmemsize")["forced"], std::to_string(128 + 6 * 64));
	EXPECT_EQ(health.of(Loss::forced), 2 + 6);
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

TEST_F(Bound, PiecesAreExact)
{
	Container *c = start(ns(1));
	bound("numproc 3 3\nnumfile 2 2");
	std::vector<u64> tasks;
	for (u64 object; (object = make(task_, kText + 0x1010)) != 0;)
		tasks.push_back(object);
	EXPECT_EQ(tasks.size(), 3u);
	EXPECT_EQ(resource("numproc")["held"], "3");
	EXPECT_EQ(resource("numproc")["failcnt"], "1");
	EXPECT_NE(make(k64_, kText + 0x1010), 0u) << "another object of the same function";
	EXPECT_EQ(held(*c).bytes, 3 * 9152 + 64) << "what was refused for its piece holds no bytes";
	gone(tasks[0]);
	EXPECT_EQ(resource("numproc")["held"], "2");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["failcnt"], "2");
	EXPECT_NE(make(k64_, kText + 0x3010), 0u) << "a file, whatever its cache is called";
	EXPECT_NE(make(k64_, kText + 0x3010), 0u);
	EXPECT_EQ(make(k64_, kText + 0x3010), 0u);
}

TEST_F(Bound, PiecesAreCountedWithoutABound)
{
	start(ns(1));
	const u64 tcp = make(tcp_, kText + 0x5010);
	EXPECT_NE(make(unix_, kText + 0x5010), 0u);
	EXPECT_EQ(resource("numtcpsock")["held"], "1");
	EXPECT_EQ(resource("numothersock")["held"], "1");
	gone(tcp);
	EXPECT_EQ(resource("numtcpsock")["held"], "0");
	EXPECT_EQ(resource("numtcpsock")["maxheld"], "1");
	EXPECT_EQ(gates.any.relaxed(), 0u);
}

TEST_F(Bound, APtyHasTwoObjects)
{
	start(ns(1));
	bound("numpty 2 2");
	for (u32 i = 0; i < 4; ++i)
		EXPECT_NE(make(k64_, kText + 0x4010), 0u);
	EXPECT_EQ(make(k64_, kText + 0x4010), 0u);
	EXPECT_EQ(resource("numpty")["held"], "2");
	EXPECT_EQ(resource("numpty")["barrier"], "2");
}

TEST_F(Bound, ASignalIsRefusedThoughItIsAtomic)
{
	start(ns(1));
	bound("numsiginfo 1 1");
	EXPECT_NE(make(k64_, kText + 0x2010, platform::kGfpHigh), 0u);
	EXPECT_EQ(make(k64_, kText + 0x2010, platform::kGfpHigh), 0u);
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u);
}

TEST_F(Bound, TheOthersPieceIsGivenBack)
{
	start(ns(1));
	bound("numproc 9 9\nkmemsize 9152 9152");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(resource("numproc")["held"], "1");
	EXPECT_EQ(resource("numproc")["failcnt"], "0");
	EXPECT_EQ(resource("kmemsize")["failcnt"], "1");
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

TEST_F(Bound, WhatItsParentMadeForIt)
{
	Container *c = start(ns(1));
	const u64 task = slabs_.make(task_.key, task_.stride);
	bc_object_given(ns(1), reinterpret_cast<void *>(task), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["held"], "1");
	bc_object_given(ns(1), reinterpret_cast<void *>(task), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["held"], "1") << "somebody's already";
	EXPECT_EQ(health.of(Loss::stale), 0);
	EXPECT_EQ(resource("numproc")["forced"], "0");
	gone(task);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(resource("numproc")["held"], "0");
	bound("numproc 0 0\nkmemsize 1000 1000");
	bc_object_given(ns(1), reinterpret_cast<void *>(slabs_.make(task_.key, task_.stride)), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["forced"], "1");
	EXPECT_EQ(resource("kmemsize")["forced"], std::to_string(9152 - 1000));
}

TEST_F(Bound, WhatIsMadeForAListener)
{
	Container *c = start(ns(1));
	const u64 listener = make(tcp_, kText + 0x5010);
	const u64 accepted = slabs_.make(tcp_.key, tcp_.stride);
	EXPECT_TRUE(bc_object_charged(reinterpret_cast<void *>(listener)));
	bc_object_like(reinterpret_cast<void *>(accepted), reinterpret_cast<void *>(listener), kText + 0x5000);
	EXPECT_EQ(resource("numtcpsock")["held"], "2");
	const u64 hosts = slabs_.make(tcp_.key, tcp_.stride);
	EXPECT_FALSE(bc_object_charged(reinterpret_cast<void *>(hosts)));
	bc_object_like(reinterpret_cast<void *>(slabs_.make(tcp_.key, tcp_.stride)), reinterpret_cast<void *>(hosts),
		       kText);
	EXPECT_EQ(held(*c).objects, 2);
}

TEST_F(Bound, FailNthIsThatOneOnly)
{
	start(ns(1));
	const std::string arm = "fail-nth 1 3\n";
	ASSERT_EQ(bc_control(arm.data(), arm.size()), 0);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_NE(make(k64_, kText, kGfpKernel | platform::kGfpNoFail), 0u) << "does not count: it cannot be refused";
	EXPECT_NE(make(k64_), 0u);
	host::set_task(false, false, true);
	EXPECT_NE(make(k64_), 0u) << "nor does a page fault";
	host::set_task(false, false, false);
	EXPECT_EQ(make(k64_), 0u);
	for (u32 i = 0; i < 10; ++i)
		EXPECT_NE(make(k64_), 0u);
	const auto refusals = lines(render(BC_FILE_REFUSALS, 1));
	ASSERT_EQ(refusals.size(), 2u);
	EXPECT_EQ(words(refusals[1])[5], "fail-nth");
	EXPECT_EQ(words(refusals[1])[6], "somebody+0x0");
	const std::string disarm = "fail-nth 1 1\nfail-nth 1 0\n";
	ASSERT_EQ(bc_control(disarm.data(), disarm.size()), 0);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(gates.any.relaxed(), 0u);
}

TEST_F(Bound, RefusalsAreWrittenDownLoggedAndTraced)
{
	start(ns(1));
	bound("kmemsize 0 0");
	for (u32 i = 0; i < 20; ++i)
		EXPECT_EQ(make(k64_), 0u);
	const auto refusals = lines(render(BC_FILE_REFUSALS, 1));
	ASSERT_EQ(refusals.size(), 17u);
	EXPECT_EQ(words(refusals[0]),
		  (std::vector<std::string>{"age", "pid", "task", "resource", "bytes", "cause", "site"}));
	EXPECT_EQ(words(refusals[1]),
		  (std::vector<std::string>{"0", "1000", "cpu-0", "kmemsize", "64", "barrier", "somebody+0x0"}));
	EXPECT_EQ(host::refusals_traced(), 20u);
	work();
	ASSERT_EQ(host::refusal_log().size(), 1u);
	EXPECT_EQ(host::refusal_log()[0].refusals, 20u);
	EXPECT_EQ(make(k64_), 0u);
	work();
	EXPECT_EQ(host::refusal_log().size(), 1u) << "one line in five seconds";
	work_for(6000);
	ASSERT_EQ(host::refusal_log().size(), 2u);
	EXPECT_EQ(host::refusal_log()[1].refusals, 1u);
}

TEST_F(Bound, ResetClearsWhatWasCounted)
{
	start(ns(1));
	const u64 a = make(k8k_);
	make(k64_);
	gone(a);
	bound("kmemsize 0 0");
	EXPECT_EQ(make(k64_), 0u);
	bound("reset");
	auto k = resource("kmemsize");
	EXPECT_EQ(k["maxheld"], "64");
	EXPECT_EQ(k["failcnt"], "0");
	EXPECT_EQ(k["waited"], "0");
	EXPECT_EQ(k["barrier"], "0");
}

TEST_F(Bound, AWriteIsAppliedWholeOrNotAtAll)
{
	start(ns(1));
	for (const char *bad : {"",
				"\n",
				"kmemsize",
				"kmemsize 1",
				"kmemsize 2 1",
				"kmemsize 1 2 3",
				"kmemsize -1 2",
				"kmemsize 1 2x",
				"kmemsize 1k 2k",
				"kmemsize 9223372036854775808 unlimited",
				"kmemsize 8589934592G unlimited",
				"dummy 1 2",
				"privvmpages 1 2",
				"nonsense 1 2",
				"reset now",
				"kmemsize 1 2\nnumproc 3",
				"kmemsize 1 2\n\nnumproc 3 3",
				"KMEMSIZE 1 2",
				"kmemsizex 1 2",
				"kmem 1 2",
				"kmemsize 0x1 2",
				"kmemsize unlimited 5"}) {
		EXPECT_EQ(set(1, bad), -22) << bad;
		EXPECT_EQ(resource("kmemsize")["limit"], "unlimited") << bad;
		EXPECT_EQ(resource("numproc")["limit"], "unlimited") << bad;
	}
	EXPECT_EQ(set(7, "kmemsize 1 2"), -2);
	bound(" kmemsize\t8M 9M \nnumproc 5 unlimited\nkmemsize 1G unlimited");
	EXPECT_EQ(resource("kmemsize")["barrier"], "1073741824");
	EXPECT_EQ(resource("kmemsize")["limit"], "unlimited");
	EXPECT_EQ(resource("numproc")["barrier"], "5");
	bound("numproc unlimited unlimited\nkmemsize 9223372036854775807 unlimited");
	work();
	EXPECT_EQ(gates.any.relaxed(), 0u);
	bound("kmemsize 4096 8192");
	const auto old = words(lines(render(BC_FILE_BEANCOUNTERS))[2]);
	EXPECT_EQ(old, (std::vector<std::string>{"1:", "kmemsize", "0", "0", "4096", "8192", "0"}));
}

TEST_F(Bound, Defaults)
{
	bc_config config = machine();
	for (const char *bad : {"kmemsize", "kmemsize=", "kmemsize=1:", "kmemsize=2:1", "kmemsize=1:2,", ",", "x=1:2",
				"kmemsize=1:2,kmemsize=1:2", "dummy=1:2", "kmemsize=1:2 numproc=1:2"}) {
		bc_core_exit();
		config.default_limits = bad;
		EXPECT_EQ(bc_core_init(&config), -22) << bad;
	}
	config.default_limits = "kmemsize=8M:9M,numproc=2";
	ASSERT_EQ(bc_core_init(&config), 0);
	start(ns(1));
	EXPECT_EQ(resource("kmemsize")["barrier"], "8388608");
	EXPECT_EQ(resource("kmemsize")["limit"], "9437184");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u) << "before its first instruction";
	bc_task_forked(ns(2), 1, "older", true);
	EXPECT_EQ(resource("numproc", 2)["limit"], "unlimited") << "it did not know when it started";
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
	stop(ns(1));
	work_for(100);
	for (u64 i = 2; i < 2 + 2 * kStoppedKept; ++i) {
		start(ns(i));
		stop(ns(i));
		work_for(100);
	}
	EXPECT_NE(render(BC_FILE_RESOURCES, 1), "error -2");
	bc_core_flush();
	start(ns(1000));
	stop(ns(1000));
	work_for(1000);
	EXPECT_EQ(render(BC_FILE_RESOURCES, 1), "error -2");
}

// The promise: whatever CPUs do at once, held never passes the limit, and what is refused leaves nothing behind.
TEST_F(Bound, ExactWithEveryCpuAtIt)
{
	for (int rounds = 0; rounds < kEffort; ++rounds) {
		const s64 limit = (s64{1} << 20) - 64 * 7;
		restart(machine());
		Container *c = start(ns(1));
		bound("kmemsize " + std::to_string(limit) + " " + std::to_string(limit));
		work();
		host::jitter(true);
		std::atomic<bool> over{false};
		std::atomic<u32> running{config_.cpus};
		std::vector<std::thread> threads;
		for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
			threads.emplace_back([&, cpu] {
				host::set_cpu(cpu);
				std::vector<u64> mine;
				u64 random = cpu + 1 + static_cast<u64>(rounds) * 16;
				for (int step = 0; step < 2500; ++step) {
					random = random * 6364136223846793005ull + 1442695040888963407ull;
					if (const u32 what = random >> 60; what < 10 || mine.empty()) {
						if (const u64 object = make(what < 4 ? k8k_ : k64_))
							mine.push_back(object);
					} else {
						gone(mine.back());
						mine.pop_back();
					}
				}
				for (u64 object : mine)
					gone(object);
				--running;
			});
		}
		threads.emplace_back([&] {
			while (running != 0) {
				if (c->mode.relaxed() == static_cast<u8>(Mode::near) && held(*c).bytes > limit)
					over = true;
				work(); // leaves near where it can
				bc_wait_for_frees(false);
			}
		});
		for (std::thread &t : threads)
			t.join();
		host::jitter(false);
		EXPECT_FALSE(over);
		EXPECT_EQ(raw_held(*c), Raw{});
		EXPECT_EQ(held(*c).objects, 0);
		EXPECT_LE(c->accounts[0].maxheld(), limit);
		EXPECT_EQ(c->accounts[0].forced(), 0);
	}
}

TEST_F(Bound, PiecesWithEveryCpuAtThem)
{
	Container *c = start(ns(1));
	bound("numfile 37 37");
	host::jitter(true);
	std::atomic<s64> alive{0};
	std::atomic<bool> over{false};
	std::vector<std::thread> threads;
	for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
		threads.emplace_back([&, cpu] {
			host::set_cpu(cpu);
			std::vector<u64> mine;
			for (int step = 0; step < 500 * kEffort; ++step) {
				if (step % 3 != 2 || mine.empty()) {
					const u64 object = make(k64_, kText + 0x3010);
					if (object != 0 && ++alive > 37)
						over = true;
					if (object != 0)
						mine.push_back(object);
				} else {
					--alive;
					gone(mine.back());
					mine.pop_back();
				}
			}
			for (u64 object : mine) {
				--alive;
				gone(object);
			}
		});
	}
	for (std::thread &t : threads)
		t.join();
	host::jitter(false);
	EXPECT_FALSE(over);
	EXPECT_EQ(resource("numfile")["held"], "0");
	EXPECT_EQ(resource("numfile")["maxheld"], "37");
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(Bound, SelfCheckFindsWhatDoesNotAgree)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	work_for(20000);
	ASSERT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "leaked");
	const std::string check = "self-check\n";
	ASSERT_EQ(bc_control(check.data(), check.size()), 0);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_bad")["value"], "0");
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_slots")["value"], "1");
	c->accounts[0].add(64);
	ASSERT_EQ(bc_control(check.data(), check.size()), 0);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_bad")["value"], "1");
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_checks")["value"], "2");
	c->accounts[0].add(-64);
	gone(object);
}

} // namespace
} // namespace rig
