// SPDX-License-Identifier: GPL-2.0
// When may the ledger be compared with the counters of a container that runs?
//
// A charge counts and then records, in one section; a free takes and then gives back (or, in trampolines.S, the other
// way round), in one section. So at rest both sides are equal, and what has to be shown is that there was rest. Equal
// counters before and after the walk do not show it: one object made behind the walk and another one freed ahead of it
// leave them as they were, and a loop that does so can keep to it for many looks. Frees can be counted, though: from
// begin_exclusive() on every free of a recorded object comes by a place that does (Ledger::count_taken()). And where
// there are no frees a counter only goes up. A look is
//
//	T  what frees have taken so far, and our losses
//	   a grace period: who had taken something before T has given it back
//	A  the counters, each word of them by itself
//	   a grace period: who had counted something before A has recorded it
//	   the walk
//	B  the counters
//	   a grace period: who had emptied a cell before B has added it to the account
//	C  the counters, what frees have taken, our losses
//
// and it counts if A, B and C are the same in every word, and T is what is found at the end. Then from A to B
//  - nothing was given back: no free took anything; what takes a charge back otherwise is a loss that is counted
//    (record() without memory, a stale slot); an admission that comes to nothing, which has begun and ended, and those
//    are counted, too; or an add to a cell that wants to be emptied, which shows in the cell's sign until it is taken
//    back, and no such word is accepted;
//  - no cell was emptied: it holds more than no bytes then, and the account, which nothing lowers, would have shown
//    them in C at the latest. Nor did flush() do that, nor a change of mode hide it: only the worker leaves `near`,
//    whose mutex we have, so that the same mode, and not `switching`, is one that lasted;
//  - so no word went down, all of them are what they were, and nothing was charged. Nothing that was counted before A
//  was
//    still to be recorded when the walk began; but for admissions, which sleep between the two, and of those none is
//    accepted that has begun and not ended.
// So the walk has seen all that there is, and what A adds up to is exact: a difference is an error. It has to be the
// same in two such looks all the same.
//
// One thing is taken back without any trace: a piece that near a bound of bytes is counted, and then does not fit
// (charge_slowly()). So a container that is that near is one that moves.
#include "selfcheck.h"

#include "charge.h"

namespace bc
{

constinit SelfCheck self_checked{};

namespace
{

constexpr u32 kLooks = 6;
constexpr s64 kRoom = s64{64} << 10; // more than any piece has in bytes

bool in_its_place(const Ledger::Found &found)
{
	const SiteIndex index = found.slot.site();
	if (!index || index.value >= Sites::kPlaces || found.slot.kind() != Slot{sites[index].slot}.kind() ||
	    containers.at(found.slot.owner()) == nullptr)
		return false;
	const u32 shift = Ledger::shift_of(sites[index].stride);
	return found.high - found.low == (shift < kPageShift ? 1u << shift : kPageSize);
}

// What a container has, by its counters or by the ledger: of what is counted in bytes the bytes, of pieces the objects.
struct Sum {
	s64 amounts[kChargedRows];
	s64 objects[kByteKinds];

	void add(const Site &site)
	{
		amounts[at(charged_as(site.kind))] += site.stride.value;
		++objects[static_cast<size_t>(site.kind)];
		if (site.special.is_piece())
			++amounts[at(site.special.piece())];
	}
	Sum less(const Sum &other) const
	{
		Sum rest = *this;
		for (size_t i = 0; i < kChargedRows; ++i)
			rest.amounts[i] -= other.amounts[i];
		for (size_t i = 0; i < kByteKinds; ++i)
			rest.objects[i] -= other.objects[i];
		return rest;
	}
	bool operator==(const Sum &) const = default;
};

// All that a container counts in, word by word.
class Counters
{
      public:
	static u32 words() { return kFixed + static_cast<u32>(kByteKinds) * containers.cpus(); }
	explicit Counters(u64 *words) : words_(words) {}

