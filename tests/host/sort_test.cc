// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include "sort.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

using namespace bc;

namespace
{

constexpr u32 kMany = 1u << 16; // more than there can be containers

// Sorts, and counts what it was asked.
u64 asked_for(std::vector<u32> items)
{
	u64 asked = 0;
	std::vector<u32> sorted = items;
	std::sort(sorted.begin(), sorted.end(), std::greater<>());
	bc::sort(items.data(), static_cast<u32>(items.size()), [&](u32 a, u32 b) {
		++asked;
		return a > b;
	});
	EXPECT_EQ(items, sorted);
	return asked;
}

// Who lists containers holds everybody's mutex meanwhile: two questions a level of the heap, in whatever order they
// are.
TEST(Sort, AsksNoMoreThanTwiceALevelOfEach)
{
	std::vector<u32> rising(kMany), falling(kMany), same(kMany, 7), any(kMany);
	std::iota(rising.begin(), rising.end(), 0);
	std::iota(falling.rbegin(), falling.rend(), 0);
	std::iota(any.begin(), any.end(), 0);
	std::shuffle(any.begin(), any.end(), std::mt19937{1});
	for (const auto &items : {rising, falling, same, any})
		EXPECT_LE(asked_for(items), 2ull * 16 * kMany + 2 * kMany);
}

TEST(Sort, OfFew)
{
	for (u32 count = 0; count < 9; ++count) {
		std::vector<u32> items(count);
		std::iota(items.begin(), items.end(), 0);
		do
			asked_for(items);
		while (std::next_permutation(items.begin(), items.end()));
	}
}

} // namespace
