// SPDX-License-Identifier: GPL-2.0
// The 24 rows of /proc/user_beancounters, frozen in this order since 2.6.18, and what of them is counted today.
#pragma once

#include "types.h"

namespace bc
{

enum class Resource : u8 {
	kmemsize = 0,
	numproc = 5,
	dcachesize = 18,
	numfile = 19
};

struct ResourceRow {
	const char *name;
	bool counted; // false: shows zero, and CAVEATS.md says so
};

inline constexpr ResourceRow kResources[] = {
    {"kmemsize", true},	     {"lockedpages", false},  {"privvmpages", false}, {"shmpages", false},
    {"dummy", false},	     {"numproc", false},      {"physpages", false},   {"vmguarpages", false},
    {"oomguarpages", false}, {"numtcpsock", false},   {"numflock", false},    {"numpty", false},
    {"numsiginfo", false},   {"tcpsndbuf", false},    {"tcprcvbuf", false},   {"othersockbuf", false},
    {"dgramrcvbuf", false},  {"numothersock", false}, {"dcachesize", true},   {"numfile", false},
    {"dummy", false},	     {"dummy", false},	      {"dummy", false},	      {"numiptent", false},
};
inline constexpr size_t kResourceRows = sizeof(kResources) / sizeof(kResources[0]);
inline constexpr u64 kUnlimited = ~u64{0} >> 1; // LONG_MAX, as the old file writes it

// The two that are measured in bytes of slab objects: which of them an object belongs to is a property of its cache.
enum class ByteKind : u8 {
	kmemsize,
	dcachesize
};
inline constexpr size_t kByteKinds = 2;
inline constexpr Resource kByteResource[kByteKinds] = {Resource::kmemsize, Resource::dcachesize};

namespace detail
{
constexpr bool same(const char *a, const char *b)
{
	while (*a != 0 && *a == *b) {
		++a;
		++b;
	}
	return *a == *b;
}
constexpr bool named(Resource r, const char *name) { return same(kResources[static_cast<size_t>(r)].name, name); }
} // namespace detail

static_assert(kResourceRows == 24, "the old format has 24 rows, frozen");
static_assert(detail::named(Resource::kmemsize, "kmemsize") && detail::named(Resource::numproc, "numproc") &&
	      detail::named(Resource::dcachesize, "dcachesize") && detail::named(Resource::numfile, "numfile"));

} // namespace bc
