// SPDX-License-Identifier: GPL-2.0
// The tables of report.h.
#include "report.h"

#include "files.h"
#include "units.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

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

// Who called for it, who points at it, and whose references are too many: as far as the module knows.
void tell_more(Table &table, const Records &leaks, size_t row, const std::map<std::string, std::string> &lines)
{
	const auto stack = list_of(leaks.text_if_there(row, "stack"), '<');
	size_t wide = 0;
	for (const std::string &frame : stack)
		wide = std::max(wide, frame.size());
	for (const std::string &frame : stack) {
		const std::string line = line_of(lines, frame);
		table.below(line.empty() ? frame : fmt::format("{:<{}} {}", frame, wide, line));
	}
	const auto holders = list_of(leaks.text_if_there(row, "holders"), ',');
	if (!holders.empty())
		table.below(fmt::format("held by {}", fmt::join(holders, ", ")));
	for (const Unmatched &u : parse_unmatched(leaks.text_if_there(row, "unmatched"))) {
		const std::string line = line_of(lines, u.site);
		table.below(fmt::format("{} reference{} of {} never put, taken at {}{}{}", u.count,
					u.count == 1 ? "" : "s", u.family, u.site, line.empty() ? "" : " ", line));
	}
}

// What and where it is: of objects and of leaks alike.
void what_cells(Table &table, const Look &look, const Records &records, size_t row,
		const std::map<std::string, std::string> &lines)
{
	const std::string site = records.text(row, "site");
	table.cell("count", records.number(row, "count"));
	bytes_cell(table, look, "bytes", records.number(row, "bytes"));
	for (const char *column : {"resource", "cache", "addresses"})
		table.cell(column, records.text(row, column));
	table.cell("site", site);
	table.cell("source", line_of(lines, site));
}

bool is_wanted(LeakRows rows, const Records &leaks, size_t row)
{
	switch (rows) {
	case LeakRows::leaked:
		return leaks.text(row, "verdict") == "leaked";
	case LeakRows::left:
		return leaks.text(row, "details") != "handed_over";
	case LeakRows::all:
		break;
	}
	return true;
}

} // namespace

std::vector<Unmatched> parse_unmatched(std::string_view field)
{
	std::vector<Unmatched> all;
	for (const std::string &text : list_of(field, ',')) {
		const size_t first = text.find(':');
		const size_t last = text.rfind(':');
		Unmatched u{text, "", 1}; // whatever a newer module may write: as it is
		if (first != last && first != std::string::npos) {
			u.family = text.substr(0, first);
			u.site = text.substr(first + 1, last - first - 1);
			std::from_chars(text.data() + last + 1, text.data() + text.size(), u.count);
		}
		all.push_back(std::move(u));
	}
	return all;
}

std::map<std::string, std::string> source_lines(const std::vector<const Records *> &files, const Symbols &symbols)
{
	std::set<std::string> sites;
	for (const Records *records : files) {
		for (size_t i = 0; i < records->size(); ++i) {
			sites.insert(records->text_if_there(i, "site"));
			for (std::string &frame : list_of(records->text_if_there(i, "stack"), '<'))
				sites.insert(std::move(frame));
			for (Unmatched &u : parse_unmatched(records->text_if_there(i, "unmatched")))
				sites.insert(std::move(u.site));
		}
	}
	return symbols.lines({sites.begin(), sites.end()});
}

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
	const auto lines = source_lines({&objects}, symbols);
	std::vector<std::string> shown{"count", "bytes", "resource", "cache", "site"};
	if (!lines.empty())
		shown.emplace_back("source");
	shown.emplace_back("age");
	Table table({"count", "bytes", "resource", "cache", "site", "source", "age", "addresses"}, shown);
	for (size_t i = 0; i < objects.size(); ++i) {
		table.row();
		what_cells(table, look, objects, i, lines);
		table.cell("age", objects.number(i, "age"));
	}
	return table;
}

Table leaks_table(const std::vector<Container> &all, LeakRows rows, const Look &look, const Symbols &symbols)
{
	std::vector<std::pair<unsigned, Records>> files;
	files.reserve(all.size());
	for (const Container &c : all)
		files.emplace_back(c.id, container_file(c, "leaks"));
	std::vector<const Records *> records;
	records.reserve(files.size());
	for (const auto &[id, leaks] : files)
		records.push_back(&leaks);
	const auto lines = source_lines(records, symbols);

	std::vector<std::string> shown{"verdict", "count", "bytes", "cache", "site"};
	if (rows == LeakRows::all)
		shown.insert(shown.begin(), "id");
	if (!lines.empty())
		shown.emplace_back("source");
	shown.insert(shown.end(), {"class", "details"});
	Table table({"id", "verdict", "count", "bytes", "resource", "cache", "site", "source", "age", "class",
		     "addresses", "details", "stack", "holders", "unmatched"},
		    shown);
	for (const auto &[id, leaks] : files) {
		for (size_t i = 0; i < leaks.size(); ++i) {
			const std::string verdict = leaks.text(i, "verdict");
			const std::string age = leaks.text(i, "age");
			if (!is_wanted(rows, leaks, i))
				continue;
			table.row();
			table.cell("id", static_cast<long long>(id));
			table.cell("verdict", verdict, verdict_colour(verdict));
			what_cells(table, look, leaks, i, lines);
			if (!age.empty())
				table.cell("age", leaks.number(i, "age"));
			table.cell("class", leaks.text(i, "class"));
			table.cell("details", leaks.text(i, "details"));
			for (const char *column : {"stack", "holders", "unmatched"})
				table.cell(column, leaks.text_if_there(i, column));
			tell_more(table, leaks, i, lines);
		}
	}
	return table;
}

Table references_table(const Records &references, const Symbols &symbols)
{
	const auto lines = source_lines({&references}, symbols);
	std::vector<std::string> columns = references.columns();
	if (!lines.empty())
		columns.emplace_back("source");
	Table table(columns, columns);
	for (size_t i = 0; i < references.size(); ++i) {
		table.row();
		for (const std::string &column : references.columns())
			table.cell(column, references.text(i, column));
		table.cell("source", line_of(lines, references.text_if_there(i, "site")));
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
