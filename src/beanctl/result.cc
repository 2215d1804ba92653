// SPDX-License-Identifier: GPL-2.0
#include "result.h"

#include "trial.h"

#include <fmt/core.h>

#include <cstring>

namespace beanctl
{

namespace
{

constexpr int kSkip = 4; // the exit status by which a kselftest says that it cannot run here

std::string verdict_of(const Json &check)
{
	const int exit = check["exit"].get<int>();
	const bool skipped = check["status"] == kSkip;
	if (exit == kCommandFailed)
		return skipped ? "skipped" : "failed";
	return exit == kLeaked ? "leaked" : exit == kNoVerdict ? "no_verdict" : check["verdict"].get<std::string>();
}

std::string end_of(const Json &check)
{
	if (check["timed_out"].get<bool>())
		return "timeout";
	if (check["status"].is_null())
		return "";
	if (check["signal"].is_null())
		return check["status"].dump();
	const int number = check["signal"].get<int>();
	const char *name = sigabbrev_np(number);
	return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("{}", 128 + number);
}

} // namespace

Result::Result() = default;

bool is_good(const std::string &verdict) { return verdict == "clean" || verdict == "held" || verdict == "skipped"; }

std::unique_ptr<Result> unjudged(const Command &command, const std::string &why)
{
	auto result = std::make_unique<Result>();
	result->verdict = "no_verdict";
	result->summary = why;
	result->tell = true;
	result->check = {
	    {"name", command.name},	   {"result", result->verdict}, {"container", nullptr}, {"leaked", 0},
	    {"command", command.words},	   {"exit", kNoVerdict},	{"verdict", nullptr},	{"no_verdict", why},
	    {"blind", Json::array()},	   {"status", nullptr},		{"signal", nullptr},	{"timed_out", false},
	    {"kernel_log", Json::array()}, {"seconds", nullptr}};
	return result;
}

std::unique_ptr<Result> judged(const Command &command, Json answer)
{
	const Json &check = answer["check"];
	auto result = std::make_unique<Result>();
	result->verdict = verdict_of(check);
	result->summary = answer["summary"].get<std::string>();
	result->end = answer["executed"].get<bool>() ? end_of(check) : "";
	result->leaks = answer["leaks"].get<std::string>();
	result->seconds = check["seconds"].get<double>();
	result->leaked = answer["leaked"].get<long long>();
	result->tell = result->verdict == "no_verdict" || result->end.empty() || !check["blind"].empty() ||
		       !check["kernel_log"].empty();
	result->check = {{"name", command.name},
			 {"result", result->verdict},
			 {"container", answer["container"]},
			 {"leaked", result->leaked}};
	result->check.update(check);
	if (result->verdict == "skipped")
		result->check["exit"] = kClean; // as it counts here
	result->report = std::move(answer["report"]);
	return result;
}

JunitCase junit_case(const Command &command, const Result &result)
{
	JunitCase c;
	c.name = command.name;
	c.seconds = result.seconds;
	c.details = result.leaks;
	c.skipped = result.verdict == "skipped";
	c.output = result.output;
	if (result.verdict == "no_verdict")
		c.error = result.summary;
	else if (!is_good(result.verdict))
		c.failure = result.summary;
	return c;
}

} // namespace beanctl
