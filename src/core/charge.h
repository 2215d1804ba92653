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

BC_COLD void fold(Container &c, ByteKind kind, Cells *cells, u64 packed);
// Counts where there are no cells: in the account, whatever its bounds.
BC_COLD void count_shared(Container &c, ByteKind kind, u64 amount);
BC_COLD void uncharge_special(Container &c, const Site &site);

// Adds a packed amount (counter.h) to a container, whatever its bounds.
BC_HOT void count(Container &c, ByteKind kind, u64 amount)
{
	Cells *cells = c.cells.acquire();
	if (__builtin_expect(cells == nullptr, false)) {
		count_shared(c, kind, amount);
		return;
	}
	const u64 packed = platform::percpu_add_return(&cells->packed[static_cast<size_t>(kind)], amount);
	if (__builtin_expect(wants_fold(packed), false))
		fold(c, kind, cells, packed);
}

// Gives back what a slot stands for. On a free the owner comes from the ledger, never from the task that frees.
BC_HOT void uncharge(Slot slot)
{
	const Site &site = sites[slot.site()];
	Container *c = containers.at(slot.owner());
	if (__builtin_expect(c == nullptr, false)) {
		health.count(Loss::unknown);
		return;
	}
	if (__builtin_expect(site.special.any(), false))
		uncharge_special(*c, site);
	count(*c, site.kind, u64{0} - pack(site.stride));
}

// What was freed unseen.
BC_COLD void uncharge_stale(Slot slot);

// Writes what has been counted into the ledger, or takes the count back.
BC_HOT void record(Container &c, SiteIndex index, const Site &site, Address address, u32 gfp)
{
	const Slot slot{c.index, index, platform::birth_now()};
	if (__builtin_expect(!bc_ledger.record(address, site.stride, slot, gfp, uncharge_stale), false)) {
		uncharge(slot);
		health.count(Loss::missed);
	}
}

// What charge() leaves to be decided: a piece, or a container without cells. True where it was charged without having
// to ask.
BC_COLD bool charge_slowly(Container &c, SiteIndex index, Address address, u32 gfp);

// Charges the object at `address` to `c`. Its memory is there already; nobody else knows its address yet. False: a
// bound has to be asked, with admit().
BC_HOT bool charge(Container &c, Address address, Address caller, CacheKey cache, u32 gfp)
{
	const SiteIndex index = sites.intern(caller, cache);
	if (__builtin_expect(!index, false)) {
		health.count(Loss::missed);
		return true;
	}
	const Site &site = sites[index];
	Cells *cells = c.cells.acquire();
	if (__builtin_expect(cells == nullptr || site.special.any(), false))
		return charge_slowly(c, index, address, gfp);
	// The counter first: an object in the ledger is always counted, whatever interrupts us here.
	const u64 packed =
	    platform::percpu_add_return(&cells->packed[static_cast<size_t>(site.kind)], pack(site.stride));
	if (__builtin_expect(wants_fold(packed), false))
		fold(c, site.kind, cells, packed);
	record(c, index, site, address, gfp);
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
