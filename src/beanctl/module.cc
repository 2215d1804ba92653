// SPDX-License-Identifier: GPL-2.0
#include "module.h"

#include "error.h"
#include "files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

namespace beanctl
{

void require_module()
{
	const std::string file = proc_file("containers");
	struct stat status;
	if (stat(file.c_str(), &status) == 0)
		return;
	if (errno == EACCES || errno == EPERM)
		fail_usage(
		    "{} may be read by the host's administrator only: run beanctl as root, outside of containers",
		    proc_root());
	fail_usage("{} is not there: the module beancounter is not loaded (insmod beancounter.ko)", file);
}

namespace
{

Records read_containers()
{
	require_module();
	try {
		return Records::read(proc_file("containers"));
	} catch (const SystemError &error) {
		if (error.number() != EACCES && error.number() != EPERM)
			throw;
		fail_usage("{} may be read by the host's administrator only: run beanctl as root in the initial pid "
			   "namespace, not in a container",
			   proc_root());
	}
}

} // namespace

std::vector<Container> containers()
{
	const Records rows = read_containers();
	std::vector<Container> all;
	for (size_t i = 0; i < rows.size(); ++i) {
		Container c;
		c.id = static_cast<unsigned>(rows.number(i, "id"));
		c.name = rows.text(i, "name");
		c.state = rows.text(i, "state");
		c.held = rows.number(i, "held");
		c.objects = rows.number(i, "objects");
		c.failcnt = rows.number(i, "failcnt");
		c.age = rows.number(i, "age");
		c.pidns = static_cast<unsigned long>(rows.number(i, "pidns"));
		c.init = static_cast<pid_t>(rows.number(i, "init"));
		c.command = rows.text(i, "command");
		c.cgroup = rows.text(i, "cgroup");
		c.since = rows.text(i, "since");
		c.waits = rows.text(i, "waits");
		all.push_back(std::move(c));
	}
	return all;
}

std::optional<Container> container_of_id(unsigned id)
{
	for (Container &c : containers()) {
		if (c.id == id)
			return std::move(c);
	}
	return std::nullopt;
}

Container find_container(const std::string &id_or_name)
{
	std::vector<Container> all = containers();
	const auto id = parse_id(id_or_name);
	for (Container &c : all) {
		if (id && c.id == *id)
			return std::move(c);
	}
	// A name may be all digits.
	for (Container &c : all) {
		if (!c.name.empty() && c.name == id_or_name)
			return std::move(c);
	}
	if (!id && !is_name(id_or_name))
		fail_usage("'{}' is neither the number nor the name of a container", id_or_name);
	fail("there is no container {}; beanctl list shows those there are (the last 64 stopped ones stay)",
	     id_or_name);
}

std::optional<Container> container_of_process(pid_t pid)
{
	struct stat status;
	const std::string file = fmt::format("/proc/{}/ns/pid", pid);
	if (stat(file.c_str(), &status) != 0)
		fail_system(file);
	// Inode numbers are used again: a stopped container may have had this one. The newest of the living is it, and
	// the one whose init it is above all.
	std::optional<Container> found;
	for (Container &c : containers()) {
		if (c.pidns != status.st_ino || c.stopped())
			continue;
		if (c.init == pid)
			return std::move(c);
		if (!found || (c.state == "running" && c.id > found->id))
			found = std::move(c);
	}
	return found;
}

std::optional<unsigned> parse_id(std::string_view text)
{
	unsigned id = 0;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
	if (text.size() > 9 || error != std::errc{} || end != text.data() + text.size() || id == 0)
		return std::nullopt;
	return id;
}

bool is_name(std::string_view text)
{
	return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
		return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
	});
}

void await_files(const Container &container)
{
	using namespace std::chrono_literals;
	const std::string file = proc_file(container.id, "resources");
	for (const auto end = std::chrono::steady_clock::now() + 20s; !exists(file);
	     std::this_thread::sleep_for(10ms)) {
		if (std::chrono::steady_clock::now() >= end)
			fail("{} did not appear within 20 s: the module's worker is stuck; see the kernel log", file);
	}
}

Records container_file(const Container &container, const char *file)
{
	const std::string path = proc_file(container.id, file);
	try {
		return Records::read(path);
	} catch (const SystemError &error) {
		if (error.number() != ENOENT)
			throw;
		if (exists(proc_file(container.id, "resources")))
			fail("{} is not there: the module that is loaded has no such file; a newer one may", path);
		fail("{} is not there: container {} is gone by now", path, container.id);
	}
}

Health read_health()
{
	require_module();
	const Records rows = Records::read(proc_file("health"));
	Health health;
	for (size_t i = 0; i < rows.size(); ++i)
		health[rows.text(i, "key")] = rows.number(i, "value");
	return health;
}

std::vector<std::string> blind(const Health &before, const Health &after)
{
	auto value = [](const Health &health, const char *key) {
		const auto found = health.find(key);
		return found == health.end() ? 0 : found->second;
	};
	std::vector<std::string> reasons;
	// Not references_lost: no verdict goes by that table, only ID/references and the column `unmatched`, which says
	// what it knows. Nor reentered: what runs within a hook allocates past them, and so is in no container.
	for (const char *key : {"missed", "unknown", "stale", "sites_lost", "containers_lost", "clamped"}) {
		const long long more = value(after, key) - value(before, key);
		if (more != 0)
			reasons.push_back(fmt::format("{} rose by {}", key, more));
	}
	// What is allocated or freed there was not seen.
	if (const long long gone = value(after, "hooks_expected") - value(after, "hooks"); gone > 0)
		reasons.push_back(fmt::format("{} hooks are not in place", gone));
	// Hooks that cannot be taken away, beside others that are gone.
	if (value(after, "switched_off") != 0)
		reasons.emplace_back("the module has switched itself off");
	return reasons;
}

void control(const std::string &line)
{
	require_module();
	write_once(proc_file("control"), line + "\n");
}

void turn_stacks(const Container &container, bool on)
{
	try {
		control(fmt::format("stacks {} {}", container.id, on ? "on" : "off"));
	} catch (const SystemError &error) {
		if (error.number() == ENOENT)
			fail("container {} is gone by now", container.id);
		if (error.number() == EINVAL)
			fail_usage("this module has no stacks; a newer one may");
		throw;
	}
}

void name_container(const Container &container, const std::string &name, unsigned new_id)
{
	if (!is_name(name))
		fail_usage("'{}' is no name: 1 to 63 letters, digits, and . _ -", name);
	try {
		control(new_id != 0 ? fmt::format("name {} {} {}", container.id, name, new_id)
				    : fmt::format("name {} {}", container.id, name));
	} catch (const SystemError &error) {
		if (error.number() == ENOENT)
			fail("container {} is gone by now", container.id);
		if (error.number() != EEXIST)
			throw;
		for (const Container &c : containers()) {
			if (c.id != container.id && (c.name == name || c.id == new_id))
				fail("container {} cannot be named {}{}: {} is taken by container {} ({}){}",
				     container.id, name, new_id != 0 ? fmt::format(" {}", new_id) : "",
				     c.name == name ? "the name" : "the number", c.id, c.state,
				     c.stopped() ? fmt::format("; beanctl dismiss {} gives it free", c.id) : "");
		}
		throw;
	}
}

} // namespace beanctl
