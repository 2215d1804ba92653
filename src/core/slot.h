// SPDX-License-Identifier: GPL-2.0
// What the ledger keeps of one live object, in 64 bits: who owns it, where it was allocated, and when.
//
// The size is not here: a site is interned for a pair of call site and cache, and the cache has one stride, so both
// sides of a charge read the same number from the same place and agree by construction (site.h).
//
// Bit 63 is always clear: in the ledger a word with bit 63 set is a kernel pointer.
#pragma once

#include "types.h"

namespace bc
{

class Slot
{
      public:
	static constexpr u32 kOwnerBits = 16;
	static constexpr u32 kSiteBits = 18;
	static constexpr u32 kBirthBits = 29;

	constexpr Slot() = default;
	constexpr explicit Slot(u64 raw) : raw_(raw) {}
	constexpr Slot(OwnerIndex owner, SiteIndex site, Birth birth)
	    : raw_(owner.value | u64{site.value} << kOwnerBits |
		   u64{birth.value & ((1u << kBirthBits) - 1)} << (kOwnerBits + kSiteBits))
	{
	}

	constexpr u64 raw() const { return raw_; }
	constexpr OwnerIndex owner() const { return OwnerIndex{static_cast<u16>(raw_)}; }
	constexpr SiteIndex site() const
	{
		return SiteIndex{static_cast<u32>(raw_ >> kOwnerBits) & ((1u << kSiteBits) - 1)};
	}
	constexpr Birth birth() const { return Birth{static_cast<u32>(raw_ >> (kOwnerBits + kSiteBits))}; }

	// Empty, or a word that only looks like a slot: the link of an array on its way to be freed (ledger.h).
	constexpr bool empty() const { return raw_ == 0 || raw_ >> 63 != 0; }

      private:
	u64 raw_ = 0;
};

static_assert(Slot::kOwnerBits + Slot::kSiteBits + Slot::kBirthBits == 63, "bit 63 belongs to the ledger");
static_assert(sizeof(Slot) == 8);
static_assert(Slot(OwnerIndex{0xffff}, SiteIndex{0x3ffff}, Birth{0x1fffffff}).raw() == ~u64{0} >> 1);

// A birth counts in units of 128 ms of the kernel's clock and wraps after two years.
inline constexpr u32 kBirthUnitMs = 128;

// Milliseconds from a birth until now, modulo the wrap.
constexpr u64 age_ms(Birth birth, u64 now_ms)
{
	const u32 now = static_cast<u32>(now_ms / kBirthUnitMs);
	return u64{(now - birth.value) & ((1u << Slot::kBirthBits) - 1)} * kBirthUnitMs;
}

} // namespace bc
