// SPDX-License-Identifier: GPL-2.0
// Our own losses. A tool that hides its blind spots is not trusted, so every path that gives up counts here, and every
// report can say whether something was missed while its container lived.
#pragma once

#include "atomic.h"

namespace bc
{

enum class Loss : u8 {
	missed,		 // objects not charged for want of memory or room in a table
	forced,		 // charges let through above a limit
	unknown,	 // frees of a recorded object whose container is not there
	reentered,	 // hooks entered from within a hook's own work: there is no way to (src/shim/memory.c)
	stale,		 // slots that were not empty when an object was recorded: a free we never saw
	sites_lost,	 // call sites without a place in the table
	containers_lost, // containers without a place of their own
	clamped,	 // counters that would have gone below zero
	references_lost, // references of users and ucounts without a place in the table
	rows_given_up,	 // containers that leaked, or hold something, whose row was needed
	kCount
};

inline constexpr const char *kLossNames[] = {"missed",		"forced",	"unknown",	   "reentered",
					     "stale",		"sites_lost",	"containers_lost", "clamped",
					     "references_lost", "rows_given_up"};
static_assert(sizeof(kLossNames) / sizeof(kLossNames[0]) == static_cast<size_t>(Loss::kCount));

class Health
{
      public:
	void count(Loss loss, s64 n = 1) { losses_[static_cast<size_t>(loss)].add(n); }
	void reset()
	{
		for (auto &loss : losses_)
			loss.set_relaxed(0);
		off_.set_relaxed(0);
		torn_.set_relaxed(0);
	}
	s64 of(Loss loss) const { return losses_[static_cast<size_t>(loss)].relaxed(); }

	// Some hooks cannot be taken away and others are gone: every further number is doubtful, and no bound refuses
	// anything.
	void switch_off() { off_.set_relaxed(1); }
	bool switched_off() const { return off_.relaxed() != 0; }

	// A search for holders that was torn. No loss: it is tried again, and accuses nobody.
	void count_torn() { torn_.add(1); }
	s64 torn() const { return torn_.relaxed(); }

	// What makes a verdict of "clean" doubtful: an object that was never recorded cannot be seen to survive.
	s64 blind() const { return of(Loss::missed) + of(Loss::sites_lost) + of(Loss::stale) + of(Loss::unknown); }

      private:
	Atomic<u32> off_;
	Atomic<s64> torn_;
	Atomic<s64> losses_[static_cast<size_t>(Loss::kCount)];
};

extern Health health;

} // namespace bc
