// SPDX-License-Identifier: GPL-2.0
// Arrays of the ledger that hold nothing are given back (src/core/sweep.cc): what is, what is not, and what may
// happen while it is under way.
#include "give_back_rig.h"

#include <atomic>
#include <barrier>
#include <thread>

namespace rig
{
namespace
{

INSTANTIATE_TEST_SUITE_P(Flat, GiveBack, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Chunks, GiveBack, ::testing::Values(false));

TEST_P(GiveBack, WhatIsEmptyGoesAndWhatIsNotStays)
{
	const u32 strides[] = {8, 64, 96, 192, 200, 1000, 2048};
	s64 kept = 0;
	for (u32 i = 0; i < 70; ++i) {
		const u32 stride = strides[i % 7];
		ASSERT_TRUE(record(at(i * 20), stride, slot(i)));
		ASSERT_TRUE(record(at(i * 20, stride), stride, slot(100 + i)));
		EXPECT_FALSE(take(at(i * 20)).empty());
		if (i % 3 != 0) {
			EXPECT_FALSE(take(at(i * 20, stride)).empty());
		}
		if (i % 3 == 0)
			kept += Ledger::array_bytes(Ledger::shift_of(Stride{stride}));
	}
	ASSERT_TRUE(record(at(5000), 4096, slot(1)));
	ASSERT_TRUE(record(at(5001), 16384, slot(2)));
	const std::vector<Recorded> before = recorded();
	u32 empty = 0;
	for (u32 i = 0; i < 70; ++i)
		empty += i % 3 != 0;
	EXPECT_EQ(bc_ledger.give_back(), empty);
	EXPECT_EQ(bc_ledger.given_back(), empty);
	EXPECT_EQ(bc_ledger.arrays(), 70 - empty);
	EXPECT_EQ(in_arrays(), kept);
	EXPECT_EQ(bc_ledger.bytes_of_arrays(), kept);
	EXPECT_EQ(host::live(host::Kind::mem), 70 - empty + 2) << "and the two containers that are always there";
	const std::vector<Recorded> after = recorded();
	ASSERT_EQ(after.size(), before.size());
	for (size_t i = 0; i < after.size(); ++i)
		EXPECT_EQ(after[i].slot.raw(), before[i].slot.raw());
	EXPECT_EQ(bc_ledger.give_back(), 0u) << "all that is left holds something";
	EXPECT_EQ(take(at(5000)).raw(), slot(1).raw()) << "a page's own";
	EXPECT_EQ(take(at(5001)).raw(), slot(2).raw());
	EXPECT_TRUE(stale_.empty());
}

TEST_P(GiveBack, NothingToGiveBackWaitsForNobody)
{
	ASSERT_TRUE(record(at(1), 64, slot(1)));
	ASSERT_TRUE(record(at(2), 4096, slot(2)));
	const unsigned long waits = host::grace_periods();
	EXPECT_EQ(bc_ledger.give_back(), 0u);
	EXPECT_EQ(host::grace_periods(), waits);
	take(at(1));
	take(at(2));
}

TEST_P(GiveBack, APageThatHasGivenItsArrayBackGetsAnother)
{
	ASSERT_TRUE(record(at(7, 64), 64, slot(1)));
	take(at(7, 64));
	EXPECT_EQ(bc_ledger.give_back(), 1u);
	EXPECT_EQ(in_arrays(), 0);
	EXPECT_TRUE(take(at(7, 64)).empty());
	ASSERT_TRUE(record(at(7, 192), 192, slot(2)));
	EXPECT_EQ(take(at(7, 192)).raw(), slot(2).raw());
	EXPECT_EQ(bc_ledger.give_back(), 1u);
	ASSERT_TRUE(record(at(7), 8192, slot(3)));
	EXPECT_EQ(take(at(7)).raw(), slot(3).raw());
	EXPECT_EQ(in_arrays(), 0);
	EXPECT_TRUE(stale_.empty());
}

// A charge that has seen the word before the mark, and writes after it.
TEST_P(GiveBack, WhoCameBeforeTheMarkIsNotLost)
{
	ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
	take(at(3, 64));
	Atomic<u64> *place = nullptr;
	const u32 given = give_back_with(
	    [&] {
		    place = place_of(at(3, 128));
		    ASSERT_NE(place, nullptr);
	    },
	    [&] { place->release(slot(2).raw()); });
	EXPECT_EQ(given, 0u);
	EXPECT_EQ(bc_ledger.arrays(), 1);
	EXPECT_EQ(recorded().size(), 1u);
	EXPECT_EQ(take(at(3, 128)).raw(), slot(2).raw());
	EXPECT_EQ(bc_ledger.give_back(), 1u) << "it can be closed again";
}

// A charge that sees the mark keeps the array, and with it what another one has written that did not see it.
TEST_P(GiveBack, WhoComesAfterTheMarkKeepsTheArray)
{
	ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
	take(at(3, 64));
	const unsigned long made = host::made(host::Kind::mem);
	Atomic<u64> *place = nullptr;
	const u32 given = give_back_with(
	    [&] {
		    place = place_of(at(3, 128));
		    ASSERT_NE(place, nullptr);
	    },
	    [&] {
		    place->release(slot(2).raw());
		    EXPECT_TRUE(record(at(3, 192), 64, slot(3)));
		    EXPECT_TRUE(record(at(3, 256), 64, slot(4)));
		    EXPECT_EQ(take(at(3, 256)).raw(), slot(4).raw());
	    });
	EXPECT_EQ(given, 0u);
	EXPECT_EQ(host::made(host::Kind::mem), made) << "no other array";
	EXPECT_EQ(take(at(3, 128)).raw(), slot(2).raw());
	EXPECT_EQ(take(at(3, 192)).raw(), slot(3).raw());
	EXPECT_TRUE(stale_.empty());
}

// Everything else finds an array that is closing as it was.
TEST_P(GiveBack, FreesAndWalkersDoNotSeeTheMark)
{
	start(ns(1));
	charged(ns(1), at(3), kText, k64_.cache_key());
	freed(at(3));
	Atomic<u64> *place = nullptr;
	const Slot mine = slot(2);
	const u32 given = give_back_with(
	    [&] {
		    place = place_of(at(3, 128));
		    ASSERT_NE(place, nullptr);
	    },
	    [&] {
		    Ledger::Run run;
		    bool other = true;
		    EXPECT_EQ(bc_ledger.find_place(run, Address{at(3, 128)}, other), place);
		    EXPECT_FALSE(other);
		    EXPECT_EQ(run.half_of(1 << 12), (1u << 12) / 128);
		    for (int way = 0; way < 3; ++way) {
			    place->release(mine.raw());
			    EXPECT_EQ(bc_ledger.peek(Address{at(3, 128)}).raw(), mine.raw());
			    u64 tag = 0;
			    EXPECT_EQ(bc_ledger.peek_in_array(Address{at(3, 128)}, tag).raw(), mine.raw());
			    EXPECT_EQ(tag, Ledger::tag_of(6)) << "as a site's: not of what is closing";
			    if (way == 0) {
				    EXPECT_EQ(bc_ledger.take(Address{at(3, 128)}).raw(), mine.raw());
			    } else if (way == 1) {
				    EXPECT_FALSE(bc_ledger.record_plain(Address{at(3, 192)}, tag, mine));
				    place->release(0);
			    } else {
				    void *four[] = {
					reinterpret_cast<void *>(at(3, 128)), reinterpret_cast<void *>(at(3, 128)),
					reinterpret_cast<void *>(at(3, 128)), reinterpret_cast<void *>(at(3, 128))};
				    EXPECT_EQ(bc_ledger.take_together(four, 4, tag, mine), 0u);
				    EXPECT_EQ(bc_ledger.record_together(four, 4, tag, mine), 0u);
			    }
			    if (way < 2) {
				    EXPECT_EQ(place->relaxed(), 0u);
			    }
		    }
	    });
	EXPECT_EQ(given, 0u);
	int seen = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &f) { seen += bc_ledger.claim(f); });
	bc_ledger.end_exclusive();
	EXPECT_EQ(seen, 1);
	EXPECT_EQ(bc_ledger.give_back(), 1u);
}

