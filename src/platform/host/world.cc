// SPDX-License-Identifier: GPL-2.0
// The neck over the C library: tasks, namespaces, probes, the log: whatever a test scripts.
#include "host.h"
#include "inside.h"

#include <platform/inline.h>

#include <cstdio>
#include <map>
#include <set>

namespace host
{

namespace
{

struct World {
	std::map<const void *, bc_tasks> tasks;
	std::map<const void *, long> references;
	std::map<const void *, bool> dead;
	std::set<const void *> of_users;
	std::vector<bc_u32> overflows;
	std::map<const void *, bool> ending;
	std::map<bc_s32, std::pair<std::string, std::string>> face;
	bc_u64 totals[2] = {};
	bool faces_refused = false;
	bc_u32 hooks = 20;
	std::vector<bc_u32> faces;
	std::vector<StopLog> log;
	std::vector<RefusalLog> refusals;
	std::vector<TornLog> torn;
	unsigned long refusals_traced = 0;
	unsigned long leaks_traced = 0;
	Probe probe;
	std::vector<std::pair<bc_u64, bc_holder>> holders;
	const char *holders_torn = nullptr;
	std::vector<Word> words;
	bool words_complete = true;
	unsigned long searches = 0;
	bc_u64 search_ms = 0, holders_ms = 0;
};
Guarded<World> g_world;

} // namespace

void set_tasks(const void *ns, const bc_tasks &tasks)
{
	g_world.with([&](World &w) { w.tasks[ns] = tasks; });
}

void set_alive(const void *ns, bool alive)
{
	g_world.with([&](World &w) { w.dead[ns] = !alive; });
}

void set_ending(const void *ns)
{
	g_world.with([&](World &w) { w.ending[ns] = true; });
}

void set_face(bc_s32 host_pid, const char *comm, const char *cgroup)
{
	g_world.with([&](World &w) { w.face[host_pid] = {comm, cgroup}; });
}

long references(const void *ns)
{
	return g_world.with([&](World &w) { return w.references[ns]; });
}

long references()
{
	return g_world.with([&](World &w) {
		long sum = 0;
		for (const auto &[ns, n] : w.references)
			sum += n;
		return sum;
	});
}

void set_probe(Probe probe)
{
	g_world.with([&](World &w) { w.probe = std::move(probe); });
}

void set_holders(std::vector<std::pair<bc_u64, bc_holder>> holders, const char *torn)
{
	g_world.with([&](World &w) {
		w.holders = std::move(holders);
		w.holders_torn = torn;
	});
}

void set_slab_totals(bc_u64 unreclaimable, bc_u64 reclaimable)
{
	g_world.with([&](World &w) {
		w.totals[0] = unreclaimable;
		w.totals[1] = reclaimable;
	});
}

void set_hooks(bc_u32 in_place)
{
	g_world.with([&](World &w) { w.hooks = in_place; });
}

void refuse_faces(bool on)
{
	g_world.with([&](World &w) { w.faces_refused = on; });
}

std::vector<bc_u32> faces()
{
	return g_world.with([](World &w) { return w.faces; });
}

std::vector<StopLog> stop_log()
{
	return g_world.with([](World &w) { return w.log; });
}

std::vector<RefusalLog> refusal_log()
{
	return g_world.with([](World &w) { return w.refusals; });
}

std::vector<TornLog> torn_log()
{
	return g_world.with([](World &w) { return w.torn; });
}
unsigned long refusals_traced()
{
	return g_world.with([](World &w) { return w.refusals_traced; });
}
unsigned long leaks_traced()
{
	return g_world.with([](World &w) { return w.leaks_traced; });
}

void set_words(std::vector<Word> words, bool complete)
{
	g_world.with([&](World &w) {
		w.words = std::move(words);
		w.words_complete = complete;
	});
}

std::vector<bc_u32> overflows()
{
	return g_world.with([&](World &w) { return w.overflows; });
}

void set_of_user(const void *ns)
{
	g_world.with([&](World &w) { w.of_users.insert(ns); });
}

void set_holders_ms(bc_u64 ms)
{
	g_world.with([&](World &w) { w.holders_ms = ms; });
}

void set_search_ms(bc_u64 ms)
{
	g_world.with([&](World &w) { w.search_ms = ms; });
}

unsigned long searches()
{
	return g_world.with([](World &w) { return w.searches; });
}

void reset_world()
{
	g_world.with([](World &w) { w = World{}; });
}

} // namespace host

using namespace host;

