// SPDX-License-Identifier: GPL-2.0
// Words of the core: integers, and the strong types that keep a byte count from being taken for an id.
#pragma once

#include <beancounter/types.h>

#include <compare>
#include <cstddef>
#include <cstdint>

// The path of one charge is inlined into one function for each hook, whatever the compiler thinks of its size; what is
// rare is kept out of it.
#define BC_HOT [[gnu::always_inline]] inline
#define BC_COLD [[gnu::cold, gnu::noinline]]

namespace bc
{

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s32 = int32_t;
using s64 = int64_t;

template <class T> constexpr T min(T a, T b) { return a < b ? a : b; }
template <class T> constexpr T max(T a, T b) { return a > b ? a : b; }

inline constexpr u32 kPageShift = 12; // x86-64 only, and so is the ledger's index
inline constexpr u32 kPageSize = 1u << kPageShift;

// A number that converts to nothing by itself. Tag keeps two of them apart.
template <class Tag, class Rep> struct Number {
	Rep value{};

	constexpr Number() = default;
	constexpr explicit Number(Rep v) : value(v) {}
	constexpr auto operator<=>(const Number &) const = default;
	constexpr explicit operator bool() const { return value != 0; }
};

using OwnerIndex = Number<struct OwnerTag, u16>;	// a place in the table of containers; 0: nobody
using SiteIndex = Number<struct SiteTag, u32>;		// a place in the table of sites; 0: none
using ContainerId = Number<struct ContainerIdTag, u32>; // what the administrator sees; 0: the host
using Birth = Number<struct BirthTag, u32>;		// coarse time of an allocation, see slot.h
using Address = Number<struct AddressTag, u64>;
using Stride = Number<struct StrideTag, u32>; // bytes from one object of a cache to the next: what is charged

// The address of somebody's object, kept inverted: who searches the memory for it is not to find us (bc_words()).
class Hidden
{
      public:
	constexpr Hidden() = default;
	constexpr Hidden(u64 address) : inverted_(~address) {} // NOLINT(google-explicit-constructor)
	constexpr operator u64() const { return ~inverted_; }  // NOLINT(google-explicit-constructor)
	constexpr u64 inverted() const { return inverted_; }

      private:
	u64 inverted_ = ~u64{0};
};

} // namespace bc
