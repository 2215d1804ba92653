// SPDX-License-Identifier: GPL-2.0
#include "trial.h"

#include "error.h"
#include "kernel_log.h"
#include "units.h"

#include <fmt/ranges.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace beanctl
{

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace
{

// The module's own bound, settle_ms, starts when the last task is gone; a dying one may take a while, and so may a
// machine that is busy.
double verdict_time()
{
	constexpr double longest = 120;
	const std::string file = "/sys/module/beancounter/parameters/settle_ms";
	if (!exists(file))
		return longest;
	return longest + static_cast<double>(std::stoll(read_whole(file))) / 1000;
}

// The module holds back where no search for who holds what is left has come to its end, and tries again. Which; empty:
// one has.
std::string unseen(const Container &container)
{
	if (container.state != "held")
		return "";
	const Records leaks = container_file(container, "leaks");
	for (size_t row = 0; row < leaks.size(); ++row) {
		if (std::string details = leaks.text(row, "details"); details.starts_with("by=unknown"))
			return details;
	}
	return "";
}

void await_verdict(Trial &trial, double seconds)
{
	const auto end = Clock::now() + std::chrono::duration<double>(seconds);
	std::string torn;
	for (auto pause = 20ms;; pause = std::min(pause * 2, 200ms)) {
		const auto now = container_of_id(trial.container.id);
		if (!now) {
			trial.no_verdict = fmt::format("container {} is listed no more", trial.container.id);
			return;
		}
		trial.container = *now;
		if (now->stopped() && (torn = unseen(*now)).empty()) {
			trial.judged = true;
			return;
		}
		if (Clock::now() >= end)
			break;
		std::this_thread::sleep_for(pause);
	}
	if (trial.container.stopped()) {
		trial.no_verdict = fmt::format("container {} is held, {}: {:g} s after its stop no search for who "
					       "holds what it left has come to its end",
					       trial.container.id, torn, seconds);
		return;
	}
	trial.no_verdict = fmt::format("container {} is still {} {:g} s after its stop", trial.container.id,
				       trial.container.state, seconds);
	if (!trial.container.waits.empty())
		trial.no_verdict += fmt::format(", waiting for {}", trial.container.waits);
}

// Whether the armed refusal has happened, and where.
void look_for_refusal(Trial &trial)
{
	constexpr size_t kept = 16; // by the module
	const Records refusals = container_file(trial.container, "refusals");
	if (const auto row = refusals.where("cause", "fail-nth")) {
		trial.refused = true;
		trial.refused_site = refusals.text(*row, "site");
	} else if (refusals.size() >= kept) {
		trial.no_verdict = "the limits refuse so much that nobody can say whether fail-nth has fired";
	}
}

} // namespace

bool Trial::crashed() const
{
	switch (outcome.timed_out ? 0 : outcome.signal()) {
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGSYS:
	case SIGKILL:
		return true;
	default:
		return !kernel_reports.empty();
	}
}

int Trial::status() const
{
	// Blind first: what looks lost may be a part of what was missed.
	if (!judged || !blind.empty())
		return kNoVerdict;
	if (leaked())
		return kLeaked;
	if (!no_verdict.empty() || outcome.timed_out)
		return kNoVerdict;
	if (nth != 0)
		return crashed() ? kCommandFailed : kClean;
	return outcome.executed && outcome.status == 0 ? kClean : kCommandFailed;
}

std::string Trial::summary() const
{
	std::string text = fmt::format("container {}: ", container.id);
	if (judged)
		text += container.state;
	else
		text += "no verdict";
	if (judged && container.objects != 0)
		text += fmt::format(", {} object{} of {} left", container.objects, container.objects == 1 ? "" : "s",
				    human_size(container.held));
	if (!no_verdict.empty())
		text += "; " + no_verdict;
	if (outcome.timed_out)
		text += "; the command was killed when its time was over";
	else if (!outcome.executed || outcome.status != 0)
		text += fmt::format("; the command: {}", outcome.text());
	if (!blind.empty())
		text += fmt::format("; not to be trusted: the module missed something meanwhile ({})",
				    fmt::join(blind, ", "));
	if (!kernel_reports.empty())
		text += fmt::format("; the kernel log: {}", kernel_reports.front());
	return text;
}

Trial try_once(const TrialOptions &options)
{
	Trial trial;
	trial.nth = options.run.fail_nth;
	const auto start = Clock::now();
	const Health before = read_health();
	KernelLog log;
	{
		Launch launch(options.run);
		trial.container = launch.container();
		trial.outcome = launch.finish(options.command_seconds);
	}
	try {
		await_verdict(trial, options.verdict_seconds.value_or(verdict_time()));
		trial.health = read_health();
		trial.blind = blind(before, trial.health);
		if (trial.nth != 0)
			look_for_refusal(trial);
	} catch (const Error &error) {
		// The module may have been unloaded under us.
		trial.judged = false;
		trial.no_verdict = error.what();
	}
	trial.kernel_reports = log.reports();
	trial.seconds = std::chrono::duration<double>(Clock::now() - start).count();
	return trial;
}

} // namespace beanctl
