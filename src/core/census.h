// SPDX-License-Identifier: GPL-2.0
// The census: who has the address of what is held? A reference to a dentry or an inode may be anybody's, so the whole
// memory of the kernel is searched for those who could give it back (bc_words()), once for all survivors of a stop.
//
// Held is what something outside the survivors points to, what its file system keeps, whatever else we cannot prove;
// and what of the survivors these point to. The rest of it nobody can ever put: a name that was deleted, or an inode
// that no directory has, with references, while not one word of the memory says where it is, but in others that are
// lost as well. That is a leak, once two searches have found the same, with a drain between.
//
// A search takes its time: at a stop, twice at most, and then ever more seldom; all of them together have a share of
// one CPU (kShare).
#pragma once

#include "container.h"
#include "survivors.h"

namespace bc
{

struct CensusResult {
	Hidden address;
	Slot slot;
	u32 lost;	 // searches in a row that found it so
	bool alive;	 // something that lives has its address
	s64 unexplained; // references that no word belongs to
	char text[80];	 // who has the others: "filp:1,mnt_cache:1,unexplained:1"
};

class Census
{
      public:
	static constexpr u32 kMost = 4096; // more survivors than that are held, and are not looked for
	static constexpr u32 kShare = 5;   // a search of a second is followed by so many without one

	void init(bool may_search)
	{
		*this = Census{};
		may_search_ = may_search;
	}
	// With the worker's mutex, after Survivors::find_holders(): searches if it is time to, and judges by what is
	// known then. False: a first search has to wait until next_ms(), for the sake of the machine; who stopped
	// first comes first.
	bool take(Container &c, Survivors &survivors, u64 now);
	u64 next_ms() const { return next_ms_; }
	// For a report: what two searches have found.
	static void recall(const Container &c, Survivors &survivors)
	{
		survivors.lose_linked();
		if (c.census == nullptr)
			believe(survivors);
		else
			apply(c, survivors, kSure);
	}
	static void forget(Container &c); // sleeps
	u64 searches() const { return searches_; }
	u64 longest_ms() const { return longest_ms_; }

      private:
	static constexpr u32 kSure = 2;
	static constexpr u64 kFirstPauseMs = 30000;
	static constexpr u64 kLongestPauseMs = 3600000;

	static void apply(const Container &c, Survivors &survivors, u32 least);
	static void believe(Survivors &survivors);
	static bool is_next(const Container &c, u64 now);
	bool search(Container &c, Survivors &survivors);

	bool may_search_ = true;
	u64 next_ms_ = 0;
	u64 searches_ = 0;
	u64 longest_ms_ = 0;
};

extern Census census;

} // namespace bc
