// SPDX-License-Identifier: GPL-2.0
// RESOURCE=BARRIER:LIMIT as the user gives it and as ID/resources takes it.
#pragma once

#include "module.h"

#include <string>
#include <vector>

namespace beanctl
{

struct Limit {
	std::string resource;
	long long barrier;
	long long limit;
};

// kmemsize=8M:9M; numproc=100 is numproc=100:100.
Limit parse_limit(const std::string &text);
std::vector<Limit> parse_limits(const std::vector<std::string> &texts);

// What the module would refuse, with the reason, which its EINVAL does not tell.
void check_limits(const std::vector<Limit> &limits, const Records &resources);

std::string limits_text(const std::vector<Limit> &limits);

// All of them in one write: all or none.
void set_limits(const Container &container, const std::vector<Limit> &limits);
void reset_counts(const Container &container);

} // namespace beanctl
