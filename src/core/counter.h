// SPDX-License-Identifier: GPL-2.0
// Counting charges.
//
// An Account is the shared part of one resource of one container: what is held, and its bounds. Pieces (numproc and so
// on) are counted there directly.
//
// Bytes are counted per CPU as long as their bounds are far. A container has one Cells on each CPU. A cell packs two
// signed numbers into one word, bytes in the high 16 bits and objects below, and rests at kMiddle: then the word's sign
// says that the bytes are more than kBatch from zero, above or below. A charge is one add of one register (no lock
// prefix, safe against interrupts) and a branch on its sign, and with the sign the cell is emptied into the account.
//
// Until that is done the sign stays, whatever interrupts: it takes another 2 x kBatch to lose it, and a task, a softirq
// and the interrupt on top of it take away kMostAtOnce each at most, before they empty the cell themselves. Only tasks
// charge, and a softirq for one (an accepted socket): what a cell hides is less than 2 x kBatch. Larger objects are
// counted in the account at once.
//
// A container without cells has no_cells() instead, where every add shows a sign: who adds there takes it back, and
// goes the long way. So nobody has to ask first.
//
// held = account + the sum of all cells. The sum is exact when nothing is being charged; while charges run it can be
// off by what moves between the reads, and a fold in flight (cell emptied, account not yet raised) can hide up to
// kBatch for a moment. The verdict about a stopped container is immune: only frees run there, and zero is looked at
// again after synchronize_rcu(), which every fold precedes (hooks run with preemption off). Near a bound there are no
// cells (bounds.h).
#pragma once

#include "atomic.h"
#include "resource.h"

namespace bc
{

inline constexpr s64 kBatch = s64{16} * 1024; // memcg's stock is 64 pages; a quarter of it keeps the sum near the truth
inline constexpr u32 kMostInCell = 4096;      // of one object
inline constexpr u32 kMostAtOnce = 8192;      // of several that come or go together
inline constexpr u32 kBytesAt = 48;
inline constexpr u64 kMiddle = u64{1} << 62;
// As far from both ends of the negative half: no_cells(). That is half the room of a cell, and a sign that is not seen
// there is a charge that is lost for good: of several objects at a time it is looked first (is_nowhere()).
inline constexpr u64 kNowhere = u64{3} << 62;
static_assert(kMiddle >> kBytesAt == u64{kBatch}, "the sign says that the batch is passed");
static_assert(3 * s64{kMostAtOnce} < 2 * kBatch, "a task, a softirq and an interrupt");
static_assert(s64{kMostAtOnce} + s64{kMostInCell} < kBatch, "a task, and what a softirq charges for one");

struct Cells { // one CPU's
	u64 packed[kByteKinds];
};

// Of an object that fits a cell.
constexpr u64 pack(Stride stride) { return u64{stride.value} << kBytesAt | 1; }

struct Unpacked {
	s64 bytes;
	s64 objects;
};

// What a cell holds. The low part is signed: borrow from it went into the bytes, and is given back here.
constexpr Unpacked unpack(u64 cell)
{
	const u64 packed = cell - kMiddle;
	const s64 objects = static_cast<s64>(packed << (64 - kBytesAt)) >> (64 - kBytesAt);
	return {static_cast<s64>(packed - static_cast<u64>(objects)) >> kBytesAt, objects};
}

static_assert(unpack(kMiddle).bytes == 0 && unpack(kMiddle).objects == 0);
static_assert(unpack(kMiddle + pack(Stride{192}) - pack(Stride{64})).bytes == 128);
static_assert(unpack(kMiddle + pack(Stride{192}) - pack(Stride{64})).objects == 0);
static_assert(unpack(kMiddle - pack(Stride{64})).bytes == -64 && unpack(kMiddle - pack(Stride{64})).objects == -1);
static_assert(unpack(kMiddle + pack(Stride{64}) - pack(Stride{192})).bytes == -128);

// Is a cell far enough from zero to be emptied?
constexpr bool wants_fold(u64 cell) { return static_cast<s64>(cell) < 0; }
static_assert(!wants_fold(kMiddle) && !wants_fold(kMiddle + 4 * pack(Stride{4095})));
static_assert(wants_fold(kMiddle + 4 * pack(Stride{4096})) && wants_fold(kMiddle - 4 * pack(Stride{4096}) - 1));
static_assert(wants_fold(kNowhere + 4 * pack(Stride{4095})) && wants_fold(kNowhere - 4 * pack(Stride{4095})));

struct Bounds {
	s64 barrier;
	s64 limit;
	bool operator==(const Bounds &) const = default;
	bool finite() const { return barrier != kUnlimited || limit != kUnlimited; }
};

// Amounts are bytes, or objects. A container's memory begins as zeroes: set() comes before the first charge.
class Account
{
      public:
	s64 held() const { return held_.relaxed(); }
	s64 maxheld() const { return maxheld_.relaxed(); }
	s64 failcnt() const { return failcnt_.relaxed(); }
	s64 forced() const { return forced_.relaxed(); }
	s64 waited() const { return waited_.relaxed(); }
	s64 barrier() const { return barrier_.relaxed(); }
	Bounds bounds() const { return {barrier_.relaxed(), limit_.relaxed()}; }

	// Adds whatever the bounds say; returns what is held then.
	s64 add(s64 amount)
	{
		const s64 now = held_.add(amount);
		if (amount > 0)
			maxheld_.raise(now);
		return now;
	}
	// Adds if at most `most` is held afterwards, reaching it being allowed. A failed attempt shows nowhere.
	BC_HOT bool reserve(s64 amount, s64 most)
	{
		s64 now = held_.relaxed();
		do {
			if (now > most - amount)
				return false;
		} while (!held_.compare_exchange(now, now + amount));
		maxheld_.raise(now + amount);
		return true;
	}
	void refused() { failcnt_.add(1); }
	void let_through(s64 amount) { forced_.add(amount); }
	void wait() { waited_.add(1); }

	void set(Bounds bounds)
	{
		barrier_.set_relaxed(bounds.barrier);
		limit_.set_relaxed(bounds.limit);
	}
	void raise_maxheld(s64 v) { maxheld_.raise(v); }
	// Charges that run meanwhile may be lost from what is cleared, never from what is held.
	void reset(s64 held_now)
	{
		maxheld_.set_relaxed(held_now);
		failcnt_.set_relaxed(0);
		forced_.set_relaxed(0);
		waited_.set_relaxed(0);
	}

      private:
	friend struct AccountLayout;
	Atomic<s64> held_;    // the first three are known to trampolines.S
	Atomic<s64> maxheld_; // of bytes exact within CPUs x kBatch: a peak inside the cells is not seen
	Atomic<s64> barrier_;
	Atomic<s64> limit_;
	Atomic<s64> failcnt_;
	Atomic<s64> forced_; // let through above the limit
	Atomic<s64> waited_; // times that a task waited for RCU before it was refused or not
};

} // namespace bc
