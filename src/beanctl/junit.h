// SPDX-License-Identifier: GPL-2.0
// Results in the XML that CI systems read.
#pragma once

#include <string>
#include <vector>

namespace beanctl
{

struct JunitCase {
	std::string name;
	double seconds = 0;
	std::string failure = {}; // what was found; empty: nothing
	std::string error = {};	  // why nobody can say; empty: somebody can
	std::string details = {};
	bool skipped = false;
	std::string output = {}; // of the command; empty: not told
};

std::string junit_text(const std::vector<JunitCase> &cases);
void write_junit(const std::string &path, const std::vector<JunitCase> &cases);

} // namespace beanctl
