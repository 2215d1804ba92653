// SPDX-License-Identifier: GPL-2.0
// The tables of report.h.
#include "report.h"

#include "files.h"
#include "units.h"

#include <algorithm>

namespace beanctl
{

namespace
{

void bytes_cell(Table &table, const Look &look, const char *column, long long bytes, Colour colour = Colour::none)
{
	// A number first, so that the column is one of numbers.
	table.cell(column, bytes, colour);
	if (!look.bytes)
		table.cell(column, human_size(bytes), colour);
}

std::vector<std::string> sites_of(const Records &records)
{
	std::vector<std::string> sites;
	for (size_t i = 0; i < records.size(); ++i)
		sites.push_back(records.text(i, "site"));
	return sites;
}

std::string line_of(const std::map<std::string, std::string> &lines, const std::string &site)
{
	const auto line = lines.find(site);
	return line == lines.end() ? "" : line->second;
}

// False for what a newer module may have put there.
bool is_amount(const std::string &text)
{
	return text == "unlimited" || (!text.empty() && text.find_first_not_of("-0123456789") == std::string::npos);
}

Colour verdict_colour(const std::string &verdict)
{
	if (verdict == "leaked")
		return Colour::bad;
	return verdict == "held" ? Colour::doubtful : Colour::none;
}

} // namespace

Colour state_colour(const std::string &state)
{
	if (state == "leaked")
		return Colour::bad;
	if (state == "held" || state == "settling")
		return Colour::doubtful;
	return state == "clean" ? Colour::good : Colour::none;
}

Table containers_table(const std::vector<Container> &all, const Look &look)
{
	Table table({"id", "name", "state", "held", "objects", "failcnt", "age", "pidns", "init", "command", "cgroup",
		     "since", "waits"},
		    {"id", "name", "state", "held", "objects", "failcnt", "age", "command"});
	for (const Container &c : all) {
		table.row();
		table.cell("id", static_cast<long long>(c.id));
		table.cell("name", c.name);
		table.cell("state", c.state, state_colour(c.state));
		bytes_cell(table, look, "held", c.held);
		table.cell("objects", c.objects);
		table.cell("failcnt", c.failcnt, c.failcnt != 0 ? Colour::doubtful : Colour::none);
		table.cell("age", c.age);
		table.cell("pidns", static_cast<long long>(c.pidns));
		table.cell("init", static_cast<long long>(c.init));
		table.cell("command", c.command);
		table.cell("cgroup", c.cgroup);
		table.cell("since", c.since);
		table.cell("waits", c.waits);
	}
	return table;
}

Table resources_table(const Records &resources, const Look &look)
{
	Table table(resources.columns(), resources.columns());
	for (size_t i = 0; i < resources.size(); ++i) {
		table.row();
		const std::string resource = resources.text(i, "resource");
		table.cell("resource", resource);
		for (const std::string &column : resources.columns()) {
			if (column == "resource")
				continue;
			if (!is_amount(resources.text(i, column))) {
				table.cell(column, resources.text(i, column));
				continue;
			}
			const auto value = resources.bound(i, column);
			const bool bad = column == "failcnt" && value.value_or(0) != 0;
			const Colour colour = bad ? Colour::bad : Colour::none;
			const bool amount = column != "failcnt" && column != "waited";
			table.cell(column, value.value_or(0), colour);
			if (!value)
				table.cell(column, "unlimited", colour);
			else if (amount && counts_bytes(resource) && !look.bytes)
				table.cell(column, human_size(*value), colour);
		}
	}
	return table;
}

Table refusals_table(const Records &refusals, const Look &look)
{
	Table table(refusals.columns(), refusals.columns());
	for (size_t i = 0; i < refusals.size(); ++i) {
		table.row();
		for (const std::string &column : refusals.columns()) {
			if (column == "bytes")
				bytes_cell(table, look, "bytes", refusals.number(i, column));
			else if (column == "age" || column == "pid")
				table.cell(column, refusals.number(i, column));
			else
				table.cell(column, refusals.text(i, column));
		}
	}
	return table;
}

Table objects_table(const Records &objects, const Look &look, const Symbols &symbols)
{
	const auto lines = symbols.lines(sites_of(objects));
	std::vector<std::string> shown{"count", "bytes", "resource", "cache", "site"};
	if (!lines.empty())
		shown.emplace_back("source");
	shown.emplace_back("age");
	Table table({"count", "bytes", "resource", "cache", "site", "source", "age", "addresses"}, shown);
	for (size_t i = 0; i < objects.size(); ++i) {
		const std::string site = objects.text(i, "site");
		table.row();
		table.cell("count", objects.number(i, "count"));
		bytes_cell(table, look, "bytes", objects.number(i, "bytes"));
		table.cell("resource", objects.text(i, "resource"));
		table.cell("cache", objects.text(i, "cache"));
		table.cell("site", site);
		table.cell("source", line_of(lines, site));
		table.cell("age", objects.number(i, "age"));
		table.cell("addresses", objects.text(i, "addresses"));
	}
	return table;
}

Table leaks_table(const std::vector<Container> &all, LeakRows rows, const Look &look, const Symbols &symbols)
{
	std::vector<std::pair<unsigned, Records>> files;
	std::vector<std::string> sites;
	for (const Container &c : all) {
		files.emplace_back(c.id, container_file(c, "leaks"));
		for (std::string &site : sites_of(files.back().second))
			sites.push_back(std::move(site));
	}
	const auto lines = symbols.lines(sites);

	std::vector<std::string> shown{"verdict", "count", "bytes", "cache", "site"};
	if (rows == LeakRows::all)
		shown.insert(shown.begin(), "id");
	if (!lines.empty())
		shown.emplace_back("source");
	shown.insert(shown.end(), {"class", "details"});
	Table table({"id", "verdict", "count", "bytes", "resource", "cache", "site", "source", "age", "class",
		     "addresses", "details"},
		    shown);
	for (const auto &[id, leaks] : files) {
		for (size_t i = 0; i < leaks.size(); ++i) {
			const std::string verdict = leaks.text(i, "verdict");
			const std::string site = leaks.text(i, "site");
			const std::string age = leaks.text(i, "age");
			const std::string details = leaks.text(i, "details");
			if (rows == LeakRows::left && details == "handed_over")
				continue;
			table.row();
			table.cell("id", static_cast<long long>(id));
			table.cell("verdict", verdict, verdict_colour(verdict));
			table.cell("count", leaks.number(i, "count"));
			bytes_cell(table, look, "bytes", leaks.number(i, "bytes"));
			table.cell("resource", leaks.text(i, "resource"));
			table.cell("cache", leaks.text(i, "cache"));
			table.cell("site", site);
			table.cell("source", line_of(lines, site));
			if (!age.empty())
				table.cell("age", leaks.number(i, "age"));
			table.cell("class", leaks.text(i, "class"));
			table.cell("addresses", leaks.text(i, "addresses"));
			table.cell("details", details);
		}
	}
	return table;
}

Table plain_table(const Records &records)
{
	Table table(records.columns(), records.columns());
	for (size_t i = 0; i < records.size(); ++i) {
		table.row();
		for (const std::string &column : records.columns())
			table.cell(column, records.text(i, column));
	}
	return table;
}

std::optional<Records> refusals_of(const Container &container)
{
	// A module without limits has no such file, and refuses nothing.
	if (!exists(proc_file(container.id, "refusals")))
		return std::nullopt;
	return container_file(container, "refusals");
}

} // namespace beanctl
