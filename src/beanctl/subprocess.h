// SPDX-License-Identifier: GPL-2.0
// Other programs' output.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace beanctl
{

// The program's path by $PATH, empty where there is none.
std::string find_program(const std::string &name);

// Standard output of a program that ended with status 0; what it says on standard error is dropped.
std::optional<std::string> output_of(const std::vector<std::string> &command);

} // namespace beanctl
