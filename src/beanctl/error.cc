// SPDX-License-Identifier: GPL-2.0
#include "error.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace beanctl
{

std::string reason(int number) { return std::generic_category().message(number); }

SystemError::SystemError(const std::string &what, int number)
    : Error(kFailed, what + ": " + reason(number)), number_(number)
{
}

void fail_system(const std::string &what) { throw SystemError(what, errno); }

void note(const std::string &text)
{
	(void)std::fflush(stdout); // in the order in which it was said
	fmt::print(stderr, "beanctl: {}\n", text);
}

} // namespace beanctl
