// SPDX-License-Identifier: GPL-2.0
#include "survivors.h"

#include "charge.h"
#include "classes.h"
#include "text.h"

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

// A row of which there is a count; kNoRow's is behind the others.
u32 min_row(u32 row) { return row < kClassRows ? row : kClassRows; }

bool from_dentry(const Survivor &s)
{
	return s.judgement.row != kNoRow && kClasses[s.judgement.row].proof == Proof::dentry;
}

// Does what this object points to live with it? Of others that are kept above the allocator we know no more; what is in
// a tree is as lost as before when nobody but the tree remembers it: an ID that was never given back.
bool may_own(const Survivor &s)
{
	if (s.judgement.holder)
		return true;
	if (s.judgement.row == kNoRow)
		return s.judgement.part;
	const Proof proof = kClasses[s.judgement.row].proof;
	switch (proof) {
	case Proof::dentry:
	case Proof::inode:
	case Proof::kernfs:
	case Proof::stack:
	case Proof::superblock:
	case Proof::writeback:	 // its reference counter's other half
	case Proof::delayed_ref: // what is to be changed
	case Proof::orphan:	 // what it has to send
	case Proof::console:
	case Proof::policy:
	case Proof::swap:
	case Proof::mount:
		return true;
	default:
		return false;
	}
}

} // namespace

Survivors::~Survivors()
{
	bc_big_free(entries_);
	bc_big_free(queue_);
	bc_big_free(words_);
}

u32 Survivors::stride_of(const Survivor &s) const { return sites[s.slot.site()].stride.value; }

u32 Survivors::objects(Verdict v) const
{
	u32 n = 0;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause())
		n += entries_[i].judgement.verdict == v;
	return n;
}

Survivor *Survivors::containing(u64 address, bool exactly)
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
	if (low == 0)
		return nullptr;
	Survivor &s = entries_[low - 1];
	return (exactly ? address == s.address : address - s.address < stride_of(s)) ? &s : nullptr;
}

bool Survivors::run(const Container &c)
{
	room_ = static_cast<u32>(held(c).objects) + kSlack;
	entries_ = static_cast<Survivor *>(bc_big_alloc(u64{room_} * sizeof(Survivor)));
	queue_ = static_cast<u32 *>(bc_big_alloc(u64{room_} * sizeof(u32)));
	words_ = static_cast<u64 *>(bc_big_alloc(u64{kMostScanned} * 1024));
	if (entries_ == nullptr || queue_ == nullptr || words_ == nullptr)
		return false;
	RowCache rows;
	const u64 now = bc_now_ms();
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() == containers.handed()->index &&
		    age_ms(found.slot.birth(), now) >= Classes::kOldMs)
			++old_[min_row(rows.of(found.slot.site()))];
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
	judge_each(c);
	follow(Verdict::reclaimable);
	follow(Verdict::cached);
	follow(Verdict::deferred);
	follow(Verdict::held);
	keep_anchors();
	forget_copies();
	return true;
}

void Survivors::judge_each(const Container &c)
{
	RowCache rows;
	u32 already[kClassRows];
	for (u32 row = 0; row < kClassRows; ++row)
		already[row] = c.excused[row].objects;
	for (u32 i = 0; i < count_; ++i) {
		Survivor &s = entries_[i];
		const u32 row = rows.of(s.slot.site());
		{
			platform::PreemptOff section; // the object is not freed by RCU while it is looked at
			s.judgement = judge(row, Address{s.address}, stride_of(s), row == kNoRow ? 0 : already[row]);
		}
		if (row != kNoRow && s.judgement.verdict != Verdict::leaked)
			++already[row];
		if (i % 64 == 63)
			bc_cond_resched();
	}
	judge_mappings();
	Pause pause;
	// An inode is as free as the names it has: one that is itself a survivor is judged with it, see reach().
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.alias == 0 || j.verdict == Verdict::leaked)
			continue;
		const Survivor *alias = containing(j.alias, true);
		j.waits_for_alias = alias != nullptr && alias->judgement.verdict != Verdict::reclaimable;
		if (alias == nullptr)
			j.extra += j.alias_extra;
		j.verdict = j.extra == 0 && !j.waits_for_alias ? Verdict::reclaimable : Verdict::held;
	}
	// A node goes with what its tree is in, the address space, the directory; a name with its file system; what
	// sysfs shows of a network namespace with the namespace.
	for (u32 i = 0; i < count_; ++i, pause()) {
		Judgement &j = entries_[i].judgement;
		if (j.owner == 0 || j.verdict == Verdict::leaked)
			continue;
		const Survivor *owner = containing(j.owner, false);
		if (owner != nullptr && owner->judgement.verdict == Verdict::leaked)
			j.verdict = Verdict::leaked;
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
			j.verdict = kClasses[j.row].verdict;
	}
}

