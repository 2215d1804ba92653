// SPDX-License-Identifier: GPL-2.0
#include "ledger.h"

#include "container.h"

#include <platform/inline.h>

extern "C" {
constinit bc::Ledger bc_ledger{};
// Read only, ever: record_slow() replaces it in `top` before it writes.
alignas(bc::kPageSize) constinit bc::Atomic<bc::u64> bc_zero_chunk[bc::Ledger::kChunkWords];
}

namespace bc
{

Atomic<u64> *Ledger::zero_chunk() { return bc_zero_chunk; }

bool Ledger::init(u64 pages, u64 most, bool flat)
{
	if (flat) {
		flat_ = static_cast<Atomic<u64> *>(bc_big_alloc(pages * sizeof(*flat_)));
		if (flat_ == nullptr)
			return false;
		bytes_.set_relaxed(static_cast<s64>(pages * sizeof(*flat_)));
		fixed_.set_relaxed(bytes_.relaxed());
		most_ = most == 0 ? s64{0} : bytes_.relaxed() + static_cast<s64>(most);
		limit_ = pages;
		return true;
	}
	const u64 chunks = (pages + kChunkWords - 1) >> kChunkShift;
	auto *top = static_cast<Atomic<Atomic<u64> *> *>(bc_big_alloc(chunks * sizeof(*top_)));
	if (top == nullptr)
		return false;
	for (u64 c = 0; c < chunks; ++c)
		top[c].set_relaxed(zero_chunk());
	top_ = top;
	chunks_ = chunks;
	bytes_.set_relaxed(static_cast<s64>(chunks * sizeof(*top_)));
	fixed_.set_relaxed(bytes_.relaxed());
	most_ = most == 0 ? s64{0} : bytes_.relaxed() + static_cast<s64>(most);
	limit_ = pages;
	return true;
}

void Ledger::exit()
{
	for (u64 first = 0; first < limit_; first += kChunkWords) {
		Atomic<u64> *words = &word_of(first);
		if (words == zero_chunk())
			continue;
		for (u64 w = 0; w < kChunkWords && first + w < limit_; ++w) {
			if (is_array(words[w].relaxed()))
				bc_mem_free(array_of(words[w].relaxed()));
		}
		if (flat_ == nullptr)
			bc_page_free(words);
		bc_cond_resched();
	}
	limit_ = 0;
	reclaim();
	bc_big_free(flat_);
	bc_big_free(top_);
	flat_ = nullptr;
	top_ = nullptr;
	chunks_ = 0;
	bytes_.set_relaxed(0);
	fixed_.set_relaxed(0);
	arrays_.set_relaxed(0);
	tell_at_.set_relaxed(0);
	given_back_.set_relaxed(0);
}

Atomic<u64> *Ledger::chunk_for(u64 page, u32 gfp)
{
	if (flat_ != nullptr)
		return &flat_[page & ~u64{kChunkWords - 1}];
	Atomic<Atomic<u64> *> &entry = top_[page >> kChunkShift];
	Atomic<u64> *seen = entry.acquire();
	if (seen != zero_chunk())
		return seen;
	if (full())
		return nullptr;
	auto *fresh = static_cast<Atomic<u64> *>(bc_page_alloc(gfp));
	if (fresh == nullptr)
		return nullptr;
	if (!entry.compare_exchange(seen, fresh)) {
		bc_page_free(fresh);
		return seen;
	}
	fixed_.add(kPageSize);
	grown(kPageSize);
	return fresh;
}

void Ledger::grown(s64 bytes)
{
	const s64 now = bytes_.add(bytes);
	const s64 at = tell_at_.relaxed();
	if (now >= at && now - bytes < at)
		bc_kick_worker();
}

void Ledger::retire(u64 word)
{
	Atomic<u64> *array = array_of(word);
	u64 head = retired_.relaxed();
	do {
		// Bit 63 keeps the link from looking like a slot; the list's end has it too.
		array[0].set_relaxed(head | u64{1} << 63);
	} while (!retired_.compare_exchange(head, platform::word_of(array) | (word & kTagMask)));
}

void Ledger::reclaim()
{
	u64 list = retired_.exchange(0);
	if (list << 1 == 0)
		return;
	bc_synchronize_rcu();
	while (list << 1 != 0) {
		Atomic<u64> *array = array_of(list);
		bytes_.add(-s64{array_bytes(shift_in(list))});
		arrays_.add(-1);
		list = array[0].relaxed();
		bc_mem_free(array);
	}
}

u64 Ledger::record_slow(u64 page, Address address, Stride stride, Slot slot, u32 gfp)
{
	if (page >= limit_) // memory that came after loading, or is not in the linear map
		return kNotRecorded;
	Atomic<u64> *chunk = chunk_for(page, gfp);
	if (chunk == nullptr)
		return kNotRecorded;
	Atomic<u64> &word = chunk[page & (kChunkWords - 1)];
	const u32 shift = shift_of(stride);

	if (shift >= kPageShift) {
		return word.exchange(rotated(slot));
	}

	u64 seen = word.acquire();
	u64 replaced = 0;
	while ((seen & kTagMask) != tag_of(shift)) {
		if ((seen & kTagMask) == (tag_of(shift) | kClosing)) { // not while we are here: the mark comes off
			if (word.compare_exchange(seen, seen & ~kClosing))
				seen &= ~kClosing;
			continue;
		}
		void *array = full() ? nullptr : bc_mem_alloc(array_bytes(shift), gfp);
		if (array == nullptr)
			return kNotRecorded;
		const u64 fresh = platform::word_of(array) | tag_of(shift);
		if (word.compare_exchange(seen, fresh)) {
			arrays_.add(1);
			grown(array_bytes(shift));
			replaced = seen;
			seen = fresh;
		} else {
			bc_mem_free(array); // another CPU was first: look at what it made
		}
	}
	Atomic<u64> &place = array_of(seen)[(address.value & (kPageSize - 1)) >> shift];
	const Slot old{place.exchange(slot.raw())};
	// Only reachable with something in `place` where another CPU made the array and recorded there: then nothing
	// was replaced by us.
	return old.empty() ? replaced : rotated(old);
}

Slot Ledger::take_exclusive(Atomic<u64> &place, u64 seen)
{
	while (!Slot{seen}.empty()) {
		if (place.compare_exchange(seen, 0)) {
			note_taken(Slot{seen});
			return Slot{seen};
		}
	}
	return Slot{};
}

// What is empty to others of an array's places: nothing here, a page's word being zero or an object.
Slot Ledger::take_word(Atomic<u64> &word, u64 seen)
{
	while (seen != 0 && !is_array(seen)) {
		if (word.compare_exchange(seen, 0)) {
			note_taken(unrotated(seen));
			return unrotated(seen);
		}
	}
	return Slot{};
}

void Ledger::begin_exclusive()
{
	exclusive_.set_relaxed(1);
	containers.divert_frees(true);
	bc_synchronize_rcu();
}

void Ledger::end_exclusive()
{
	// Frees that still take by exchange are right without a walker too; the next walker waits again.
	containers.divert_frees(false);
	exclusive_.set_relaxed(0);
}

} // namespace bc
