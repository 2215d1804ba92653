// SPDX-License-Identifier: GPL-2.0
#include "top_rows.h"

#include "error.h"
#include "files.h"
#include "report.h"
#include "units.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <map>

namespace beanctl
{

namespace
{

std::string amount(long long bytes, const Look &look)
{
	return look.bytes ? fmt::format("{}", bytes) : human_size(bytes);
}

std::string signed_amount(long long bytes, const Look &look) { return (bytes > 0 ? "+" : "") + amount(bytes, look); }

// Its folder may not be there yet, or not any more.
std::optional<long long> forced_of(const Container &container)
{
	if (!exists(proc_file(container.id, "resources")))
		return std::nullopt;
	try {
		const Records resources = Records::read(proc_file(container.id, "resources"));
		if (!resources.has("forced"))
			return std::nullopt;
		long long forced = 0;
		for (size_t i = 0; i < resources.size(); ++i) {
			if (counts_bytes(resources.text(i, "resource")))
				forced += resources.number(i, "forced");
		}
		return forced;
	} catch (const SystemError &error) {
		if (error.number() != ENOENT && error.number() != ESRCH)
			throw;
		return std::nullopt;
	}
}

// The keys of health that are zero on a good day, with their values where they are not.
std::string losses(const Health &health)
{
	const auto reasons = blind({}, health);
	std::string text;
	for (const std::string &reason : reasons)
		text += (text.empty() ? "" : ", ") + reason;
	return text;
}

std::string clock_time()
{
	const std::time_t now = std::time(nullptr);
	std::tm local{};
	char text[16];
	if (localtime_r(&now, &local) == nullptr || std::strftime(text, sizeof(text), "%H:%M:%S", &local) == 0)
		return "";
	return text;
}

// Resources of which something is held or was, or that have a limit.
Records used(Records all)
{
	all.keep([&all](size_t i) {
		return all.number(i, "held") != 0 || all.number(i, "maxheld") != 0 || all.number(i, "failcnt") != 0 ||
		       all.bound(i, "limit") || all.bound(i, "barrier");
	});
	return all;
}

// As objects_table() has it, without source lines: these take other programs, and time.
Table largest_objects(const Records &objects, const Look &look)
{
	const std::vector<std::string> columns{"count", "bytes", "resource", "cache", "site", "age"};
	Table table(columns, columns);
	for (size_t i = 0; i < objects.size(); ++i) {
		table.row();
		table.cell("count", objects.number(i, "count"));
		table.cell("bytes", objects.number(i, "bytes"));
		table.cell("bytes", amount(objects.number(i, "bytes"), look));
		table.cell("resource", objects.text(i, "resource"));
		table.cell("cache", objects.text(i, "cache"));
		table.cell("site", objects.text(i, "site"));
		table.cell("age", objects.number(i, "age"));
	}
	return table;
}

void append(std::vector<std::string> &lines, const Table &table, const Look &look)
{
	for (std::string &line : split_lines(table.text(look, false)))
		lines.push_back(std::move(line));
}

} // namespace

std::optional<TopKey> top_key(std::string_view name)
{
	constexpr std::pair<std::string_view, TopKey> names[] = {
	    {"held", TopKey::held}, {"growth", TopKey::growth}, {"failcnt", TopKey::failcnt}, {"id", TopKey::id}};
	for (const auto &[known, key] : names) {
		if (known == name)
			return key;
	}
	return std::nullopt;
}

TopSample sample_now(double seconds)
{
	TopSample sample;
	sample.seconds = seconds;
	for (Container &c : containers()) {
		TopRow row;
		row.forced = forced_of(c);
		row.container = std::move(c);
		sample.rows.push_back(std::move(row));
	}
	sample.health = read_health();
	return sample;
}

void compare(TopSample &sample, const TopSample &before)
{
	const double seconds = sample.seconds - before.seconds;
	std::map<unsigned, long long> held;
	for (const TopRow &row : before.rows)
		held[row.container.id] = row.container.held;
	for (TopRow &row : sample.rows) {
		const auto then = held.find(row.container.id);
		if (then != held.end() && seconds > 0)
			row.growth = std::llround(static_cast<double>(row.container.held - then->second) / seconds);
	}
}

void sort(TopSample &sample, TopKey key)
{
	auto value = [key](const TopRow &row) {
		switch (key) {
		case TopKey::held:
			return row.container.held;
		case TopKey::growth:
			return row.growth.value_or(0);
		case TopKey::failcnt:
			return row.container.failcnt;
		case TopKey::id:
			break;
		}
		return 0ll;
	};
	std::sort(sample.rows.begin(), sample.rows.end(), [&](const TopRow &a, const TopRow &b) {
		return value(a) != value(b) ? value(a) > value(b) : a.container.id < b.container.id;
	});
}

bool has_losses(const Health &health) { return !losses(health).empty(); }

std::string top_summary(const TopSample &sample, const Look &look)
{
	std::map<std::string, int> states;
	long long held = 0;
	for (const TopRow &row : sample.rows) {
		++states[row.container.state];
		held += row.container.held;
	}
	const size_t count = sample.rows.size();
	std::string text = fmt::format("{} {} container{}", clock_time(), count, count == 1 ? "" : "s");
	const char *before = ": ";
	for (const char *state : {"running", "settling", "leaked", "held", "clean"}) {
		if (states[state] == 0)
			continue;
		text += fmt::format("{}{} {}", before, states[state], state);
		before = ", ";
	}
	text += fmt::format("; they hold {}", amount(held, look));
	if (has_losses(sample.health))
		text += "; since it was loaded " + losses(sample.health);
	return text;
}

Table top_table(const TopSample &sample, const Look &look)
{
	const std::vector<std::string> columns{"id",	  "name",    "state",  "held",	 "growth/s",
					       "objects", "failcnt", "forced", "command"};
	Table table(columns, columns);
	for (const TopRow &row : sample.rows) {
		const Container &c = row.container;
		table.row();
		table.cell("id", static_cast<long long>(c.id));
		table.cell("name", c.name);
		table.cell("state", c.state, state_colour(c.state));
		// As numbers first, which puts the column to the right.
		table.cell("held", c.held);
		table.cell("held", amount(c.held, look));
		table.cell("growth/s", 0);
		table.cell("growth/s", row.growth ? signed_amount(*row.growth, look) : "");
		table.cell("objects", c.objects);
		table.cell("failcnt", c.failcnt);
		table.cell("forced", 0);
		table.cell("forced", row.forced ? amount(*row.forced, look) : "");
		table.cell("command", c.command);
	}
	return table;
}

std::vector<std::string> top_details(const Container &container, const Look &look)
{
	std::vector<std::string> lines{fmt::format("container {}{}{}, {}, {} object{}, {}; first process {} {}",
						   container.id, container.name.empty() ? "" : " ", container.name,
						   container.state, container.objects,
						   container.objects == 1 ? "" : "s", amount(container.held, look),
						   container.init, printable(container.command))};
	lines.emplace_back();
	append(lines, resources_table(used(container_file(container, "resources")), look), look);
	lines.emplace_back();
	append(lines, largest_objects(container_file(container, "objects"), look), look);
	return lines;
}

std::vector<std::string> split_lines(const std::string &text)
{
	std::vector<std::string> lines;
	for (size_t at = 0; at < text.size();) {
		const size_t end = std::min(text.find('\n', at), text.size());
		lines.push_back(text.substr(at, end - at));
		at = end + 1;
	}
	return lines;
}

std::string cut(const std::string &text, size_t places)
{
	size_t at = 0;
	for (size_t used = 0; at < text.size(); ++at) {
		const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
		if (begins && used++ == places)
			break;
	}
	return text.substr(0, at);
}

} // namespace beanctl
