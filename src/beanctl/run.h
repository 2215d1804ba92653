// SPDX-License-Identifier: GPL-2.0
// A fresh container for a command: namespaces by clone3(2), what has to be in force before the command's first
// instruction, the wait for its end.
#pragma once

#include "files.h"
#include "init.h"
#include "limit.h"
#include "module.h"

#include <csignal>
#include <optional>
#include <string>
#include <vector>

namespace beanctl
{

struct RunOptions {
	unsigned id = 0; // 0: the module's
	std::string name;
	std::vector<Limit> limits;
	bool net = false;
	bool user = false;
	bool stacks = false;	       // every object keeps the whole stack of its allocation
	bool output_to_stderr = false; // standard output is for a report alone
	long long fail_nth = 0;	       // 0: no allocation fails on purpose
	std::vector<std::string> command;
};

// How the command ended.
struct Outcome {
	bool executed = false;
	int exec_error = 0; // errno, where it was not
	int status = 0;	    // as wait(2) has it
	bool timed_out = false;
	bool interrupted = false; // a signal to beanctl was forwarded, or the terminal's came

	int signal() const;	  // 0: it exited
	int exit_status() const;  // as a shell has it: 128+n for a signal
	std::string text() const; // "exit status 3", "SIGSEGV"
};

// Signals that are for the command while it runs.
class SignalsBlocked
{
      public:
	SignalsBlocked();
	~SignalsBlocked();
	SignalsBlocked(const SignalsBlocked &) = delete;
	SignalsBlocked &operator=(const SignalsBlocked &) = delete;
	const sigset_t &before() const { return before_; }
	const sigset_t &blocked() const { return blocked_; }

      private:
	sigset_t before_;
	sigset_t blocked_;
};

class Launch
{
      public:
	// Everything is in force when this returns, and the command waits.
	explicit Launch(const RunOptions &options);
	~Launch(); // kills what still runs
	Launch(const Launch &) = delete;
	Launch &operator=(const Launch &) = delete;

	const Container &container() const { return container_; }
	// The command runs; with a limit in seconds it is killed after them.
	Outcome finish(std::optional<double> seconds);

      private:
	void clone_init();
	void map_user() const;
	void find_container();
	void apply();
	void go() const;
	void exec_then_arm();
	void arm() const;
	std::optional<Message> hear(bool wait);
	void forward(Outcome &outcome);
	int reap();

	const RunOptions &options_;
	SignalsBlocked signals_;
	Descriptor orders_;
	Descriptor reports_;
	Descriptor pidfd_;
	Descriptor signalfd_;
	pid_t init_ = 0;
	bool foreground_ = false;
	Health before_; // what the module had lost when it began
	Container container_;
	std::optional<Message> early_; // heard before finish()
};

// beanctl run: the command's status, as env(1) has it.
int run(const RunOptions &options);

} // namespace beanctl
