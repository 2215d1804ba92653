// SPDX-License-Identifier: GPL-2.0
// The ledger's lock-free protocols by real threads: ThreadSanitizer is told of every access, and the sums have to be
// exact in the end.
#include "race_rig.h"

namespace rig
{
namespace
{

// take() against claim(): of every object of a stopped container either the free or the walker uncharges.
TEST_F(Race, FreeAgainstAWalkersClaim) { free_against_a_walkers_claim(); }

// The same for objects that come and go many at a time.
TEST_F(Race, ManyFreesAgainstAWalkersClaim)
{
	Container *c = start(ns(1));
	for (int round = 0; round < 4 * kEffort && !HasFatalFailure(); ++round) {
		std::vector<std::vector<u64>> mine(kThreads);
		for (u32 cpu = 0; cpu < kThreads; ++cpu) {
			for (const Cache *cache : {&k64_, &k8k_, &dentry_}) {
				std::vector<u64> made;
				for (int i = 0; i < 70; ++i)
					made.push_back(slabs_.make(cache->key, cache->stride));
				host::set_cpu(cpu);
				charged_many(ns(1), made, kText + 8, cache->cache_key());
				mine[cpu].insert(mine[cpu].end(), made.begin(), made.end());
			}
		}
		ASSERT_EQ(held(*c).objects, 70 * 3 * kThreads);
		exact(*c);
		one_uncharges(*c, mine, freed_many);
	}
	nothing_lost();
}

TEST_F(Race, AClaimAtAnyStepOfAFree) { claim_at_each_step(freed_singly); }

TEST_F(Race, AClaimAtAnyStepOfManyFrees) { claim_at_each_step(freed_many); }

TEST_F(Race, AFlatLedgersFreesAgainstAWalkersClaim)
{
	restart(flat(machine()));
	free_against_a_walkers_claim();
}

// The same with somebody else allocating and freeing all the while, and pages changing hands below the walker.
TEST_F(Race, TheNeighboursNeverNotice)
{
	Container *victim = start(ns(1));
	Container *neighbour = start(ns(2));
	std::atomic<bool> done{false};
	std::vector<u64> objects;
	together(
	    kThreads,
	    [&](u32 cpu) {
		    std::vector<u64> own;
		    for (u32 i = cpu; !done; ++i) {
			    const Cache &cache = i % 5 == 0 ? k8k_ : i % 3 == 0 ? k1k_ : i % 2 == 0 ? k64_ : dentry_;
			    const u64 object = slabs_.make(cache.key, cache.stride);
			    charged(ns(2), object, kText + i % 50 * 8, cache.cache_key());
			    own.push_back(object);
			    if (own.size() > 40 + cpu * 10) {
				    for (u64 o : own) {
					    freed(o);
					    slabs_.free(o);
				    }
				    own.clear();
			    }
		    }
		    for (u64 o : own) {
			    freed(o);
			    slabs_.free(o);
		    }
	    },
	    [&] {
		    for (int round = 0; round < 30 * kEffort; ++round) {
			    for (int i = 0; i < 40; ++i) {
				    const Cache &cache = i % 3 == 0 ? k8k_ : i % 2 == 0 ? k1k_ : dentry_;
				    const u64 object = slabs_.make(cache.key, cache.stride);
				    charged(ns(1), object, kText, cache.cache_key());
				    objects.push_back(object);
			    }
			    EXPECT_EQ(drop_all(*victim), 40u);
			    EXPECT_EQ(raw_held(*victim), Raw{});
			    for (u64 object : objects) {
				    freed(object); // the host's by now
				    slabs_.free(object);
			    }
			    objects.clear();
			    Survey survey;
			    EXPECT_TRUE(survey.live(*neighbour));
			    bc_ledger.reclaim();
		    }
		    done = true;
	    });
	EXPECT_EQ(raw_held(*victim), Raw{});
	EXPECT_EQ(raw_held(*neighbour), Raw{});
	nothing_lost();
}

// record() against the replacement of its page's array, by CPUs that meet in one page, and against walk() and
// reclaim().
TEST_F(Race, RecordAgainstArrayReplacement)
{
	Container *c = start(ns(1));
	std::atomic<u64> next{0};
	std::atomic<bool> walking{true};
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u32 round = 0; round < 200; ++round) {
			    // All of them allocate in the same page, which has just come from a cache of another
			    // stride.
			    const Cache &cache = round % 3 == 0 ? k1k_ : round % 3 == 1 ? k64_ : dentry_;
			    const u64 object = platform::page_address(77) + cpu * cache.stride;
			    in_step.arrive_and_wait();
			    charged(ns(1), object, kText, cache.cache_key());
			    if (round % 2 == 0)
				    in_step.arrive_and_wait();
			    freed(object);
			    in_step.arrive_and_wait();
			    ++next;
		    }
		    walking = false;
	    },
	    [&] {
		    while (walking) {
			    bc_ledger.walk([](const Ledger::Found &f) { EXPECT_FALSE(f.slot.empty()); });
			    bc_ledger.reclaim();
		    }
	    });
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_TRUE(recorded().empty());
	bc_ledger.reclaim();
	EXPECT_EQ(bc_ledger.arrays(), 1);
	nothing_lost();
}

// chunk_for(): many CPUs record the first object of the same chunk at once.
TEST_F(Race, ChunkPublication)
{
	Container *c = start(ns(1));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u64 chunk = 0; chunk < 16; ++chunk) {
			    in_step.arrive_and_wait();
			    for (u64 i = 0; i < 20; ++i)
				    charged(ns(1), platform::page_address(chunk * 512 + i) + cpu * 64, kText,
					    k64_.cache_key());
		    }
	    },
	    [] {});
	EXPECT_EQ(held(*c).objects, 16 * 20 * kThreads);
	EXPECT_EQ(bc_ledger.arrays(), 16 * 20);
	EXPECT_EQ(host::live(host::Kind::page), 16);
	exact(*c);
	nothing_lost();
}

} // namespace
} // namespace rig
