// SPDX-License-Identifier: GPL-2.0
#include "survey.h"

#include "charge.h"

namespace bc {

namespace {

Address address_of(const Ledger::Found &found, Stride stride)
{
	if (stride.value >= kPageSize) // one a page: low and high span it
		return Address{bc_object_address(found.page, 0, kPageSize, stride.value)};
	return Address{bc_object_address(found.page, found.low, found.high, stride.value)};
}

// class_of() looks a symbol up: once for each site, not for each object.
class RowCache {
      public:
	u32 of(SiteIndex site)
	{
		Entry &e = entries_[site.value % kEntries];
		if (e.site != site)
			e = {site, class_of(sites[site])};
		return e.row;
	}

      private:
	static constexpr u32 kEntries = 16;
	struct Entry {
		SiteIndex site;
		u32 row;
	};
	Entry entries_[kEntries] = {};
};

} // namespace

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

// Heap sort: the number of groups is the kernel's, not ours, and nothing here may be quadratic.
void Survey::sort()
{
	auto before = [](const Group *a, const Group *b) {
		if (a->verdict != b->verdict)
			return a->verdict < b->verdict;
		return a->bytes != b->bytes ? a->bytes > b->bytes : a->site < b->site;
	};
	auto sift = [&](u32 root, u32 end) {
		for (u32 child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && before(order_[child], order_[child + 1]))
				++child;
			if (!before(order_[root], order_[child]))
				return;
			Group *t = order_[root];
			order_[root] = order_[child];
			order_[child] = t;
		}
	};
	for (u32 i = count_ / 2; i-- > 0;)
		sift(i, count_);
	for (u32 end = count_; end-- > 1;) {
		Group *t = order_[0];
		order_[0] = order_[end];
		order_[end] = t;
		sift(0, end);
	}
}

bool Survey::run(const Container &c, Mode mode)
{
	groups_ = static_cast<Group *>(bc_big_alloc(kPlaces * sizeof(Group)));
	order_ = static_cast<Group **>(bc_big_alloc(kMost * sizeof(Group *)));
	if (groups_ == nullptr || order_ == nullptr)
		return false;
	RowCache rows;
	u32 already[kClassRows] = {}; // excused in this survey, on top of what was handed over
	const Birth now = platform::birth_now();
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() != c.index)
			return;
		const Site &site = sites[found.slot.site()];
		const Address address = address_of(found, site.stride);
		char text[64] = "";
		Verdict verdict = Verdict::leaked;
		u32 row = kNoRow;
		if (mode == Mode::judge) {
			row = rows.of(found.slot.site());
			verdict = judge(row, c, address, site.stride.value,
					row == kNoRow ? 0 : c.excused[row].objects + already[row], text);
			if (row != kNoRow && verdict != Verdict::leaked)
				++already[row];
		}
		objects_[static_cast<size_t>(verdict)]++;
		Group *group = find(found.slot.site(), verdict);
		if (group == nullptr) {
			++lumped_;
			return;
		}
		if (group->objects++ == 0) {
			group->row = row;
			group->oldest = found.slot.birth();
			for (u32 i = 0; i < sizeof(text); ++i)
				group->text[i] = text[i];
		}
		const auto age = [&](Birth b) { return (now.value - b.value) & ((1u << Slot::kBirthBits) - 1); };
		if (age(found.slot.birth()) > age(group->oldest))
			group->oldest = found.slot.birth();
		group->bytes += site.stride.value;
		if (group->addresses < 2)
			group->address[group->addresses++] = address.value;
	});
	sort();
	return true;
}

namespace {

// Takes every object of `c` that want() wants, and calls took() for each that it got before a free did.
template <class Want, class Took> u64 take_away(Container &c, Want &&want, Took &&took)
{
	u64 taken = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() != c.index || !want(found) || !bc_ledger.claim(found))
			return;
		uncharge(found.slot);
		took(found);
		++taken;
	});
	bc_ledger.end_exclusive();
	return taken;
}

// One pass over the rows of one proof, or of all the others.
u64 hand_over_pass(Container &c, bool late, bool inodes)
{
	RowCache rows;
	return take_away(
	    c,
	    [&](const Ledger::Found &found) {
		    const Site &site = sites[found.slot.site()];
		    const u32 row = rows.of(found.slot.site());
		    if (row == kNoRow || (kClasses[row].proof == Proof::inode) != inodes)
			    return false;
		    char text[64];
		    const Verdict v =
			judge(row, c, address_of(found, site.stride), site.stride.value, c.excused[row].objects, text);
		    return v == Verdict::reclaimable || (late && (v == Verdict::cached || v == Verdict::deferred));
	    },
	    [&](const Ledger::Found &found) {
		    Excused &excused = c.excused[rows.of(found.slot.site())];
		    ++excused.objects;
		    excused.bytes += sites[found.slot.site()].stride.value;
	    });
}

} // namespace

u64 hand_over(Container &c, bool late)
{
	// Inodes first: how many of their security parts are excused depends on it.
	const u64 inodes = hand_over_pass(c, late, true);
	return inodes + hand_over_pass(c, late, false);
}

u64 drop_all(Container &c)
{
	return take_away(c, [](const Ledger::Found &) { return true; }, [](const Ledger::Found &) {});
}

} // namespace bc
