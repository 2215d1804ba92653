// SPDX-License-Identifier: GPL-2.0
// Charging: the one place that writes both a counter and the ledger, so that "the sum of the ledger is held" is this
// file's promise. Every function here wants preemption off, but where it says that it sleeps.
#pragma once

#include "container.h"
#include "health.h"
#include "ledger.h"
#include "bounds.h"
#include "site.h"

namespace bc
{

// Counts `objects` objects (below zero: gives them back) of a stride, whatever the bounds. A cell is emptied where that
// is due.
void count(Container &c, ByteKind kind, Stride stride, s64 objects);

// Gives back what a slot stands for, or `objects` slots that agree in all but their births.
void uncharge_slowly(Slot slot, u32 objects = 1);

// Gives back what a slot stands for. On a free the owner comes from the ledger, never from the task that frees.
// (trampolines.S has this once more, for the frees that need nothing else.)
BC_HOT void uncharge(Slot slot)
{
	u64 *cell = containers.cell_of(slot);
	const u64 amount = bc_amounts[slot.site().value];
	if (__builtin_expect(platform::percpu_add(cell, u64{0} - amount), false)) {
		platform::percpu_add(cell, amount);
		uncharge_slowly(slot);
	}
}

// What was freed unseen.
BC_COLD void uncharge_stale(Slot slot);

// Writes what has been counted into the ledger, or takes the count back.
BC_HOT void record(Container &c, const Site &site, Address address, u32 gfp)
{
	const Slot slot{site.slot, c.owner, platform::birth_now()};
	if (__builtin_expect(bc_ledger.record_plain(address, site.tag, slot), true))
		return;
	if (__builtin_expect(!bc_ledger.record(address, site.stride, slot, gfp, uncharge_stale), false)) {
		uncharge(slot);
		health.count(Loss::missed);
	}
}

// Counts `objects` objects of a site in a container that is near its bound, if they stay below it: there all charges
// are alike, whatever could refuse them. False, and nothing has happened, where that has to be asked.
BC_HOT bool count_near(Container &c, const Site &site, s64 objects)
{
	if (c.mode.acquire() != static_cast<u8>(Mode::near))
		return false;
	Account &account = c.accounts[at(charged_as(site.kind))];
	if (!account.reserve(s64{site.stride.value} * objects, account.barrier()))
		return false;
	c.objects[static_cast<size_t>(site.kind)].add(objects);
	return true;
}

// What charge() leaves to be decided: a piece, a cell that is to be emptied, or a container without cells. True where
// it was charged without having to ask.
BC_COLD bool charge_slowly(Container &c, SiteIndex index, Address address, u32 gfp);

// Charges the object at `address` to `c`. Its memory is there already; nobody else knows its address yet. False: a
// bound has to be asked, with admit(). (trampolines.S has this once more, for the charges that need nothing else.)
BC_HOT bool charge(Container &c, Address address, Address caller, CacheKey cache, u32 gfp)
{
	const SiteIndex index = sites.intern(caller, cache);
	if (__builtin_expect(!index, false)) {
		health.count(Loss::missed);
		return true;
	}
	const Site &site = sites[index];
	if (__builtin_expect(!site.plain(), false))
		return charge_slowly(c, index, address, gfp);
	// The counter first: an object in the ledger is always counted, whatever interrupts us here.
	u64 *cell = &c.cells.acquire()->packed[static_cast<size_t>(site.kind)];
	if (__builtin_expect(platform::percpu_add(cell, site.amount), false)) {
		platform::percpu_add(cell, u64{0} - site.amount);
		if (!count_near(c, site, 1))
			return charge_slowly(c, index, address, gfp);
	}
	record(c, site, address, gfp);
	return true;
}

// The same for objects that came together, whose addresses are in `objects`: how many of them have been charged so,
// from the first on; the next one is charge()'s. Up to kAtOnce of them: a section must end. Near a bound it is all or
// none.
u32 charge_many(Container &c, void *const *objects, u32 count, Address caller, CacheKey cache, u32 gfp);
void free_many(void *const *objects, u32 count);
inline constexpr u32 kAtOnce = 64;

// What charge_many() and free_many() do mostly: all of them, no more than kAtOnce, by one step of a cell. False, and
// nothing has happened, where it is not as simple.
void record_each(Container &c, const Site &site, void *const *objects, u32 count, u32 gfp);
BC_HOT bool charge_together(Container &c, void *const *objects, u32 count, Address caller, CacheKey cache, u32 gfp)
{
	const Site &site = sites[sites.known(caller, cache)];
	if (!site.plain() || site.stride.value * count > kMostAtOnce)
		return false;
	u64 *cell = &c.cells.acquire()->packed[static_cast<size_t>(site.kind)];
	const u64 amount = site.amount * count;
	if (__builtin_expect(is_nowhere(cell), false))
		return false;
	if (__builtin_expect(platform::percpu_add(cell, amount), false)) {
		platform::percpu_add(cell, u64{0} - amount);
		return false;
	}
	const Slot slot{site.slot, c.owner, platform::birth_now()};
	const u32 done = bc_ledger.record_together(objects, count, site.tag, slot);
	if (__builtin_expect(done != count, false))
		record_each(c, site, &objects[done], count - done, gfp);
	return true;
}

// Slots that agree in all but their births, no more than a cell takes at once.
BC_HOT void uncharge_together(Slot slot, u32 objects)
{
	u64 *cell = containers.cell_of(slot);
	const u64 amount = bc_amounts[slot.site().value] * objects;
	if (__builtin_expect(!is_nowhere(cell), true)) {
		if (__builtin_expect(!platform::percpu_add(cell, u64{0} - amount), true))
			return;
		platform::percpu_add(cell, amount);
	}
	uncharge_slowly(slot, objects);
}

BC_HOT bool free_together(void *const *objects, u32 count)
{
	u64 tag = 0;
	const Slot same = bc_ledger.peek_in_array(Address{reinterpret_cast<u64>(objects[0])}, tag);
	if (same.empty() || bc_ledger.exclusive() || sites[same.site()].stride.value * count > kMostAtOnce)
		return false;
	const u32 taken = bc_ledger.take_together(objects, count, tag, same);
	if (__builtin_expect(taken == 0, false))
		return false;
	uncharge_together(same, taken);
	if (__builtin_expect(taken != count, false))
		free_many(&objects[taken], count - taken);
	return true;
}

BC_HOT void free_object(Address address)
{
	const Slot slot = bc_ledger.take(address);
	if (!slot.empty())
		uncharge(slot);
}

// Charges whatever the bounds say, unless the object is somebody's already. For objects that somebody else made for the
// container.
void charge_forced(Container &c, Address address, Address caller, CacheKey cache);

} // namespace bc
