// SPDX-License-Identifier: GPL-2.0
// What the tests of stops share: objects of three kinds, what the kernel says of them, and simulated time.
#pragma once

#include "rig.h"

namespace rig
{

class Stop : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		host::add_symbol(kText, 0x1000, "alloc_pid");
		host::add_symbol(kText + 0x1000, 0x1000, "__d_alloc");
		host::add_symbol(kText + 0x2000, 0x1000, "copy_net_ns");
	}
	u64 make(const Cache &cache, u64 caller = kText + 0x2d, u64 n = 1)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(n), object, caller, cache.cache_key());
		return object;
	}
	u64 make_dentry(u64 n = 1) { return make(dentry_, kText + 0x1010, n); }
	void probe_says(s64 extra)
	{
		host::set_probe([extra](enum bc_probe, u64, u32, bc_probed &out) {
			out.known = true;
			out.extra = extra;
		});
	}
	// A dentry that is referenced once, and, unless it has a name, cannot be found by anybody who has not its
	// address.
	void dentries_are(bool nameless)
	{
		host::set_probe([nameless](enum bc_probe what, u64 object, u32, bc_probed &out) {
			out.known = what == BC_PROBE_DENTRY || what == BC_PROBE_MOUNTED;
			out.extra = 1;
			out.subject = object;
			out.owner = kFileSystem;
			out.nameless = nameless;
		});
	}
	static bc_place place(u64 object, const char *name, bool counted = false)
	{
		bc_place p{object, 0, counted, ""};
		snprintf(p.name, sizeof(p.name), "%s", name);
		return p;
	}
	std::string leak(const char *verdict, const char *column)
	{
		return row(render(BC_FILE_LEAKS, 1), verdict)[column];
	}
	static constexpr u64 kFileSystem = 0xffff888100aa0000;
	// When the state is reached, in milliseconds from now; the clock goes on in the worker's own steps.
	u64 time_to(const Container &c, State state, u64 most = 60000)
	{
		const u64 from = bc_now_ms();
		while (bc_now_ms() - from < most) {
			const bc_round round = work();
			if (c.current() == state)
				return bc_now_ms() - from;
			host::advance(round.next_ms == 0 ? 1000 : round.next_ms);
		}
		ADD_FAILURE() << "still " << kStateNames[static_cast<size_t>(c.current())];
		return most;
	}
	// The last of its tasks goes.
	u64 stop_until(const Container &c, State state, u64 n = 1)
	{
		stop(ns(n));
		return time_to(c, state);
	}
	std::string waits(u32 id) { return row(render(BC_FILE_CONTAINERS), std::to_string(id))["waits"]; }

	Cache k64_{64, false, "kmalloc-64"}, dentry_{192, true, "dentry"}, net_{4800, false, "net_namespace"};
};

} // namespace rig
