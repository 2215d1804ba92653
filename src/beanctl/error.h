// SPDX-License-Identifier: GPL-2.0
// What goes wrong, with the exit status it leads to. A message says what failed, why, and what to do about it.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace beanctl
{

// Exit statuses that the commands share; run and check have more (beanctl-run(1), beanctl-check(1)).
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;     // wrong usage, or no module to talk to
inline constexpr int kNoVerdict = 4; // check's, also where an error is the reason

class Error : public std::runtime_error
{
      public:
	Error(int status, const std::string &what) : std::runtime_error(what), status_(status) {}
	int status() const { return status_; }

      private:
	int status_;
};

// A system call that failed: `number` is its errno.
class SystemError : public Error
{
      public:
	SystemError(const std::string &what, int number);
	int number() const { return number_; }

      private:
	int number_;
};

std::string reason(int number); // of an errno

template <class... Args> [[noreturn]] void fail(fmt::format_string<Args...> text, Args &&...args)
{
	throw Error(kFailed, fmt::format(text, std::forward<Args>(args)...));
}

template <class... Args> [[noreturn]] void fail_usage(fmt::format_string<Args...> text, Args &&...args)
{
	throw Error(kUsage, fmt::format(text, std::forward<Args>(args)...));
}

// Throws a SystemError with the present errno.
[[noreturn]] void fail_system(const std::string &what);

// A line on standard error, with the program's name before it.
void note(const std::string &text);

} // namespace beanctl
