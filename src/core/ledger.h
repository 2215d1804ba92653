// SPDX-License-Identifier: GPL-2.0
// The ledger: which container owns the object at an address.
//
//   flat[page]                          -> array of slots for the objects that start there
//   top[page >> 9] -> chunk of 512 words
//
// There is a word for each page frame. Where the machine's memory is small and will not grow, they are one flat table
// of 0.2 % of it; else chunks, each of which covers 2 MiB and is made when the first object there is recorded: until
// then top points to a shared chunk of zeroes. So a free of what nobody charged is one load or two, and no branch more.
//
// A word is
//	0			nothing recorded in this page
//	pointer | 20 + shift	an array of 4096 >> shift slots; an object's place is (offset in page) >> shift with
//				shift = ilog2(stride), unique since two objects of a slab lie a stride apart. 20 is
//				what frees shift up before they shift down, by all of these five bits, so that the
//				next one costs them nothing; and all of these sums have the 16
//	... | 32		the same, closing: nothing was in it, and it is about to be given back
//	a slot, rotated		the one object of a page or more that starts here; bit 63 of a slot is clear, and
//				rotated lies where arrays have the 16
//
// Who may write what, and when:
//  - An object has one owner at a time: the task that allocates it records, whoever frees it takes. Both are plain
//    stores; between them nobody else writes that slot. No lock, no atomic, no search.
//  - That breaks when somebody walks the ledger and takes objects away (handing over, dismissing): a free could load
//    the slot while the walker clears it, and both would uncharge. So a walker that writes first sets exclusive_ and
//    waits a grace period; frees run with preemption off, so afterwards every one of them sees the flag and takes by
//    exchange, and the walker by compare-and-exchange. Pairs: take() / claim(). The frees in trampolines.S do not look
//    at the flag: with it they are given a table of cells (container.h) that sends each of them to take().
//  - Chunks and arrays are published by compare-and-exchange. An array is replaced only when its page has come to a
//    cache of another stride: then every object of the old one has been freed (the page could not have changed hands
//    otherwise), nobody records or frees in it any more, and only walkers can still be reading it. It goes on a list
//    and is freed by reclaim() after a grace period. While it waits its first word is the link, which has bit 63 set
//    and so is no slot to a late walker.
//  - An array that holds nothing is given back (sweep.cc) by a mark in its word, which makes it closing. To a free
//    that is an array as before; to who records it is one of another stride, and whoever records there takes the mark
//    off first. A grace period after the mark no section is left that knew the word without it: what is empty then,
//    and still marked, stays empty, since nobody records in it without changing the word. Nobody but the worker marks.
//
// Contexts: record() and take() from anywhere with preemption off. walk(), claim() and reclaim() sleep.
#pragma once

#include "atomic.h"
#include "slot.h"

#include <beancounter/fast_path.h>
#include <platform/inline.h>

namespace bc
{

class Ledger
{
      public:
	// Covers `pages` page frames; false without memory. Sleeps.
	// ... and uses at most `most` bytes for what it makes on demand, if not 0.
	bool init(u64 pages, u64 most, bool flat);
	void exit();

