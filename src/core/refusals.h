// SPDX-License-Identifier: GPL-2.0
// The last refusals of a container: who hit a bound, with what, where. failcnt alone never said.
#pragma once

#include "atomic.h"
#include "resource.h"

namespace bc
{

enum class Cause : u8 {
	barrier,
	limit,
	fail_nth
};
inline constexpr const char *kCauseNames[] = {"barrier", "limit", "fail-nth"};

struct Refusal {
	u64 at_ms;
	s64 bytes; // of the object
	SiteIndex site;
	s32 pid; // the host's
	char task[16];
	Charged resource;
	Cause cause;
};

// Written from any context, under BC_LOCK_REFUSALS.
struct RefusalRing {
	static constexpr u32 kKept = 16;
	Refusal last[kKept];
	u64 count; // since the container began; the newest is at (count - 1) % kKept
};

struct Refusals {
	RefusalRing ring;
	Atomic<u8> pending; // not in the log yet
	u64 logged_count;   // the worker's
	u64 logged_ms;
};

} // namespace bc
