// SPDX-License-Identifier: GPL-2.0
#include "hook.h"

#include "error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace beanctl
{

OciState parse_oci_state(std::string_view text)
{
	const auto json = nlohmann::json::parse(text, nullptr, false);
	if (!json.is_object())
		fail_usage("standard input is no JSON object: a runtime gives its hooks the container's state there");
	OciState state;
	if (const auto id = json.find("id"); id != json.end() && id->is_string())
		state.id = id->get<std::string>();
	if (const auto pid = json.find("pid"); pid != json.end() && pid->is_number_integer())
		state.pid = pid->get<pid_t>();
	if (state.id.empty() || state.pid <= 0)
		fail_usage("the state on standard input has no id or no pid: is this hook a createRuntime hook?");
	return state;
}

std::string name_from_id(std::string_view id)
{
	const bool hexadecimal =
	    std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
	std::string name(id.substr(0, id.size() == 64 && hexadecimal ? 12 : 63));
	for (char &c : name) {
		if (!is_name(std::string_view(&c, 1)))
			c = '_';
	}
	return name;
}

namespace
{

// A container that is started again comes with the same ID, and its last run may still be listed by that name.
std::string free_name(const Container &container, const std::string &wanted)
{
	const std::vector<Container> all = containers();
	for (int n = 1;; ++n) {
		const std::string tail = n == 1 ? "" : fmt::format(".{}", n);
		std::string name = wanted.substr(0, 63 - tail.size()) + tail;
		if (std::none_of(all.begin(), all.end(),
				 [&](const Container &c) { return c.name == name && c.id != container.id; }))
			return name;
	}
}

Container container_of(const OciState &state)
{
	auto found = container_of_process(state.pid);
	if (!found)
		fail("process {} of container {} has no pid namespace of its own below the host's: the module has no "
		     "container for it, and nothing to limit",
		     state.pid, state.id);
	await_files(*found);
	return std::move(*found);
}

} // namespace

int oci_hook(const std::string &text, const std::vector<Limit> &limits, bool name)
{
	const OciState state = parse_oci_state(text);
	require_module();
	const Container container = container_of(state);
	if (!limits.empty())
		set_limits(container, limits);
	if (name)
		name_container(container, free_name(container, name_from_id(state.id)), 0);
	return 0;
}

} // namespace beanctl
