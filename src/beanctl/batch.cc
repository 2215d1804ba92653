// SPDX-License-Identifier: GPL-2.0
#include "batch.h"

#include "error.h"
#include "job.h"
#include "junit.h"
#include "result.h"
#include "units.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

namespace beanctl
{

namespace
{

constexpr long long kMostJobs = 32; // the module lists the last 64 stopped containers, and they are read from there
const std::array<const char *, 6> kVerdicts{"clean", "held", "leaked", "failed", "skipped", "no_verdict"};

Colour result_colour(const std::string &verdict)
{
	if (verdict == "skipped")
		return Colour::none;
	return verdict == "clean" ? Colour::good : is_good(verdict) ? Colour::doubtful : Colour::bad;
}

// Each line of a text indented; tabs stay, whatever else moves the cursor does not.
std::string indented(std::string_view text, const std::string &by, bool raw)
{
	std::string all;
	for (const std::string &line : list_of(text, '\n')) {
		all += by;
		const char *tab = "";
		for (const std::string &part : list_of(line, '\t')) {
			all += tab + (raw ? part : printable(part));
			tab = "\t";
		}
		all += '\n';
	}
	return all;
}

class Batch
{
      public:
	Batch(const CheckOptions &options, std::vector<Command> commands);
	int run();

      private:
	void start();
	void wait();
	void finish(Job &job);
	void keep(const Job &job, std::unique_ptr<Result> result);
	void interrupt();
	void tell(size_t index);
	void tell_heading() const;
	std::string log_of(size_t index) const;
	size_t count(const char *verdict) const;
	int status() const;
	void tell_all();
	void write_cases() const;

