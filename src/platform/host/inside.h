// SPDX-License-Identifier: GPL-2.0
// What the files of the host platform share among themselves.
#pragma once

#include <mutex>
#include <utility>

namespace host
{

[[noreturn]] void die(const char *why);
// Dies where the caller is in a section or holds a lock: for what platform.h marks "sleep".
void may_sleep(const char *function);

void reset_memory();
void reset_objects();
void reset_world();

// Data with its lock. Not to be used around a call back into a test.
template <class T> class Guarded
{
      public:
	template <class F> auto with(F &&f)
	{
		std::lock_guard<std::mutex> guard{mutex_};
		return std::forward<F>(f)(data_);
	}

      private:
	std::mutex mutex_;
	T data_;
};

} // namespace host
