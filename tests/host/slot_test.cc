// SPDX-License-Identifier: GPL-2.0
#include "slot.h"

#include <gtest/gtest.h>

namespace bc
{
namespace
{

TEST(Slot, KeepsItsParts)
{
	for (u32 owner : {1u, 2u, 0x7fffu, 0xffffu}) {
		for (u32 site : {1u, 0x7fffu, 0xffffu}) {
			for (u32 birth : {0u, 1u, 0x1fffffffu}) {
				const u32 kind = (owner + birth) % Slot::kKinds;
				const Slot slot{OwnerIndex{static_cast<u16>(owner)}, SiteIndex{site}, Birth{birth},
						kind};
				EXPECT_EQ(slot.kind(), kind);
				EXPECT_EQ(slot.account(), owner * Slot::kKinds + kind);
				EXPECT_EQ(slot.owner().value, owner);
				EXPECT_EQ(slot.site().value, site);
				EXPECT_EQ(slot.birth().value, birth);
				EXPECT_FALSE(slot.empty());
				EXPECT_EQ(slot.raw() >> 63, 0u) << "bit 63 is the ledger's";
			}
		}
	}
}

TEST(Slot, BirthWrapsIntoItsBits)
{
	const Slot slot{OwnerIndex{1}, SiteIndex{1}, Birth{0xffffffffu}};
	EXPECT_EQ(slot.birth().value, 0x1fffffffu);
	EXPECT_EQ(slot.raw() >> 63, 0u);
}

TEST(Slot, EmptyIsZeroOrALink)
{
	EXPECT_TRUE(Slot{}.empty());
	EXPECT_TRUE(Slot{u64{1} << 63}.empty());
	EXPECT_TRUE(Slot{0xffff888012345678ull}.empty());
	EXPECT_FALSE(Slot{1}.empty());
}

TEST(Slot, AgeAcrossTheWrap)
{
	EXPECT_EQ(age_ms(Birth{10}, 10 * kBirthUnitMs), 0u);
	EXPECT_EQ(age_ms(Birth{10}, 12 * kBirthUnitMs + 5), 2u * kBirthUnitMs);
	// Born in the last unit before the wrap, looked at in the second after it.
	const u64 wrap = u64{1} << Slot::kBirthBits;
	EXPECT_EQ(age_ms(Birth{static_cast<u32>(wrap - 1)}, (wrap + 1) * kBirthUnitMs), 2u * kBirthUnitMs);
}

} // namespace
} // namespace bc
