// SPDX-License-Identifier: GPL-2.0
// One of many commands that are checked at a time: a trial in a process of its own. Otherwise the first process of one
// container would hold descriptors of the others', and a pidfd among them keeps its container's struct pid alive.
#pragma once

#include "check.h"
#include "each.h"
#include "files.h"
#include "report.h"

#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace beanctl
{

// The end of what a command prints, and all of it in a file.
class Output
{
      public:
	explicit Output(const std::string &log); // empty: no file
	void take(std::string_view text);
	std::string text() const; // the last 64 KiB

      private:
	Descriptor log_;
	std::string file_;
	std::string tail_;
	bool cut_ = false;
};

class Job
{
      public:
	// `number`, from 1, is that in the source; `mask` is the signals' mask for the command.
	Job(const CheckOptions &options, const Command &command, size_t number, const std::string &log,
	    const sigset_t &mask);
	~Job(); // kills it, and with it its container
	Job(const Job &) = delete;
	Job &operator=(const Job &) = delete;

	size_t number() const { return number_; }
	const std::string &log() const { return log_; }
	std::vector<pollfd> waits_for() const;
	bool take(); // what there is to read now; true: that was all
	// Once it is over: what the process has found out, in the words of job.cc, or {"error":..., "status":...}.
	Json answer();
	std::string output() const { return output_.text(); }

      private:
	size_t number_;
	std::string log_;
	Output output_;
	Descriptor printed_;
	Descriptor report_;
	std::string text_;
	pid_t pid_ = 0;
};

} // namespace beanctl
