// SPDX-License-Identifier: GPL-2.0
#include "survivors.h"

#include "classes.h"
#include "ledger.h"

namespace bc
{

namespace
{

// class_of() looks a symbol up: once for each site, not for each object.
class RowCache
{
      public:
	u32 of(SiteIndex site)
	{
		Entry &e = entries_[site.value % kEntries];
		if (e.site != site)
			e = {site, class_of(sites[site])};
		return e.row;
	}

      private:
	static constexpr u32 kEntries = 32;
	struct Entry {
		SiteIndex site;
		u32 row;
	};
	Entry entries_[kEntries] = {};
};

} // namespace

Survivors::~Survivors() { bc_big_free(words_); }

u32 Survivors::stride_of(const Survivor &s) const { return sites[s.slot.site()].stride.value; }

u32 Survivors::objects(Verdict v) const
{
	u32 n = 0;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause())
		n += entries_[i].judgement.verdict == v;
	return n;
}

u32 Survivors::behind(u64 address) const
{
	u32 low = 0;
	u32 high = count_;
	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		if (entries_[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

Survivor *Survivors::containing(u64 address, bool exactly)
{
	const u32 next = behind(address);
	if (next == 0)
		return nullptr;
	Survivor &s = entries_[next - 1];
	return (exactly ? address == s.address : address - s.address < stride_of(s)) ? &s : nullptr;
}

bool Survivors::run(const Container &c)
{
	room_ = static_cast<u32>(held(c).objects) + kSlack;
	words_ = static_cast<u64 *>(bc_big_alloc(u64{kMostScanned} * 1024));
	if (words_ == nullptr || !entries_.init(room_) || !queue_.init(room_))
		return false;
	collect(c);
	judge_each(c);
	if (classed_) {
		judge_mappings();
		judge_named();
		judge_owned();
	}
	follow(Verdict::reclaimable);
	follow(Verdict::cached);
	follow(Verdict::deferred);
	follow(Verdict::held);
	keep_anchors();
	forget_copies();
	return true;
}

void Survivors::collect(const Container &c)
{
	RowCache rows;
	const u64 now = bc_now_ms();
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() == containers.handed()->index &&
		    age_ms(found.slot.birth(), now) >= Classes::kOldMs) {
			if (const u32 row = rows.of(found.slot.site()); row != kNoRow)
				++old_[row];
		}
		if (found.slot.owner() != c.index || count_ == room_)
			return;
		const Address address = found.address(sites[found.slot.site()].stride);
		if (!address) // its page has just ceased to be a slab: it is being freed
			return;
		Survivor &s = entries_[count_++];
		s.address = address.value;
		s.slot = found.slot;
		s.judgement = Judgement{};
		s.referrers = 0;
		s.census = nullptr;
	});
	for (u32 row = 0; row < kClassRows; ++row)
		classes.forgive(row, old_[row]);
}

void Survivors::judge_each(const Container &c)
{
	RowCache rows;
	u32 already[kClassRows];
	for (u32 row = 0; row < kClassRows; ++row)
		already[row] = c.excused[row].objects;
	Pause pause{Pause::kLook};
	for (u32 i = 0; i < count_; ++i, pause()) {
		Survivor &s = entries_[i];
		const u32 row = rows.of(s.slot.site());
		if (row != kNoRow) { // else it is what it is from the start, a leak
			classed_ = true;
			platform::PreemptOff section; // the object is not freed by RCU while it is looked at
			s.judgement = judge(row, Address{s.address}, stride_of(s), already[row]);
			already[row] += s.judgement.verdict != Verdict::leaked;
		}
		note(s.judgement.verdict);
	}
}

// A mapping that is lost keeps its vm_struct, which is charged to whoever made it: the vmap_area may be anybody's.
void Survivors::judge_mappings()
{
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.row == kNoRow || kClasses[j.row].proof != Proof::vmap_area || j.subject == 0)
			continue;
		const Survivor *area = containing(j.subject, true);
		if (area == nullptr || area->judgement.verdict != Verdict::leaked)
			give(j, kClasses[j.row].verdict);
	}
}

// An inode is as free as the names it has: one that is itself a survivor is judged with it, see reach().
void Survivors::judge_named()
{
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.alias == 0 || j.verdict == Verdict::leaked)
			continue;
		const Survivor *alias = containing(j.alias, true);
		j.waits_for_alias = alias != nullptr && alias->judgement.verdict != Verdict::reclaimable;
		if (alias == nullptr)
			j.extra += j.alias_extra;
		give(j, j.extra == 0 && !j.waits_for_alias ? Verdict::reclaimable : Verdict::held);
	}
}

// A node goes with what its tree is in, the address space, the directory; a name with its file system; what sysfs shows
// of a network namespace with the namespace.
void Survivors::judge_owned()
{
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.owner == 0 || j.verdict == Verdict::leaked)
			continue;
		const Survivor *owner = containing(j.owner, false);
		if (owner == nullptr || owner->judgement.verdict != Verdict::leaked)
			continue;
		j.with_owner = true;
		give(j, Verdict::leaked);
	}
}

// ... unless somebody has that. False where there is nothing new.
bool Survivors::hold_owned()
{
	bool held = false;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (!j.with_owner || j.verdict != Verdict::leaked)
			continue;
		const Survivor *owner = containing(j.owner, false);
		if (owner == nullptr || owner->judgement.verdict == Verdict::leaked)
			continue;
		hold_by(j, owner->judgement.text);
		j.holder = owner->judgement.holder;
		held = true;
	}
	return held;
}

} // namespace bc
