// SPDX-License-Identifier: GPL-2.0
// Tables in the manner of util-linux: a caller fills in every column it knows; what is shown, and how, is the user's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace beanctl
{

// What all commands that print a table take.
struct Look {
	std::string columns; // of -o: a,b or +a,b; empty: the command's own choice
	bool noheadings = false;
	bool bytes = false; // plain numbers instead of 1.5K
	bool json = false;
};

enum class Colour {
	none,
	good,
	doubtful,
	bad
};

std::string painted(const std::string &text, Colour colour);

// On a terminal, and where NO_COLOR does not say otherwise.
bool colour_wanted();

// A container may call itself anything: what would move the cursor is shown as \x1b.
std::string printable(std::string_view text);

class Table
{
      public:
	// Names in lower case; `shown` are those of them that are shown without -o.
	Table(std::vector<std::string> columns, std::vector<std::string> shown);

	void row(); // a new one; cell() goes to the last
	void cell(const std::string &column, std::string_view text, Colour colour = Colour::none);
	void cell(const std::string &column, long long number, Colour colour = Colour::none);
	// A line for the eye below the last row. A script that chose columns or no headings does not get it.
	void below(std::string_view text);
	bool empty() const { return rows_.empty(); }

	// Aligned: numbers to the right. A column that is not there is an error that lists those that are.
	std::string text(const Look &look, bool colour) const;
	void print(const Look &look) const; // on standard output

      private:
	struct Cell {
		std::string text;
		Colour colour = Colour::none;
	};

	std::vector<std::string> selection(const Look &look) const;
	bool has(const std::string &column) const;

	std::vector<std::string> columns_;
	std::vector<std::string> shown_;
	std::vector<std::map<std::string, Cell>> rows_;
	std::map<size_t, std::string> below_; // by row
	std::map<std::string, bool> numeric_;
};

} // namespace beanctl
