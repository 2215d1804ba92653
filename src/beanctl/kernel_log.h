// SPDX-License-Identifier: GPL-2.0
// Has the kernel complained meanwhile?
#pragma once

#include "files.h"

#include <string>
#include <vector>

namespace beanctl
{

// True for the line of a WARNING, BUG, Oops, KASAN, ... report.
bool is_kernel_report(const std::string &line);

class KernelLog
{
      public:
	KernelLog(); // from now on
	// The lines of reports since then, or since the last call. Empty too where the log may not be read.
	std::vector<std::string> reports();

      private:
	Descriptor file_;
};

} // namespace beanctl
