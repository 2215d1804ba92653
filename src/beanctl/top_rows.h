// SPDX-License-Identifier: GPL-2.0
// What top shows, as text: samples of the module's files, their differences, and the order of the lines.
#pragma once

#include "module.h"
#include "table.h"

#include <optional>
#include <string>
#include <vector>

namespace beanctl
{

enum class TopKey {
	held,
	growth,
	failcnt,
	id
};
std::optional<TopKey> top_key(std::string_view name);

struct TopRow {
	Container container;
	std::optional<long long> growth; // of held, bytes a second; not known of one that is seen for the first time
	std::optional<long long> forced; // bytes let through above a limit
};

// One look at everything. `seconds` is of a clock that only goes forward.
struct TopSample {
	double seconds = 0;
	std::vector<TopRow> rows;
	Health health;
};
TopSample sample_now(double seconds);
// Growth since an earlier sample.
void compare(TopSample &sample, const TopSample &before);
// The largest first; of equal ones, and by number, the lowest number.
void sort(TopSample &sample, TopKey key);

// 12:03:55 3 containers: 2 running, 1 leaked; they hold 9.5M; missed 3
std::string top_summary(const TopSample &sample, const Look &look);
// Something was missed: no number is to be trusted then.
bool has_losses(const Health &health);
Table top_table(const TopSample &sample, const Look &look);

// One container: its resources that are in use or have a limit, and its objects, the largest groups first.
std::vector<std::string> top_details(const Container &container, const Look &look);

std::vector<std::string> split_lines(const std::string &text);
// At most that many places wide, characters of UTF-8 whole.
std::string cut(const std::string &text, size_t places);

} // namespace beanctl
