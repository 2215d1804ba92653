// SPDX-License-Identifier: GPL-2.0
#include "sweep.h"

#include "container.h"
#include "ledger.h"

#include <platform/inline.h>

namespace bc
{

constinit Sweeper sweeper{};

bool Ledger::holds_nothing(u64 array)
{
	for (u32 i = 0; i < kPageSize >> shift_in(array); ++i) {
		if (array_of(array)[i].relaxed() != 0)
			return false;
	}
	return true;
}

u32 Ledger::give_back()
{
	u32 closing = 0;
	each_word([&](Atomic<u64> &word, u64) {
		u64 seen = word.acquire();
		if (is_array(seen) && holds_nothing(seen) && word.compare_exchange(seen, seen | kClosing))
			++closing;
	});
	if (closing == 0)
		return 0;
	// Who has seen a word without the mark may be about to record there, in a section of its own. Whoever comes
	// later sees the mark, and takes it off before it records.
	bc_synchronize_rcu();
	u32 given = 0;
	each_word([&](Atomic<u64> &word, u64) {
		u64 seen = word.acquire();
		if (!is_closing(seen))
			return;
		const u64 array = seen;
		const bool empty = holds_nothing(array);
		if (word.compare_exchange(seen, empty ? 0 : array & ~kClosing) && empty) {
			retire(array);
			++given;
		}
	});
	given_back_.add(given);
	reclaim(); // with a grace period of its own: frees may still look into them
	return given;
}

// Of all containers, and of nobody's that are recorded too.
s64 Sweeper::objects()
{
	s64 sum = held(*containers.overflow()).objects + held(*containers.handed()).objects;
	containers.each([&](const Container &c) { sum += held(c).objects; });
	return sum;
}

void Sweeper::init()
{
	objects_ = 0;
	left_ = 0;
	next_ms_ = kNever;
	tell();
}

// At twice as much; or where the ledger may not grow so far, when it is full, once.
void Sweeper::tell() const
{
	const s64 now = bc_ledger.bytes();
	const s64 twice = now + left_ + kFew;
	const s64 most = bc_ledger.most();
	bc_ledger.tell_at(now < most && most < twice ? most : twice);
}

void Sweeper::look()
{
	objects_ = objects();
	bc_ledger.give_back();
	left_ = bc_ledger.bytes_of_arrays();
	next_ms_ = kNever;
	tell();
}

u64 Sweeper::round(u64 now, bool less)
{
	const bool grown = bc_ledger.bytes() >= bc_ledger.told_at();
	const bool due = now >= next_ms_;
	if (grown || ((less || due) && bc_ledger.bytes_of_arrays() > kFew && objects() < objects_ / 2))
		look();
	if (bc_ledger.bytes_of_arrays() <= kFew) {
		next_ms_ = kNever;
	} else if (next_ms_ == kNever) {
		wait_ms_ = kFirstLookMs;
		next_ms_ = now + wait_ms_;
	} else if (due) {
		wait_ms_ = wait_ms_ * 2 < kLastLookMs ? wait_ms_ * 2 : kLastLookMs;
		next_ms_ = now + wait_ms_;
	}
	return next_ms_;
}

} // namespace bc
