// SPDX-License-Identifier: GPL-2.0
// ID/references: the users and ucounts that a container has touched, a line a call site; and what a report says of the
// references of a survivor.
#include "render.h"

#include "charge.h"
#include "references.h"

namespace bc
{

namespace
{

constexpr u32 kMostOfOne = 512; // call sites of one object that a report looks at

// A copy of rows, with what their call sites mean.
class Balance
{
      public:
	explicit Balance(u32 most)
	    : most_(most), rows_(static_cast<ReferenceRow *>(bc_big_alloc(most * sizeof(*rows_))))
	{
	}
	~Balance() { bc_big_free(rows_); }
	Balance(const Balance &) = delete;
	Balance &operator=(const Balance &) = delete;

	bool ready() const { return rows_ != nullptr; }
	ReferenceRow *rows() { return rows_; }
	u32 most() const { return most_; }
	void size(u32 n) { count_ = n < most_ ? n : most_; }
	u32 size() const { return count_; }
	const ReferenceRow &operator[](u32 i) const { return rows_[i]; }

	// The end of the group of rows of the object at `start`.
	u32 end_of(u32 start) const
	{
		u32 end = start;
		while (end < count_ && rows_[end].object == rows_[start].object)
			++end;
		return end;
	}
	static u32 family(const ReferenceRow &row)
	{
		char symbol[192];
		if (row.callee != 0) {
			bc_symbol(row.callee, symbol, sizeof(symbol));
			if (const u32 family = family_of(row.kind, row.gets != 0, symbol); family != kNoFamily)
				return family;
		}
		// dec_ucount() is everybody's: who called it tells.
		bc_symbol(row.caller, symbol, sizeof(symbol));
		return family_of(row.kind, row.gets != 0, symbol);
	}
	// Taken and not given back, over everybody; and the call site that took most of it.
	s64 open(u32 start, u32 end, u32 family_wanted, u64 &site) const
	{
		s64 balance = 0;
		s64 most = 0;
		for (u32 i = start; i < end; ++i) {
			if (family(rows_[i]) != family_wanted)
				continue;
			balance += rows_[i].gets - rows_[i].puts;
			if (rows_[i].gets > most) {
				most = rows_[i].gets;
				site = rows_[i].caller;
			}
		}
		return balance;
	}

      private:
	u32 most_;
	u32 count_ = 0;
	ReferenceRow *rows_;
};

// One that lives has references, and is in its hash table until the last is put. Of two puts at the same time neither
// may see that the other was the last (References::event()): the row stays, and what is at its address is freed, or
// something else.
bool is_alive(const bc_probed &probed) { return probed.hashed && probed.extra > 0; }

bc_probed looked_at(const ReferenceRow &row)
{
	bc_probed probed{};
	platform::PreemptOff section;
	bc_probe(row.kind == BC_REFERENCE_USER ? BC_PROBE_USER : BC_PROBE_UCOUNTS, row.object, 0, &probed);
	probed.known = probed.known && is_alive(probed);
	return probed;
}

// Its uid from the probe's text, "uid=1000,...".
void uid_field(Text &out, const bc_probed &probed)
{
	char uid[16] = "";
	for (u32 i = 0; i + 1 < sizeof(uid) && probed.known && probed.text[4 + i] != ',' && probed.text[4 + i] != 0;
	     ++i)
		uid[i] = probed.text[4 + i];
	out.field(uid, 10);
}

u32 charged_to(u64 object)
{
	platform::PreemptOff section;
	const Slot slot = bc_ledger.peek(Address{object});
	const Container *c = slot.empty() ? nullptr : containers.at(slot.owner());
	return c == nullptr ? 0 : c->id().value;
}

void object_rows(Text &out, const Container &c, const Balance &all, u32 start, u32 end)
{
	const bc_probed probed = looked_at(all[start]);
	const u32 owner = charged_to(all[start].object);
	char address[24];
	bc_pointer_text(all[start].object, address, sizeof(address));
	for (u32 i = start; i < end; ++i) {
		const ReferenceRow &row = all[i];
		// One line a call site: the container's own and everybody else's rows of it are one.
		s64 gets = 0, puts = 0, own_gets = 0, own_puts = 0;
		bool seen = false;
		for (u32 j = start; j < end; ++j) {
			const ReferenceRow &other = all[j];
			if (other.caller != row.caller || other.callee != row.callee)
				continue;
			seen |= j < i;
			gets += other.gets;
			puts += other.puts;
			if (other.owner == c.index.value) {
				own_gets += other.gets;
				own_puts += other.puts;
			}
		}
		if (seen)
			continue;
		char symbol[192];
		bc_symbol(row.caller, symbol, sizeof(symbol));
		const u32 family = Balance::family(row);
		out.field(kReferenceKinds[row.kind], 7);
		uid_field(out, probed);
		out.field(probed.known ? probed.extra : 0, 7).field(owner, 9);
		out.field(family == kNoFamily ? "" : kFamilies[family].name, 10).field(symbol, 40);
		out.field(gets, 8).field(puts, 8).field(own_gets, 8).field(own_puts, 8);
		u64 site = 0;
		const s64 open = family == kNoFamily ? 0 : all.open(start, end, family, site);
		out.field(open > 0 && site == row.caller ? open : 0, 9).field(address, 1).end_line();
	}
}

} // namespace

bool render_references(Text &out, const Container &c)
{
	out.field("kind", 7)
	    .field("uid", 10)
	    .right("count", 7)
	    .put(' ')
	    .right("charged", 9)
	    .put(' ')
	    .field("family", 10);
	out.field("site", 40).right("gets", 8).put(' ').right("puts", 8).put(' ').right("own_gets", 8).put(' ');
	out.right("own_puts", 8).put(' ').right("unmatched", 9).put(" address\n");
	const u32 wanted = references.touched_by(c.index.value, nullptr, 0);
	Balance all{wanted + 64}; // rows that come meanwhile
	if (!all.ready())
		return false;
	all.size(references.touched_by(c.index.value, all.rows(), all.most()));
	for (u32 start = 0; start < all.size(); start = all.end_of(start)) {
		object_rows(out, c, all, start, all.end_of(start));
		bc_cond_resched();
	}
	return true;
}

void unmatched_text(u64 object, char *text, u32 size)
{
	text[0] = 0;
	Balance all{kMostOfOne};
	if (!all.ready())
		return;
	all.size(references.of_object(object, all.rows(), all.most()));
	bc_text room{text, 0, size - 1, false};
	for (u32 f = 0; f < kFamilyCount; ++f) {
		u64 site = 0;
		const s64 open = all.open(0, all.size(), f, site);
		if (open <= 0)
			continue;
		char symbol[192];
		char buffer[24];
		bc_symbol(site, symbol, sizeof(symbol));
		const char *count = decimal(open, buffer);
		if (room.length + length_of(kFamilies[f].name) + length_of(symbol) + length_of(count) + 3 >
		    room.capacity)
			break;
		Text out{room};
		if (room.length != 0)
			out.put(',');
		out.put(kFamilies[f].name).put(':').put(symbol).put(':').put(count);
	}
	text[room.length] = 0;
}

} // namespace bc
