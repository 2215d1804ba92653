// SPDX-License-Identifier: GPL-2.0
// The JSON of report.h.
#include "report.h"

#include "error.h"
#include "files.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace beanctl
{

namespace
{

Json bound_json(const Records &records, size_t row, const char *column)
{
	const auto bound = records.bound(row, column);
	return bound ? Json(*bound) : Json(nullptr);
}

// null: nothing is known of them.
Json unmatched_json(std::string_view field)
{
	Json list = nullptr;
	for (const Unmatched &u : parse_unmatched(field))
		list.push_back({{"family", u.family}, {"site", u.site}, {"unmatched", u.count}});
	return list;
}

// A column of which nothing is known: a number where it is one.
Json value_json(const std::string &text)
{
	long long number = 0;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
	if (!text.empty() && error == std::errc{} && end == text.data() + text.size())
		return number;
	return text;
}

Json rows_json(const Records &records)
{
	Json rows = Json::array();
	for (size_t i = 0; i < records.size(); ++i) {
		Json row = Json::object();
		for (const std::string &column : records.columns())
			row[column] = value_json(records.text(i, column));
		rows.push_back(std::move(row));
	}
	return rows;
}

Json line_json(const std::map<std::string, std::string> &lines, const std::string &site)
{
	const auto line = lines.find(site);
	return line == lines.end() ? Json(nullptr) : Json(line->second);
}

// The keys that a group of leaked and one of living objects share.
void put_group(Json &json, const Records &records, size_t row, const std::map<std::string, std::string> &lines)
{
	const std::string site = records.text(row, "site");
	const SiteName name = parse_site(site);
	json["cache"] = records.text(row, "cache");
	json["function"] = name.function;
	json["site"] = site;
	json["module"] = name.module;
	json["source"] = line_json(lines, site);
	json["stack"] = list_of(records.text_if_there(row, "stack"), '<');
	json["objects"] = records.number(row, "count");
	json["bytes"] = records.number(row, "bytes");
	json["resource"] = records.text(row, "resource");
	json["age"] = records.text(row, "age").empty() ? Json(nullptr) : Json(records.number(row, "age"));
	json["addresses"] = list_of(records.text(row, "addresses"), ',');
}

} // namespace

Json document(Json containers, const Health &health)
{
	Json losses = Json::object();
	for (const auto &[key, value] : health)
		losses[key] = value;
	return {{"version", 1}, {"containers", std::move(containers)}, {"health", std::move(losses)}};
}

std::string json_text(const Json &json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json container_json(const Container &c)
{
	Json held = Json::object();
	// A container that is evicted from the list meanwhile has no files any more.
	if (exists(proc_file(c.id, "resources"))) {
		const Records resources = container_file(c, "resources");
		for (size_t i = 0; i < resources.size(); ++i)
			held[resources.text(i, "resource")] = resources.number(i, "held");
	}
	return {{"id", c.id},		{"name", c.name},
		{"state", c.state},	{"held", std::move(held)},
		{"bytes", c.held},	{"objects", c.objects},
		{"failcnt", c.failcnt}, {"age", c.age},
		{"pidns", c.pidns},	{"init", c.init},
		{"command", c.command}, {"cgroup", c.cgroup},
		{"since", c.since},	{"waits", list_of(c.waits, ',')}};
}

Json leaks_json(const Container &container, const Symbols &symbols)
{
	Json json = container_json(container);
	const Records rows = container_file(container, "leaks");
	const auto lines = source_lines({&rows}, symbols);
	Json leaks = Json::array();
	Json handed_over = Json::array();
	for (size_t i = 0; i < rows.size(); ++i) {
		const std::string details = rows.text(i, "details");
		if (details == "handed_over") {
			handed_over.push_back({{"class", rows.text(i, "class")},
					       {"verdict", rows.text(i, "verdict")},
					       {"function", rows.text(i, "site")},
					       {"objects", rows.number(i, "count")},
					       {"bytes", rows.number(i, "bytes")}});
			continue;
		}
		Json leak = {{"verdict", rows.text(i, "verdict")}};
		put_group(leak, rows, i, lines);
		leak["class"] = rows.text(i, "class");
		leak["details"] = details;
		leak["holders"] = list_of(rows.text_if_there(i, "holders"), ',');
		leak["references"] = unmatched_json(rows.text_if_there(i, "unmatched"));
		leaks.push_back(std::move(leak));
	}
	json["leaks"] = std::move(leaks);
	json["handed_over"] = std::move(handed_over);
	return json;
}

Json resources_json(const Container &container)
{
	Json json = container_json(container);
	const Records rows = container_file(container, "resources");
	Json resources = Json::array();
	for (size_t i = 0; i < rows.size(); ++i) {
		Json resource = Json::object();
		for (const std::string &column : rows.columns()) {
			if (column == "barrier" || column == "limit")
				resource[column] = bound_json(rows, i, column.c_str());
			else
				resource[column] = value_json(rows.text(i, column));
		}
		resources.push_back(std::move(resource));
	}
	json["resources"] = std::move(resources);
	const auto refusals = refusals_of(container);
	json["refusals"] = refusals ? rows_json(*refusals) : Json::array();
	return json;
}

Json objects_json(const Container &container, const Symbols &symbols)
{
	Json json = container_json(container);
	const Records rows = container_file(container, "objects");
	const auto lines = source_lines({&rows}, symbols);
	Json live = Json::array();
	for (size_t i = 0; i < rows.size(); ++i) {
		Json group = Json::object();
		put_group(group, rows, i, lines);
		live.push_back(std::move(group));
	}
	json["live"] = std::move(live);
	return json;
}

Json references_json(const Container &container, const Symbols &symbols)
{
	Json json = container_json(container);
	const Records rows = container_file(container, "references");
	Json references = rows_json(rows);
	if (rows.has("site")) {
		const auto lines = source_lines({&rows}, symbols);
		for (size_t i = 0; i < rows.size(); ++i)
			references[i]["source"] = line_json(lines, rows.text(i, "site"));
	}
	json["references"] = std::move(references);
	return json;
}

} // namespace beanctl
