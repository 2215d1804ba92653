// SPDX-License-Identifier: GPL-2.0
// A write to /proc/beancounter/control. Whatever it says: it is applied whole or not at all, and no ID or name is used
// twice.
#include "charge.h"

#include <beancounter/core.h>
#include <host.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

using namespace bc;

namespace
{

struct Snapshot {
	std::set<std::string> all;
	bool operator==(const Snapshot &) const = default;
};

void must(bool good)
{
	if (!good)
		abort();
}

Snapshot state()
{
	Snapshot s;
	std::set<u32> ids;
	std::set<std::string> names;
	containers.each([&](Container &c) {
		const std::string name = c.name;
		must(ids.insert(c.id().value).second && c.id().value != 0 && c.id().value <= 999999999);
		must(name.empty() || names.insert(name).second);
		must(name.size() < 64 && name.find_first_of(" \t\n:/\\") == std::string::npos);
		s.all.insert(std::to_string(c.id().value) + " " + name + " " + std::to_string(c.dismissed.relaxed()));
	});
	return s;
}

const void *ns(u64 n) { return reinterpret_cast<const void *>(0xffff888200000000ul + n * 512); }

void start()
{
	host::reset();
	bc_config config{};
	config.pages = 512;
	config.cpus = 2;
	config.max_containers = 8;
	config.settle_ms = 1000;
	must(bc_core_init(&config) == 0);
	for (u64 n = 1; n <= 4; ++n) {
		bc_tasks tasks{};
		tasks.pids = 1;
		host::set_tasks(ns(n), tasks);
		bc_task_forked(ns(n), 100, "init", false);
	}
	host::set_tasks(ns(4), bc_tasks{});
	bc_init_exited(ns(4)); // so that there is one to dismiss
	bc_round round;
	bc_core_work(&round);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool running = false;
	if (!running) // anew only after a write that changed something: it takes much longer than the write
		start();
	const Snapshot before = state();
	const int result = bc_control(reinterpret_cast<const char *>(data), size);
	const Snapshot after = state();
	must(result == 0 || result == -22 || result == -2 || result == -16 || result == -17);
	must(result == 0 || before == after);
	running = before == after;
	bc_round round;
	bc_core_work(&round);
	bc_text text;
	must(bc_render(BC_FILE_CONTAINERS, 0, &text) == 0);
	must(memchr(text.data, 0, text.length) == nullptr);
	bc_text_free(&text);
	if (!running) {
		bc_core_exit();
		must(host::live(host::Kind::any) == 0);
	}
	return 0;
}
