// SPDX-License-Identifier: GPL-2.0
// What the ledger keeps of one live object, in 64 bits: who owns it, where it was allocated, and when.
//
// The size is not here: a site is interned for a pair of call site and cache, and the cache has one stride, so both
// sides of a charge read the same number from the same place and agree by construction (site.h).
//
// What a free needs is at the ends, one instruction away each: the site in the low 16 bits; the account, which is the
// owner and what kind of bytes it is, at the top. The kind is the site's, written down once more.
//
// Bit 63 is always clear: in an array a word with bit 63 set is a link (ledger.h).
#pragma once

#include "types.h"

#include <platform/clock.h>

namespace bc
{

class Slot
{
      public:
	static constexpr u32 kSiteBits = 16;
	static constexpr u32 kBirthBits = 29;
	static constexpr u32 kKindBits = 2;
	static constexpr u32 kOwnerBits = 16;
	static constexpr u32 kBirthAt = kSiteBits;
	static constexpr u32 kAccountAt = kBirthAt + kBirthBits;
	static constexpr u64 kBirthMask = ((u64{1} << kBirthBits) - 1) << kBirthAt;
	static constexpr u32 kOwnerAt = kAccountAt + kKindBits;
	// Kinds: a ByteKind, or this one, whose frees have to look at the site.
	static constexpr u32 kSpecial = 2;
	static constexpr u32 kKinds = 1u << kKindBits;

	constexpr Slot() = default;
	constexpr explicit Slot(u64 raw) : raw_(raw) {}
	// of_site(): what all slots of a site share. of_owner(): likewise.
	constexpr Slot(u64 of_site, u64 of_owner, Birth birth)
	    : raw_(of_site | of_owner | u64{birth.value & ((1u << kBirthBits) - 1)} << kBirthAt)
	{
	}
	constexpr Slot(OwnerIndex owner, SiteIndex site, Birth birth, u32 kind = 0)
	    : Slot(of_site(site, kind), of_owner(owner), birth)
	{
	}
	static constexpr u64 of_site(SiteIndex site, u32 kind) { return site.value | u64{kind} << kAccountAt; }
	static constexpr u64 of_owner(OwnerIndex owner) { return u64{owner.value} << kOwnerAt; }

	// The same object, somebody else's.
	constexpr Slot given_to(u64 owner) const { return Slot{(raw_ & ((u64{1} << kOwnerAt) - 1)) | owner}; }

	constexpr u64 raw() const { return raw_; }
	constexpr OwnerIndex owner() const { return OwnerIndex{static_cast<u16>(raw_ >> kOwnerAt)}; }
	constexpr SiteIndex site() const { return SiteIndex{static_cast<u16>(raw_)}; }
	constexpr u32 account() const { return static_cast<u32>(raw_ >> kAccountAt); }
	constexpr u32 kind() const { return static_cast<u32>(raw_ >> kAccountAt) & (kKinds - 1); }
	constexpr Birth birth() const { return Birth{static_cast<u32>(raw_ >> kBirthAt) & ((1u << kBirthBits) - 1)}; }

	// Empty, or a word that only looks like a slot: the link of an array on its way to be freed (ledger.h).
	constexpr bool empty() const { return raw_ == 0 || raw_ >> 63 != 0; }

      private:
	u64 raw_ = 0;
};

static_assert(Slot::kOwnerAt + Slot::kOwnerBits == 63, "bit 63 belongs to the ledger");
static_assert(sizeof(Slot) == 8);
static_assert(Slot(OwnerIndex{0xffff}, SiteIndex{0xffff}, Birth{0x1fffffff}, 3).raw() == ~u64{0} >> 1);

// A birth counts in units of kBirthUnitMs of the kernel's clock, about a second, and wraps after years.
// Milliseconds from a birth until now, modulo the wrap.
constexpr u64 age_ms(Birth birth, u64 now_ms)
{
	const u32 now = static_cast<u32>(now_ms / kBirthUnitMs);
	return u64{(now - birth.value) & ((1u << Slot::kBirthBits) - 1)} * kBirthUnitMs;
}

} // namespace bc
