// SPDX-License-Identifier: GPL-2.0
#include "survey.h"

#include "census.h"
#include "charge.h"
#include "sort.h"
#include "text.h"

namespace bc
{

Survey::~Survey()
{
	bc_big_free(groups_);
	bc_big_free(order_);
}

Group *Survey::find(SiteIndex site, Verdict verdict)
{
	u32 i = (site.value * 2654435761u + static_cast<u32>(verdict) * 97) % kPlaces;
	while (groups_[i].used) {
		if (groups_[i].site == site && groups_[i].verdict == verdict)
			return &groups_[i];
		i = (i + 1) % kPlaces;
	}
	if (count_ == kMost)
		return nullptr;
	groups_[i].used = true;
	groups_[i].site = site;
	groups_[i].verdict = verdict;
	order_[count_++] = &groups_[i];
	return &groups_[i];
}

void Survey::sort()
{
	bc::sort(order_, count_, [](const Group *a, const Group *b) {
		if (a->verdict != b->verdict)
			return a->verdict < b->verdict;
		return a->bytes != b->bytes ? a->bytes > b->bytes : a->site < b->site;
	});
}

bool Survey::init()
{
	groups_ = static_cast<Group *>(bc_big_alloc(kPlaces * sizeof(Group)));
	order_ = static_cast<Group **>(bc_big_alloc(kMost * sizeof(void *)));
	return groups_ != nullptr && order_ != nullptr;
}

void Survey::add(Slot slot, u64 address, const Judgement &judgement, const Survivor *survivor)
{
	Group *group = find(slot.site(), judgement.verdict);
	if (group == nullptr) {
		++lumped_;
		return;
	}
	// The one that is shown is the first of those with the most references that nobody has.
	const CensusResult *census = survivor == nullptr ? nullptr : survivor->census;
	const s64 unexplained = census == nullptr ? 0 : census->unexplained;
	const bool first = group->objects++ == 0;
	const bool shown = first || unexplained > group->unexplained;
	if (shown) {
		group->row = judgement.row;
		group->part = judgement.part;
		group->unexplained = unexplained;
		copy_text(group->census, sizeof(group->census), census == nullptr ? "" : census->text);
		group->address[1] = group->address[0];
		group->address[0] = address;
		group->addresses = first ? 1 : 2;
		copy_text(group->text, sizeof(group->text), judgement.text);
		if (survivor != nullptr) {
			group->referrers = survivor->referrers;
			group->referrer = survivor->referrer;
		}
	}
	if (first)
		group->oldest = slot.birth();
	const u32 now = platform::birth_now().value;
	const auto age = [&](Birth b) { return (now - b.value) & ((1u << Slot::kBirthBits) - 1); };
	if (age(slot.birth()) > age(group->oldest))
		group->oldest = slot.birth();
	group->bytes += sites[slot.site()].stride.value;
	if (!shown && group->addresses < 2)
		group->address[group->addresses++] = address;
}

bool Survey::live(const Container &c)
{
	if (!init())
		return false;
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() == c.index)
			add(found.slot, found.address(sites[found.slot.site()].stride).value, Judgement{});
	});
	sort();
	return true;
}

bool Survey::judged(const Survivors &survivors)
{
	if (!init())
		return false;
	Pause pause;
	for (u32 i = 0; i < survivors.size(); ++i, pause())
		add(survivors[i].slot, survivors[i].address, survivors[i].judgement, &survivors[i]);
	sort();
	return true;
}

} // namespace bc
