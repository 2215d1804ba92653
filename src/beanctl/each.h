// SPDX-License-Identifier: GPL-2.0
// Many commands from one source: a folder of tests, a kselftest collection, a file with a command a line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace beanctl
{

struct Command {
	std::string name;
	std::vector<std::string> words;
	std::string folder;	       // where it runs; empty: here
	std::optional<double> seconds; // as the collection says
};

// `-` is standard input. An error where there is none.
std::vector<Command> commands_of(const std::string &source);

// The lines of a file of commands, for sh; blank ones and # comments are none.
std::vector<Command> commands_of_lines(std::string_view text);

} // namespace beanctl
