// SPDX-License-Identifier: GPL-2.0
// The 24 rows of /proc/user_beancounters, frozen in this order since 2.6.18, and what of them is charged today.
#pragma once

#include "types.h"

namespace bc
{

// What slab objects can tell, in the order in which a container keeps it: the two that are measured in bytes first.
enum class Charged : u8 {
	kmemsize,
	dcachesize,
	numproc,
	numtcpsock,
	numflock,
	numpty,
	numsiginfo,
	numothersock,
	numfile,
	kCount
};
inline constexpr size_t kChargedRows = static_cast<size_t>(Charged::kCount);
constexpr size_t at(Charged what) { return static_cast<size_t>(what); }

struct ResourceRow {
	const char *name;
	Charged charged; // kCount: shows zero, and CAVEATS.md says so
};

inline constexpr ResourceRow kResources[] = {
    {"kmemsize", Charged::kmemsize},	 {"lockedpages", Charged::kCount}, {"privvmpages", Charged::kCount},
    {"shmpages", Charged::kCount},	 {"dummy", Charged::kCount},	   {"numproc", Charged::numproc},
    {"physpages", Charged::kCount},	 {"vmguarpages", Charged::kCount}, {"oomguarpages", Charged::kCount},
    {"numtcpsock", Charged::numtcpsock}, {"numflock", Charged::numflock},  {"numpty", Charged::numpty},
    {"numsiginfo", Charged::numsiginfo}, {"tcpsndbuf", Charged::kCount},   {"tcprcvbuf", Charged::kCount},
    {"othersockbuf", Charged::kCount},	 {"dgramrcvbuf", Charged::kCount}, {"numothersock", Charged::numothersock},
    {"dcachesize", Charged::dcachesize}, {"numfile", Charged::numfile},	   {"dummy", Charged::kCount},
    {"dummy", Charged::kCount},		 {"dummy", Charged::kCount},	   {"numiptent", Charged::kCount},
};
inline constexpr size_t kResourceRows = sizeof(kResources) / sizeof(kResources[0]);
inline constexpr s64 kUnlimited = static_cast<s64>(~u64{0} >> 1); // LONG_MAX, as the old file writes it

// Which of the two kinds of bytes an object is, is a property of its cache: reclaimable ones are dcachesize.
enum class ByteKind : u8 {
	kmemsize,
	dcachesize
};
inline constexpr size_t kByteKinds = 2;
constexpr Charged charged_as(ByteKind kind) { return static_cast<Charged>(kind); }
static_assert(charged_as(ByteKind::dcachesize) == Charged::dcachesize);

// Slab objects for one of what is counted: a pseudo terminal has two struct ttys.
constexpr s64 objects_for_one(Charged what) { return what == Charged::numpty ? 2 : 1; }

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
constexpr u32 times(Charged what)
{
	u32 n = 0;
	for (const ResourceRow &row : kResources)
		n += row.charged == what;
	return n;
}
constexpr bool once_each()
{
	for (size_t i = 0; i < kChargedRows; ++i) {
		if (times(static_cast<Charged>(i)) != 1)
			return false;
	}
	return true;
}
} // namespace detail

static_assert(kResourceRows == 24, "the old format has 24 rows, frozen");
static_assert(detail::once_each(), "each charged resource has one row");

constexpr const char *name_of(Charged what)
{
	for (const ResourceRow &row : kResources) {
		if (row.charged == what)
			return row.name;
	}
	return "?";
}
static_assert(detail::same(name_of(Charged::numfile), "numfile"));

} // namespace bc
