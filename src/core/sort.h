// SPDX-License-Identifier: GPL-2.0
// Heap sort: how many there are is the kernel's or a user's affair, and nothing here may be quadratic, or want memory.
#pragma once

#include "types.h"

namespace bc
{

template <class Item, class Before> void sort(Item *items, u32 count, Before &&before)
{
	auto swap = [&](u32 a, u32 b) {
		Item t = items[a];
		items[a] = items[b];
		items[b] = t;
	};
	auto sift = [&](u32 root, u32 end) {
		for (u32 child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && before(items[child], items[child + 1]))
				++child;
			if (!before(items[root], items[child]))
				return;
			swap(root, child);
		}
	};
	for (u32 i = count / 2; i-- > 0;)
		sift(i, count);
	for (u32 end = count; end-- > 1;) {
		swap(0, end);
		sift(0, end);
	}
}

} // namespace bc
