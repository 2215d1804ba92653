// SPDX-License-Identifier: GPL-2.0
// The module's own books, gone over on request: `self-check` in control.
#pragma once

#include "atomic.h"

namespace bc
{

struct SelfCheck {
	Atomic<s64> runs;
	Atomic<s64> slots;    // looked at in the last run
	Atomic<s64> bad;      // since loading: of them wrong, and containers whose counters did not agree with them
	Atomic<s64> compared; // containers in the last run
	Atomic<s64> moved;    // containers that could not be compared in it
};
extern SelfCheck self_checked;

// Looks at every slot: its owner and site are there, and it lies where objects of its stride lie. Adds up what each
// container has in the ledger, of bytes, of objects, and of each kind of piece, and compares that with its counters
// wherever nothing has moved meanwhile (selfcheck.cc); what it found of each is in Container::books. Sleeps; with the
// worker's mutex. Frees take the long way for so long.
void self_check();

} // namespace bc
