// SPDX-License-Identifier: GPL-2.0
// The neck: every function of core.h that belongs to no one part.
#include <beancounter/core.h>

#include "charge.h"
#include "census.h"
#include "classes.h"
#include "control.h"
#include "error.h"
#include "bounds.h"
#include "references.h"
#include "render.h"
#include "selfcheck.h"
#include "stop.h"
#include "sweep.h"

namespace bc
{

constinit Health health{};

namespace
{
bc_config g_config{};

} // namespace

} // namespace bc

using namespace bc;

extern "C" {

int bc_core_init(const struct bc_config *config)
{
	g_config = *config;
	health.reset();
	self_checked.runs.set_relaxed(0);
	self_checked.slots.set_relaxed(0);
	self_checked.bad.set_relaxed(0);
	self_checked.compared.set_relaxed(0);
	self_checked.moved.set_relaxed(0);
	classes.reset();
	census.init(!config->no_search);
	stopper.init(config->settle_ms);
	limits_init(config->cpus, static_cast<s64>(config->atomic_slack), config->stacks);
	if (config->default_limits != nullptr && !set_default_bounds(config->default_limits))
		return kInvalid;
	const bool flat = config->pages * sizeof(u64) <= config->flat_most &&
			  config->pages <= config->ram_pages + config->ram_pages / 4;
	if (sites.init() && references.init() && containers.init(config->max_containers, config->cpus) &&
	    bc_ledger.init(config->pages, config->ledger_most, flat)) {
		sweeper.init();
		return 0;
	}
	bc_core_exit();
	return kNoMemory;
}

void bc_core_exit(void)
{
	bc_ledger.exit();
	containers.exit();
	references.exit();
	sites.exit();
}

bool bc_core_is_flat(void) { return bc_ledger.flat(); }
void bc_all_are_seen(void) { containers.all_are_seen(); }

void bc_core_switch_off(void) { health.switch_off(); }

void bc_core_work(struct bc_round *round)
{
	*round = bc_round{};
	stopper.round(*round);
}

bc_u32 bc_task_forked(const void *ns, bc_s32 host_pid, const char *comm, bool at_load)
{
	platform::PreemptOff section;
	bool made = false;
	Container *c = containers.find_or_make(ns, host_pid, comm, at_load, made);
	if (made)
		bc_kick_worker();
	else if (c != nullptr && c->init.relaxed() == 0 && c != containers.overflow())
		c->init.set_relaxed(host_pid); // made in a charge, which did not know its first task
	return made ? c->id().value : 0;
}

void bc_object_given(const void *ns, const void *object, bc_u64 caller)
{
	platform::PreemptOff section;
	const void *cache = platform::cache_of(object);
	if (Container *c = containers.find(ns); c != nullptr && cache != nullptr)
		charge_forced(*c, Address{reinterpret_cast<u64>(object)}, Address{caller},
			      CacheKey{reinterpret_cast<u64>(cache)});
}

void bc_object_like(const void *object, const void *model, bc_u64 caller)
{
	platform::PreemptOff section;
	const Slot slot = bc_ledger.peek(Address{reinterpret_cast<u64>(model)});
	const void *cache = platform::cache_of(object);
	if (slot.empty() || cache == nullptr)
		return;
	if (Container *c = containers.at(slot.owner()); c != nullptr)
		charge_forced(*c, Address{reinterpret_cast<u64>(object)}, Address{caller},
			      CacheKey{reinterpret_cast<u64>(cache)});
}

bool bc_object_charged(const void *object)
{
	platform::PreemptOff section;
	return bc_ledger.holds(Address{reinterpret_cast<u64>(object)});
}

void bc_core_flush(void) { flush(); }

void bc_init_exited(const void *ns)
{
	platform::PreemptOff section;
	if (Container *c = containers.find(ns); c != nullptr) {
		c->init_exited.release(1);
		bc_kick_worker();
	}
}

bc_u32 bc_container_id(const void *ns)
{
	platform::PreemptOff section;
	const Container *c = containers.find(ns);
	return c == nullptr ? 0 : c->id().value;
}

void bc_cache_gone(const void *cache) { sites.cache_gone(reinterpret_cast<u64>(cache)); }
void bc_loading(bool begins) { loading(begins); }

void bc_text_going(bc_u64 start, bc_u64 end) { sites.text_going(start, end); }

bool bc_id_taken(bc_u32 id) { return containers.find_id(ContainerId{id}) != nullptr; }

int bc_render(enum bc_file file, bc_u32 id, struct bc_text *text)
{
	*text = bc_text{};
	Text out{*text};
	Container *c = nullptr;
	if (id != 0 || (file != BC_FILE_BEANCOUNTERS && file != BC_FILE_CONTAINERS && file != BC_FILE_HEALTH)) {
		c = containers.find_id(ContainerId{id});
		if (c == nullptr)
			return kNoEntry;
	}
	bool complete = true;
	switch (file) {
	case BC_FILE_BEANCOUNTERS:
		complete = render_beancounters(out, c);
		break;
	case BC_FILE_CONTAINERS:
		complete = render_containers(out);
		break;
	case BC_FILE_HEALTH:
		render_health(out, bc_hooks_in_place(), g_config.hooks);
		break;
	case BC_FILE_RESOURCES:
		render_resources(out, *c);
		break;
	case BC_FILE_OBJECTS:
		complete = render_objects(out, *c);
		break;
	case BC_FILE_LEAKS:
		complete = render_leaks(out, *c);
		break;
	case BC_FILE_REFUSALS:
		render_refusals(out, *c);
		break;
	case BC_FILE_REFERENCES:
		complete = render_references(out, *c);
		break;
	}
	if (!complete || text->failed) {
		bc_text_free(text);
		return kNoMemory;
	}
	return 0;
}

} // extern "C"
