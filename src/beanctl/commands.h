// SPDX-License-Identifier: GPL-2.0
// The commands that show a file or write a line. Each returns the exit status.
#pragma once

#include "table.h"

#include <string>
#include <vector>

namespace beanctl
{

int list(const Look &look);
int show(const std::string &who, const Look &look);
int objects(const std::string &who, const Look &look, const std::vector<std::string> &symbols);
int leaks(const std::string &who, const Look &look, const std::vector<std::string> &symbols); // empty: all stopped ones
int references(const std::string &who, const Look &look, const std::vector<std::string> &symbols);

int set(const std::string &who, const std::vector<std::string> &limits);
int reset(const std::string &who);
int name(const std::string &who, const std::string &name, const std::string &new_id);
int dismiss(const std::string &who);
int stacks(const std::string &who, const std::string &on_or_off);

} // namespace beanctl
