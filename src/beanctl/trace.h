// SPDX-License-Identifier: GPL-2.0
// Stops another process where its program begins, by ptrace(2).
#pragma once

#include <sys/types.h>

namespace beanctl
{

class Traced
{
      public:
	// From now on a stop of the process is ours to see. It is about to call exec().
	explicit Traced(pid_t pid);
	// Kills it where it was not let go: traced, it has to be reaped here before its own parent can do so.
	~Traced();
	Traced(const Traced &) = delete;
	Traced &operator=(const Traced &) = delete;

	// Lets it run up to the program's entry point, behind exec() and the dynamic loader; false where it ends
	// before.
	bool run_to_entry();
	void let_go();

      private:
	// Until it stops with this event, or (0) by SIGTRAP.
	bool run_to(int event);
	unsigned long entry() const;

	pid_t pid_;
	bool ours_ = true;
};

} // namespace beanctl
