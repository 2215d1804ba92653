// SPDX-License-Identifier: GPL-2.0
// Charging: the one place that writes both a counter and the ledger, so that "the sum of the ledger is held" is this
// file's promise. Every function here wants preemption off.
#pragma once

#include "container.h"
#include "health.h"
#include "ledger.h"
#include "site.h"

namespace bc
{

BC_COLD void fold(Container &c, ByteKind kind, Cells *cells, u64 packed);

// Adds a packed amount (counter.h) to a container.
BC_HOT void count(Container &c, ByteKind kind, u64 amount)
{
	Cells *cells = c.cells.acquire();
	if (__builtin_expect(cells == nullptr, false)) {
		c.bytes[static_cast<size_t>(kind)].fold(unpack(amount));
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
	count(*c, site.kind, u64{0} - pack(site.stride));
}

// What was freed unseen.
BC_COLD void uncharge_stale(Slot slot);

// Charges the object at `address` to `c`. Its memory is there already; nobody else knows its address yet.
BC_HOT void charge(Container &c, Address address, Address caller, CacheKey cache, u32 gfp)
{
	const SiteIndex index = sites.intern(caller, cache);
	if (__builtin_expect(!index, false)) {
		health.count(Loss::missed);
		return;
	}
	const Site &site = sites[index];
	if (__builtin_expect(site.unowned, false))
		return;
	// The counter first: an object in the ledger is always counted, whatever interrupts us here.
	count(c, site.kind, pack(site.stride));
	const bool recorded =
	    bc_ledger.record(address, site.stride, Slot{c.index, index, platform::birth_now()}, gfp, uncharge_stale);
	if (__builtin_expect(!recorded, false)) {
		count(c, site.kind, u64{0} - pack(site.stride));
		health.count(Loss::missed);
	}
}

BC_HOT void free_object(Address address)
{
	const Slot slot = bc_ledger.take(address);
	if (!slot.empty())
		uncharge(slot);
}

} // namespace bc
