// SPDX-License-Identifier: GPL-2.0
#include "ledger_rig.h"

#include <set>

namespace rig
{
namespace
{

using LedgerTest = LedgerByItself;

TEST_F(LedgerTest, TakesWhatWasRecordedOnce)
{
	ASSERT_TRUE(record(at(5, 192), 192, slot(7)));
	EXPECT_EQ(take(at(5, 192)).raw(), slot(7).raw());
	EXPECT_TRUE(take(at(5, 192)).empty()) << "a second free finds nothing";
	EXPECT_TRUE(stale_.empty());
}

TEST_F(LedgerTest, FlatItIsTheSame)
{
	restart(flat(machine()));
	ASSERT_TRUE(bc_ledger.flat());
	EXPECT_EQ(bc_ledger.bytes(), 8192 * 8);
	ASSERT_TRUE(record(at(5, 192), 192, slot(7)));
	ASSERT_TRUE(record(at(8191), 4096, slot(8)));
	EXPECT_FALSE(record(at(8192), 64, slot(9)));
	EXPECT_EQ(host::live(host::Kind::page), 0) << "no chunks";
	EXPECT_EQ(recorded().size(), 2u);
	EXPECT_EQ(take(at(5, 192)).raw(), slot(7).raw());
	EXPECT_EQ(take(at(8191)).raw(), slot(8).raw());
	for (u64 none : {at(0), at(8192), u64{0}, u64{16}, ~u64{0}})
		EXPECT_TRUE(take(none).empty());
}

TEST_F(LedgerTest, WhoIsFlat)
{
	bc_config config = flat(machine());
	config.flat_most -= 1;
	restart(config);
	EXPECT_FALSE(bc_ledger.flat()) << "too large a table";
	config = flat(machine());
	config.ram_pages = config.pages / 2;
	restart(config);
	EXPECT_FALSE(bc_ledger.flat()) << "half of the memory is still to come";
}

TEST_F(LedgerTest, MissesWhatNobodyRecorded)
{
	EXPECT_TRUE(take(at(0)).empty());
	EXPECT_TRUE(take(at(8191, 64)).empty());
	EXPECT_TRUE(take(at(8192)).empty()) << "behind the memory it covers";
	EXPECT_TRUE(take(0).empty());
	EXPECT_TRUE(take(16).empty()) << "ZERO_SIZE_PTR";
	EXPECT_TRUE(take(~u64{0}).empty());
	record(at(3, 64), 64, slot(1));
	EXPECT_TRUE(take(at(3, 0)).empty());
	EXPECT_TRUE(take(at(3, 128)).empty());
	EXPECT_FALSE(take(at(3, 64)).empty());
}

TEST_F(LedgerTest, RefusesWhatItDoesNotCover)
{
	EXPECT_TRUE(record(at(8191), 64, slot(1)));
	EXPECT_FALSE(record(at(8192), 64, slot(1)));
	EXPECT_FALSE(record(~u64{0} - 8, 64, slot(1)));
	take(at(8191));
}

// Every stride that caches have, all objects of a slab at once: no two share a place.
TEST_F(LedgerTest, PlacesAreUniqueForEveryStride)
{
	for (u32 stride : {8u,	 16u,	24u,   32u,   40u,   64u,   96u,   104u,  192u,	 200u, 256u,
			   688u, 1000u, 1096u, 2048u, 2112u, 4095u, 4096u, 5000u, 8192u, 9792u}) {
		const u64 bytes = 8 * kPageSize;
		const u32 count = static_cast<u32>(bytes / stride);
		for (u32 offset : {0u, 8u, stride / 2 / 8 * 8}) { // a red zone before each object
			for (u32 i = 0; i + 1 < count; ++i)
				ASSERT_TRUE(record(at(512, offset + u64{i} * stride), stride, slot(i + 1)));
			ASSERT_TRUE(stale_.empty()) << stride << ": a place is used twice";
			for (u32 i = 0; i + 1 < count; ++i)
				ASSERT_EQ(take(at(512, offset + u64{i} * stride)).raw(), slot(i + 1).raw()) << stride;
		}
	}
}

TEST_F(LedgerTest, PageReusedWithAnotherStride)
{
	record(at(9, 128), 64, slot(1));
	take(at(9, 128));
	const s64 bytes = bc_ledger.bytes();
	record(at(9, 512), 512, slot(2));
	EXPECT_EQ(bc_ledger.arrays(), 2) << "the old one waits for its grace period";
	EXPECT_TRUE(stale_.empty());
	EXPECT_EQ(take(at(9, 512)).raw(), slot(2).raw());
	bc_ledger.reclaim();
	EXPECT_EQ(bc_ledger.arrays(), 1);
	EXPECT_EQ(bc_ledger.bytes(), bytes - Ledger::array_bytes(6) + Ledger::array_bytes(9));
	EXPECT_EQ(host::live(host::Kind::mem), 1 + 2) << "that array, and the two containers that are always there";
}

TEST_F(LedgerTest, PageBackedAndBack)
{
	record(at(20, 64), 64, slot(1));
	take(at(20, 64));
	ASSERT_TRUE(record(at(20), 16384, slot(2))); // replaces the array by the slot itself
	EXPECT_EQ(take(at(20)).raw(), slot(2).raw());
	EXPECT_TRUE(take(at(20)).empty());
	ASSERT_TRUE(record(at(20, 96), 32, slot(3)));
	EXPECT_EQ(take(at(20, 96)).raw(), slot(3).raw());
	EXPECT_TRUE(stale_.empty());
}

TEST_F(LedgerTest, ReportsStaleSlots)
{
	record(at(1, 64), 64, slot(1));
	record(at(1, 64), 64, slot(2)); // the same place: the first object's free was missed
	EXPECT_EQ(stale_, std::vector<u64>{slot(1).raw()});

	stale_.clear();
	record(at(1, 128), 64, slot(3));
	record(at(1, 0), 1024, slot(4)); // the page changed hands with two objects still recorded
	EXPECT_EQ(std::set<u64>(stale_.begin(), stale_.end()), (std::set<u64>{slot(2).raw(), slot(3).raw()}));

	stale_.clear();
	record(at(1), 4096, slot(5));
	EXPECT_EQ(stale_, std::vector<u64>{slot(4).raw()});

	stale_.clear();
	record(at(1), 4096, slot(6));
	EXPECT_EQ(stale_, std::vector<u64>{slot(5).raw()});

	stale_.clear();
	record(at(1, 8), 8, slot(7));
	EXPECT_EQ(stale_, std::vector<u64>{slot(6).raw()});
	EXPECT_EQ(take(at(1, 8)).raw(), slot(7).raw());
}

TEST_F(LedgerTest, OutOfMemoryRecordsNothing)
{
	host::fail(host::Kind::page, 1);
	EXPECT_FALSE(record(at(600, 64), 64, slot(1))); // no chunk
	EXPECT_TRUE(recorded().empty());
	host::fail(host::Kind::mem, 1);
	EXPECT_FALSE(record(at(600, 64), 64, slot(1))); // a chunk, no array
	EXPECT_TRUE(recorded().empty());
	EXPECT_TRUE(record(at(600), 4096, slot(1))) << "a page-level slot needs no array";
	host::fail(host::Kind::mem, 1);
	EXPECT_FALSE(record(at(600, 64), 64, slot(2))) << "what is there stays there";
	EXPECT_EQ(recorded().size(), 1u);
	EXPECT_TRUE(stale_.empty());
	take(at(600));
}

TEST_F(LedgerTest, UsesNoMoreThanItMay)
{
	constexpr s64 kMost = 64 * 1024;
	restart(machine(128, 30000, kMost));
	const s64 at_first = bc_ledger.bytes();
	u64 page = 0;
	while (page < 8192 && record(at(page), 64, slot(1)))
		page += 100;
	EXPECT_LT(page, 8192u);
	EXPECT_LE(bc_ledger.bytes() - at_first, kMost + 2 * s64{kPageSize}) << "by one chunk and one array at most";
	EXPECT_GE(bc_ledger.bytes() - at_first, kMost);
	EXPECT_TRUE(record(at(0, 64), 64, slot(2))) << "where there is an array already, recording goes on";
	EXPECT_FALSE(take(at(0, 64)).empty());
	EXPECT_FALSE(take(at(0)).empty());
}

TEST_F(LedgerTest, WalkSeesEverythingWithItsPlace)
{
	record(at(0, 64), 64, slot(1));
	record(at(511, 4032), 64, slot(2));
	record(at(512), 4096, slot(3));
	record(at(8191, 3072), 1024, slot(4));
	const auto all = recorded();
	ASSERT_EQ(all.size(), 4u);
	EXPECT_EQ(all[0].page + all[0].low, at(0, 64));
	EXPECT_EQ(all[1].page + all[1].low, at(511, 4032));
	EXPECT_EQ(all[1].high, 4096u);
	EXPECT_EQ(all[2].page, at(512));
	EXPECT_EQ(all[2].high - all[2].low, kPageSize);
	EXPECT_EQ(all[3].slot.raw(), slot(4).raw());
}

TEST_F(LedgerTest, ClaimAndFreeExcludeEachOther)
{
	record(at(1, 64), 64, slot(1));
	record(at(1, 128), 64, slot(2));
	record(at(2), 4096, slot(3));
	bc_ledger.begin_exclusive();
	int claimed = 0;
	bc_ledger.walk([&](const Ledger::Found &f) {
		if (f.slot.raw() == slot(1).raw()) {
			EXPECT_EQ(take(at(1, 64)).raw(), slot(1).raw()); // a free is first
			EXPECT_FALSE(bc_ledger.claim(f));
		} else {
			EXPECT_TRUE(bc_ledger.claim(f));
			EXPECT_FALSE(bc_ledger.claim(f)) << "once is enough";
			++claimed;
		}
	});
	EXPECT_EQ(claimed, 2);
	EXPECT_TRUE(take(at(1, 128)).empty());
	EXPECT_TRUE(take(at(2)).empty());
	bc_ledger.end_exclusive();
	EXPECT_TRUE(recorded().empty());
}

TEST_F(LedgerTest, WalkerMeetsAReplacedArray)
{
	record(at(1, 0), 64, slot(1));
	record(at(1, 64), 64, slot(2));
	int seen = 0;
	bc_ledger.walk([&](const Ledger::Found &) {
		if (seen++ == 0) { // both are freed and the page changes hands while the walker is in it
			take(at(1, 0));
			take(at(1, 64));
			record(at(1, 0), 2048, slot(3));
		}
	});
	EXPECT_EQ(seen, 1) << "the retired array's link is no slot";
	EXPECT_EQ(take(at(1, 0)).raw(), slot(3).raw());
}

TEST_F(LedgerTest, AStaleSlotIsUnchargedOnceThoughAWalkerHoldsIt)
{
	record(at(1, 64), 64, slot(1)); // its free is missed
	int claimed = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &f) {
		if (f.slot.raw() != slot(1).raw())
			return;
		record(at(1, 0), 1024, slot(2)); // the page changes hands: slot 1 is reported as stale
		claimed += bc_ledger.claim(f);
	});
	bc_ledger.end_exclusive();
	EXPECT_EQ(claimed + static_cast<int>(stale_.size()), 1);
	take(at(1, 0));
}

TEST_F(LedgerTest, ExitFreesEverything)
{
	for (u64 page = 0; page < 2000; page += 3)
		record(at(page, 64), 64, slot(static_cast<u32>(page)));
	record(at(0, 0), 2048, slot(1)); // and something retired
					 // TearDown() looks.
}

} // namespace
} // namespace rig
