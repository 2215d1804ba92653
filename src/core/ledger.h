// SPDX-License-Identifier: GPL-2.0
// The ledger: which container owns the object at an address.
//
//   top[page >> 9] -> chunk of 512 words, one for each page frame -> array of slots for the objects that start there
//
// A word of a chunk is
//	0			nothing recorded in this page
//	pointer | shift		an array of 4096 >> shift slots; an object's place is (offset in page) >> shift with
//				shift = ilog2(stride), unique since two objects of a slab lie a stride apart
//	a slot (bit 63 clear)	the one object of a page or more that starts here
// A chunk covers 2 MiB of memory and is made when the first object there is recorded; until then top points to a shared
// chunk of zeroes, so that a free of what nobody charged is two loads and no branch more.
//
// Who may write what, and when:
//  - An object has one owner at a time: the task that allocates it records, whoever frees it takes. Both are plain
//    stores; between them nobody else writes that slot. No lock, no atomic, no search.
//  - That breaks when somebody walks the ledger and takes objects away (handing over, dismissing): a free could load
//    the slot while the walker clears it, and both would uncharge. So a walker that writes first sets exclusive_ and
//    waits a grace period; frees run with preemption off, so afterwards every one of them sees the flag and takes by
//    exchange, and the walker by compare-and-exchange. Pairs: take() / claim().
//  - Chunks and arrays are published by compare-and-exchange. An array is replaced only when its page has come to a
//    cache of another stride: then every object of the old one has been freed (the page could not have changed hands
//    otherwise), nobody records or frees in it any more, and only walkers can still be reading it. It goes on a list
//    and is freed by reclaim() after a grace period. While it waits its first word is the link, which has bit 63 set
//    and so is no slot to a late walker.
//
// Contexts: record() and take() from anywhere with preemption off. walk(), claim() and reclaim() sleep.
#pragma once

#include "atomic.h"
#include "slot.h"

#include <platform/inline.h>

namespace bc
{

class Ledger
{
      public:
	// Covers `pages` page frames; false without memory. Sleeps.
	// ... and uses at most `most` bytes for what it makes on demand, if not 0.
	bool init(u64 pages, u64 most);
	void exit();

	// Records `slot` for an object of `stride` bytes at `address`; false without memory for it. Calls stale(Slot)
	// for each slot that was in the way: its object was freed unseen, and the caller uncharges it.
	template <class Stale> BC_HOT bool record(Address address, Stride stride, Slot slot, u32 gfp, Stale &&stale)
	{
		const u64 page = platform::page_index(address.value);
		if (__builtin_expect(page < limit_, true)) {
			Atomic<u64> &word = top_[page >> kChunkShift].acquire()[page & (kChunkWords - 1)];
			const u64 seen = word.acquire();
			const u32 shift = shift_of(stride);
			if (__builtin_expect(shift < kPageShift && (seen & kTagMask) == shift, true) &&
			    is_array(seen)) {
				Atomic<u64> &place = array_of(seen)[(address.value & (kPageSize - 1)) >> shift];
				if (__builtin_expect(place.relaxed() == 0, true)) {
					place.release(slot.raw()); // with its site, for walkers
					return true;
				}
				const Slot old{place.exchange(slot.raw())}; // a walker may claim it, too
				if (!old.empty())
					stale(old);
				return true;
			}
		}
		const u64 replaced = record_slow(page, address, stride, slot, gfp);
		if (replaced == kNotRecorded)
			return false;
		if (__builtin_expect(replaced != 0, false))
			drop(replaced, stale);
		return true;
	}

	// Takes what is recorded for the object at `address`; empty for what nobody charged.
	BC_HOT Slot take(Address address)
	{
		const u64 page = platform::page_index(address.value);
		if (__builtin_expect(page >= limit_, false))
			return Slot{};
		Atomic<u64> &word = top_[page >> kChunkShift].acquire()[page & (kChunkWords - 1)];
		const u64 seen = word.acquire();
		if (seen == 0)
			return Slot{};
		if (!is_array(seen)) // a page's own word is shared by all that starts there, stale or not
			return take_exclusive(word, seen);
		Atomic<u64> &place = array_of(seen)[(address.value & (kPageSize - 1)) >> (seen & kTagMask)];
		if (__builtin_expect(exclusive_.relaxed() != 0, false))
			return take_exclusive(place, place.relaxed());
		const Slot slot{place.relaxed()};
		if (slot.empty())
			return Slot{};
		place.set_relaxed(0);
		return slot;
	}

	// Is anything recorded for the object at `address`? Who holds a reference to it may believe the answer.
	Slot peek(Address address) const
	{
		const u64 page = platform::page_index(address.value);
		if (page >= limit_)
			return Slot{};
		const u64 seen = top_[page >> kChunkShift].acquire()[page & (kChunkWords - 1)].acquire();
		if (seen == 0 || !is_array(seen))
			return Slot{seen};
		return Slot{array_of(seen)[(address.value & (kPageSize - 1)) >> (seen & kTagMask)].acquire()};
	}
	bool holds(Address address) const { return !peek(address).empty(); }

