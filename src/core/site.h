// SPDX-License-Identifier: GPL-2.0
// Call sites. A site is a pair of the return address of an allocation and the cache the object came from, interned once
// and then named by its place in the table. It holds everything about an object that all objects of the
// pair share: the stride, the kind of bytes, the cache's name.
//
// Lookup is lock-free: an entry is written under BC_LOCK_SITES and published by its caller field (release; pairs with
// the acquire in find()), and never changes but for two things: `cache` becomes kDead when the cache is destroyed or
// the caller's module goes (the entry then matches nothing, but still explains the objects that name it), and `text` is
// filled once, before the module's symbols go.
#pragma once

#include "atomic.h"
#include "pieces.h"
#include "resource.h"
#include "types.h"

#include <beancounter/fast_path.h>

namespace bc
{

// A cache's address; for page-backed objects their size in bytes, which is no kernel address.
using CacheKey = Number<struct CacheKeyTag, u64>;

// A call site is a return address, or where a container keeps whole stacks the number of one, which is no kernel
// address.
constexpr bool is_stack(u64 caller) { return caller >> 63 == 0; }

constexpr bool is_page_backed(CacheKey key) { return key.value >> 63 == 0; }

// What few sites have, in one byte: the fast path asks for all of it at once.
class Special
{
      public:
	constexpr Special() = default;
	static constexpr Special unowned() { return Special{kUnowned}; }
	static constexpr Special piece(const PieceRow &row)
	{
		return Special{
		    static_cast<u8>(static_cast<u32>(row.what) << kPieceShift | (row.atomic_too ? kAtomicToo : 0u))};
	}

	// An element of a reserve: its allocation is never refused. It is counted as any other object.
	static constexpr Special reserved() { return Special{kReserved}; }

	// Counted in cells, and in nothing else.
	constexpr bool is_plain() const { return (bits_ & ~kReserved) == 0; }
	constexpr bool is_reserved() const { return bits_ & kReserved; }
	// Made by the allocator for itself: gets no owner.
	constexpr bool is_unowned() const { return bits_ & kUnowned; }
	constexpr bool is_piece() const { return bits_ >> kPieceShift != 0; }
	constexpr Charged piece() const { return static_cast<Charged>(bits_ >> kPieceShift); }
	// May be refused though it is atomic.
	constexpr bool atomic_too() const { return bits_ & kAtomicToo; }

      private:
	static constexpr u8 kUnowned = 1;
	static constexpr u8 kAtomicToo = 2;
	static constexpr u8 kReserved = 4;
	static constexpr u32 kPieceShift = 4; // 0 there is kmemsize, which is no piece
	constexpr explicit Special(u8 bits) : bits_(bits) {}
	u8 bits_ = 0;
};
static_assert(kChargedRows <= 16 && Special{}.is_plain() && Special::reserved().is_plain());

// One line of the cache. All that a charge wants of its site is made ready when it is interned.
struct alignas(64) Site {
	Atomic<u64> caller; // an address or a stack; 0: free entry
	Atomic<u64> cache;
	u64 amount;		   // of one object, packed (counter.h); 0: not plain
	u64 slot;		   // what all its slots have in common
	u64 tag;		   // of the word of a page with its objects (ledger.h); kNoTag: the long way
	u64 cell;		   // where in a Cells it counts, in bytes; of a piece's BC_SITE_PIECE_*
	Atomic<const char *> text; // the caller's symbol, once it cannot be looked up any more
	Stride stride;
	u16 cache_name;
	ByteKind kind;
	Special special;

	// Its objects are counted in cells, and in nothing else.
	bool plain() const { return amount != 0; }
};
static_assert(sizeof(Site) == 64 && sizeof(Site) == 1 << BC_SITE_SHIFT);

} // namespace bc

// The table itself, and what a free wants to know of a site. They lie in the module's own memory, so that an address in
// them is an index and a constant.
extern "C" {
extern bc::Site bc_sites[1u << BC_SITE_BITS];
extern bc::u64 bc_amounts[1u << BC_SITE_BITS];
}

namespace bc
{

class Sites
{
      public:
	static constexpr u32 kBits = BC_SITE_BITS;
	static constexpr u32 kPlaces = 1u << kBits;
	static constexpr u64 kDead = 1;

	bool init();
	void exit();

	// The site of an allocation; 0 where the table is full (counted as lost). Any context, preemption off.
	BC_HOT SiteIndex intern(Address caller, CacheKey cache)
	{
		for (u32 i = place_of(caller, cache);; i = after(i)) {
			const u64 seen = bc_sites[i].caller.acquire();
			if (__builtin_expect(seen == caller.value && bc_sites[i].cache.relaxed() == cache.value, true))
				return SiteIndex{i};
			if (seen == 0)
				return add(caller, cache);
		}
	}
	// The site where it is known, and in the first place that is looked at; 0 else.
	BC_HOT SiteIndex known(Address caller, CacheKey cache) const
	{
		const u32 i = place_of(caller, cache);
		const Site &site = bc_sites[i];
		return site.caller.acquire() == caller.value && site.cache.relaxed() == cache.value ? SiteIndex{i}
												    : SiteIndex{};
	}
	const Site &operator[](SiteIndex index) const { return bc_sites[index.value]; }

	const char *cache_name(const Site &site) const { return names_[site.cache_name].text; }
	// Where the object was allocated: the return address, of a stack its first.
	static u64 address_of(u64 caller);
	// "function+0x1d"; returns the length.
	int symbol(const Site &site, char *text, u32 size) const;

	void cache_gone(u64 cache);
	void text_going(u64 start, u64 end);

	u32 count() const { return count_.relaxed(); }

      private:
	static constexpr u32 kNames = 1024;
	static constexpr u32 kMostSites = kPlaces / 8 * 7;  // keeps a free entry at the end of every search
	static constexpr u32 kMostStacks = kPlaces / 8 * 6; // then their call sites alone
	struct CacheName {
		char text[40];
	};

	static u32 place_of(Address caller, CacheKey cache)
	{
		// Callers differ in the low bits, and are spread; caches from bit 8 on. In four instructions the place
		// of it in the table (trampolines.S). Place 0 stays free: 0 is "none".
		const u32 hash = static_cast<u32>(caller.value) * BC_SITE_HASH ^ static_cast<u32>(cache.value);
		const u32 place = (hash >> BC_SITE_HASH_SHIFT & BC_SITE_MASK) >> BC_SITE_SHIFT;
		return place | (place == 0);
	}
	static u32 after(u32 place)
	{
		const u32 next = (place + 1) & (kPlaces - 1);
		return next | (next == 0);
	}
	BC_COLD SiteIndex add(Address caller, CacheKey cache);
	static bool is_of(const char *symbol, const char *module);
	static Special special_of(Address caller, const char *cache_name);
	u16 intern_name(const char *name);

	CacheName *names_ = nullptr;
	u32 names_used_ = 0;
	Atomic<u32> count_;
};

extern Sites sites;

} // namespace bc
