// SPDX-License-Identifier: GPL-2.0
#include "records.h"

#include "error.h"
#include "files.h"

#include <charconv>

namespace beanctl
{

namespace
{

bool octal(char c) { return c >= '0' && c <= '7'; }

std::vector<std::string> split(std::string_view line)
{
	std::vector<std::string> words;
	size_t at = 0;
	for (;;) {
		const size_t start = line.find_first_not_of(" \t", at);
		if (start == std::string_view::npos)
			return words;
		at = std::min(line.find_first_of(" \t", start), line.size());
		words.emplace_back(line.substr(start, at - start));
	}
}

} // namespace

std::string unescape(std::string_view field)
{
	std::string text;
	text.reserve(field.size());
	for (size_t i = 0; i < field.size(); ++i) {
		const bool escape = field[i] == '\\' && i + 3 < field.size() && field[i + 1] <= '3' &&
				    octal(field[i + 1]) && octal(field[i + 2]) && octal(field[i + 3]);
		if (!escape) {
			text += field[i];
			continue;
		}
		text += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0'));
		i += 3;
	}
	return text;
}

std::vector<std::string> list_of(std::string_view field, char separator)
{
	std::vector<std::string> list;
	while (!field.empty()) {
		const size_t end = std::min(field.find(separator), field.size());
		list.emplace_back(field.substr(0, end));
		field.remove_prefix(std::min(end + 1, field.size()));
	}
	return list;
}

Records Records::parse(std::string_view text, std::string file)
{
	Records records;
	records.file_ = std::move(file);
	for (size_t at = 0; at < text.size();) {
		const size_t end = std::min(text.find('\n', at), text.size());
		std::vector<std::string> words = split(text.substr(at, end - at));
		at = end + 1;
		if (words.empty())
			continue;
		if (records.columns_.empty())
			records.columns_ = std::move(words);
		else if (words.size() >= records.columns_.size())
			records.rows_.push_back(std::move(words));
		else
			fail("{}: a row has {} fields, the header {}: this is not a file of this module", records.file_,
			     words.size(), records.columns_.size());
	}
	if (records.columns_.empty())
		fail("{}: no header line: this is not a file of this module", records.file_);
	return records;
}

Records Records::read(const std::string &path) { return parse(read_whole(path), path); }

std::optional<size_t> Records::find(std::string_view column) const
{
	for (size_t i = 0; i < columns_.size(); ++i) {
		if (columns_[i] == column)
			return i;
	}
	return std::nullopt;
}

std::string Records::text(size_t row, std::string_view column) const
{
	const auto at = find(column);
	if (!at)
		fail("{} has no column {}: the module and this beanctl are of different versions", file_, column);
	const std::string &field = rows_[row][*at];
	return field == "-" ? "" : unescape(field);
}

long long Records::number(size_t row, std::string_view column) const
{
	const std::string field = text(row, column);
	long long value = 0;
	const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
	if (error != std::errc{} || end != field.data() + field.size())
		fail("{}: '{}' in column {} is no number", file_, field, column);
	return value;
}

std::string Records::text_if_there(size_t row, std::string_view column) const
{
	return has(column) ? text(row, column) : "";
}

std::optional<long long> Records::bound(size_t row, std::string_view column) const
{
	if (text(row, column) == "unlimited")
		return std::nullopt;
	return number(row, column);
}

void Records::keep(const std::function<bool(size_t row)> &wanted)
{
	std::vector<size_t> rows;
	for (size_t row = 0; row < size(); ++row) {
		if (wanted(row))
			rows.push_back(row);
	}
	std::vector<std::vector<std::string>> kept;
	kept.reserve(rows.size());
	for (const size_t row : rows)
		kept.push_back(std::move(rows_[row]));
	rows_ = std::move(kept);
}

std::optional<size_t> Records::where(std::string_view column, std::string_view wanted) const
{
	for (size_t row = 0; row < size(); ++row) {
		if (text(row, column) == wanted)
			return row;
	}
	return std::nullopt;
}

} // namespace beanctl