	// Records `slot` for an object of `stride` bytes at `address`; false without memory for it. Calls stale(Slot)
	// for each slot that was in the way: its object was freed unseen, and the caller uncharges it.
	template <class Stale> BC_HOT bool record(Address address, Stride stride, Slot slot, u32 gfp, Stale &&stale)
	{
		const u64 page = platform::page_index(address.value);
		if (__builtin_expect(page < limit_, true)) {
			Atomic<u64> &word = word_of(page);
			const u64 seen = word.acquire();
			const u32 shift = shift_of(stride);
			if (__builtin_expect((seen & kTagMask) == tag_of(shift), true)) {
				Atomic<u64> &place = place_in(seen, address);
				if (__builtin_expect(place.relaxed() == 0, true)) {
					place.release(slot.raw()); // with its site, for walkers
					return true;
				}
				const Slot old{place.exchange(slot.raw())}; // a walker may claim it, too
				if (!old.empty())
					stale(old);
				return true;
			}
			// A page's own: nobody else is about to write its word, which is empty.
			if (shift >= kPageShift && seen == 0 && writable(word)) {
				word.release(rotated(slot));
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

	// What record() does mostly: an array with this tag, and an empty place. False else, and nothing has happened.
	BC_HOT bool record_plain(Address address, u64 tag, Slot slot)
	{
		const u64 page = platform::page_index(address.value);
		if (__builtin_expect(tag == kNoTag || page >= limit_, false))
			return false;
		const u64 seen = word_of(page).acquire();
		if (__builtin_expect((seen & kTagMask) != tag, false))
			return false;
		Atomic<u64> &place = place_in(seen, address);
		if (__builtin_expect(place.relaxed() != 0, false))
			return false;
		place.release(slot.raw());
		return true;
	}

	// The page of the object before, for who has many of them: objects of one slab follow each other.
	class Run
	{
	      public:
		// `bytes` over twice the stride that the shift stands for.
		u32 half_of(u32 bytes) const { return static_cast<u32>(u64{bytes} << (BC_WORD_UP - 1) >> count_); }

	      private:
		friend class Ledger;
		u64 page_ = 1; // no page's address
		u32 count_ = 0;
		Atomic<u64> *array_ = nullptr; // nullptr: nothing is recorded there, or it is no array
		Atomic<u64> *place(Address address) { return &array_[place_by(address, count_)]; }
	};
	// The place of the object at `address`, if it has one in an array; with `other` set the long way is to be gone.
	// Clearing it takes the object, but not while somebody claims: exclusive().
	BC_HOT Atomic<u64> *find_place(Run &run, Address address, bool &other)
	{
		other = false;
		if (__builtin_expect(address.value - run.page_ >= kPageSize, false))
			other = !look_up(run, address);
		return run.array_ == nullptr ? nullptr : run.place(address);
	}
	bool exclusive() const { return exclusive_.relaxed() != 0; }

	// Objects that came, or go, together, in a ledger that is flat: how many of the first `count`, in fours from
	// the first on, the rest being left as it is; a run of four is looked at whole before anything is changed. The
	// loops are in assembly once more (src/shim/together.S). Addresses are the allocator's own, which finds each
	// one's page as is done here.
	//
	// Records one slot for each, where there is an array with this tag, and an empty place.
	u32 record_together(void *const *objects, u32 count, u64 tag, Slot slot)
	{
		if constexpr (platform::kTogether)
			return platform::bc_record_together(objects, count, tag, slot.raw());
		return fours(objects, count, tag, [slot](auto &places) {
			u64 any = 0;
			for (Atomic<u64> *place : places)
				any |= place->relaxed();
			if (any != 0)
				return false;
			for (Atomic<u64> *place : places)
				place->release(slot.raw());
			return true;
		});
	}
	// Takes them, where the arrays have this tag, and all slots agree with `same` in what uncharging wants to know.
	// Not while somebody claims: exclusive().
	u32 take_together(void *const *objects, u32 count, u64 tag, Slot same)
	{
		if constexpr (platform::kTogether)
			return platform::bc_take_together(objects, count, tag, same.raw());
		return fours(objects, count, tag, [same](auto &places) {
			u64 other = 0;
			for (Atomic<u64> *place : places)
				other |= place->relaxed() ^ same.raw();
			if ((other & ~Slot::kBirthMask) != 0)
				return false;
			for (Atomic<u64> *place : places)
				place->set_relaxed(0);
			return true;
		});
	}
	static constexpr u32 kTogether = 4;
	// What is recorded for an object in an array, and the tag of that: what take_together() wants of the first. Of
	// one that is closing it is the tag that it had, as a tag is of sites: take_together() takes nothing there.
	BC_HOT Slot peek_in_array(Address address, u64 &tag) const
	{
		const u64 page = platform::page_index(address.value);
		const u64 seen = page < limit_ ? word_of(page).acquire() : 0;
		if (!is_array(seen))
			return Slot{};
		tag = seen & kCountMask;
		return Slot{place_in(seen, address).relaxed()};
	}

	// Takes what is recorded for the object at `address`; empty for what nobody charged.
	BC_HOT Slot take(Address address)
	{
		const u64 page = platform::page_index(address.value);
		if (__builtin_expect(page >= limit_, false))
			return Slot{};
		Atomic<u64> &word = word_of(page);
		const u64 seen = word.acquire();
		if (seen == 0)
			return Slot{};
		if (!is_array(seen)) // a page's own word is shared by all that starts there, stale or not
			return take_word(word, seen);
		Atomic<u64> &place = place_in(seen, address);
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
		const u64 seen = word_of(page).acquire();
		if (seen == 0 || !is_array(seen))
			return unrotated(seen);
		return Slot{place_in(seen, address).acquire()};
	}
	bool holds(Address address) const { return !peek(address).empty(); }

	// One recorded object, as a walker sees it.
	struct Found {
		Slot slot;
		u64 page; // address of the page it starts in
		u32 low;  // and the part of the page, [low, high)
		u32 high;
		bool whole; // in the page's word itself
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
		each_word([&](Atomic<u64> &word, u64 page) { walk_page(word, platform::page_address(page), visit); });
	}

	// From begin_exclusive() to end_exclusive() claim() may be called from within walk(). One walker at a time: the
	// worker.
	void begin_exclusive();
	void end_exclusive();
	// True if the object is still the one that was found and is now this walker's to uncharge.
	// What was its slot becomes `instead`.
	bool claim(const Found &found, Slot instead = Slot{})
	{
		const auto word = [&](Slot slot) { return found.whole && !slot.empty() ? rotated(slot) : slot.raw(); };
		u64 expected = word(found.slot);
		return found.place->compare_exchange(expected, word(instead));
	}

	// Who asks whether anything was freed meanwhile says where frees are to count what they take, by owner, before
	// begin_exclusive(); and after end_exclusive() that it is over (nullptr), a grace period before he gives the
	// memory back. Within, every free comes by take(), or by bc_uncharge().
	void count_taken(Atomic<u32> *by_owner) { taken_.release(by_owner); }
	void note_taken(Slot slot)
	{
		if (Atomic<u32> *by_owner = taken_.acquire(); __builtin_expect(by_owner != nullptr, false))
			by_owner[slot.owner().value].add(1);
	}

	// Frees what was replaced. Sleeps for a grace period if there is anything.
	void reclaim();

	// Gives the arrays back that hold nothing: how many. Sleeps, for grace periods if there are any. The worker's
	// alone, and not while it walks.
	u32 give_back();
	// The worker is called once when bytes() comes to this.
	void tell_at(s64 bytes) { tell_at_.set_relaxed(bytes); }
	s64 told_at() const { return tell_at_.relaxed(); }

	s64 bytes() const { return bytes_.relaxed(); }
	s64 bytes_of_arrays() const { return bytes_.relaxed() - fixed_.relaxed(); }
	s64 most() const { return most_; } // 0: no bound
	s64 given_back() const { return given_back_.relaxed(); }
	s64 arrays() const { return arrays_.relaxed(); }
	u64 limit() const { return limit_; }
	bool flat() const { return flat_ != nullptr; }

	static constexpr u32 kPagesAtOnce = 8; // that a walk visits before it asks whether somebody waits for the CPU
	static constexpr u32 kChunkShift = 9;
	static constexpr u32 kChunkWords = 1u << kChunkShift;
	static constexpr u64 kTagMask = BC_WORD_TAG;	 // arrays are aligned to 64: the low bits hold the tag
	static constexpr u64 kClosing = BC_WORD_CLOSING; // no tag of a site's has it
	static constexpr u64 kCountMask = kTagMask ^ kClosing;
	static constexpr u64 kNoTag = BC_WORD_NO_TAG; // that no array has, closing or not
	static constexpr u64 tag_of(u32 shift) { return shift < kPageShift ? BC_WORD_UP + shift : kNoTag; }
	static constexpr u32 shift_in(u64 tag) { return static_cast<u32>(tag & kCountMask) - BC_WORD_UP; }
	// An address's place in an array with this tag.
	static constexpr u32 place_by(Address address, u64 tag)
	{
		return static_cast<u32>(address.value) << BC_WORD_UP >> (tag & kCountMask);
	}

	static constexpr u32 shift_of(Stride stride)
	{
		return stride.value < 8 ? 3 : 31 - static_cast<u32>(__builtin_clz(stride.value));
	}
	static constexpr u32 array_bytes(u32 shift)
	{
		const u32 bytes = (kPageSize >> shift) * 8;
		return bytes < 64 ? 64 : bytes;
	}

      private:
	static constexpr bool is_array(u64 word) { return (word & BC_WORD_ARRAY) != 0; }
	static constexpr bool is_closing(u64 word) { return is_array(word) && (word & kClosing) != 0; }
	static constexpr u64 rotated(Slot slot)
	{
		return slot.raw() << BC_WORD_ROTATED | slot.raw() >> (64 - BC_WORD_ROTATED);
	}
	static constexpr Slot unrotated(u64 word)
	{
		return Slot{word >> BC_WORD_ROTATED | word << (64 - BC_WORD_ROTATED)};
	}
	Atomic<u64> &word_of(u64 page) const
	{
		if (__builtin_expect(flat_ != nullptr, true))
			return flat_[page];
		return top_[page >> kChunkShift].acquire()[page & (kChunkWords - 1)];
	}
	// False where the page has something that is no array.
	bool look_up(Run &run, Address address) const
	{
		const u64 page = platform::page_index(address.value);
		const u64 seen = page < limit_ ? word_of(page).acquire() : 0;
		run.page_ = address.value & ~u64{kPageSize - 1};
		run.array_ = is_array(seen) ? array_of(seen) : nullptr;
		run.count_ = seen & kCountMask;
		return seen == 0 || is_array(seen);
	}
	template <class Visit> u32 fours(void *const *objects, u32 count, u64 tag, Visit &&visit) const
	{
		u32 done = 0;
		for (; flat_ != nullptr && count - done >= kTogether; done += kTogether) {
			Atomic<u64> *places[kTogether];
			for (u32 i = 0; i < kTogether; ++i) {
				const u64 address = reinterpret_cast<u64>(objects[done + i]);
				const u64 page = platform::page_index(address);
				const u64 seen = page < limit_ ? flat_[page].acquire() : 0;
				if ((seen & kTagMask) != tag)
					return done;
				places[i] = &array_of(seen)[place_by(Address{address}, tag)];
			}
			if (!visit(places))
				return done;
		}
		return done;
	}
	static bool writable(Atomic<u64> &word) { return &word < zero_chunk() || &word >= zero_chunk() + kChunkWords; }
	static Atomic<u64> *array_of(u64 word)
	{
		return static_cast<Atomic<u64> *>(platform::pointer_of(word & ~kTagMask));
	}
	static Atomic<u64> &place_in(u64 word, Address address) { return array_of(word)[place_by(address, word)]; }
	static Atomic<u64> *zero_chunk();

	// The word that was replaced (an array or a slot), 0, or kNotRecorded, which no word is.
	static constexpr u64 kNotRecorded = kNoTag;
	BC_COLD u64 record_slow(u64 page, Address address, Stride stride, Slot slot, u32 gfp);
	template <class Stale> BC_COLD void drop(u64 word, Stale &stale)
	{
		if (!is_array(word)) {
			stale(unrotated(word));
			return;
		}
		for (u32 i = 0; i < kPageSize >> shift_in(word); ++i) {
			const Slot slot{array_of(word)[i].exchange(0)}; // a late walker may claim it, too
			if (!slot.empty())
				stale(slot);
		}
		retire(word);
	}
	BC_COLD Slot take_exclusive(Atomic<u64> &place, u64 seen);
	Slot take_word(Atomic<u64> &word, u64 seen);
	static bool holds_nothing(u64 array);
	bool full() const { return most_ != 0 && bytes_.relaxed() >= most_; }
	void grown(s64 bytes);
	Atomic<u64> *chunk_for(u64 page, u32 gfp);
	void retire(u64 word);

	// Calls visit(word, page) for each page's word that is not 0, in a section of its own; sleeps in between.
	template <class Visit> void each_word(Visit &&visit)
	{
		for (u64 first = 0; first < limit_; first += kChunkWords) {
			Atomic<u64> *words = &word_of(first);
			if (words == zero_chunk())
				continue;
			u32 pages = 0;
			for (u64 w = 0; w < kChunkWords && first + w < limit_; ++w) {
				if (words[w].relaxed() == 0)
					continue;
				{
					platform::PreemptOff section;
					visit(words[w], first + w);
				}
				if (++pages % kPagesAtOnce == 0)
					bc_cond_resched();
			}
			bc_cond_resched();
		}
	}
	template <class Visit> static void walk_page(Atomic<u64> &word, u64 page, Visit &visit)
	{
		const u64 seen = word.acquire();
		if (seen == 0)
			return;
		if (!is_array(seen)) {
			visit(Found{unrotated(seen), page, 0, kPageSize, true, &word});
			return;
		}
		const u32 shift = shift_in(seen);
		Atomic<u64> *array = array_of(seen);
		for (u32 i = 0; i < kPageSize >> shift; ++i) {
			const Slot slot{array[i].acquire()};
			if (!slot.empty())
				visit(Found{slot, page, i << shift, (i + 1) << shift, false, &array[i]});
		}
	}

	friend struct LedgerLayout;
	// The first four are known to trampolines.S, which looks at a page's word before it saves a register.
	Atomic<u64> *flat_ = nullptr;
	u64 limit_ = 0;
	Atomic<Atomic<u64> *> *top_ = nullptr;
	Atomic<u32> exclusive_;
	u64 chunks_ = 0;
	Atomic<u64> retired_; // list of arrays that are in no word any more, linked through their first word
	s64 most_ = 0;
	Atomic<s64> bytes_;
	Atomic<s64> fixed_; // of them, what is not given back: the table, chunks
	Atomic<s64> arrays_;
	Atomic<s64> tell_at_;
	Atomic<s64> given_back_;
	Atomic<Atomic<u32> *> taken_;
};

static_assert(Ledger::shift_of(Stride{8}) == 3 && Ledger::shift_of(Stride{192}) == 7 &&
	      Ledger::shift_of(Stride{4095}) == 11 && Ledger::shift_of(Stride{4096}) == kPageShift);
// All that an array's word can have there, and kNoTag, differ, and a slot's has no BC_WORD_ARRAY.
static_assert(Ledger::tag_of(3) > Ledger::kNoTag && Ledger::tag_of(kPageShift - 1) < Ledger::kClosing &&
	      (Ledger::tag_of(3) & BC_WORD_ARRAY) != 0 && BC_WORD_ARRAY == 1 << (63 + BC_WORD_ROTATED - 64));
static_assert(BC_WORD_UP + kPageShift == 32 && (Ledger::kCountMask & Ledger::kClosing) == 0 &&
	      Ledger::place_by(Address{0x12345fff}, Ledger::tag_of(3)) == 511 &&
	      Ledger::place_by(Address{0x12345fff}, Ledger::tag_of(11) | Ledger::kClosing) == 1);
static_assert(Ledger::array_bytes(3) == kPageSize && Ledger::array_bytes(11) == 64);

} // namespace bc

extern "C" bc::Ledger bc_ledger;
