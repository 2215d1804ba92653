// SPDX-License-Identifier: GPL-2.0
// beanctl top: the containers, again and again, on the whole terminal or as plain text.
#pragma once

#include <optional>
#include <string>

namespace beanctl
{

struct TopOptions {
	bool batch = false;
	bool bytes = false;
	double delay = 2;
	std::optional<long> iterations;
	std::string sort = "held";
};

int top(const TopOptions &options);

} // namespace beanctl