// The page changes hands meanwhile.
TEST_P(GiveBack, AnotherStrideReplacesWhatIsClosing)
{
	for (u32 stride : {1024u, 4096u}) {
		ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
		take(at(3, 64));
		const u32 given = give_back_with([] {}, [&] { EXPECT_TRUE(record(at(3), stride, slot(2))); });
		EXPECT_EQ(given, 0u);
		bc_ledger.reclaim();
		EXPECT_EQ(bc_ledger.arrays(), stride == 1024 ? 1 : 0);
		EXPECT_EQ(in_arrays(), stride == 1024 ? Ledger::array_bytes(10) : 0);
		EXPECT_EQ(take(at(3)).raw(), slot(2).raw());
		EXPECT_TRUE(stale_.empty());
		bc_ledger.give_back();
		EXPECT_EQ(bc_ledger.arrays(), 0);
	}
}

// ... with something in it that was freed unseen.
TEST_P(GiveBack, AStaleSlotIsReportedFromWhatIsClosing)
{
	ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
	take(at(3, 64));
	Atomic<u64> *place = nullptr;
	give_back_with(
	    [&] {
		    Ledger::Run run;
		    bool other;
		    place = bc_ledger.find_place(run, Address{at(3, 128)}, other);
	    },
	    [&] {
		    place->release(slot(2).raw());
		    EXPECT_TRUE(record(at(3), 1024, slot(3)));
	    });
	EXPECT_EQ(stale_, std::vector<u64>{slot(2).raw()});
	EXPECT_EQ(take(at(3)).raw(), slot(3).raw());
}

