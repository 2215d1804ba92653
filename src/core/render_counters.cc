// SPDX-License-Identifier: GPL-2.0
// /proc/user_beancounters, containers, health, ID/resources.
#include "render.h"

#include "census.h"
#include "charge.h"
#include "classes.h"
#include "container.h"
#include "bounds.h"
#include "lock.h"
#include "selfcheck.h"
#include "sort.h"

#include <initializer_list>

namespace bc
{

namespace
{

struct Row {
	s64 held, maxheld;
	s64 barrier, limit;
	s64 failcnt;
	s64 forced, waited;
};

constexpr Row kNothing{0, 0, kUnlimited, kUnlimited, 0, 0, 0};

// In units of the resource, of which half a one counts as one.
Row row_of(Container &c, Charged what)
{
	if (what == Charged::kCount)
		return kNothing;
	const Account &account = c.accounts[at(what)];
	const Bounds bounds = bounds_of(c, what);
	const s64 times = objects_for_one(what);
	auto units = [&](s64 objects) { return objects <= 0 ? 0 : (objects + times - 1) / times; };
	Row row{units(account.held()), units(account.maxheld()), bounds.barrier,  bounds.limit,
		account.failcnt(),     units(account.forced()),	 account.waited()};
	if (at(what) < kByteKinds) {
		const auto kind = static_cast<ByteKind>(what);
		row.held = held(c, kind).bytes;
		row.maxheld = maxheld(c, kind);
	}
	// Something was freed, or charged, between the two looks.
	if (row.maxheld < row.held)
		row.maxheld = row.held;
	return row;
}

// uid in 10, two blanks, the name left in 12, five numbers in 20 with a blank before each: 129 characters.
void old_row(Text &out, const char *uid, const char *name, const Row &r)
{
	out.right(uid, 10).put("  ").left(name, 12);
	out.put(' ').right(r.held, 20).put(' ').right(r.maxheld, 20);
	out.put(' ').right(r.barrier, 20).put(' ').right(r.limit, 20);
	out.put(' ').right(r.failcnt, 20).put('\n');
}

template <class RowOf> void old_rows(Text &out, u32 id, RowOf &&row)
{
	char buffer[24];
	char uid[26];
	copy_text(uid, sizeof(uid) - 1, decimal(id, buffer));
	const u32 n = length_of(uid);
	uid[n] = ':';
	uid[n + 1] = 0;
	for (size_t r = 0; r < kResourceRows; ++r)
		old_row(out, r == 0 ? uid : "", kResources[r].name, row(r));
}

void old_rows(Text &out, Container &c)
{
	old_rows(out, c.id().value, [&](size_t r) { return row_of(c, kResources[r].charged); });
}

// The host's own: the kernel's totals less what the containers hold.
void host_rows(Text &out)
{
	u64 total[kByteKinds] = {};
	bc_slab_totals(&total[0], &total[1]);
	s64 rest[kByteKinds] = {static_cast<s64>(total[0]), static_cast<s64>(total[1])};
	auto subtract = [&](Container &c) {
		for (size_t k = 0; k < kByteKinds; ++k)
			rest[k] -= held(c, static_cast<ByteKind>(k)).bytes;
	};
	containers.each(subtract);
	subtract(*containers.overflow());
	old_rows(out, 0, [&](size_t r) {
		Row row = kNothing;
		if (const size_t k = at(kResources[r].charged); k < kByteKinds)
			row.held = row.maxheld = rest[k] < 0 ? 0 : rest[k];
		return row;
	});
}

// Calls visit for each container, newest ID first, those for which `wanted` says so. False: no memory.
template <class Wanted, class Visit> bool by_id(Wanted &&wanted, Visit &&visit)
{
	auto **rows = static_cast<Container **>(bc_big_alloc(containers.most() * sizeof(void *)));
	if (rows == nullptr)
		return false;
	u32 count = 0;
	containers.each([&](Container &c) {
		if (wanted(c))
			rows[count++] = &c;
	});
	sort(rows, count, [](const Container *a, const Container *b) { return a->id() > b->id(); });
	for (u32 i = 0; i < count; ++i)
		visit(*rows[i]);
	bc_big_free(rows);
	return true;
}

void container_row(Text &out, Container &c)
{
	if (c.ns.relaxed() != nullptr)
		bc_task_face(c.init.relaxed(), c.ns.relaxed(), c.command, sizeof(c.command), c.cgroup,
			     sizeof(c.cgroup));
	const u64 now = bc_now_ms();
	const Held h = held(c);
	const State state = c.current();
	out.field(c.id().value, 9).field(c.name, 12).field(kStateNames[static_cast<size_t>(state)], 8);
	out.field(h.bytes, 12).field(h.objects, 9).field(failcnt(c), 7);
	out.field(static_cast<s64>((now - (stopped(state) ? c.settled_ms : c.born_ms)) / 1000), 7);
	out.field(c.pidns, 10).field(c.tasks_gone ? 0 : c.init.relaxed(), 7).field(c.command, 15).field(c.cgroup, 24);
	out.field(c.since_load ? "load" : "start", 5).field(c.waits, 1);
	out.field(kBooksNames[static_cast<size_t>(c.books)], 1).end_line();
}

} // namespace

bool render_beancounters(Text &out, Container *only)
{
	out.put("Version: 2.5\n");
	out.right("uid", 10).put("  ").left("resource", 12);
	for (const char *title : {"held", "maxheld", "barrier", "limit", "failcnt"})
		out.put(' ').right(title, 20);
	out.put('\n');
	if (only != nullptr) {
		old_rows(out, *only);
		return true;
	}
	// Listed while it runs or anything is charged to it.
	if (containers.overflow_used())
		old_rows(out, *containers.overflow());
	if (!by_id([](const Container &c) { return !stopped(c.current()) || held(c).objects != 0; },
		   [&](Container &c) { old_rows(out, c); }))
		return false;
	host_rows(out);
	return true;
}

bool render_containers(Text &out)
{
	out.right("id", 9).put(' ').field("name", 12).field("state", 8).right("held", 12).put(' ').right("objects", 9);
	out.put(' ').right("failcnt", 7).put(' ').right("age", 7).put(' ').right("pidns", 10).put(' ').right("init", 7);
	out.put(' ').field("command", 15).field("cgroup", 24).field("since", 5).field("waits", 1);
	out.put("books\n");
	if (containers.overflow_used())
		container_row(out, *containers.overflow());
	auto row = [&](Container &c) { container_row(out, c); };
	return by_id([](const Container &c) { return !stopped(c.current()); }, row) &&
	       by_id([](const Container &c) { return stopped(c.current()); }, row);
}

void render_health(Text &out, u32 hooks, u32 hooks_expected)
{
	auto line = [&](const char *key, s64 value) { out.left(key, 20).number(value).put('\n'); };
	out.left("key", 20).put("value\n");
	line("hooks", hooks);
	line("hooks_expected", hooks_expected);
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		line(kLossNames[i], health.of(static_cast<Loss>(i)));
	line("switched_off", health.switched_off());
	line("sites", sites.count());
	line("containers", containers.count());
	line("ledger_bytes", bc_ledger.bytes());
	line("ledger_arrays", bc_ledger.arrays());
	line("ledger_pages", static_cast<s64>(bc_ledger.limit()));
	line("handed_over", held(*containers.handed()).objects);
	line("growing_classes", classes.growing());
	line("searches", static_cast<s64>(census.searches()));
	line("search_ms", static_cast<s64>(census.longest_ms()));
	line("self_checks", self_checked.runs.relaxed());
	line("self_check_slots", self_checked.slots.relaxed());
	line("self_check_bad", self_checked.bad.relaxed());
	line("self_check_compared", self_checked.compared.relaxed());
	line("self_check_moved", self_checked.moved.relaxed());
	line("ledger_given_back", bc_ledger.given_back());
	line("walks_torn", health.torn());
}

void render_resources(Text &out, Container &c)
{
	out.left("resource", 13).right("held", 20).put(' ').right("maxheld", 20).put(' ').right("barrier", 20);
	out.put(' ').right("limit", 20).put(' ').right("failcnt", 20).put(' ').right("forced", 20);
	out.put(' ').right("waited", 20).put('\n');
	for (size_t r = 0; r < kResourceRows; ++r) {
		if (same_text(kResources[r].name, "dummy"))
			continue;
		const Row row = row_of(c, kResources[r].charged);
		auto bound = [&](s64 v) {
			if (v == kUnlimited)
				out.right("unlimited", 20);
			else
				out.right(v, 20);
			out.put(' ');
		};
		out.field(kResources[r].name, 12).right(row.held, 20).put(' ').right(row.maxheld, 20).put(' ');
		bound(row.barrier);
		bound(row.limit);
		out.right(row.failcnt, 20).put(' ').right(row.forced, 20).put(' ').right(row.waited, 20).put('\n');
	}
}

void render_refusals(Text &out, const Container &c)
{
	out.right("age", 7).put(' ').right("pid", 7).put(' ').field("task", 15).field("resource", 12);
	out.right("bytes", 10).put(' ').field("cause", 8).put("site\n");
	static RefusalRing copy; // the worker's mutex is held
	{
		Lock lock{BC_LOCK_REFUSALS};
		copy = c.refusals.ring;
	}
	const u64 now = bc_now_ms();
	for (u64 i = copy.count; i-- > 0 && copy.count - i <= RefusalRing::kKept;) {
		const Refusal &r = copy.last[i % RefusalRing::kKept];
		char symbol[192];
		sites.symbol(sites[r.site], symbol, sizeof(symbol));
		out.field(static_cast<s64>((now - r.at_ms) / 1000), 7).field(r.pid, 7).field(r.task, 15);
		out.field(name_of(r.resource), 12).field(r.bytes, 10);
		out.field(kCauseNames[static_cast<size_t>(r.cause)], 8).field(symbol, 1).end_line();
	}
}

} // namespace bc