// Calls visit(target, pointer) for every word of an object that points into another survivor.
template <class Visit> void Survivors::each_pointer(const Survivor &source, Visit &&visit)
{
	u32 bytes = stride_of(source);
	if (bytes > kMostScanned * 1024)
		bytes = kMostScanned * 1024;
	if (!bc_read(words_, reinterpret_cast<const void *>(u64{source.address}), bytes))
		return;
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

// Whoever has a pointer to something held stays: the next look needs it to see that the rest of the references has
// gone.
void Survivors::keep_anchors()
{
	if (objects(Verdict::held) == 0)
		return;
	for (u32 i = 0; i < count_; ++i) {
		Survivor &source = entries_[i];
		if (source.judgement.verdict != Verdict::reclaimable || !may_own(source))
			continue;
		each_pointer(source, [&](Survivor &target, u64) {
			source.judgement.anchor |= target.judgement.verdict == Verdict::held;
		});
		if (i % 64 == 63)
			bc_cond_resched();
	}
}

void Survivors::forget_copies()
{
	for (u64 i = 0; i < u64{kMostScanned} * 1024 / sizeof(u64); ++i)
		words_[i] = 0;
}

void Survivors::find_holders()
{
	if (count_ == 0 || objects(Verdict::leaked) + objects(Verdict::held) == 0)
		return;
	// A walk that was broken off may have missed the one descriptor; what it found is true all the same.
	constexpr u32 kTries = 3;
	auto found = [](void *context, u64 pointer, const bc_holder *holder) {
		static_cast<Survivors *>(context)->hold(pointer, *holder);
	};
	for (u32 i = 0; i < kTries && !bc_holders(found, this); ++i)
		bc_cond_resched();
	follow(Verdict::held);
	judge_mappings();
	keep_anchors();
	forget_copies();
}

// A pointer to an object's start alone: lists inside it link it with its like.
void Survivors::find_referrers()
{
	if (count_ > kMostReferring)
		return;
	for (u32 i = 0; i < count_; ++i) {
		const Survivor &source = entries_[i];
		each_pointer(source, [&](Survivor &target, u64 pointer) {
			if (pointer == target.address && target.referrers++ == 0)
				target.referrer = source.slot.site();
		});
		if (i % 64 == 63)
			bc_cond_resched();
	}
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
	j.verdict = Verdict::held;
	j.holder = true;
	if (j.row == kNoRow)
		j.row = kHolderRow;
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
	queue_head_ = queue_tail_ = 0;
	Pause pause;
	for (u32 i = 0; i < count_; ++i, pause()) {
		if (entries_[i].judgement.verdict == from && may_own(entries_[i]))
			push(i);
	}
	while (queue_head_ != queue_tail_) {
		scan(queue_[queue_head_++]);
		if (queue_head_ % 64 == 0)
			bc_cond_resched();
	}
}

void Survivors::scan(u32 index)
{
	const Survivor source = entries_[index];
	each_pointer(entries_[index], [&](Survivor &target, u64 pointer) { reach(source, target, pointer); });
}

void Survivors::reach(const Survivor &source, Survivor &target, u64 pointer)
{
	Judgement &j = target.judgement;
	const Verdict verdict = source.judgement.verdict;
	if (source.judgement.holder && !j.holder && (j.verdict == Verdict::leaked || j.verdict == Verdict::held)) {
		j.holder = true;
		copy_text(j.text, sizeof(j.text), source.judgement.text);
	}
	if (j.verdict == Verdict::leaked) {
		j.verdict = verdict;
		j.part = true;
		push(static_cast<u32>(&target - entries_));
		return;
	}
	if (j.verdict != Verdict::held || verdict != Verdict::reclaimable)
		return;
	// A reference on a dentry or inode that a cached object holds. Those of children on their parent and of names
	// on their inode were never counted as unexplained (src/shim/probe.c).
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
		j.verdict = Verdict::reclaimable;
		push(static_cast<u32>(&target - entries_));
	}
}

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