	// False where they are on their way to something else.
	bool read(const Container &c)
	{
		words_[kEnded] = c.admissions_ended.acquire(); // first: what ends after it has begun before it, too
		words_[kBegun] = c.admissions_begun.acquire();
		const u8 mode = c.mode.acquire();
		words_[kMode] = mode;
		for (size_t i = 0; i < kChargedRows; ++i)
			words_[kAccounts + i] = static_cast<u64>(c.accounts[i].held());
		for (size_t i = 0; i < kByteKinds; ++i)
			words_[kObjects + i] = static_cast<u64>(c.objects[i].relaxed());
		const Cells *cells = c.own_cells.acquire();
		bool still = true;
		for (u32 i = 0; i < words() - kFixed; ++i) {
			const u64 cell =
			    cells == nullptr ? kMiddle : platform::percpu_read(word_of(*cells, i), i / kByteKinds);
			words_[kFixed + i] = cell;
			still = still && !wants_fold(cell);
		}
		return still && words_[kEnded] == words_[kBegun] && mode != static_cast<u8>(Mode::switching) &&
		       c.mode.acquire() == mode && (mode == static_cast<u8>(Mode::far) || has_room(c));
	}
	bool same(const Counters &other) const
	{
		for (u32 i = 0; i < words(); ++i) {
			if (words_[i] != other.words_[i])
				return false;
		}
		return true;
	}
	Sum sum() const
	{
		Sum sum{};
		for (size_t i = 0; i < kChargedRows; ++i)
			sum.amounts[i] = static_cast<s64>(words_[kAccounts + i]);
		for (size_t i = 0; i < kByteKinds; ++i)
			sum.objects[i] = static_cast<s64>(words_[kObjects + i]);
		for (u32 i = 0; i < words() - kFixed; ++i) {
			const Unpacked part = unpack(words_[kFixed + i]);
			sum.amounts[i % kByteKinds] += part.bytes;
			sum.objects[i % kByteKinds] += part.objects;
		}
		return sum;
	}

      private:
	enum : u32 {
		kEnded,
		kBegun,
		kMode,
		kAccounts,
		kObjects = kAccounts + kChargedRows,
		kFixed = kObjects + kByteKinds
	};
	static const u64 *word_of(const Cells &cells, u32 i) { return &cells.packed[i % kByteKinds]; }
	static bool has_room(const Container &c)
	{
		for (size_t i = 0; i < kByteKinds; ++i) {
			const Account &account = c.accounts[i];
			if (account.held() > account.barrier() - kRoom)
				return false;
		}
		return true;
	}
	u64 *words_;
};

class Comparison
{
      public:
	Comparison() = default;
	~Comparison();
	Comparison(const Comparison &) = delete;
	Comparison &operator=(const Comparison &) = delete;

	bool init(); // false without memory
	void run();
	void conclude() const;

      private:
	static constexpr u32 kUnnamed = 2; // the first two rows: the overflow, and what was handed over
	static constexpr u32 kOwners = 1u << Slot::kOwnerBits;
	struct Row {
		Container *c;
		u32 taken;	// by frees, when the look began
		bool still;	// in this look, until now
		bool differed;	// in one before
		Sum difference; // and by that
		Sum in_ledger;
	};
	void begin_row(Container &c);
	void look();
	void walk();
	void read_again(Row &row);
	void decide(Row &row);
	bool pending() const;
	Counters counters_of(const Row &row) { return Counters{words_ + (&row - rows_) * Counters::words()}; }
	// Each row that there is no answer for yet.
	template <class Visit> void each(Visit &&visit)
	{
		for (u32 i = 0; i < count_; ++i) {
			if (rows_[i].c->books == Books::moved)
				visit(rows_[i]);
		}
	}

