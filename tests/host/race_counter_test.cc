// SPDX-License-Identifier: GPL-2.0
// The counters' sums while real threads count.
#include "race_rig.h"

namespace rig
{
namespace
{

// fold() against held(): while only frees run, a sum of zero is the end, never a moment between two.
TEST_F(Race, ZeroOfAStoppedContainerIsTheEnd)
{
	Container *c = start(ns(1));
	for (int round = 0; round < 3 * kEffort; ++round) {
		std::vector<std::vector<u64>> mine(kThreads);
		for (u32 i = 0; i < 300; ++i) {
			host::set_cpu(i % config_.cpus); // so that cells are above zero when the frees begin
			const Cache &cache = i / config_.cpus % 4 == 0 ? k8k_ : k1k_;
			const u64 object = slabs_.make(cache.key, cache.stride);
			charged(ns(1), object, kText, cache.cache_key());
			mine[i % kThreads].push_back(object);
		}
		std::atomic<u32> begun{0};
		u32 when_zero = 0;
		s64 before = held(*c).objects;
		together(
		    kThreads,
		    [&](u32 cpu) {
			    for (u64 object : mine[cpu]) {
				    begun.fetch_add(1, std::memory_order_seq_cst);
				    freed(object);
			    }
		    },
		    [&] {
			    for (Held h = held(*c);; h = held(*c)) {
				    EXPECT_LE(h.objects, 300);
				    before = h.objects;
				    if (h.objects == 0 && h.bytes == 0)
					    break;
			    }
			    when_zero = begun;
		    });
		ASSERT_EQ(when_zero, 300u) << "held() said zero too early";
		ASSERT_EQ(before, 0);
		ASSERT_EQ(raw_held(*c), Raw{});
		for (const auto &objects : mine)
			for (u64 object : objects)
				slabs_.free(object);
	}
}

// While charges run, a sum is off by what moves: bounded, and exact as soon as they have ended.
TEST_F(Race, SumsWhileChargesRun)
{
	Container *c = start(ns(1));
	std::atomic<u32> running{kThreads};
	s64 most = 0;
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (int i = 0; i < 100 * kEffort; ++i) {
			    const u64 object = platform::page_address(cpu * 600) + static_cast<u64>(i % 50) * 8192;
			    charged(ns(1), object, kText, k8k_.cache_key());
			    freed(object);
		    }
		    --running;
	    },
	    [&] {
		    while (running != 0) {
			    const Held h = held(*c);
			    most = std::max(most, h.bytes);
			    maxheld(*c, ByteKind::kmemsize);
			    std::this_thread::yield();
		    }
	    });
	EXPECT_LE(most, s64{kThreads} * (kBatch + 2 * 8192) * 2);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_LE(maxheld(*c, ByteKind::kmemsize), s64{kThreads} * (kBatch + 2 * 8192) * 2);
	nothing_lost();
}

// A container that began without cells gets them from the worker while it is charged.
TEST_F(Race, CellsThatComeLate)
{
	for (int round = 0; round < 10 * kEffort; ++round) {
		const void *space = ns(static_cast<u64>(round) + 1);
		host::fail(host::Kind::percpu, 1);
		Container *c = start(space);
		ASSERT_FALSE(c->has_cells());
		together(
		    kThreads,
		    [&](u32 cpu) {
			    for (u64 i = 0; i < 50; ++i) {
				    const u64 object = platform::page_address(cpu * 64 + i) + 64 * cpu;
				    charged(space, object, kText, k64_.cache_key());
				    if (i % 2 == 0)
					    freed(object);
			    }
		    },
		    [&] { work(); });
		ASSERT_TRUE(c->has_cells());
		ASSERT_EQ(held(*c).objects, 25 * kThreads);
		drop_all(*c);
		ASSERT_EQ(raw_held(*c), Raw{});
		stop(space);
		work();
	}
}

} // namespace
} // namespace rig
