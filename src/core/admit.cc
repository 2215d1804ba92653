// SPDX-License-Identifier: GPL-2.0
#include "admit.h"

namespace bc
{

Container *other_container(const void *ns)
{
	if (ns == nullptr)
		return nullptr;
	Container *c = containers.find(ns);
	if (c == nullptr) {
		// A task whose container nobody saw start: the walk at load has not come to it, or at its fork there
		// was no memory, or no room.
		bool made;
		c = containers.find_or_make(ns, 0, "", !containers.seen_all(), made);
		if (c == nullptr)
			return nullptr;
		if (made)
			bc_kick_worker();
	}
	platform::set_cpu_last(c);
	return c;
}

namespace
{

// The container is looked up anew after each wait: only within a section it is certain to stay.
bool admit(const Wanted &wanted, Admission &admission, bool always)
{
	if (wanted.count == 0)
		return true;
	for (u32 attempt = 0;; ++attempt) {
		{
			platform::PreemptOff section;
			Container *c = current_container();
			if (c == nullptr)
				return true;
			const u8 gate = c->gate.relaxed();
			if (!always && (gate & (wanted.large ? ~kGateStacks : kGateFailNth)) == 0)
				return true;
			const SiteIndex index = sites.intern(wanted.caller, wanted.cache);
			if (!index || sites[index].special.is_unowned())
				return true;
			const Site &site = sites[index];
			const bool piece = site.special.is_piece();
			const bool known = wanted.cache != kUnknown;
			const ByteKind kind = known ? site.kind : wanted.kind;
			const s64 bytes = known ? s64{site.stride.value} : wanted.bytes;
			const Request request{index,
					      kind,
					      piece ? site.special.piece() : Charged::kmemsize,
					      bytes * wanted.count,
					      wanted.count,
					      piece ? wanted.count : 0,
					      wanted.gfp,
					      wanted.bulk};
			c->admissions_begun.add(1);
			const Answer answer = ask(*c, request, attempt, admission);
			if (answer != Answer::yes)
				c->admissions_ended.add(1);
			if (answer != Answer::wait_first)
				return answer == Answer::yes;
		}
		bc_wait_for_frees(attempt != 0);
	}
}

// At the end of the section in which the counters and the ledger come to agree.
class Ended
{
      public:
	explicit Ended(Container &c) : c_(c) {}
	~Ended() { c_.admissions_ended.add(1); }
	Ended(const Ended &) = delete;
	Ended &operator=(const Ended &) = delete;

      private:
	Container &c_;
};

} // namespace

bool admit(const Wanted &wanted, Admission &admission) { return admit(wanted, admission, false); }

void settle(const Admission &admission, void *const *objects, s64 count, Address caller, CacheKey cache, u32 gfp)
{
	platform::provide(gfp);
	platform::PreemptOff section;
	Container &c = *admission.c;
	const Ended ended{c};
	const SiteIndex index = count == 0 ? SiteIndex{} : sites.intern(caller, cache);
	if (!index || sites[index].special.is_unowned()) {
		if (count != 0 && !index)
			health.count(Loss::missed, count);
		give_back(admission);
		return;
	}
	const Site &site = sites[index];
	// Mostly it is what was asked for, and nothing moves. If not, too little is held for a moment, rather than too
	// much: that would show above the bound.
	const s64 bytes = s64{site.stride.value} * count;
	const s64 pieces = site.special.is_piece() ? count : 0;
	const Charged piece = pieces != 0 ? site.special.piece() : Charged::kmemsize;
	if (bytes != admission.bytes || site.kind != admission.kind || count != admission.objects ||
	    pieces != admission.pieces || piece != admission.piece) {
		give_back(admission);
		c.accounts[at(charged_as(site.kind))].add(bytes);
		c.objects[static_cast<size_t>(site.kind)].add(count);
		if (pieces != 0)
			c.accounts[at(piece)].add(pieces);
	}
	record_each(c, site, objects, static_cast<u32>(count), gfp);
}

bool admit_late(void *const *objects, s64 count, Address caller, CacheKey cache, u32 gfp, bool bulk)
{
	const Wanted wanted{caller, cache, 0, count, ByteKind::kmemsize, gfp, true, bulk};
	Admission admission;
	if (!admit(wanted, admission, true))
		return false;
	if (admission.c != nullptr)
		settle(admission, objects, count, caller, cache, gfp);
	return true;
}

} // namespace bc
