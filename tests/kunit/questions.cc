// SPDX-License-Identifier: GPL-2.0
// What the suites ask the core. Part of unit.cc.
#include "rig.h"

extern "C" {

bct_sum bct_held(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? bct_sum{} : raw_held(*c);
}

bct_sum bct_recorded(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? bct_sum{} : raw_recorded(*c);
}

bc_u32 bct_owner(bc_u64 address)
{
	u32 id = 0;
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.page != (address & ~u64{kPageSize - 1}) || start_of(found) != address)
			return;
		if (const Container *c = containers.at(found.slot.owner()); c != nullptr)
			id = c->id().value;
	});
	return id;
}

const char *bct_state(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? "gone" : kStateNames[static_cast<size_t>(c->current())];
}

bool bct_stopped(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr || stopped(c->current());
}

bc_s64 bct_losses(void)
{
	s64 sum = health.switched_off();
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		sum += health.of(static_cast<Loss>(i));
	return sum;
}

bc_s64 bct_arrays_made(void) { return bc_ledger.arrays(); }
bc_u32 bct_give_back(void) { return bc_ledger.give_back(); }

} // extern "C"
