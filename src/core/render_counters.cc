// SPDX-License-Identifier: GPL-2.0
// /proc/user_beancounters, containers, health, ID/resources.
#include "render.h"

#include "charge.h"
#include "container.h"

#include <initializer_list>

namespace bc
{

namespace
{

struct Row {
	s64 held, maxheld;
	u64 barrier, limit;
	s64 failcnt;
};

Row row_of(Container &c, size_t resource)
{
	for (size_t k = 0; k < kByteKinds; ++k) {
		if (static_cast<size_t>(kByteResource[k]) == resource) {
			const auto kind = static_cast<ByteKind>(k);
			return {held(c, kind).bytes, maxheld(c, kind), kUnlimited, kUnlimited, 0};
		}
	}
	return {0, 0, kUnlimited, kUnlimited, 0};
}

// uid in 10, two blanks, the name left in 12, five numbers in 20 with a blank before each: 129 characters.
void old_row(Text &out, const char *uid, const char *name, const Row &r)
{
	out.right(uid, 10).put("  ").left(name, 12);
	out.put(' ').right(r.held, 20).put(' ').right(r.maxheld, 20);
	out.put(' ').right(static_cast<s64>(r.barrier), 20).put(' ').right(static_cast<s64>(r.limit), 20);
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
	old_rows(out, c.id.value, [&](size_t r) { return row_of(c, r); });
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
		for (size_t k = 0; k < kByteKinds; ++k) {
			if (static_cast<size_t>(kByteResource[k]) == r) {
				const s64 v = rest[k] < 0 ? 0 : rest[k];
				return Row{v, v, kUnlimited, kUnlimited, 0};
			}
		}
		return Row{0, 0, kUnlimited, kUnlimited, 0};
	});
}

// Calls visit for each container, newest ID first, those for which `wanted` says so.
template <class Wanted, class Visit> void by_id(Wanted &&wanted, Visit &&visit)
{
	for (u64 below = kUnlimited;;) {
		Container *next = nullptr;
		containers.each([&](Container &c) {
			if (c.id.value < below && wanted(c) && (next == nullptr || c.id > next->id))
				next = &c;
		});
		if (next == nullptr)
			return;
		visit(*next);
		below = next->id.value;
	}
}

void container_row(Text &out, Container &c)
{
	if (c.ns.relaxed() != nullptr)
		bc_task_face(c.init.relaxed(), c.ns.relaxed(), c.command, sizeof(c.command), c.cgroup,
			     sizeof(c.cgroup));
	const u64 now = bc_now_ms();
	const Held h = held(c);
	const State state = c.current();
	out.field(c.id.value, 9).field(c.name, 12).field(kStateNames[static_cast<size_t>(state)], 8);
	out.field(h.bytes, 12).field(h.objects, 9).field(s64{0}, 7);
	out.field(static_cast<s64>((now - (stopped(state) ? c.settled_ms : c.born_ms)) / 1000), 7);
	out.field(c.pidns, 10).field(c.tasks_gone ? 0 : c.init.relaxed(), 7).field(c.command, 15).field(c.cgroup, 24);
	out.field(c.since_load ? "load" : "start", 5).field(c.waits, 1).end_line();
}

} // namespace

void render_beancounters(Text &out, Container *only)
{
	out.put("Version: 2.5\n");
	out.right("uid", 10).put("  ").left("resource", 12);
	for (const char *title : {"held", "maxheld", "barrier", "limit", "failcnt"})
		out.put(' ').right(title, 20);
	out.put('\n');
	if (only != nullptr) {
		old_rows(out, *only);
		return;
	}
	// Listed while it runs or anything is charged to it.
	if (containers.overflow_used())
		old_rows(out, *containers.overflow());
	by_id([](const Container &c) { return !stopped(c.current()) || held(c).objects != 0; },
	      [&](Container &c) { old_rows(out, c); });
	host_rows(out);
}

void render_containers(Text &out)
{
	out.right("id", 9).put(' ').field("name", 12).field("state", 8).right("held", 12).put(' ').right("objects", 9);
	out.put(' ').right("failcnt", 7).put(' ').right("age", 7).put(' ').right("pidns", 10).put(' ').right("init", 7);
	out.put(' ').field("command", 15).field("cgroup", 24).field("since", 5).put("waits\n");
	if (containers.overflow_used())
		container_row(out, *containers.overflow());
	by_id([](const Container &c) { return !stopped(c.current()); }, [&](Container &c) { container_row(out, c); });
	by_id([](const Container &c) { return stopped(c.current()); }, [&](Container &c) { container_row(out, c); });
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
}

void render_resources(Text &out, Container &c)
{
	out.left("resource", 13).right("held", 20).put(' ').right("maxheld", 20).put(' ').right("barrier", 20);
	out.put(' ').right("limit", 20).put(' ').right("failcnt", 20).put('\n');
	for (size_t r = 0; r < kResourceRows; ++r) {
		if (same_text(kResources[r].name, "dummy"))
			continue;
		const Row row = row_of(c, r);
		auto bound = [&](u64 v) {
			if (v == kUnlimited)
				out.right("unlimited", 20);
			else
				out.right(static_cast<s64>(v), 20);
			out.put(' ');
		};
		out.field(kResources[r].name, 12).right(row.held, 20).put(' ').right(row.maxheld, 20).put(' ');
		bound(row.barrier);
		bound(row.limit);
		out.right(row.failcnt, 20).put('\n');
	}
}

} // namespace bc
