// SPDX-License-Identifier: GPL-2.0
#include "every_file.h"

#include "bounds.h"
#include "read_back.h"
#include "verdict.h"

#include <algorithm>
#include <set>

namespace rig
{

namespace
{

bool is_number(const std::string &word)
{
	return !word.empty() && word.size() <= 19 && word.find_first_not_of("0123456789") == std::string::npos;
}

s64 number(const std::string &word)
{
	EXPECT_TRUE(is_number(word)) << word;
	return is_number(word) ? std::stoll(word) : 0;
}

// What a field stands for: nothing is shown as "-".
std::string meant(const std::string &field)
{
	const auto text = read_back(field);
	EXPECT_TRUE(text) << field;
	return field == "-" ? "" : text.value_or("");
}

using Row = std::map<std::string, std::string>;

bool is_one_of(const std::string &word, const char *const *begin, const char *const *end)
{
	return std::any_of(begin, end, [&](const char *one) { return word == one; });
}
template <size_t n> bool is_one_of(const std::string &word, const char *const (&all)[n])
{
	return is_one_of(word, all, all + n);
}

// A table's rows by its titles: as many fields as titles, each of which can be read back.
std::vector<Row> table(bc_file file, u32 id, std::initializer_list<const char *> numbers)
{
	const std::string text = render(file, id);
	EXPECT_FALSE(text.empty() || text.back() != '\n') << "the last line has no end";
	for (const char c : text)
		EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f)) << text;
	const auto all = lines(text);
	const auto titles = words(all.at(0));
	std::vector<Row> rows;
	for (size_t i = 1; i < all.size(); ++i) {
		const auto fields = words(all[i]);
		EXPECT_EQ(fields.size(), titles.size()) << all[0] << '\n' << all[i];
		EXPECT_NE(all[i].back(), ' ');
		Row &row = rows.emplace_back();
		for (size_t f = 0; f < fields.size() && f < titles.size(); ++f) {
			row[titles[f]] = fields[f];
			meant(fields[f]);
			if (titles[f] == "age" && fields[f] != "-") {
				EXPECT_LE(static_cast<u64>(number(fields[f])), bc_now_ms() / 1000) << all[i];
			}
		}
		for (const char *title : numbers)
			EXPECT_TRUE(is_number(row[title])) << title << ": " << row[title];
	}
	return rows;
}

struct Sums {
	std::map<std::string, s64> bytes; // by resource
	s64 objects = 0;
	void add(const Row &row)
	{
		bytes[row.at("resource")] += number(row.at("bytes"));
		objects += number(row.at("count"));
	}
};

void check_objects(u32 id, const Row &container, const std::map<std::string, Row> &resources)
{
	Sums sums;
	s64 before = -1;
	for (const Row &row : table(BC_FILE_OBJECTS, id, {"count", "bytes", "age"})) {
		sums.add(row);
		const s64 bytes = number(row.at("bytes"));
		EXPECT_TRUE(before < 0 || bytes <= before) << "largest first";
		before = bytes;
	}
	for (const char *resource : {"kmemsize", "dcachesize"})
		EXPECT_EQ(sums.bytes[resource], number(resources.at(resource).at("held"))) << resource;
	EXPECT_EQ(sums.bytes.size(), 2u) << "a resource that is not of bytes";
	EXPECT_EQ(sums.objects, number(container.at("objects")));
}

void check_leaks(u32 id, const Row &container, bool unseen)
{
	Sums sums;
	const std::string &state = container.at("state");
	for (const Row &row : table(BC_FILE_LEAKS, id, {"count", "bytes"})) {
		EXPECT_TRUE(is_one_of(row.at("verdict"), kVerdictNames)) << row.at("verdict");
		if (row.at("resource") == "-") {
			EXPECT_EQ(row.at("details"), "handed_over");
			EXPECT_NE(row.at("class"), "-");
			continue;
		}
		EXPECT_TRUE(state == "held" || state == "leaked") << "before the verdict, or of a clean one";
		number(row.at("age"));
		sums.add(row);
	}
	if (state != "held" && state != "leaked")
		return;
	const s64 objects = number(container.at("objects"));
	const s64 bytes = number(container.at("held"));
	const s64 listed = sums.bytes["kmemsize"] + sums.bytes["dcachesize"];
	EXPECT_EQ(sums.bytes.size(), 2u) << "a resource that is not of bytes";
	EXPECT_TRUE(unseen ? sums.objects <= objects : sums.objects == objects) << sums.objects << " of " << objects;
	EXPECT_TRUE(unseen ? listed <= bytes : listed == bytes) << listed << " of " << bytes;
}

std::map<std::string, Row> check_resources(u32 id)
{
	std::map<std::string, Row> result;
	for (const Row &row : table(BC_FILE_RESOURCES, id, {"held", "maxheld", "failcnt", "forced", "waited"})) {
		EXPECT_GE(number(row.at("maxheld")), number(row.at("held")));
		for (const char *bound : {"barrier", "limit"})
			EXPECT_TRUE(row.at(bound) == "unlimited" || is_number(row.at(bound))) << row.at(bound);
		if (row.at("limit") != "unlimited" && row.at("barrier") != "unlimited") {
			EXPECT_LE(number(row.at("barrier")), number(row.at("limit")));
		}
		EXPECT_TRUE(result.emplace(row.at("resource"), row).second) << "twice";
	}
	EXPECT_EQ(result.size(), 20u);
	return result;
}

