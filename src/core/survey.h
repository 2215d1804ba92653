// SPDX-License-Identifier: GPL-2.0
// A survey of one container's live objects, or of its survivors with their verdicts: grouped by site (and verdict),
// largest first. Sleeps; the worker's mutex is held.
#pragma once

#include "container.h"
#include "survivors.h"

namespace bc
{

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
	bool part;
	// Of the first object:
	char text[48];
	char census[80];    // who has its address
	s64 unexplained;    // references of it that nobody has
	u32 referrers;	    // other survivors that point to it
	SiteIndex referrer; // where the first of these was allocated
};

class Survey
{
      public:
	Survey() = default;
	~Survey();
	Survey(const Survey &) = delete;
	Survey &operator=(const Survey &) = delete;

	bool live(const Container &c); // false without memory
	bool judged(const Survivors &survivors);
	u32 size() const { return count_; }
	const Group &operator[](u32 i) const { return *order_[i]; }
	u64 lumped() const { return lumped_; } // objects of groups beyond kMost

      private:
	static constexpr u32 kMost = 2048;
	static constexpr u32 kPlaces = kMost * 2;

	bool init();
	Group *find(SiteIndex site, Verdict verdict);
	void add(Slot slot, u64 address, const Judgement &judgement, const Survivor *survivor = nullptr);
	void sort();

	Group *groups_ = nullptr; // open addressing
	Group **order_ = nullptr;
	u32 count_ = 0;
	u64 lumped_ = 0;
};

} // namespace bc