TEST_P(GiveBack, ExitFreesWhatIsClosing)
{
	ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
	take(at(3, 64));
	give_back_with([] {},
		       [&] { // a slot that nobody frees
			       Ledger::Run run;
			       bool other;
			       bc_ledger.find_place(run, Address{at(3, 64)}, other)->release(slot(2).raw());
		       });
	EXPECT_EQ(bc_ledger.arrays(), 1); // TearDown() looks
}

// No late reader of an array meets its memory given to somebody else.
TEST_P(GiveBack, WaitsForReadersTwice)
{
	ASSERT_TRUE(record(at(3, 64), 64, slot(1)));
	take(at(3, 64));
	const unsigned long waits = host::grace_periods();
	EXPECT_EQ(bc_ledger.give_back(), 1u);
	EXPECT_EQ(host::grace_periods(), waits + 2) << "who knows the word without the mark; who looks into the array";
}

// Charges and frees, one at a time and many, while the worker gives back all the time: in pages that are empty again
// and again, and change hands.
TEST_P(GiveBack, AgainstChargesAndFrees)
{
	constexpr u32 kThreads = 3;
	host::jitter(true);
	Container *c = start(ns(1));
	std::atomic<u32> working{kThreads};
	std::atomic<u64> given{0};
	std::barrier begin{kThreads + 1};
	std::vector<std::vector<u64>> left(kThreads);
	std::vector<std::thread> threads;
	const Cache *caches[] = {&k8_, &k64_, &k1k_, &dentry_, &k4k_};
	for (u32 cpu = 0; cpu < kThreads; ++cpu) {
		threads.emplace_back([&, cpu] {
			host::set_cpu(cpu);
			begin.arrive_and_wait();
			std::vector<u64> &own = left[cpu];
			// Without a turn of the worker nothing would have been tested: it is waited for.
			for (u32 i = cpu; i < 1500u * kEffort || (given == 0 && i < 1500000u); ++i) {
				const Cache &cache = *caches[i / 20 % 5];
				if (i % 11 == 0) {
					std::vector<u64> many;
					for (int n = 0; n < 9; ++n)
						many.push_back(slabs_.make(cache.key, cache.stride));
					charged_many(ns(1), many, kText, cache.cache_key());
					freed_many(many);
					for (u64 object : many)
						slabs_.free(object);
				}
				own.push_back(slabs_.make(cache.key, cache.stride));
				charged(ns(1), own.back(), kText + i % 8 * 8, cache.cache_key());
				if (own.size() < 1 + i / 20 % 4)
					continue;
				for (u64 object : own) {
					freed(object);
					slabs_.free(object);
				}
				own.clear();
			}
			for (u32 i = 0; i < 40; ++i) {
				const Cache &cache = *caches[i % 5];
				own.push_back(slabs_.make(cache.key, cache.stride));
				charged(ns(1), own.back(), kText, cache.cache_key());
			}
			--working;
		});
	}
	host::set_cpu(kThreads);
	begin.arrive_and_wait();
	while (working != 0)
		given += bc_ledger.give_back();
	for (auto &thread : threads)
		thread.join();
	EXPECT_GT(given, 0u);
	for (ByteKind kind : {ByteKind::kmemsize, ByteKind::dcachesize})
		EXPECT_EQ(raw_held(*c, kind), ledger_sum(c->index, kind));
	for (auto &own : left) {
		for (u64 object : own) {
			freed(object);
			slabs_.free(object);
		}
	}
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_TRUE(recorded().empty());
	bc_ledger.give_back();
	bc_ledger.reclaim();
	EXPECT_EQ(bc_ledger.arrays(), 0);
	EXPECT_EQ(in_arrays(), 0);
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		EXPECT_EQ(health.of(static_cast<Loss>(i)), 0) << kLossNames[i];
}

// The two that meet in one place: whoever records there and the worker that has just seen it empty. A thread for each
// of some pages records and takes one object, whose place is looked at first of 512.
TEST_P(GiveBack, AgainstWhoRecordsInTheFirstPlace)
{
	constexpr u32 kThreads = 2;
	std::atomic<u32> working{kThreads};
	std::atomic<u64> lost{0};
	std::vector<std::thread> threads;
	for (u32 cpu = 0; cpu < kThreads; ++cpu) {
		threads.emplace_back([&, cpu] {
			host::set_cpu(cpu);
			for (u32 i = 0; i < 60000u * kEffort; ++i) {
				const u64 object = at(10 + cpu * 600 + i % 3);
				{
					platform::PreemptOff section;
					bc_ledger.record(Address{object}, Stride{8}, slot(i), 0, [&](Slot) { ++lost; });
				}
				if (take(object).raw() != slot(i).raw())
					++lost;
			}
			--working;
		});
	}
	host::set_cpu(kThreads);
	u64 given = 0;
	while (working != 0)
		given += bc_ledger.give_back();
	for (auto &thread : threads)
		thread.join();
	EXPECT_EQ(lost, 0u) << "of " << given << " given back";
	EXPECT_TRUE(recorded().empty());
	bc_ledger.give_back();
	EXPECT_EQ(bc_ledger.arrays(), 0);
}

} // namespace
} // namespace rig
