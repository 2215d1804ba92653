// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include "ids.h"

#include <random>
#include <set>

using namespace bc;

namespace
{

TEST(Ids, AreCountedUp)
{
	Ids ids;
	for (u32 id = 1; id < 1000; ++id)
		EXPECT_EQ(ids.next(), id);
}

TEST(Ids, GoPastThoseOfTheAdministrator)
{
	Ids ids;
	ids.reserve(2);
	ids.reserve(4);
	ids.reserve(3);
	ids.reserve(2);
	ids.reserve(7);
	EXPECT_EQ(ids.next(), 1u);
	EXPECT_EQ(ids.next(), 5u);
	EXPECT_EQ(ids.next(), 6u);
	EXPECT_EQ(ids.next(), 8u);
	ids.reserve(3); // long ago
	EXPECT_EQ(ids.next(), 9u);
}

// However many there are, near each other and far away, in whatever order.
TEST(Ids, NoneIsGivenTwice)
{
	for (u32 seed = 0; seed < 200; ++seed) {
		std::mt19937 random{seed};
		Ids ids;
		std::set<u32> given;
		u32 last = 0;
		for (int i = 0; i < 2000; ++i) {
			if (random() % 3 == 0) {
				const u32 id = last + 1 + random() % (seed % 2 == 0 ? 40 : 4000);
				ids.reserve(id);
				given.insert(id);
			} else {
				const u32 id = ids.next();
				EXPECT_GT(id, last);
				EXPECT_TRUE(given.insert(id).second) << id << ", seed " << seed;
				last = id;
			}
		}
	}
}

TEST(Ids, FewArePassedOverForManyThatLieApart)
{
	Ids ids;
	for (u32 n = 0; n < 1000; ++n)
		ids.reserve(1000000 + 2 * n);
	for (u32 id = 1; id < 1000000; ++id)
		ASSERT_EQ(ids.next(), id);
	EXPECT_LE(ids.next(), 1000000u + 2 * 1000 + 1);
}

TEST(Ids, BeginAnewAfterABillion)
{
	Ids ids{kMostId - 1};
	EXPECT_EQ(ids.next(), kMostId - 1);
	EXPECT_EQ(ids.next(), kMostId);
	EXPECT_EQ(ids.next(), 1u);
	Ids reserved{kMostId - 1};
	reserved.reserve(kMostId - 1);
	reserved.reserve(kMostId);
	EXPECT_EQ(reserved.next(), 1u);
	EXPECT_EQ(reserved.next(), 2u);
}

} // namespace
