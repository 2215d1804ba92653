// SPDX-License-Identifier: GPL-2.0
// What a wrapper does around the original where bounds have to be asked: before it for what is large and where a charge
// is to fail on purpose, else after it.
#pragma once

#include "bounds.h"
#include "charge.h"

namespace bc
{

// The container of a namespace that is not the one this CPU charged last; nullptr where it is too late for one.
BC_COLD Container *other_container(const void *ns);

// The container of the current task, nullptr where it has none. Preemption off.
BC_HOT Container *current_container()
{
	const void *ns = platform::current_namespace();
	if (__builtin_expect(gates.loaders.relaxed() != 0, false) && bc_current_loads())
		return nullptr;
	auto *last = static_cast<Container *>(platform::cpu_last());
	if (__builtin_expect(last != nullptr && last->ns.relaxed() == ns && ns != nullptr, true))
		return last;
	return other_container(ns);
}

inline constexpr u64 kMostPages = u64{4} << 20; // KMALLOC_MAX_SIZE, include/linux/slab.h

// What an object of whole pages takes; more than kMostPages for what cannot be had. A size may be anything: callers
// multiply, and what does not fit is ~0 (size_mul(), include/linux/overflow.h).
constexpr u64 pages_bytes(u64 size)
{
	u64 bytes = kPageSize;
	while (bytes < size && bytes <= kMostPages)
		bytes <<= 1;
	return bytes;
}
static_assert(pages_bytes(1) == kPageSize && pages_bytes(kPageSize + 1) == u64{2} * kPageSize);
static_assert(pages_bytes(kMostPages) == kMostPages && pages_bytes(kMostPages + 1) > kMostPages &&
	      pages_bytes(~u64{0}) > kMostPages);

// What is known of an object before it is made.
struct Wanted {
	Address caller;
	CacheKey cache; // kUnknown: of its size only
	s64 bytes;	// of one, where the cache is unknown
	s64 count;	// 0: there is nothing to ask
	ByteKind kind;	// likewise
	u32 gfp;
	bool large;
	bool bulk = false; // asked for by kmem_cache_alloc_bulk()
};
// The key of a site whose cache only the allocator knows, when it has allocated. No object is recorded with it.
inline constexpr CacheKey kUnknown{2};

// Charges what is wanted to the current task's container, if that has to be asked before, and says so in `admission`.
// False: refused. Sleeps where wanted.gfp allows that.
BC_COLD bool admit(const Wanted &wanted, Admission &admission);
// The objects are there (or none, count = 0): records them, and puts right what was charged for them.
BC_COLD void settle(const Admission &admission, void *const *objects, s64 count, Address caller, CacheKey cache,
		    u32 gfp);
// For objects that charge() or charge_many() left: all of them, or none. False: refused, they have to go. Sleeps where
// gfp allows that.
BC_COLD bool admit_late(void *const *objects, s64 count, Address caller, CacheKey cache, u32 gfp, bool bulk);

} // namespace bc
