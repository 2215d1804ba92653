// SPDX-License-Identifier: GPL-2.0
// The second step: who refers to whom, survivors among themselves and living tasks.
#include "survivors.h"

#include "health.h"
#include "text.h"

namespace bc
{

namespace
{

Proof proof_of(const Survivor &s) { return s.judgement.row == kNoRow ? Proof::part : kClasses[s.judgement.row].proof; }

bool from_dentry(const Survivor &s) { return proof_of(s) == Proof::dentry; }

bool may_own(const Survivor &s)
{
	if (s.judgement.alone)
		return false;
	if (s.judgement.holder)
		return true;
	// What is in a leaked namespace's table must not excuse that: first it is searched for.
	if (proof_of(s) == Proof::linked && !s.judgement.found)
		return false;
	if (s.judgement.row == kNoRow)
		return s.judgement.part;
	return row_of(kClasses[s.judgement.row].proof).owns == Owns::yes;
}

} // namespace

// Its contents, in words_: how many bytes. An object in KFENCE's pool is as long as it was asked for and not as its
// cache's stride, may end with its page, and nobody may read in the next one (mm/kfence/core.c,
// kfence_guarded_alloc()).
u32 Survivors::read(const Survivor &s)
{
	u32 bytes = stride_of(s);
	if (bytes > kMostScanned * 1024)
		bytes = kMostScanned * 1024;
	const auto *from = reinterpret_cast<const void *>(u64{s.address});
	if (bc_read(words_, from, bytes))
		return bytes;
	const u32 in_page = static_cast<u32>(kPageSize - s.address % kPageSize);
	return in_page < bytes && bc_read(words_, from, in_page) ? in_page : 0;
}

// Calls visit(target, pointer) for every word of the copy that points into another survivor.
template <class Visit> void Survivors::each_word(const Survivor &source, u32 bytes, Visit &&visit)
{
	const u64 lowest = entries_[0].address;
	const u64 highest = entries_[count_ - 1].address + stride_of(entries_[count_ - 1]);
	for (u32 w = 0; w < bytes / sizeof(u64); ++w) {
		if (words_[w] < lowest || words_[w] >= highest)
			continue;
		Survivor *target = containing(words_[w] & ~u64{3}, false); // trees tag their pointers
		if (target != nullptr && target != &source)
			visit(*target, words_[w]);
	}
}

template <class Visit> void Survivors::each_pointer(const Survivor &source, Visit &&visit)
{
	each_word(source, read(source), visit);
}

// Whoever has a pointer to something held stays: the next look needs it to see that the rest of the references has
// gone. If that is a part of something, that stays, too, which alone says what the part is.
void Survivors::keep_anchors()
{
	if (!had(Verdict::held))
		return;
	Pause pause{Pause::kLook};
	for (bool more = true; more;) {
		more = false;
		for (u32 i = 0; i < count_; ++i, pause()) {
			Judgement &source = entries_[i].judgement;
			if (source.verdict != Verdict::reclaimable || source.anchor || !may_own(entries_[i]))
				continue;
			each_pointer(entries_[i], [&](Survivor &target, u64) {
				const Judgement &j = target.judgement;
				source.anchor |= j.verdict == Verdict::held || (j.part && j.anchor);
			});
			more |= source.anchor && source.part;
		}
	}
}

void Survivors::forget_copies()
{
	for (u64 i = 0; i < u64{kMostScanned} * 1024 / sizeof(u64); ++i)
		words_[i] = 0;
}

const char *Survivors::find_holders()
{
	if (!had(Verdict::leaked) && !had(Verdict::held))
		return nullptr;
	// A walk that was broken off may have missed the one descriptor; what it found is true all the same.
	constexpr u32 kTries = 3;
	auto found = [](void *context, u64 pointer, const bc_holder *holder) {
		static_cast<Survivors *>(context)->hold(pointer, *holder);
	};
	const char *torn = nullptr;
	for (u32 i = 0; i < kTries; ++i) {
		torn = bc_holders(found, this);
		bc_cond_resched();
		if (torn == nullptr)
			break;
		health.count_torn();
	}
	follow(Verdict::cached);
	do
		follow(Verdict::held);
	while (classed_ && hold_owned());
	if (classed_)
		judge_mappings();
	keep_anchors();
	forget_copies();
	return torn;
}

// Its tables are as lost as it is. A stale word that has the address of one would excuse that, and by what is in it the
// namespace.
void Survivors::lose_linked()
{
	bool lost = false;
	Pause pause;
	for (u32 i = 0; i < count_ && !lost; ++i, pause())
		lost = proof_of(entries_[i]) == Proof::net && entries_[i].judgement.verdict == Verdict::leaked;
	for (u32 i = 0; i < count_ && lost; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (proof_of(entries_[i]) == Proof::linked && j.verdict == Verdict::held && !j.holder)
			give(j, Verdict::leaked);
	}
}

void Survivors::follow_found()
{
	follow(Verdict::held);
	if (classed_)
		judge_mappings();
	keep_anchors();
	forget_copies();
}

bool Survivors::doubt(const char *torn)
{
	char whom[sizeof(Judgement::text)];
	bc_text text{whom, 0, sizeof(whom) - 1, false};
	Text{text}.put("by=unknown,walk=").put(torn);
	whom[text.length] = 0;
	bool doubted = false;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.verdict != Verdict::leaked)
			continue;
		hold_by(j, whom);
		doubted = true;
	}
	return doubted;
}

