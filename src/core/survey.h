// SPDX-License-Identifier: GPL-2.0
// A survey of one container's live objects: walked from the ledger, grouped by site (and by verdict, when the container has
// stopped), largest first. Sleeps; the worker's mutex is held.
#pragma once

#include "container.h"
#include "verdict.h"

namespace bc {

struct Group {
	SiteIndex site;
	Verdict verdict;
	bool used;
	u32 row;
	u64 objects;
	u64 bytes;
	Birth oldest;
	u64 address[2];
	u32 addresses;
	char text[64]; // of the first object
};

class Survey {
      public:
	enum class Mode { live, judge };
	Survey() = default;
	~Survey();
	Survey(const Survey &) = delete;
	Survey &operator=(const Survey &) = delete;

	bool run(const Container &c, Mode mode); // false without memory
	u32 size() const { return count_; }
	const Group &operator[](u32 i) const { return *order_[i]; }
	u64 objects(Verdict v) const { return objects_[static_cast<size_t>(v)]; }
	u64 lumped() const { return lumped_; } // objects of groups beyond kMost

      private:
	static constexpr u32 kMost = 2048;
	static constexpr u32 kPlaces = kMost * 2;

	Group *find(SiteIndex site, Verdict verdict);
	void sort();

	Group *groups_ = nullptr; // open addressing
	Group **order_ = nullptr;
	u32 count_ = 0;
	u64 lumped_ = 0;
	u64 objects_[5] = {};
};

// Takes away from a stopped container what a row explains, and counts it in c.excused. Early: only what is reclaimable;
// late: also what is cached above the allocator or deferred, which might still go by itself. Returns how many objects.
u64 hand_over(Container &c, bool late);
// Takes away all that is left: the administrator has dismissed it.
u64 drop_all(Container &c);

} // namespace bc