// 24 lines from `first` on, each as wide as the other.
void check_old_rows(const std::vector<std::string> &all, size_t first, const std::string &uid,
		    const std::map<std::string, Row> *resources)
{
	ASSERT_LE(first + kResourceRows, all.size());
	for (size_t r = 0; r < kResourceRows; ++r) {
		const std::string &line = all[first + r];
		EXPECT_EQ(line.size(), 129u) << line;
		auto fields = words(line);
		if (r == 0 && !fields.empty()) {
			EXPECT_EQ(fields[0], uid + ":");
			fields.erase(fields.begin());
		}
		ASSERT_EQ(fields.size(), 6u) << line;
		for (size_t f = 1; f < 6; ++f)
			number(fields[f]);
		if (resources == nullptr || fields[0] == "dummy")
			continue;
		const Row &row = resources->at(fields[0]);
		const char *titles[] = {"held", "maxheld", "barrier", "limit", "failcnt"};
		for (size_t f = 0; f < 5; ++f) {
			const std::string &wanted = row.at(titles[f]);
			EXPECT_EQ(fields[f + 1], wanted == "unlimited" ? "9223372036854775807" : wanted) << line;
		}
	}
}

void check_container(const Row &row, const std::vector<std::string> &host, size_t &next, bool unseen)
{
	const u32 id = static_cast<u32>(number(row.at("id")));
	const Container *c = containers.find_id(ContainerId{id});
	ASSERT_NE(c, nullptr);
	EXPECT_TRUE(is_one_of(row.at("state"), kStateNames)) << row.at("state");
	EXPECT_TRUE(row.at("since") == "start" || row.at("since") == "load");
	EXPECT_EQ(meant(row.at("name")), c->name);
	EXPECT_EQ(meant(row.at("command")), c->command);
	EXPECT_EQ(meant(row.at("cgroup")), c->cgroup);
	EXPECT_EQ(meant(row.at("waits")), c->waits);

	const auto resources = check_resources(id);
	EXPECT_EQ(number(row.at("held")),
		  number(resources.at("kmemsize").at("held")) + number(resources.at("dcachesize").at("held")));
	s64 failed = 0;
	for (const auto &[name, resource] : resources)
		failed += number(resource.at("failcnt"));
	EXPECT_EQ(number(row.at("failcnt")), failed);

	check_objects(id, row, resources);
	check_leaks(id, row, unseen);
	for (const Row &refusal : table(BC_FILE_REFUSALS, id, {"age", "pid", "bytes"})) {
		EXPECT_TRUE(resources.contains(refusal.at("resource")));
		EXPECT_TRUE(is_one_of(refusal.at("cause"), kCauseNames));
	}
	table(BC_FILE_REFERENCES, id, {"count", "charged", "gets", "puts", "own_gets", "own_puts", "unmatched"});

	const auto own = lines(render(BC_FILE_BEANCOUNTERS, id));
	EXPECT_EQ(own.size(), 2 + kResourceRows);
	check_old_rows(own, 2, std::to_string(id), &resources);
	if (!stopped(c->current()) || number(row.at("objects")) != 0) {
		// The overflow's first, then the newest ID first, which is not this file's order.
		const std::string uid = std::to_string(id) + ":";
		bool found = false;
		for (size_t line = 2; line + kResourceRows <= host.size() && !found; line += kResourceRows) {
			if (words(host[line])[0] != uid)
				continue;
			check_old_rows(host, line, std::to_string(id), &resources);
			found = true;
			++next;
		}
		EXPECT_TRUE(found) << "no rows of " << id;
	}
}

} // namespace

void check_every_file(bool unseen)
{
	const auto host = lines(render(BC_FILE_BEANCOUNTERS));
	ASSERT_GE(host.size(), 2 + kResourceRows);
	EXPECT_EQ(host[0], "Version: 2.5");
	EXPECT_EQ(host[1].size(), 129u);
	EXPECT_EQ((host.size() - 2) % kResourceRows, 0u);
	check_old_rows(host, host.size() - kResourceRows, "0", nullptr);

	std::set<s64> ids;
	size_t in_host = 0;
	s64 running_before = -1, stopped_before = -1;
	for (const Row &row :
	     table(BC_FILE_CONTAINERS, 0, {"id", "held", "objects", "failcnt", "age", "pidns", "init"})) {
		const s64 id = number(row.at("id"));
		EXPECT_TRUE(ids.insert(id).second) << "twice";
		const bool is_stopped = row.at("state") != "running" && row.at("state") != "settling";
		s64 &before = is_stopped ? stopped_before : running_before;
		EXPECT_TRUE(before < 0 || id < before) << "newest first";
		EXPECT_TRUE(is_stopped || stopped_before < 0) << "running ones first";
		before = id;
		check_container(row, host, in_host, unseen);
	}
	EXPECT_EQ(host.size(), 2 + (in_host + 1) * kResourceRows);
	size_t wanted = containers.overflow_used() ? 1 : 0;
	containers.each([&](Container &c) {
		EXPECT_TRUE(ids.contains(c.id().value));
		++wanted;
	});
	EXPECT_EQ(ids.size(), wanted);

	std::set<std::string> keys;
	for (const Row &row : table(BC_FILE_HEALTH, 0, {"value"}))
		EXPECT_TRUE(keys.insert(row.at("key")).second) << "twice";
}

void check_without_memory(bc_file file, u32 id, unsigned long nth)
{
	const std::string whole = render(file, id);
	const long live = host::live(host::Kind::any);
	host::fail(host::Kind::big, nth);
	const std::string got = render(file, id);
	host::fail(host::Kind::big, 0);
	EXPECT_TRUE(got == whole || got == "error -12") << got;
	EXPECT_EQ(host::live(host::Kind::any), live);
}

} // namespace rig
