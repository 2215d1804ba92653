// SPDX-License-Identifier: GPL-2.0
// What a stop is charged with no longer: survivors that are excused, or dismissed. Sleeps; the worker's mutex is held.
#pragma once

#include "survivors.h"

namespace bc
{

// Takes away from a stopped container what is excused, and counts it in c.excused. Early: only if everything is
// reclaimable, since what is still referenced may be let go in a moment, and is then explained by the others; late:
// also what is cached above the allocator or deferred, which might have gone by itself, but not what explains part of
// the references of something held. Returns how many objects.
u64 hand_over(Container &c, const Survivors &survivors, bool late);
// Takes away all that is left: the administrator has dismissed it.
u64 drop_all(Container &c);

} // namespace bc
