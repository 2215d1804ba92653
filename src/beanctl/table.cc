// SPDX-License-Identifier: GPL-2.0
#include "table.h"

#include "error.h"

#include <fmt/ranges.h>

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace beanctl
{

namespace
{

std::string lower(std::string text)
{
	std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
	return text;
}

std::string upper(std::string text)
{
	std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
	return text;
}

std::vector<std::string> words(std::string_view list)
{
	std::vector<std::string> all;
	while (!list.empty()) {
		const size_t comma = std::min(list.find(','), list.size());
		if (comma != 0)
			all.push_back(lower(std::string(list.substr(0, comma))));
		list.remove_prefix(std::min(comma + 1, list.size()));
	}
	return all;
}

const char *colour_code(Colour colour)
{
	switch (colour) {
	case Colour::good:
		return "\033[32m";
	case Colour::doubtful:
		return "\033[33m";
	case Colour::bad:
		return "\033[31m";
	case Colour::none:
		break;
	}
	return "";
}

// Characters, not bytes, in UTF-8. What is wider than one place is not in the kernel's names.
size_t width(std::string_view text)
{
	return static_cast<size_t>(std::count_if(
	    text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

} // namespace

std::string painted(const std::string &text, Colour colour)
{
	return colour == Colour::none ? text : colour_code(colour) + text + "\033[0m";
}

bool colour_wanted()
{
	const char *no = std::getenv("NO_COLOR");
	const char *term = std::getenv("TERM");
	return isatty(STDOUT_FILENO) == 1 && (no == nullptr || *no == 0) && term != nullptr &&
	       std::string_view(term) != "dumb";
}

std::string printable(std::string_view text)
{
	std::string shown;
	for (const char c : text) {
		const auto byte = static_cast<unsigned char>(c);
		if (byte < 0x20 || byte == 0x7f)
			shown += fmt::format("\\x{:02x}", byte);
		else
			shown += c;
	}
	return shown;
}

Table::Table(std::vector<std::string> columns, std::vector<std::string> shown)
    : columns_(std::move(columns)), shown_(std::move(shown))
{
}

void Table::row() { rows_.emplace_back(); }

void Table::below(std::string_view text) { below_[rows_.size()] += "    " + printable(text) + "\n"; }

void Table::cell(const std::string &column, std::string_view text, Colour colour)
{
	rows_.back()[column] = {printable(text), colour};
}

void Table::cell(const std::string &column, long long number, Colour colour)
{
	numeric_[column] = true;
	rows_.back()[column] = {fmt::format("{}", number), colour};
}

bool Table::has(const std::string &column) const
{
	return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
}

std::vector<std::string> Table::selection(const Look &look) const
{
	if (look.columns.empty())
		return shown_;
	if (look.columns == "all")
		return columns_;
	std::string_view list = look.columns;
	std::vector<std::string> selected;
	if (list.front() == '+') {
		selected = shown_;
		list.remove_prefix(1);
	}
	for (std::string &column : words(list)) {
		if (!has(column))
			fail_usage("there is no column {}; there are: {}", upper(column),
				   upper(fmt::format("{}", fmt::join(columns_, " "))));
		selected.push_back(std::move(column));
	}
	if (selected.empty())
		fail_usage("-o wants the names of columns: {}", upper(fmt::format("{}", fmt::join(columns_, " "))));
	return selected;
}

std::string Table::text(const Look &look, bool colour) const
{
	struct Shown {
		std::string name;
		bool right;
		size_t wide;
	};
	std::vector<Shown> shown;
	for (const std::string &name : selection(look)) {
		const auto numeric = numeric_.find(name);
		Shown column{name, numeric != numeric_.end() && numeric->second, look.noheadings ? 0 : name.size()};
		for (const auto &row : rows_) {
			const auto cell = row.find(name);
			column.wide = std::max(
			    column.wide, cell == row.end() || cell->second.text.empty() ? 1 : width(cell->second.text));
		}
		shown.push_back(std::move(column));
	}

	std::string all;
	auto line = [&](auto &&cell_of) {
		for (size_t i = 0; i < shown.size(); ++i) {
			Cell cell = cell_of(shown[i].name);
			// A row has as many words as the header, for those who split it.
			if (cell.text.empty())
				cell.text = "-";
			const std::string pad(shown[i].wide - std::min(shown[i].wide, width(cell.text)), ' ');
			if (shown[i].right)
				all += pad;
			all += painted(cell.text, colour ? cell.colour : Colour::none);
			if (i + 1 == shown.size())
				break;
			all += shown[i].right ? " " : pad + " ";
		}
		all += '\n';
	};
	if (!look.noheadings)
		line([](const std::string &name) { return Cell{upper(name), Colour::none}; });
	const bool for_the_eye = look.columns.empty() && !look.noheadings;
	for (size_t i = 0; i < rows_.size(); ++i) {
		line([&](const std::string &name) {
			const auto cell = rows_[i].find(name);
			return cell == rows_[i].end() ? Cell{} : cell->second;
		});
		if (const auto below = below_.find(i + 1); for_the_eye && below != below_.end())
			all += below->second;
	}
	return all;
}

void Table::print(const Look &look) const { fmt::print("{}", text(look, colour_wanted())); }

} // namespace beanctl
