// SPDX-License-Identifier: GPL-2.0
#include "census.h"

#include "text.h"

namespace bc
{

constinit Census census{};

namespace
{

Proof proof_of(const Judgement &j) { return j.row == kNoRow ? Proof::part : kClasses[j.row].proof; }

// Is that it is held all that is known?
bool by_address(const Judgement &j) { return !j.part && row_of(proof_of(j)).by == By::search; }

bool counts_references(const Judgement &j) { return proof_of(j) == Proof::dentry || proof_of(j) == Proof::inode; }

// Can an inode with these references be found otherwise than by its address? One that has names only is lost with them.
bool is_findable(s64 extra, u32 aliases, bool nameless) { return extra == 0 ? aliases == 0 : !nameless; }

// May it be lost, if nobody has its address?
bool may_be_lost(const Judgement &j)
{
	if (j.holder)
		return false;
	if (j.part && (j.subject == 0 || !counts_references(j))) // else it has a state of its own
		return true;
	switch (proof_of(j)) {
	case Proof::dentry:
		return j.nameless && j.extra > 0;
	case Proof::inode:
		return !is_findable(j.extra, j.aliases, j.nameless);
	case Proof::address:
	case Proof::linked:
		return true;
	default:
		return false;
	}
}

// One survivor that is held, and the words that say where it is.
struct Candidate {
	static constexpr u32 kKinds = 3;
	struct Kind {
		char name[24];
		u32 words;
	};

	u32 survivor;
	u32 explained; // words that a reference belongs to
	u32 counted;   // children or names, whose references are not in question
	u32 others;    // words of further kinds
	bool alive;
	bool gone; // with its file system
	Kind kinds[kKinds];

	void note(const bc_place &place)
	{
		if (place.counted) {
			++counted;
			return;
		}
		for (Kind &kind : kinds) {
			if (kind.words == 0)
				copy_text(kind.name, sizeof(kind.name), place.name);
			else if (!same_text(kind.name, place.name))
				continue;
			++kind.words;
			return;
		}
		++others;
	}
};

// `from` has the address of `to`.
struct Edge {
	u32 from, to;
};

class Search
{
      public:
	explicit Search(Survivors &survivors) : survivors_(survivors) {}
	~Search()
	{
		bc_big_free(candidates_);
		bc_big_free(ranges_);
		bc_big_free(edges_);
	}
	Search(const Search &) = delete;
	Search &operator=(const Search &) = delete;

	bool run(u32 count);
	void result(u32 i, CensusResult &out) const;
	u32 size() const { return count_; }

      private:
	void choose();
	void found(u32 range, const bc_place &place);
	void spread();
	bool is_gone(const Judgement &j);
	void look_for(const Survivor &s, Candidate &c, bc_range &range);
	u32 candidate_at(u64 address) const; // its index; count_ where there is none

