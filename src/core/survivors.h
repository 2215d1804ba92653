// SPDX-License-Identifier: GPL-2.0
// The objects that outlived their container, each with its verdict.
//
// A verdict comes in two steps. First every object by itself: its row of the class table (verdict.h) and its state.
// Then by who refers to whom: what an excused object points to lives with it (the security part of a cached inode, a
// file system's private part of a dentry), and a reference that it holds is no longer unexplained (overlayfs's inode on
// the dentry of the layer below). Pointers are followed from what is excused only, never towards it, so that a leaked
// object is not excused by what it drags along: a lost mount stays a leak though the inodes below it are held.
//
// At last whoever outside refers to it: an open descriptor of a living task holds what it refers to, and that what it
// points to. What the kernel keeps for the next to need it is nobody's, likewise.
#pragma once

#include "container.h"
#include "parts.h"
#include "verdict.h"

namespace bc
{

// A million survivors are no reason to keep a CPU: called once for each of many. Sleeps.
class Pause
{
      public:
	static constexpr u32 kLook = 64; // where each is looked into
	explicit Pause(u32 each = 256) : each_(each) {}
	void operator()()
	{
		if (++n_ % each_ == 0)
			bc_cond_resched();
	}

      private:
	u32 each_;
	u32 n_ = 0;
};

struct CensusResult; // census.h

struct Survivor {
	Hidden address;
	Slot slot;
	Judgement judgement;
	u32 referrers = 0;    // other survivors that point to its start: find_referrers()
	SiteIndex referrer{}; // where the first of them was allocated
	const CensusResult *census = nullptr;
};

class Survivors
{
      public:
	Survivors() = default;
	~Survivors();
	Survivors(const Survivors &) = delete;
	Survivors &operator=(const Survivors &) = delete;

	// Sleeps; the worker's mutex is held. False without memory.
	bool run(const Container &c);
	// Then, before something is called a leak, or to name who holds what is held: looks through all living tasks,
	// and what the kernel has. nullptr where that was walked to its end; else the walk that was torn: what has no
	// holder may have one.
	const char *find_holders();
	// Then nothing is called a leak: it is held, nobody knows by whom. False where there was nothing to doubt.
	bool doubt(const char *torn);

	// What is in a table, beside a network namespace that is lost: with it.
	void lose_linked();

	// Then what belongs to those whose address has been found.
	void follow_found();

	// For a report: who of the survivors points to whom.
	void find_referrers();

	u32 size() const { return count_; }
	const Survivor &operator[](u32 i) const { return entries_[i]; }
	Survivor &operator[](u32 i) { return entries_[i]; }
	const Survivor *at(u64 address) const { return const_cast<Survivors *>(this)->containing(address, true); }
	Survivor *at(u64 address) { return containing(address, true); }
	const Survivor *around(u64 address) { return containing(address, false); }
	u32 bytes_of(const Survivor &s) const { return stride_of(s); }
	u32 objects(Verdict v) const;
	// Old objects of a class that earlier stops handed over: classes.h.
	u32 old(u32 row) const { return old_[row]; }

      private:
	static constexpr u32 kSlack = 1024;		// objects that may turn up between the count and the walk
	static constexpr u32 kMostReferring = 1u << 16; // survivors that are searched for who points to whom
	static constexpr u32 kMostScanned = 16;		// KiB of one object that are looked through for pointers
	static constexpr u64 kMostOfArea = 1u << 26;	// ... and of memory outside the direct map

	u32 stride_of(const Survivor &s) const;
	u32 behind(u64 address) const; // how many start there or below
	Survivor *containing(u64 address, bool exactly);
	void collect(const Container &c);
	void judge_each(const Container &c);
	void judge_mappings();
	void judge_named();
	void judge_owned();
	bool hold_owned();
	bool had(Verdict v) const { return (had_ >> static_cast<u32>(v) & 1) != 0; }
	void note(Verdict v) { had_ |= 1u << static_cast<u32>(v); }
	void give(Judgement &j, Verdict v)
	{
		j.verdict = v;
		note(v);
	}

	// survivors_pointers.cc
	void follow(Verdict from);
	void scan(u32 index);
	void hold_by(Judgement &j, const char *whom);
	void keep_by(Judgement &j, const bc_holder &holder);
	void hold(u64 pointer, const bc_holder &holder);
	void reach(const Survivor &source, Survivor &target, u64 pointer);
	u32 read(const Survivor &s);
	void reach_areas(const Survivor &source, u32 bytes);
	void scan_area(const Survivor &source, u32 index);
	template <class Visit> void each_word(const Survivor &source, u32 bytes, Visit &&visit);
	template <class Visit> void each_pointer(const Survivor &source, Visit &&visit);
	void keep_anchors();
	void push(u32 index);
	void forget_copies(); // of what was scanned: a search is not to find addresses there

	Parts<Survivor> entries_; // by address, as the ledger is walked
	Parts<u32> queue_;
	u64 *words_ = nullptr; // a copy of the object being scanned
	u32 count_ = 0;
	u32 room_ = 0;
	u32 queue_head_ = 0;
	u32 queue_tail_ = 0;
	u32 old_[kClassRows] = {};
	// Verdicts that any survivor has had, and is any in a class at all: of a million that nothing explains, nobody
	// is looked for.
	u32 had_ = 0;
	bool classed_ = false;
};

} // namespace bc