extern "C" {

void bc_pidns_tasks(const void *ns, struct bc_tasks *out, bool search)
{
	may_sleep(__func__);
	g_world.with([&](World &w) {
		if (w.references[ns] <= 0)
			die("bc_pidns_tasks() of a namespace without a reference");
		*out = w.tasks[ns];
	});
	if (!search) {
		out->zombie = out->parent = 0;
		out->parent_comm[0] = 0;
	}
}

bc_u32 bc_pidns_inum(const void *ns) { return static_cast<bc_u32>(reinterpret_cast<bc_u64>(ns)); }

bool bc_pidns_alive(const void *ns)
{
	return g_world.with([&](World &w) { return !w.dead[ns]; });
}

bool bc_pidns_of_user(const void *ns)
{
	return g_world.with([&](World &w) { return w.of_users.contains(ns); });
}

bool bc_pidns_ending(const void *ns)
{
	return g_world.with([&](World &w) { return w.dead[ns] || w.ending[ns]; });
}

void bc_task_face(bc_s32 host_pid, const void *ns, char *comm, unsigned long comm_len, char *cgroup,
		  unsigned long cgroup_len)
{
	g_world.with([&](World &w) {
		if (w.references[ns] <= 0)
			die("bc_task_face() of a namespace without a reference");
		const auto it = w.face.find(host_pid);
		if (it == w.face.end())
			return;
		snprintf(comm, comm_len, "%s", it->second.first.c_str());
		snprintf(cgroup, cgroup_len, "%s", it->second.second.c_str());
	});
}

void bc_pidns_get(const void *ns)
{
	g_world.with([&](World &w) { ++w.references[ns]; });
}

void bc_pidns_put(const void *ns)
{
	may_sleep(__func__);
	g_world.with([&](World &w) {
		if (w.references[ns]-- <= 0)
			die("bc_pidns_put() without a reference");
	});
}

void bc_probe(enum bc_probe what, bc_u64 object, bc_u32 size, struct bc_probed *out)
{
	*out = bc_probed{};
	if (sections() == 0)
		die("bc_probe() wants preemption off");
	Probe probe;
	g_world.with([&](World &w) { probe = w.probe; });
	if (probe)
		probe(what, object, size, *out);
}

const char *bc_holders(bc_holder_found found, void *context)
{
	may_sleep(__func__);
	std::vector<std::pair<bc_u64, bc_holder>> holders;
	bc_u64 ms = 0;
	const char *torn = g_world.with([&](World &w) {
		holders = w.holders;
		ms = w.holders_ms;
		return w.holders_torn;
	});
	advance(ms);
	for (const auto &[pointer, holder] : holders)
		found(context, pointer, &holder);
	return torn;
}

bool bc_words(const struct bc_range *ranges, bc_u32 count, bc_word_found found, void *context)
{
	may_sleep(__func__);
	std::vector<Word> words;
	bc_u64 ms = 0;
	const bool complete = g_world.with([&](World &w) {
		++w.searches;
		words = w.words;
		ms = w.search_ms;
		return w.words_complete;
	});
	advance(ms);
	for (bc_u32 i = 0; i < count; ++i) {
		if (i != 0 && ~ranges[i].not_start < ~ranges[i - 1].not_end)
			die("bc_words() wants ranges in order");
		for (const Word &word : words) {
			if (word.to >= ~ranges[i].not_start && word.to < ~ranges[i].not_end)
				found(context, i, &word.place);
		}
	}
	return complete;
}

bc_u32 bc_hooks_in_place(void)
{
	return g_world.with([](World &w) { return w.hooks; });
}

bool bc_face_add(bc_u32 id)
{
	may_sleep(__func__);
	return g_world.with([&](World &w) {
		if (!w.faces_refused)
			w.faces.push_back(id);
		return !w.faces_refused;
	});
}

void bc_log_stop(bc_u32 id, const char *name, const char *state, bc_u64 objects, bc_u64 bytes, const char *worst)
{
	may_sleep(__func__);
	g_world.with([&](World &w) { w.log.push_back({id, name, state, objects, bytes, worst}); });
}

void bc_log_refused(bc_u32 id, const char *, bc_u64 refusals, const char *task, bc_s32, const char *resource,
		    const char *site)
{
	may_sleep(__func__);
	g_world.with([&](World &w) { w.refusals.push_back({id, refusals, task, resource, site}); });
}

void bc_log_overflow(bc_u32 rows)
{
	g_world.with([&](World &w) { w.overflows.push_back(rows); });
}

void bc_log_torn(bc_u32 id, const char *, const char *walk)
{
	may_sleep(__func__);
	g_world.with([&](World &w) { w.torn.push_back({id, walk}); });
}

void bc_trace_stop(bc_u32, const char *, const char *, bc_u64, bc_u64) {}
void bc_trace_leak(bc_u32, const char *, const char *, const char *, bc_u64, bc_u64)
{
	g_world.with([&](World &w) { ++w.leaks_traced; });
}
void bc_trace_refused(bc_u32, const char *, const char *, bc_u64, bc_u64)
{
	g_world.with([&](World &w) { ++w.refusals_traced; });
}

void bc_slab_totals(bc_u64 *unreclaimable, bc_u64 *reclaimable)
{
	g_world.with([&](World &w) {
		*unreclaimable = w.totals[0];
		*reclaimable = w.totals[1];
	});
}

} // extern "C"