	// One recorded object, as a walker sees it.
	struct Found {
		Slot slot;
		u64 page; // address of the page it starts in
		u32 low;  // and the part of the page, [low, high)
		u32 high;
		Atomic<u64> *place;

		// Where it starts exactly, given what its site says. The allocator is asked: a slot is coarser than
		// that.
		Address address(Stride stride) const
		{
			return Address{bc_object_address(page, low, high, stride.value)};
		}
	};
	// Calls visit(Found) for every recorded object, each page in a section of its own; sleeps in between. Objects
	// recorded or taken meanwhile may or may not be seen.
	template <class Visit> void walk(Visit &&visit)
	{
		for (u64 c = 0; c < chunks_; ++c) {
			Atomic<u64> *chunk = top_[c].acquire();
			if (chunk == zero_chunk())
				continue;
			for (u32 w = 0; w < kChunkWords; ++w) {
				if (chunk[w].relaxed() != 0)
					walk_page(chunk[w], platform::page_address(c * kChunkWords + w), visit);
			}
			bc_cond_resched();
		}
	}

	// From begin_exclusive() to end_exclusive() claim() may be called from within walk(). One walker at a time: the
	// worker.
	void begin_exclusive();
	void end_exclusive();
	// True if the object is still the one that was found and is now this walker's to uncharge.
	bool claim(const Found &found)
	{
		u64 expected = found.slot.raw();
		return found.place->compare_exchange(expected, 0);
	}

	// Frees what was replaced. Sleeps for a grace period if there is anything.
	void reclaim();

	s64 bytes() const { return bytes_.relaxed(); }
	s64 arrays() const { return arrays_.relaxed(); }
	u64 limit() const { return limit_; }

	static constexpr u32 kChunkShift = 9;
	static constexpr u32 kChunkWords = 1u << kChunkShift;
	static constexpr u64 kTagMask = 31; // arrays are aligned to 32: the low bits hold the shift

	static constexpr u32 shift_of(Stride stride)
	{
		return stride.value < 8 ? 3 : 31 - static_cast<u32>(__builtin_clz(stride.value));
	}
	static constexpr u32 array_bytes(u32 shift)
	{
		const u32 bytes = (kPageSize >> shift) * 8;
		return bytes < 32 ? 32 : bytes;
	}

      private:
	static constexpr bool is_array(u64 word) { return word >> 63 != 0; }
	static Atomic<u64> *array_of(u64 word)
	{
		return static_cast<Atomic<u64> *>(platform::pointer_of(word & ~kTagMask));
	}
	static Atomic<u64> *zero_chunk();

	// The word that was replaced (an array or a slot), 0, or kNotRecorded.
	static constexpr u64 kNotRecorded = kTagMask << 59;
	BC_COLD u64 record_slow(u64 page, Address address, Stride stride, Slot slot, u32 gfp);
	template <class Stale> BC_COLD void drop(u64 word, Stale &stale)
	{
		if (!is_array(word)) {
			stale(Slot{word});
			return;
		}
		for (u32 i = 0; i < kPageSize >> (word & kTagMask); ++i) {
			const Slot slot{array_of(word)[i].exchange(0)}; // a late walker may claim it, too
			if (!slot.empty())
				stale(slot);
		}
		retire(word);
	}
	BC_COLD static Slot take_exclusive(Atomic<u64> &place, u64 seen);
	bool full() const { return most_ != 0 && bytes_.relaxed() >= most_; }
	Atomic<u64> *chunk_for(u64 page, u32 gfp);
	void retire(u64 word);

	template <class Visit> void walk_page(Atomic<u64> &word, u64 page, Visit &visit)
	{
		platform::PreemptOff section;
		const u64 seen = word.acquire();
		if (seen == 0)
			return;
		if (!is_array(seen)) {
			visit(Found{Slot{seen}, page, 0, kPageSize, &word});
			return;
		}
		const u32 shift = seen & kTagMask;
		Atomic<u64> *array = array_of(seen);
		for (u32 i = 0; i < kPageSize >> shift; ++i) {
			const Slot slot{array[i].acquire()};
			if (!slot.empty())
				visit(Found{slot, page, i << shift, (i + 1) << shift, &array[i]});
		}
	}

	// The first two are known to trampolines.S, which looks at a page's word before it saves a register.
	Atomic<Atomic<u64> *> *top_ = nullptr;
	u64 limit_ = 0;
	u64 chunks_ = 0;
	Atomic<u32> exclusive_;
	Atomic<u64> retired_; // list of replaced arrays, linked through their first word
	s64 most_ = 0;
	Atomic<s64> bytes_;
	Atomic<s64> arrays_;
};

static_assert(Ledger::shift_of(Stride{8}) == 3 && Ledger::shift_of(Stride{192}) == 7 &&
	      Ledger::shift_of(Stride{4095}) == 11 && Ledger::shift_of(Stride{4096}) == kPageShift);
static_assert(Ledger::array_bytes(3) == kPageSize && Ledger::array_bytes(11) == 32);

} // namespace bc

extern "C" bc::Ledger bc_ledger;
