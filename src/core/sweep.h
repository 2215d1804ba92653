// SPDX-License-Identifier: GPL-2.0
// When the ledger's arrays are looked through for such as hold nothing any more, which are given back (ledger.h).
//
// A page that was a container's slab once keeps its array, since it is likely to be one again. So on a machine that
// runs for months every page would have one in the end. A look goes over the whole table and waits for grace periods:
// too much for each stop, cheap where it is as rare as this:
//  - when the arrays have grown to twice what the last look left: the ledger calls then, and as many charges have
//    paid for it that had to make an array;
//  - when less than half of the objects are left that there were at the last look. That is asked when a container has
//    stopped, and for containers that run on and have let go of much, after a minute, and each time after twice as long
//    up to an hour.
// So about half of the memory may be idle, but no more for long. Below kFew nothing is done, and nobody woken.
#pragma once

#include "types.h"

namespace bc
{

class Sweeper
{
      public:
	static constexpr s64 kFew = s64{256} << 10; // bytes of arrays: those of 512 pages with objects of 64 bytes
	static constexpr u64 kFirstLookMs = u64{60} * 1000;
	static constexpr u64 kLastLookMs = 60 * kFirstLookMs;
	static constexpr u64 kNever = ~u64{0};

	void init(); // the ledger is there
	// In each of the worker's rounds; `less`: a container has stopped in this one. When to come again, kNever if
	// not.
	u64 round(u64 now, bool less);

      private:
	static s64 objects();
	void look();
	void tell() const;

	s64 objects_ = 0; // at the last look
	s64 left_ = 0;	  // bytes of arrays after it
	u64 wait_ms_ = 0;
	u64 next_ms_ = kNever;
};

extern Sweeper sweeper;

} // namespace bc