	Row *rows_ = nullptr;
	u64 *words_ = nullptr;	       // the counters of each, and room for those of one more
	Atomic<u32> *taken_ = nullptr; // by owner
	u16 *row_of_ = nullptr;	       // by owner: 1 more than its number; 0: none
	u32 count_ = 0;
	u32 room_ = 0;
};

Comparison::~Comparison()
{
	if (taken_ != nullptr) {
		bc_ledger.count_taken(nullptr);
		bc_synchronize_rcu();
	}
	bc_big_free(rows_);
	bc_big_free(words_);
	bc_big_free(taken_);
	bc_big_free(row_of_);
}

void Comparison::begin_row(Container &c)
{
	c.books = Books::unknown;
	if (count_ == room_)
		return; // made since we counted
	c.books = Books::moved;
	rows_[count_].c = &c;
	row_of_[c.index.value] = static_cast<u16>(++count_);
}

bool Comparison::init()
{
	room_ = containers.count() + kUnnamed;
	rows_ = static_cast<Row *>(bc_big_alloc(u64{room_} * sizeof(Row)));
	words_ = static_cast<u64 *>(bc_big_alloc(u64{room_ + 1} * Counters::words() * sizeof(u64)));
	row_of_ = static_cast<u16 *>(bc_big_alloc(kOwners * sizeof(u16)));
	taken_ = static_cast<Atomic<u32> *>(bc_big_alloc(kOwners * sizeof(*taken_)));
	if (rows_ == nullptr || words_ == nullptr || row_of_ == nullptr || taken_ == nullptr)
		return false;
	begin_row(*containers.overflow());
	begin_row(*containers.handed());
	containers.each([&](Container &c) { begin_row(c); });
	return true;
}

void Comparison::walk()
{
	each([](Row &row) { row.in_ledger = Sum{}; });
	bc_ledger.walk([&](const Ledger::Found &found) {
		const SiteIndex site = found.slot.site();
		const u32 row = row_of_[found.slot.owner().value];
		if (row != 0 && site.value < Sites::kPlaces)
			rows_[row - 1].in_ledger.add(sites[site]);
	});
}

void Comparison::read_again(Row &row)
{
	Counters now{words_ + u64{room_} * Counters::words()};
	row.still = now.read(*row.c) && row.still && now.same(counters_of(row));
}

void Comparison::decide(Row &row)
{
	if (!row.still)
		return;
	const Sum difference = counters_of(row).sum().less(row.in_ledger);
	if (difference == Sum{})
		row.c->books = Books::equal;
	else if (row.differed && difference == row.difference)
		row.c->books = Books::wrong;
	row.differed = true;
	row.difference = difference;
}

void Comparison::look()
{
	const auto taken = [&](const Row &row) { return taken_[row.c->index.value].relaxed(); };
	const s64 losses = health.blind();
	each([&](Row &row) { row.taken = taken(row); });
	bc_synchronize_rcu();
	each([&](Row &row) { row.still = counters_of(row).read(*row.c); });
	bc_synchronize_rcu();
	walk();
	each([&](Row &row) { read_again(row); });
	bc_synchronize_rcu();
	each([&](Row &row) {
		read_again(row);
		row.still = row.still && taken(row) == row.taken && health.blind() == losses;
		decide(row);
	});
}

bool Comparison::pending() const
{
	for (u32 i = 0; i < count_; ++i) {
		if (rows_[i].c->books == Books::moved)
			return true;
	}
	return false;
}

void Comparison::run()
{
	bc_ledger.count_taken(taken_);
	bc_ledger.begin_exclusive();
	for (u32 i = 0; i < kLooks && pending(); ++i)
		look();
	bc_ledger.end_exclusive();
}

void Comparison::conclude() const
{
	s64 numbers[4] = {};
	const auto of = [&](Books books) -> s64 & { return numbers[static_cast<size_t>(books)]; };
	for (u32 i = 0; i < count_; ++i) {
		const Books books = rows_[i].c->books;
		of(books) += i >= kUnnamed || books == Books::wrong; // else nobody asked for those
	}
	self_checked.bad.add(of(Books::wrong));
	self_checked.moved.set_relaxed(of(Books::moved));
	self_checked.compared.set_relaxed(of(Books::equal) + of(Books::wrong));
}

} // namespace

void self_check()
{
	s64 slots = 0;
	s64 bad = 0;
	bc_ledger.walk([&](const Ledger::Found &found) {
		++slots;
		bad += !in_its_place(found);
	});
	self_checked.slots.set_relaxed(slots);
	self_checked.bad.add(bad);
	self_checked.compared.set_relaxed(0);
	self_checked.moved.set_relaxed(containers.count());
	containers.each([](Container &c) { c.books = Books::unknown; });
	if (Comparison comparison; comparison.init()) {
		comparison.run();
		comparison.conclude();
	}
	self_checked.runs.add(1);
}

} // namespace bc
