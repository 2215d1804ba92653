// SPDX-License-Identifier: GPL-2.0
// A file of the module: a header line that names the columns, then rows, blanks between the fields. Columns are found
// by name, never by position, since new ones may come. Documentation/files.md has the escapes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace beanctl
{

// \040 and its kind.
std::string unescape(std::string_view field);

// A field that is a list: a,b or a<b.
std::vector<std::string> list_of(std::string_view field, char separator);

class Records
{
      public:
	// `file` is what an error calls it.
	static Records parse(std::string_view text, std::string file);
	static Records read(const std::string &path);

	const std::vector<std::string> &columns() const { return columns_; }
	size_t size() const { return rows_.size(); }
	bool has(std::string_view column) const { return find(column).has_value(); }

	// An empty field, which the file shows as -, is empty. A column that is not there is an error.
	std::string text(size_t row, std::string_view column) const;
	long long number(size_t row, std::string_view column) const;
	// Of a column that an older module does not have: empty too.
	std::string text_if_there(size_t row, std::string_view column) const;
	// nullopt: unlimited.
	std::optional<long long> bound(size_t row, std::string_view column) const;

	// Drops the rows of which `wanted` is not true; it is asked of each before any is dropped.
	void keep(const std::function<bool(size_t row)> &wanted);

	// The row where `column` has this text.
	std::optional<size_t> where(std::string_view column, std::string_view text) const;

      private:
	std::optional<size_t> find(std::string_view column) const;

	std::string file_;
	std::vector<std::string> columns_;
	std::vector<std::vector<std::string>> rows_;
};

} // namespace beanctl
