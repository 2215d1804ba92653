// SPDX-License-Identifier: GPL-2.0
#include "classes.h"

namespace bc
{

constinit Classes classes{};

void Classes::note(u32 row, u32 old)
{
	Row &r = rows_[row];
	if (old > r.highest) {
		r.highest = old;
		if (++r.heights >= kHeights)
			r.grows = true;
		return;
	}
	r.heights = 0;
}

void Classes::forgive(u32 row, u32 old)
{
	if (rows_[row].grows && old < rows_[row].highest / 2)
		rows_[row] = {old, 0, false};
}

u32 Classes::growing() const
{
	u32 n = 0;
	for (const Row &row : rows_)
		n += row.grows;
	return n;
}

} // namespace bc
