// SPDX-License-Identifier: GPL-2.0
// One run of a command in a container of its own, up to the verdict: what beanctl check looks at once, and for
// --fail-nth 0 again and again.
#pragma once

#include "error.h"
#include "module.h"
#include "run.h"

#include <string>
#include <vector>

namespace beanctl
{

// Of beanctl check, with kNoVerdict; kFailed and kUsage are apart from these.
inline constexpr int kClean = 0; // or held
inline constexpr int kLeaked = 1;
inline constexpr int kCommandFailed = 3;

struct Trial {
	long long nth = 0; // of fail-nth; 0: nothing armed
	Outcome outcome;
	Container container;		// as it was last seen
	bool judged = false;		// its state is a verdict
	std::string no_verdict;		// why it is not
	std::vector<std::string> blind; // what the module missed meanwhile
	Health health;
	bool refused = false; // fail-nth has fired
	std::string refused_site;
	std::vector<std::string> kernel_reports;
	double seconds = 0;

	bool leaked() const { return judged && container.state == "leaked"; }
	// Not what a program does that was told of want of memory.
	bool crashed() const;
	int status() const; // beanctl check's
	// One line: what came of it.
	std::string summary() const;
};

struct TrialOptions {
	RunOptions run;
	std::optional<double> command_seconds; // none: as long as it takes
	std::optional<double> verdict_seconds; // none: what the module may take
};

Trial try_once(const TrialOptions &options);

} // namespace beanctl
