// SPDX-License-Identifier: GPL-2.0
// When the ledger is looked through for arrays that hold nothing (src/core/sweep.h).
#include "give_back_rig.h"

#include "sweep.h"

namespace rig
{
namespace
{

class Sweeps : public GiveBack
{
      protected:
	// More than are not worth it: arrays of 512 bytes.
	static constexpr u32 kPages = Sweeper::kFew / 512;
	void fill(const void *space, u64 first, u32 pages)
	{
		for (u64 page = first; page < first + pages; ++page) {
			for (u64 offset = 0; offset < kPageSize; offset += 64)
				charged(space, at(page, offset), kText, k64_.cache_key());
		}
	}
	void clear(u64 first, u32 pages, u64 from = 0)
	{
		for (u64 page = first; page < first + pages; ++page) {
			for (u64 offset = from; offset < kPageSize; offset += 64)
				freed(at(page, offset));
		}
	}
};

INSTANTIATE_TEST_SUITE_P(Flat, Sweeps, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Chunks, Sweeps, ::testing::Values(false));

TEST_P(Sweeps, AFewAreNotWorthIt)
{
	start(ns(1));
	fill(ns(1), 0, kPages / 2);
	clear(0, kPages / 2);
	stop(ns(1));
	work_for(10000);
	EXPECT_EQ(bc_ledger.arrays(), kPages / 2);
	EXPECT_EQ(work().next_ms, 0u) << "and nobody is woken for them";
}

TEST_P(Sweeps, AfterAStopAllIsGivenBack)
{
	start(ns(1));
	work();
	fill(ns(1), 0, kPages * 2);
	work();
	EXPECT_EQ(bc_ledger.arrays(), kPages * 2);
	clear(0, kPages * 2);
	stop(ns(1));
	work_for(1000);
	EXPECT_EQ(bc_ledger.arrays(), 0);
	EXPECT_EQ(in_arrays(), 0);
	EXPECT_EQ(work().next_ms, 0u);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "ledger_given_back")["value"], std::to_string(kPages * 2));
}

TEST_P(Sweeps, WhatOthersHoldStays)
{
	Container *other = start(ns(2));
	start(ns(1));
	fill(ns(2), 3000, 100);
	fill(ns(1), 0, kPages * 2);
	work();
	clear(0, kPages * 2);
	stop(ns(1));
	work_for(1000);
	EXPECT_EQ(bc_ledger.arrays(), 100);
	EXPECT_EQ(raw_held(*other), ledger_sum(other->index, ByteKind::kmemsize));
	EXPECT_EQ(held(*other).objects, 6400);
	clear(3000, 100);
}

// The ledger calls at twice what the last look has left, and no sooner; what that finds empty goes.
TEST_P(Sweeps, WhenTheArraysHaveDoubled)
{
	start(ns(1));
	work();
	const unsigned long kicks = host::kicks();
	fill(ns(1), 0, kPages - 40); // chunks are counted along: two of 4096 bytes, eight arrays each
	EXPECT_EQ(host::kicks(), kicks);
	clear(0, 10);
	fill(ns(1), 1000, 40);
	EXPECT_EQ(host::kicks(), kicks + 1) << "once";
	work();
	EXPECT_EQ(bc_ledger.arrays(), kPages - 10);
	fill(ns(1), 2000, kPages);
	EXPECT_EQ(host::kicks(), kicks + 1);
	work();
	fill(ns(1), 4000, kPages);
	EXPECT_EQ(host::kicks(), kicks + 2);
	clear(10, kPages - 50);
	work();
	EXPECT_EQ(bc_ledger.arrays(), 40 + kPages * 2);
	EXPECT_EQ(host::kicks(), kicks + 2);
}

// A container that runs on: looked at after a minute, and then less and less often, as long as there are many arrays.
TEST_P(Sweeps, WhereNobodyStops)
{
	start(ns(1));
	fill(ns(1), 0, kPages * 2);
	EXPECT_EQ(work().next_ms, Sweeper::kFirstLookMs);
	clear(0, kPages * 2, 64);
	clear(0, kPages);
	work_for(Sweeper::kFirstLookMs - 1);
	EXPECT_EQ(bc_ledger.arrays(), kPages * 2);
	work_for(2);
	EXPECT_EQ(bc_ledger.arrays(), kPages);
	EXPECT_EQ(work().next_ms, 0u) << "few enough";

	fill(ns(1), 4000, kPages * 2);
	u64 wait = work().next_ms;
	EXPECT_EQ(wait, Sweeper::kFirstLookMs);
	const unsigned long waits = host::grace_periods();
	for (u64 next = wait * 2; next < 100 * Sweeper::kFirstLookMs; next *= 2) {
		host::advance(wait);
		wait = work().next_ms;
		EXPECT_EQ(wait, next < Sweeper::kLastLookMs ? next : Sweeper::kLastLookMs);
	}
	EXPECT_EQ(host::grace_periods(), waits) << "nothing was freed, so nothing is looked through";
}

// Where the ledger may not grow to twice as much it calls when it is full: what is empty makes room.
TEST_P(Sweeps, WhenTheLedgerIsFull)
{
	again(machine(128, 30000, 4 * Sweeper::kFew));
	start(ns(1));
	fill(ns(1), 0, 2 * kPages);
	work();
	const unsigned long kicks = host::kicks();
	u64 page = 2 * kPages;
	while (health.of(Loss::missed) == 0)
		charged(ns(1), at(page++), kText, k64_.cache_key());
	EXPECT_EQ(host::kicks(), kicks + 1);
	clear(0, kPages);
	charged(ns(1), at(page), kText, k64_.cache_key());
	EXPECT_EQ(health.of(Loss::missed), 2) << "nobody has looked yet";
	work();
	EXPECT_EQ(bc_ledger.given_back(), kPages);
	charged(ns(1), at(page), kText, k64_.cache_key());
	EXPECT_EQ(health.of(Loss::missed), 2);
	freed(at(page));
}

} // namespace
} // namespace rig