	const CheckOptions &options_;
	std::vector<Command> commands_;
	std::vector<std::unique_ptr<Result>> results_;
	std::vector<std::unique_ptr<Job>> jobs_;
	size_t next_ = 0; // to be started
	size_t told_ = 0; // in the order of the source
	bool interrupted_ = false;
	sigset_t signals_;
	sigset_t before_;
	Descriptor signalfd_;
};

Batch::Batch(const CheckOptions &options, std::vector<Command> commands)
    : options_(options), commands_(std::move(commands)), results_(commands_.size())
{
	sigemptyset(&signals_);
	for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
		sigaddset(&signals_, number);
	sigprocmask(SIG_BLOCK, &signals_, &before_);
	std::signal(SIGCHLD, SIG_DFL); // ignored, nothing could be waited for
	signalfd_ = Descriptor(signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
	if (signalfd_.get() < 0)
		fail_system("signalfd");
	// A container whose process was killed is ours to wait for, so that none is left when this one ends.
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		fail_system("prctl");
}

std::string Batch::log_of(size_t index) const
{
	if (options_.log.empty())
		return "";
	std::string name = commands_[index].name.substr(0, 60);
	for (char &c : name) {
		if (!is_name(std::string_view(&c, 1)) && c != ':')
			c = '_';
	}
	const int digits = static_cast<int>(fmt::format("{}", commands_.size()).size());
	return fmt::format("{}/{:0{}}-{}.log", options_.log, index + 1, digits, name);
}

void Batch::start()
{
	while (!interrupted_ && next_ < commands_.size() && jobs_.size() < static_cast<size_t>(options_.jobs)) {
		jobs_.push_back(std::make_unique<Job>(options_, commands_[next_], next_ + 1, log_of(next_), before_));
		++next_;
	}
}

void Batch::wait()
{
	std::vector<pollfd> all{{signalfd_.get(), POLLIN, 0}};
	for (const auto &job : jobs_) {
		for (const pollfd &one : job->waits_for())
			all.push_back(one);
	}
	if (poll(all.data(), all.size(), -1) < 0 && errno != EINTR)
		fail_system("poll");
	if (all[0].revents != 0)
		interrupt();
	for (size_t i = 0; i < jobs_.size();) {
		if (!jobs_[i]->take()) {
			++i;
			continue;
		}
		finish(*jobs_[i]);
		jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
	}
}

void Batch::finish(Job &job)
{
	const size_t index = job.number() - 1;
	Json answer = job.answer();
	const bool done = !answer.contains("error");
	// What is wrong with the options or the module is wrong with every one.
	if (!done && answer["status"] == kUsage)
		fail_usage("{}", answer["error"].get<std::string>());
	keep(job, done ? judged(commands_[index], std::move(answer))
		       : unjudged(commands_[index], answer["error"].get<std::string>()));
}

void Batch::keep(const Job &job, std::unique_ptr<Result> result)
{
	result->log = job.log();
	result->output = is_good(result->verdict) ? "" : job.output();
	results_[job.number() - 1] = std::move(result);
}

void Batch::interrupt()
{
	interrupted_ = true;
	for (const auto &job : jobs_) {
		if (job->take())
			finish(*job);
		else
			keep(*job, unjudged(commands_[job->number() - 1], "interrupted"));
	}
	jobs_.clear();
	for (size_t i = 0; i < results_.size(); ++i) {
		if (!results_[i])
			results_[i] = unjudged(commands_[i], "never begun: interrupted");
	}
	using namespace std::chrono_literals;
	for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;
	     std::this_thread::sleep_for(10ms)) {
		if (waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD)
			break;
	}
}

void Batch::tell_heading() const
{
	if (!options_.look.json && !options_.look.noheadings)
		fmt::print("{:<10} {:<8} {:>7} {:>7} COMMAND\n", "VERDICT", "EXIT", "SECONDS", "LEAKED");
}

void Batch::tell(size_t index)
{
	const Result &result = *results_[index];
	const Colour colour = colour_wanted() ? result_colour(result.verdict) : Colour::none;
	const std::string leaked = options_.look.bytes ? fmt::format("{}", result.leaked) : human_size(result.leaked);
	fmt::print("{} {:<8} {:>7.1f} {:>7} {}\n", painted(fmt::format("{:<10}", result.verdict), colour),
		   result.end.empty() ? "-" : result.end, result.seconds, leaked, printable(commands_[index].name));
	// The table's own heading stays away: a leak is below its command.
	const size_t heading = result.leaks.find('\n') + 1;
	fmt::print("{}", indented(std::string_view(result.leaks).substr(heading), "    ", true));
	if (result.tell)
		fmt::print("    {}\n", printable(result.summary));
	if (result.log.empty())
		fmt::print("{}", indented(result.output, "    | ", false));
	else if (!result.output.empty())
		fmt::print("    {}\n", result.log);
	(void)std::fflush(stdout);
}

size_t Batch::count(const char *verdict) const
{
	return static_cast<size_t>(std::count_if(results_.begin(), results_.end(), [&](const auto &result) {
		return result && result->verdict == verdict;
	}));
}

int Batch::status() const
{
	if (count("leaked") != 0)
		return kLeaked;
	if (count("no_verdict") != 0)
		return kNoVerdict;
	return count("failed") != 0 ? kCommandFailed : kClean;
}

void Batch::tell_all()
{
	if (!options_.look.json) {
		fmt::print("{} clean, {} held, {} leaked, {} failed, {} skipped, {} without verdict\n", count("clean"),
			   count("held"), count("leaked"), count("failed"), count("skipped"), count("no_verdict"));
		return;
	}
	Json containers = Json::array();
	Json checks = Json::array();
	for (auto &result : results_) {
		if (!result->report.is_null())
			containers.push_back(std::move(result->report));
		result->check["log"] = result->log.empty() ? Json(nullptr) : Json(result->log);
		result->check["output"] = is_good(result->verdict) ? Json(nullptr) : Json(result->output);
		checks.push_back(std::move(result->check));
	}
	Health health;
	try {
		health = read_health();
	} catch (const Error &) {
		// Unloaded under us, and the checks say so.
	}
	Json json = document(std::move(containers), health);
	json["checks"] = std::move(checks);
	json["summary"] = {{"exit", status()}, {"interrupted", interrupted_}};
	for (const char *verdict : kVerdicts)
		json["summary"][verdict] = count(verdict);
	fmt::print("{}", json_text(json));
}

void Batch::write_cases() const
{
	std::vector<JunitCase> cases;
	for (size_t i = 0; i < results_.size(); ++i)
		cases.push_back(junit_case(commands_[i], *results_[i]));
	write_junit(options_.junit, cases);
}

int Batch::run()
{
	tell_heading();
	for (start(); told_ < commands_.size();) {
		if (!jobs_.empty())
			wait();
		start();
		for (; told_ < commands_.size() && results_[told_]; ++told_) {
			if (!options_.look.json)
				tell(told_);
		}
	}
	const int exit = status();
	tell_all();
	if (!options_.junit.empty())
		write_cases();
	return exit;
}

} // namespace

int check_each(const CheckOptions &options)
{
	if (options.run.id != 0)
		fail_usage("--id is for one container; --each makes many");
	if (options.jobs < 1 || options.jobs > kMostJobs)
		fail_usage("--jobs {}: 1 to {} can be told apart from the module's list of stopped containers",
			   options.jobs, kMostJobs);
	std::vector<Command> commands = commands_of(options.each);
	require_module();
	CheckOptions each = options;
	each.run.output_to_stderr = false; // it is taken in anyway
	for (std::string &path : each.symbols)
		path = std::filesystem::absolute(path); // commands run in folders of their own
	std::error_code error;
	if (!options.log.empty() && !std::filesystem::create_directories(options.log, error) && error)
		fail_usage("--log {}: {}", options.log, error.message());
	return Batch(each, std::move(commands)).run();
}

} // namespace beanctl
