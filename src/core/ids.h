// SPDX-License-Identifier: GPL-2.0
// The IDs of containers: counted up, and none is given twice while the module is loaded. An administrator may give one
// that the count has not reached yet; it goes past that. With the containers' lock.
#pragma once

#include "types.h"

namespace bc
{

inline constexpr u32 kMostId = 999999998; // the overflow's is above, and there are no more digits

class Ids
{
      public:
	explicit constexpr Ids(u32 first = 1) : next_(first) {}

	// After a billion it begins anew: the caller looks whether somebody has it.
	u32 next()
	{
		while (count_ != 0 && ranges_[0].first <= next_) {
			next_ = max(next_, ranges_[0].last + 1);
			remove(0);
		}
		if (next_ > kMostId)
			next_ = 1;
		return next_++;
	}

	// It will not be counted. What lies between two such may be passed over, too: there is room for some ranges
	// only.
	void reserve(u32 id)
	{
		if (id < next_)
			return;
		u32 at = 0;
		while (at < count_ && ranges_[at].last < id)
			++at;
		if (at < count_ && ranges_[at].first <= id)
			return;
		for (u32 i = count_++; i > at; --i)
			ranges_[i] = ranges_[i - 1];
		ranges_[at] = {id, id};
		if (count_ > kMost || gap(narrowest()) == 0)
			join(narrowest());
		if (count_ > 1 && gap(narrowest()) == 0) // it has closed a gap of one
			join(narrowest());
	}

      private:
	static constexpr u32 kMost = 64;
	struct Range {
		u32 first, last;
	};

	u32 gap(u32 i) const { return i + 1 < count_ ? ranges_[i + 1].first - ranges_[i].last - 1 : ~0u; }
	u32 narrowest() const
	{
		u32 found = 0;
		for (u32 i = 1; i < count_; ++i) {
			if (gap(i) < gap(found))
				found = i;
		}
		return found;
	}
	void join(u32 i)
	{
		ranges_[i].last = ranges_[i + 1].last;
		remove(i + 1);
	}
	void remove(u32 i)
	{
		for (--count_; i < count_; ++i)
			ranges_[i] = ranges_[i + 1];
	}

	u32 next_;
	u32 count_ = 0;
	Range ranges_[kMost + 1] = {}; // in order, apart from each other, none below next_ but the first
};

} // namespace bc
