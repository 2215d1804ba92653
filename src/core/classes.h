// SPDX-License-Identifier: GPL-2.0
// Classes that grow. What a row of the class table excuses by number could hide a leak at the very same site, one
// object a stop. So what was handed over by number stays in the ledger, owned by containers.handed() and charged to
// nobody, and after each stop that adds to it the old ones that are still there are counted: a class that reaches a new
// height at kHeights such stops in a row grows without bound, and excuses nothing any more. It is believed again when
// half of them have gone.
//
// Old ones: a deferred class has each of its objects for a while, so that stops in quick succession raise its number,
// too. With the worker's mutex.
#pragma once

#include "verdict.h"

namespace bc
{

class Classes
{
      public:
	static constexpr u32 kHeights = 8;
	static constexpr u64 kOldMs = 180000; // khugepaged came round after 60 s at most, ports after a minute

	// Is what this row hands over watched?
	static constexpr bool watched(const ClassRow &row)
	{
		return row.proof == Proof::bound || row.proof == Proof::once;
	}

	void reset() { *this = Classes{}; }
	// After a stop that handed some over: how many old ones there are.
	void note(u32 row, u32 old);
	// Before a verdict: half of them have gone.
	void forgive(u32 row, u32 old);
	bool grows(u32 row) const { return rows_[row].grows; }
	u32 growing() const; // how many classes do

      private:
	struct Row {
		u32 highest;
		u32 heights;
		bool grows;
	};
	Row rows_[kClassRows] = {};
};

extern Classes classes;

} // namespace bc