	Survivors &survivors_;
	Candidate *candidates_ = nullptr; // by address
	bc_range *ranges_ = nullptr;	  // the same
	Edge *edges_ = nullptr;
	u32 count_ = 0;
	u32 edge_count_ = 0;
	u32 edge_room_ = 0;
	bool complete_ = false;
	Hidden known_sb_{}; // is_gone() of the last one
	bool known_gone_ = false;
};

bool Search::is_gone(const Judgement &j)
{
	if (!counts_references(j) || j.owner == 0)
		return false;
	if (j.owner != known_sb_) {
		platform::PreemptOff section;
		bc_probed probed{};
		bc_probe(BC_PROBE_MOUNTED, j.owner, 0, &probed);
		known_sb_ = j.owner;
		known_gone_ = probed.known && probed.extra == 0;
	}
	return known_gone_;
}

void Search::choose()
{
	Pause pause;
	for (u32 i = 0; i < survivors_.size(); ++i, pause()) {
		const Survivor &s = survivors_[i];
		const Judgement &j = s.judgement;
		if (j.verdict != Verdict::held)
			continue;
		Candidate &c = candidates_[count_];
		bc_range &range = ranges_[count_++];
		c.survivor = i;
		c.gone = is_gone(j);
		c.alive = !c.gone && !may_be_lost(j);
		range.not_start = s.address.inverted();
		range.not_end = ~(s.address + survivors_.bytes_of(s));
		look_for(s, c, range);
	}
}

// In what way a word has to point into it. An inode that is in no class (6.1 has them in caches that say nothing) is
// one all the same.
void Search::look_for(const Survivor &s, Candidate &c, bc_range &range)
{
	const Judgement &j = s.judgement;
	range.not_subject = j.subject.inverted();
	range.kind = BC_RANGE_PLAIN;
	if (j.subject != 0 && proof_of(j) == Proof::dentry) {
		range.kind = BC_RANGE_DENTRY;
		return;
	}
	if (j.subject != 0 && proof_of(j) == Proof::inode) {
		range.kind = BC_RANGE_INODE;
		return;
	}
	if (!j.part)
		return;
	bc_probed probed{};
	{
		platform::PreemptOff section;
		bc_probe(BC_PROBE_INODE, s.address, survivors_.bytes_of(s), &probed);
	}
	if (!probed.known)
		return;
	range.not_subject = ~probed.subject;
	range.kind = BC_RANGE_INODE;
	c.alive |= is_findable(probed.extra, probed.aliases, probed.nameless);
}

u32 Search::candidate_at(u64 address) const
{
	u32 low = 0;
	u32 high = count_;
	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		if (~ranges_[middle].not_start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low != 0 && address < ~ranges_[low - 1].not_end ? low - 1 : count_;
}

void Search::found(u32 range, const bc_place &place)
{
	Candidate &c = candidates_[range];
	c.note(place);
	const u32 from = place.object == 0 ? count_ : candidate_at(place.object);
	const Survivor *source = place.object == 0 ? nullptr : survivors_.around(place.object);
	const bool other = source != nullptr && from == count_;
	// What an excused object holds is out of the count already (Survivors::reach()).
	if (!place.counted && !(other && source->judgement.verdict != Verdict::leaked))
		++c.explained;
	if (from != count_) {
		if (edge_count_ == edge_room_)
			complete_ = false;
		else
			edges_[edge_count_++] = {from, range};
	} else if (!c.gone && !(other && source->judgement.verdict == Verdict::leaked)) {
		c.alive = true; // somebody outside has it
	}
}

// What lives keeps what it has the address of.
void Search::spread()
{
	Pause pause;
	for (bool more = true; more;) {
		more = false;
		for (u32 e = 0; e < edge_count_; ++e, pause()) {
			Candidate &to = candidates_[edges_[e].to];
			if (to.alive || to.gone || !candidates_[edges_[e].from].alive)
				continue;
			to.alive = more = true;
		}
	}
}

bool Search::run(u32 count)
{
	candidates_ = static_cast<Candidate *>(bc_big_alloc(u64{count} * sizeof(Candidate)));
	ranges_ = static_cast<bc_range *>(bc_big_alloc(u64{count} * sizeof(bc_range)));
	edge_room_ = count * 8 + 1024;
	edges_ = static_cast<Edge *>(bc_big_alloc(u64{edge_room_} * sizeof(Edge)));
	if (candidates_ == nullptr || ranges_ == nullptr || edges_ == nullptr)
		return false;
	choose();
	complete_ = true;
	const auto take = [](void *context, u32 range, const bc_place *place) {
		static_cast<Search *>(context)->found(range, *place);
	};
	const bool whole = bc_words(ranges_, count_, take, this);
	complete_ = complete_ && whole;
	spread();
	return true;
}

void Search::result(u32 i, CensusResult &out) const
{
	const Candidate &c = candidates_[i];
	const Survivor &s = survivors_[c.survivor];
	const Judgement &j = s.judgement;
	out.address = s.address;
	out.slot = s.slot;
	out.lost = c.alive || (!complete_ && !c.gone) ? 0 : 1;
	out.alive = c.alive;
	out.unexplained = counts_references(j) ? j.extra - s64{c.explained} - (j.pinned ? 1 : 0) : 0;
	bc_text text{out.text, 0, sizeof(out.text) - 1, false};
	Text to{text};
	const auto put = [&](const char *name, s64 n) {
		if (n <= 0 || text.length + length_of(name) + 24 > sizeof(out.text))
			return;
		to.put(text.length == 0 ? "" : ",").put(name).put(':').number(n);
	};
	put("unexplained", out.unexplained);
	put(ranges_[i].kind == BC_RANGE_DENTRY ? "children" : "names", c.counted);
	put("file_system", j.pinned ? 1 : 0);
	for (const Candidate::Kind &kind : c.kinds)
		put(kind.name, kind.words);
	put("others", c.others);
	out.text[text.length] = 0;
}

} // namespace

bool Census::search(Container &c, Survivors &survivors)
{
	const u32 count = survivors.objects(Verdict::held);
	Search search{survivors};
	if (!search.run(count))
		return false;
	++searches_;
	auto *results = static_cast<CensusResult *>(bc_big_alloc(u64{count} * sizeof(CensusResult)));
	if (results == nullptr)
		return false;
	u32 old = 0; // both are by address
	for (u32 i = 0; i < search.size(); ++i) {
		CensusResult &r = results[i];
		search.result(i, r);
		while (old < c.census_count && c.census[old].address < r.address)
			++old;
		if (r.lost != 0 && old < c.census_count && c.census[old].address == r.address &&
		    c.census[old].slot.raw() == r.slot.raw())
			r.lost += c.census[old].lost;
	}
	forget(c);
	c.census = results;
	c.census_count = search.size();
	return true;
}

// Those that are due and stopped before have not been asked yet in this round: its order is another one.
bool Census::is_next(const Container &c, u64 now)
{
	bool next = true;
	containers.each([&](const Container &other) {
		next &= !other.census_waits || other.next_look_ms > now || other.gone_ms >= c.gone_ms;
	});
	return next;
}

bool Census::take(Container &c, Survivors &survivors, u64 now)
{
	u32 held = 0;
	bool unknown = false; // somebody's, and nobody is named
	survivors.lose_linked();
	Pause pause;
	for (u32 i = 0; i < survivors.size(); ++i, pause()) {
		const Judgement &j = survivors[i].judgement;
		if (j.verdict != Verdict::held)
			continue;
		++held;
		unknown |= (counts_references(j) || by_address(j)) && !j.holder && !j.part;
	}
	if (!unknown || held > kMost || !may_search_) {
		forget(c);
		if (unknown)
			believe(survivors);
		return true;
	}
	c.census_waits = !c.suspected && c.census_due_ms == 0 && (now < next_ms_ || !is_next(c, now));
	if (c.census_waits)
		return false;
	if (c.suspected || (now >= c.census_due_ms && now >= next_ms_)) {
		if (search(c, survivors)) {
			const u64 end = bc_now_ms();
			next_ms_ = end + kShare * (end - now);
			longest_ms_ = end - now > longest_ms_ ? end - now : longest_ms_;
			const u64 pause_ms = c.census_pause_ms == 0 ? kFirstPauseMs : c.census_pause_ms * 2;
			c.census_pause_ms = pause_ms < kLongestPauseMs ? pause_ms : kLongestPauseMs;
			c.census_due_ms = end + c.census_pause_ms;
		}
	}
	apply(c, survivors, 1);
	return true;
}

void Census::apply(const Container &c, Survivors &survivors, u32 least)
{
	bool found = false;
	Pause pause;
	for (u32 i = 0; i < c.census_count; ++i, pause()) {
		const CensusResult &r = c.census[i];
		Survivor *s = survivors.at(r.address);
		if (s == nullptr || s->slot.raw() != r.slot.raw() || s->judgement.verdict != Verdict::held)
			continue;
		s->census = &r;
		if (r.lost >= least && !s->judgement.holder) {
			s->judgement.verdict = Verdict::leaked;
			s->judgement.part = false;
		} else if (r.alive && by_address(s->judgement) && !s->judgement.holder) {
			s->judgement.verdict = kClasses[s->judgement.row].verdict;
			s->judgement.found = found = true;
		}
	}
	if (found)
		survivors.follow_found();
}

// Nothing is looked for: it stays held, with what it has.
void Census::believe(Survivors &survivors)
{
	Pause pause;
	for (u32 i = 0; i < survivors.size(); ++i, pause()) {
		Judgement &j = survivors[i].judgement;
		j.found = j.verdict == Verdict::held && by_address(j);
	}
	survivors.follow_found();
}

void Census::forget(Container &c)
{
	bc_big_free(c.census);
	c.census = nullptr;
	c.census_count = 0;
	c.census_waits = false;
}

} // namespace bc
