// SPDX-License-Identifier: GPL-2.0
#include "findings.h"

#include "error.h"

namespace beanctl
{

std::string leaks_text(const Trial &trial, LeakRows rows, const Look &look, const Symbols &symbols)
{
	if (!trial.judged || trial.container.state == "clean")
		return "";
	const Table table = leaks_table({trial.container}, rows, look, symbols);
	if (table.empty())
		return "";
	return table.text(look, colour_wanted());
}

Json trial_json(const Trial &trial, const std::vector<std::string> &command)
{
	Json json = {{"command", command},
		     {"exit", trial.status()},
		     {"verdict", trial.judged ? Json(trial.container.state) : Json(nullptr)},
		     {"no_verdict", trial.no_verdict.empty() ? Json(nullptr) : Json(trial.no_verdict)},
		     {"blind", trial.blind},
		     {"status", trial.outcome.executed ? Json(trial.outcome.exit_status()) : Json(nullptr)},
		     {"signal", trial.outcome.signal() != 0 ? Json(trial.outcome.signal()) : Json(nullptr)},
		     {"timed_out", trial.outcome.timed_out},
		     {"kernel_log", trial.kernel_reports},
		     {"seconds", trial.seconds}};
	if (trial.nth != 0) {
		json["fail_nth"] = trial.nth;
		json["refused"] = trial.refused ? Json(trial.refused_site) : Json(nullptr);
	}
	return json;
}

Json trial_container(const Trial &trial, const Symbols &symbols)
{
	try {
		return leaks_json(trial.container, symbols);
	} catch (const Error &) {
		// Gone, and "check" says so.
		return nullptr;
	}
}

JunitCase junit_case(const Trial &trial, const std::string &name, const std::string &leaks)
{
	JunitCase c;
	c.name = name;
	if (trial.nth != 0)
		c.name += fmt::format(" (fail-nth {})", trial.nth);
	c.seconds = trial.seconds;
	c.details = leaks;
	switch (trial.status()) {
	case kClean:
		break;
	case kNoVerdict:
		c.error = trial.summary();
		break;
	default:
		c.failure = trial.summary();
	}
	return c;
}

} // namespace beanctl
