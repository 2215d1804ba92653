// SPDX-License-Identifier: GPL-2.0
#include "check.h"

#include "batch.h"
#include "error.h"
#include "findings.h"

#include <fmt/ranges.h>

#include <cstdio>

namespace beanctl
{

namespace
{

constexpr double kWalkSeconds = 60; // for a command that a refusal may have hung

std::string name_of(const CheckOptions &options) { return fmt::format("{}", fmt::join(options.run.command, " ")); }

// A command that cannot be executed at all tells nothing about want of memory.
void require_executed(const Trial &trial, const CheckOptions &options)
{
	if (!trial.outcome.executed && trial.outcome.exec_error != ENOMEM && trial.outcome.exec_error != EAGAIN)
		fail_usage("{}: {}", options.run.command[0], reason(trial.outcome.exec_error));
}

int check_once(const CheckOptions &options, const TrialOptions &trial_options)
{
	const Trial trial = try_once(trial_options);
	if (trial.nth != 0)
		require_executed(trial, options);
	const Symbols symbols(options.symbols);
	const std::string leaks = leaks_text(trial, LeakRows::left, options.look, symbols);
	if (options.look.json) {
		Json containers = Json::array();
		if (Json container = trial_container(trial, symbols); !container.is_null())
			containers.push_back(std::move(container));
		Json json = document(std::move(containers), trial.health);
		json["check"] = trial_json(trial, options.run.command);
		fmt::print("{}", json_text(json));
	} else {
		fmt::print("{}", leaks);
		if (trial.nth != 0)
			fmt::print("fail-nth {}: {}\n", trial.nth,
				   trial.refused ? "refused at " + trial.refused_site
						 : "never came: nothing was refused");
		fmt::print("{}\n", trial.summary());
	}
	if (!options.junit.empty())
		write_junit(options.junit, {junit_case(trial, name_of(options), leaks)});
	return trial.status();
}

// What a walk has found at one N; empty: nothing.
std::string finding(const Trial &trial)
{
	if (trial.status() == kLeaked)
		return "leaked";
	if (trial.outcome.timed_out)
		return "hung";
	if (trial.status() == kNoVerdict)
		return "no verdict";
	return trial.crashed() ? "crashed" : "";
}

struct Walk {
	const CheckOptions &options;
	TrialOptions trial_options;
	Symbols symbols;
	long long walked = 0; // refusals that happened
	bool whole = false;   // up to the first N at which nothing was refused
	long long first = 0;
	int status = kClean;
	Json containers = Json::array();
	Json findings = Json::array();
	Health health = {};
	std::vector<JunitCase> cases = {};

	bool step(long long nth); // false: it is over
	void found(const Trial &trial, const std::string &what, const std::string &leaks);
};

// A leak outranks a crash, which outranks what nobody can say.
int graver(int a, int b)
{
	for (const int status : {kLeaked, kCommandFailed, kNoVerdict}) {
		if (a == status || b == status)
			return status;
	}
	return kClean;
}

void Walk::found(const Trial &trial, const std::string &what, const std::string &leaks)
{
	first = first == 0 ? trial.nth : first;
	status = graver(status, trial.status());
	if (options.look.json) {
		Json json = trial_json(trial, options.run.command);
		json["finding"] = what;
		json["container"] = trial.container.id;
		findings.push_back(std::move(json));
		if (Json container = trial_container(trial, symbols); !container.is_null())
			containers.push_back(std::move(container));
		return;
	}
	fmt::print("fail-nth {}: {}: refused at {}\n{}{}\n", trial.nth, what,
		   trial.refused_site.empty() ? "-" : trial.refused_site, leaks, trial.summary());
}

bool Walk::step(long long nth)
{
	trial_options.run.fail_nth = nth;
	// The module keeps a stopped container's name for it.
	if (!options.run.name.empty())
		trial_options.run.name = fmt::format("{}.{}", options.run.name, nth);
	const Trial trial = try_once(trial_options);
	require_executed(trial, options);
	health = trial.health;
	walked += trial.refused ? 1 : 0;

	const std::string what = finding(trial);
	if (!options.look.json)
		note(fmt::format("fail-nth {}: {}{}: {}", nth, trial.refused ? "refused at " : "nothing refused",
				 trial.refused_site, what.empty() ? trial.outcome.text() : what));
	const std::string leaks = what.empty() ? "" : leaks_text(trial, LeakRows::left, options.look, symbols);
	cases.push_back(junit_case(trial, name_of(options), leaks));
	if (!what.empty())
		found(trial, what, leaks);
	if (trial.outcome.interrupted) {
		status = graver(status, kNoVerdict);
		note("interrupted");
		return false;
	}
	// Without an answer whether it has fired there is no end to wait for.
	const bool unsure = !trial.refused && !trial.no_verdict.empty();
	whole = !trial.refused && !unsure;
	return trial.refused && (what.empty() || options.keep_going);
}

int walk(const CheckOptions &options, const TrialOptions &trial_options)
{
	Walk walk{options, trial_options, Symbols(options.symbols)};
	for (long long nth = 1; walk.step(nth); ++nth) {
	}
	const std::string end = walk.whole ? "the next was never asked for" : "not to the end";
	if (options.look.json) {
		Json json = document(std::move(walk.containers), walk.health);
		json["walk"] = {{"command", options.run.command},
				{"walked", walk.walked},
				{"whole", walk.whole},
				{"exit", walk.status},
				{"findings", walk.findings}};
		fmt::print("{}", json_text(json));
	} else if (walk.first == 0) {
		fmt::print("{} refusals walked ({}): no leak, no crash, no hang\n", walk.walked, end);
	} else {
		fmt::print("{} refusals walked ({}): the first finding is at --fail-nth {}\n", walk.walked, end,
			   walk.first);
	}
	if (!options.junit.empty())
		write_junit(options.junit, walk.cases);
	return walk.status;
}

} // namespace

int check(const CheckOptions &options)
{
	if (!options.each.empty())
		return check_each(options);
	TrialOptions trial;
	trial.run = options.run;
	trial.run.output_to_stderr = options.look.json;
	trial.command_seconds = options.timeout;
	trial.verdict_seconds = options.timeout;
	if (!options.fail_nth)
		return check_once(options, trial);
	if (*options.fail_nth != 0) {
		trial.run.fail_nth = *options.fail_nth;
		return check_once(options, trial);
	}
	if (options.run.id != 0)
		fail_usage("--id is for one container; --fail-nth 0 makes many");
	if (!trial.command_seconds)
		trial.command_seconds = kWalkSeconds;
	return walk(options, trial);
}

} // namespace beanctl
