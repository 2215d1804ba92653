// SPDX-License-Identifier: GPL-2.0
#include "commands.h"

#include "error.h"
#include "limit.h"
#include "report.h"

#include <nlohmann/json.hpp>

#include <cerrno>

namespace beanctl
{

namespace
{

void print(Json containers) { fmt::print("{}", json_text(document(std::move(containers), read_health()))); }

} // namespace

int list(const Look &look)
{
	const std::vector<Container> all = containers();
	if (!look.json) {
		containers_table(all, look).print(look);
		return 0;
	}
	Json json = Json::array();
	for (const Container &c : all)
		json.push_back(container_json(c));
	print(std::move(json));
	return 0;
}

int show(const std::string &who, const Look &look)
{
	const Container c = find_container(who);
	if (look.json) {
		print(Json::array({resources_json(c)}));
		return 0;
	}
	resources_table(container_file(c, "resources"), look).print(look);
	const auto refusals = refusals_of(c);
	// They are for the eye: a script that chose columns or no headings wants the one table.
	if (!refusals || refusals->size() == 0 || !look.columns.empty() || look.noheadings)
		return 0;
	fmt::print("\nlast refusals, newest first:\n");
	refusals_table(*refusals, look).print(look);
	return 0;
}

int objects(const std::string &who, const Look &look, const std::vector<std::string> &symbols)
{
	const Container c = find_container(who);
	if (look.json)
		print(Json::array({objects_json(c, Symbols(symbols))}));
	else
		objects_table(container_file(c, "objects"), look, Symbols(symbols)).print(look);
	return 0;
}

int leaks(const std::string &who, const Look &look, const std::vector<std::string> &symbols)
{
	std::vector<Container> of;
	if (!who.empty()) {
		of.push_back(find_container(who));
	} else {
		for (Container &c : containers()) {
			if (c.stopped())
				of.push_back(std::move(c));
		}
	}
	if (!look.json) {
		leaks_table(of, LeakRows::all, look, Symbols(symbols)).print(look);
		if (!who.empty() && !of.front().stopped())
			note(fmt::format("container {} is {}: there is a verdict once it has stopped", of.front().id,
					 of.front().state));
		return 0;
	}
	Json json = Json::array();
	for (const Container &c : of)
		json.push_back(leaks_json(c, Symbols(symbols)));
	print(std::move(json));
	return 0;
}

int references(const std::string &who, const Look &look, const std::vector<std::string> &symbols)
{
	const Container c = find_container(who);
	if (look.json)
		print(Json::array({references_json(c, Symbols(symbols))}));
	else
		references_table(container_file(c, "references"), Symbols(symbols)).print(look);
	return 0;
}

int set(const std::string &who, const std::vector<std::string> &limits)
{
	const std::vector<Limit> parsed = parse_limits(limits);
	set_limits(find_container(who), parsed);
	return 0;
}

int reset(const std::string &who)
{
	reset_counts(find_container(who));
	return 0;
}

int name(const std::string &who, const std::string &name, const std::string &new_id)
{
	unsigned id = 0;
	if (!new_id.empty()) {
		const auto parsed = parse_id(new_id);
		if (!parsed)
			fail_usage("'{}' is no number of a container: 1 to 9 digits, not 0", new_id);
		id = *parsed;
	}
	name_container(find_container(who), name, id);
	return 0;
}

int dismiss(const std::string &who)
{
	const Container c = find_container(who);
	if (!c.stopped())
		fail("container {} is {}: only a stopped one can be dismissed", c.id, c.state);
	try {
		control(fmt::format("dismiss {}", c.id));
	} catch (const SystemError &error) {
		if (error.number() != ENOENT)
			throw;
		fail("container {} is gone by now", c.id);
	}
	return 0;
}

int stacks(const std::string &who, const std::string &on_or_off)
{
	if (on_or_off != "on" && on_or_off != "off")
		fail_usage("stacks are on or off, not '{}'", on_or_off);
	turn_stacks(find_container(who), on_or_off == "on");
	return 0;
}

} // namespace beanctl
