// SPDX-License-Identifier: GPL-2.0
// What a wrapper does around the original where bounds have to be asked: before it, or after it where that was too
// early to tell.
#pragma once

#include "charge.h"

namespace bc
{

// The container of a namespace that is not the one this CPU charged last; nullptr where it is too late for one.
BC_COLD Container *other_container(const void *ns);

// The container of the current task, nullptr where it has none. Preemption off.
BC_HOT Container *current_container()
{
	const void *ns = platform::current_namespace();
	auto *last = static_cast<Container *>(platform::cpu_last());
	if (__builtin_expect(last != nullptr && last->ns.relaxed() == ns && ns != nullptr, true))
		return last;
	return other_container(ns);
}

inline constexpr u64 kMostPages = u64{4} << 20; // KMALLOC_MAX_SIZE

// What is known of an object before it is made.
struct Wanted {
	Address caller;
	CacheKey cache; // kUnknown: of its size only
	s64 bytes;	// of one, where the cache is unknown
	s64 count;	// 0: there is nothing to ask
	ByteKind kind;	// likewise
	u32 gfp;
	bool large;
};
// The key of a site whose cache only the allocator knows, when it has allocated. No object is recorded with it.
inline constexpr CacheKey kUnknown{2};

// Charges what is wanted to the current task's container, if that has a bound in the way, and says so in `admission`.
// False: refused. Sleeps where wanted.gfp allows that.
BC_COLD bool admit(const Wanted &wanted, Admission &admission);
// The objects are there (or none, count = 0): records them, and puts right what was charged for them.
BC_COLD void settle(const Admission &admission, void *const *objects, s64 count, Address caller, CacheKey cache,
		    u32 gfp);
// For an object that charge() returned false for. False: refused, it has to go. Sleeps where gfp allows that.
BC_COLD bool admit_late(void *object, Address caller, CacheKey cache, u32 gfp);

// The usual case of admit() for a container near its bound, in one look: one object of a known cache that counts in
// nothing but bytes, an allocation that may be refused, and room. Charged then, and to be settled by settle_plain();
// without a container where anything else is true, and nothing has happened.
struct Plain {
	Container *c = nullptr;
	const Site *site = nullptr;
};

// severity() is hard, whatever the site.
BC_HOT bool surely_hard(u32 gfp)
{
	constexpr u32 kSleeps = platform::kGfpDirectReclaim | platform::kGfpIo | platform::kGfpFs;
	if ((gfp & platform::kGfpNoFail) != 0 || platform::current_must_succeed())
		return false;
	if ((gfp & kSleeps) == kSleeps)
		return !platform::current_in_io_scope();
	return (gfp & (platform::kGfpDirectReclaim | platform::kGfpHigh)) == 0;
}

BC_HOT Plain admit_plain(Address caller, CacheKey cache, u32 gfp)
{
	platform::PreemptOff section;
	Container *c = current_container();
	if (c == nullptr || (c->gate.relaxed() & ~(kGateNear | kGateLarge)) != 0 ||
	    c->mode.acquire() != static_cast<u8>(Mode::near) || !surely_hard(gfp))
		return {};
	const Site &site = sites[sites.known(caller, cache)];
	if (!site.plain())
		return {};
	Account &account = c->accounts[at(charged_as(site.kind))];
	if (!account.reserve(site.stride.value, account.barrier()))
		return {};
	c->objects[static_cast<size_t>(site.kind)].add(1);
	return {c, &site};
}

// The object is there, or there is none. The container is, too: it holds something.
BC_HOT void settle_plain(const Plain &plain, void *object, bool real, u32 gfp)
{
	platform::provide(gfp);
	platform::PreemptOff section;
	if (__builtin_expect(real, true)) {
		record(*plain.c, *plain.site, Address{reinterpret_cast<u64>(object)}, gfp);
		return;
	}
	plain.c->accounts[at(charged_as(plain.site->kind))].add(-s64{plain.site->stride.value});
	plain.c->objects[static_cast<size_t>(plain.site->kind)].add(-1);
}

} // namespace bc
