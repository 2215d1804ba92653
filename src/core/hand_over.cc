// SPDX-License-Identifier: GPL-2.0
#include "hand_over.h"

#include "charge.h"
#include "classes.h"

namespace bc
{

namespace
{

// Gives the object to containers.handed(), counted there before anybody can free it as that one's.
bool hand(const Ledger::Found &found)
{
	const Slot slot = found.slot.given_to(containers.handed()->owner);
	const Site &site = sites[slot.site()];
	count(*containers.handed(), site.kind, site.stride, 1);
	if (bc_ledger.claim(found, slot))
		return true;
	count(*containers.handed(), site.kind, site.stride, -1);
	return false;
}

// Takes every object of `c` that want() wants, and calls took() for each that it got before a free did. Those that
// watch() says are given to containers.handed().
template <class Want, class Watch, class Took> u64 take_away(Container &c, Want &&want, Watch &&watch, Took &&took)
{
	u64 taken = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() != c.index || !want(found))
			return;
		if (!(watch(found) ? hand(found) : bc_ledger.claim(found)))
			return;
		uncharge(found.slot);
		took(found);
		++taken;
	});
	bc_ledger.end_exclusive();
	return taken;
}

} // namespace

u64 hand_over(Container &c, const Survivors &survivors, bool late)
{
	auto excused = [&](const Survivor &s) {
		const Verdict v = s.judgement.verdict;
		return (v == Verdict::reclaimable && !s.judgement.anchor) ||
		       (late && (v == Verdict::cached || v == Verdict::deferred));
	};
	u32 count = 0;
	Pause pause;
	for (u32 i = 0; i < survivors.size(); ++i, pause())
		count += excused(survivors[i]);
	if (count == 0 || (!late && count != survivors.size()))
		return 0;
	const Survivor *last = nullptr;
	bool watched[kClassRows] = {};
	const u64 taken = take_away(
	    c,
	    [&](const Ledger::Found &found) {
		    // The very object that was judged: same place, same slot. One that was freed and allocated anew
		    // differs in its slot, or was made by a task of this container, and there is none.
		    last = survivors.at(found.address(sites[found.slot.site()].stride).value);
		    return last != nullptr && last->slot.raw() == found.slot.raw() && excused(*last);
	    },
	    [&](const Ledger::Found &found) {
		    const u32 row = last->judgement.row;
		    // A piece is charged twice; none of these is one.
		    const bool watch = row != kNoRow && !last->judgement.part && Classes::watched(kClasses[row]) &&
				       !sites[found.slot.site()].special.any();
		    if (watch)
			    watched[row] = true;
		    return watch;
	    },
	    [&](const Ledger::Found &found) {
		    Excused &row = c.excused[last->judgement.row == kNoRow ? kPartRow : last->judgement.row];
		    ++row.objects;
		    row.bytes += sites[found.slot.site()].stride.value;
	    });
	for (u32 row = 0; row < kClassRows; ++row) {
		if (watched[row])
			classes.note(row, survivors.old(row));
	}
	return taken;
}

u64 drop_all(Container &c)
{
	return take_away(
	    c, [](const Ledger::Found &) { return true; }, [](const Ledger::Found &) { return false; },
	    [](const Ledger::Found &) {});
}

} // namespace bc
