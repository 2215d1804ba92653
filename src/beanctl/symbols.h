// SPDX-License-Identifier: GPL-2.0
// Source lines of call sites, by binutils, where debug information of the kernel or of a module is at hand. Where it is
// not there is no line, and nothing is said: a site is good without.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace beanctl
{

// A site as the module writes it: function+0x1d, or function+0x1d[module].
struct SiteName {
	std::string function;
	unsigned long offset = 0;
	std::string module; // empty: the kernel itself
};
SiteName parse_site(std::string_view site);

class Symbols
{
      public:
	// `paths`: files with debug information, or folders of such, looked into before the usual places.
	explicit Symbols(std::vector<std::string> paths = {}) : paths_(std::move(paths)) {}

	// For all at once, since each run of addr2line reads the whole file. "kernel/pid.c:178", or nothing for a site.
	std::map<std::string, std::string> lines(const std::vector<std::string> &sites) const;

      private:
	std::string kernel_file() const;
	std::string module_file(const std::string &module) const;

	std::vector<std::string> paths_;
};

} // namespace beanctl