// A pointer to an object's start alone: lists inside it link it with its like.
void Survivors::find_referrers()
{
	if (count_ > kMostReferring)
		return;
	Pause pause{Pause::kLook};
	for (u32 i = 0; i < count_; ++i, pause()) {
		const Survivor &source = entries_[i];
		each_pointer(source, [&](Survivor &target, u64 pointer) {
			if (pointer == target.address && target.referrers++ == 0)
				target.referrer = source.slot.site();
		});
	}
}

void Survivors::hold_by(Judgement &j, const char *whom)
{
	give(j, Verdict::held);
	j.holder = true;
	if (j.row == kNoRow)
		j.row = kHolderRow;
	copy_text(j.text, sizeof(j.text), whom);
}

void Survivors::keep_by(Judgement &j, const bc_holder &holder)
{
	give(j, Verdict::cached);
	j.alone = holder.how == BC_KEEPS_ALONE;
	j.row = kKeptRow;
}

// Any context: called during the walk.
void Survivors::hold(u64 pointer, const bc_holder &holder)
{
	Survivor *target = containing(pointer, false);
	if (target == nullptr)
		return;
	Judgement &j = target->judgement;
	if (j.holder || (j.verdict != Verdict::leaked && j.verdict != Verdict::held))
		return;
	if (holder.how == BC_HOLDS)
		hold_by(j, "");
	else
		keep_by(j, holder);
	bc_text text{j.text, 0, sizeof(j.text) - 1, false};
	Text out{text};
	if (holder.pid != 0)
		out.put("pid=").number(holder.pid).put(",comm=").put(holder.comm).put(',');
	if (holder.fd >= 0)
		out.put("fd=").number(holder.fd);
	else
		out.put("by=").put(holder.by);
	j.text[text.length] = 0;
}

void Survivors::push(u32 index) { queue_[queue_tail_++] = index; }

// Everything whose verdict is `from` is in the queue once: at the start, or when it got that verdict.
void Survivors::follow(Verdict from)
{
	if (!had(from))
		return;
	queue_head_ = queue_tail_ = 0;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		if (entries_[i].judgement.verdict == from && may_own(entries_[i]))
			push(i);
	}
	for (Pause scanned{Pause::kLook}; queue_head_ != queue_tail_; scanned())
		scan(queue_[queue_head_++]);
}

void Survivors::scan(u32 index)
{
	const Survivor source = entries_[index];
	const u32 bytes = read(source);
	each_word(entries_[index], bytes, [&](Survivor &target, u64 pointer) { reach(source, target, pointer); });
	if (source.judgement.verdict != Verdict::held)
		return;
	reach_areas(source, bytes);
	if (proof_of(source) == Proof::stack)
		scan_area(source, index);
}

// What somebody has may lie outside the direct map in part, as programs of BPF do: then what describes that memory is
// his, too.
void Survivors::reach_areas(const Survivor &source, u32 bytes)
{
	for (u32 w = 0; w < bytes / sizeof(u64); ++w) {
		const u64 area = bc_area_of(words_[w]);
		Survivor *target = area == 0 ? nullptr : containing(area, true);
		if (target != nullptr && target->address != source.address)
			reach(source, *target, area);
	}
}

// ... and what that memory has pointers to.
void Survivors::scan_area(const Survivor &source, u32 index)
{
	u64 at = 0;
	u64 length = 0;
	if (!bc_area(source.address, &at, &length))
		return;
	const u64 end = at + (length < kMostOfArea ? length : kMostOfArea);
	Pause pause{4};
	for (; at < end; at += kPageSize, pause()) {
		const u32 bytes = static_cast<u32>(kPageSize);
		if (!bc_read(words_, reinterpret_cast<const void *>(at), bytes))
			continue;
		each_word(entries_[index], bytes,
			  [&](Survivor &target, u64 pointer) { reach(source, target, pointer); });
		reach_areas(source, bytes);
	}
}

void Survivors::reach(const Survivor &source, Survivor &target, u64 pointer)
{
	Judgement &j = target.judgement;
	const Verdict verdict = source.judgement.verdict;
	if (proof_of(source) == Proof::linked && proof_of(target) == Proof::net)
		return; // whose it is, and not what it has
	if (source.judgement.holder && !j.holder && (j.verdict == Verdict::leaked || j.verdict == Verdict::held)) {
		j.holder = true;
		copy_text(j.text, sizeof(j.text), source.judgement.text);
	}
	if (j.verdict == Verdict::leaked) {
		give(j, verdict);
		j.part = true;
		push(behind(target.address) - 1);
		return;
	}
	if (j.verdict != Verdict::held || verdict != Verdict::reclaimable)
		return;
	// A reference on a dentry or inode that a cached object holds. Those of children on their parent and of names
	// on their inode were never counted as unexplained (src/shim/probe_names.c).
	if (from_dentry(source)) {
		if (j.alias != source.address)
			return;
		j.waits_for_alias = false;
	} else if (pointer == j.subject && j.extra > 0) {
		--j.extra;
	} else {
		return;
	}
	if (j.extra == 0 && !j.waits_for_alias) {
		give(j, Verdict::reclaimable);
		push(behind(target.address) - 1);
	}
}

} // namespace bc
