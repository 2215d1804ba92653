// SPDX-License-Identifier: GPL-2.0
#include "charge.h"

namespace bc
{

// Empties this CPU's cell into the container. What is taken out of the cell is what we saw in it: a charge by an
// interrupt in between stays in the cell.
void fold(Container &c, ByteKind kind, Cells *cells, u64 packed)
{
	platform::percpu_add_return(&cells->packed[static_cast<size_t>(kind)], u64{0} - packed);
	count_shared(c, kind, packed);
	if (__builtin_expect((c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, kind);
}

void count_shared(Container &c, ByteKind kind, u64 amount)
{
	const Unpacked part = unpack(amount);
	c.objects[static_cast<size_t>(kind)].add(part.objects);
	c.accounts[at(charged_as(kind))].add(part.bytes);
}

void uncharge_special(Container &c, const Site &site)
{
	if (site.special.is_piece())
		c.accounts[at(site.special.piece())].add(-1);
}

void uncharge_stale(Slot slot)
{
	health.count(Loss::stale);
	uncharge(slot);
}

bool charge_slowly(Container &c, SiteIndex index, Address address, u32 gfp)
{
	const Site &site = sites[index];
	if (site.special.is_unowned())
		return true;
	if (c.mode.acquire() != static_cast<u8>(Mode::far))
		return false;
	if (site.special.is_piece()) {
		Account &account = c.accounts[at(site.special.piece())];
		if (account.bounds().finite())
			return false;
		account.add(1);
	}
	count(c, site.kind, pack(site.stride));
	// Without cells there is no fold that would look.
	if (__builtin_expect((c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, site.kind);
	record(c, index, site, address, gfp);
	return true;
}

void charge_forced(Container &c, Address address, Address caller, CacheKey cache)
{
	if (bc_ledger.holds(address))
		return;
	const SiteIndex index = sites.intern(caller, cache);
	if (!index) {
		health.count(Loss::missed);
		return;
	}
	const Site &site = sites[index];
	if (site.special.is_piece()) {
		c.accounts[at(site.special.piece())].add(1);
		note_forced(c, site.special.piece(), 1);
	}
	count(c, site.kind, pack(site.stride));
	if (c.mode.acquire() != static_cast<u8>(Mode::far)) // far from a bound nothing passes it
		note_forced(c, charged_as(site.kind), site.stride.value);
	record(c, index, site, address, 0);
}

} // namespace bc
