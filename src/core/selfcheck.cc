// SPDX-License-Identifier: GPL-2.0
#include "selfcheck.h"

#include "charge.h"

namespace bc
{

constinit SelfCheck self_checked{};

namespace
{

struct Sum {
	s64 bytes, objects;
	bool operator==(const Sum &) const = default;
};

bool in_its_place(const Ledger::Found &found)
{
	const SiteIndex index = found.slot.site();
	if (!index || index.value >= Sites::kPlaces || found.slot.kind() != Slot{sites[index].slot}.kind() ||
	    containers.at(found.slot.owner()) == nullptr)
		return false;
	const u32 shift = Ledger::shift_of(sites[index].stride);
	return found.high - found.low == (shift < kPageShift ? 1u << shift : kPageSize);
}

Sum counted(const Container &c)
{
	const Held h = held(c);
	return {h.bytes, h.objects};
}

Sum in_ledger(const Container &c)
{
	Sum sum{};
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() != c.index)
			return;
		sum.bytes += sites[found.slot.site()].stride.value;
		++sum.objects;
	});
	return sum;
}

// True where the ledger has what the counters say. What was freed between the two looks moves both.
bool agrees(const Container &c)
{
	for (u32 tries = 0; tries < 8; ++tries) {
		const Sum before = counted(c);
		const Sum found = in_ledger(c);
		if (found == before)
			return true;
		if (counted(c) == before)
			return false;
	}
	return true; // never at rest: no statement
}

} // namespace

void self_check()
{
	s64 slots = 0;
	s64 bad = 0;
	bc_ledger.walk([&](const Ledger::Found &found) {
		++slots;
		bad += !in_its_place(found);
	});
	containers.each([&](const Container &c) { bad += stopped(c.current()) && !agrees(c); });
	self_checked.slots.set_relaxed(slots);
	self_checked.bad.add(bad);
	self_checked.runs.add(1);
}

} // namespace bc
