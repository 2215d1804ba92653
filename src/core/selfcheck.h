// SPDX-License-Identifier: GPL-2.0
// The module's own books, gone over on request: `self-check` in control.
#pragma once

#include "atomic.h"

namespace bc
{

struct SelfCheck {
	Atomic<s64> runs;
	Atomic<s64> slots; // looked at in the last run
	Atomic<s64> bad;   // since loading: of them wrong, and counters that did not agree with them
};
extern SelfCheck self_checked;

// Looks at every slot: its owner and site are there, and it lies where objects of its stride lie. Adds up what each
// stopped container has in the ledger, and compares it with its counters: nobody charges there any more, and a free
// that runs meanwhile shows as a movement, for which it looks again. Sleeps; with the worker's mutex.
void self_check();

} // namespace bc
