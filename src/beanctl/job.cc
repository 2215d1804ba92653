// SPDX-License-Identifier: GPL-2.0
#include "job.h"

#include "error.h"
#include "findings.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace beanctl
{

namespace
{

constexpr size_t kKept = 64 << 10;

void write_all(int fd, std::string_view text, const std::string &file)
{
	while (!text.empty()) {
		const ssize_t n = write(fd, text.data(), text.size());
		if (n < 0 && errno != EINTR)
			fail_system(file);
		text.remove_prefix(n < 0 ? 0 : static_cast<size_t>(n));
	}
}

// Everything that there is to read now; false: it has come to its end.
template <class Take> bool read_ready(int fd, Take take)
{
	std::array<char, 16384> buffer;
	for (;;) {
		const ssize_t n = read(fd, buffer.data(), buffer.size());
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		take(std::string_view(buffer.data(), static_cast<size_t>(n)));
	}
}

long long leaked_bytes(const Json &container)
{
	long long bytes = 0;
	for (const Json &leak : container["leaks"]) {
		if (leak["verdict"] == "leaked")
			bytes += leak["bytes"].get<long long>();
	}
	return bytes;
}

Json look(const CheckOptions &options, const Command &command, size_t number)
{
	TrialOptions trial_options;
	trial_options.run = options.run;
	trial_options.run.command = command.words;
	if (!options.run.name.empty())
		trial_options.run.name = fmt::format("{}.{}", options.run.name, number);
	trial_options.command_seconds = options.timeout ? options.timeout : command.seconds;
	trial_options.verdict_seconds = options.timeout;
	if (!command.folder.empty() && chdir(command.folder.c_str()) != 0)
		fail_system(command.folder);

	const Trial trial = try_once(trial_options);
	const Symbols symbols(options.symbols);
	Look table = options.look;
	table.noheadings = false;
	Json container = trial_container(trial, symbols);
	Json json = {{"check", trial_json(trial, command.words)},
		     {"container", trial.container.id},
		     {"executed", trial.outcome.executed},
		     {"leaked", container.is_null() ? trial.container.held : leaked_bytes(container)},
		     {"leaks", trial.leaked() ? leaks_text(trial, LeakRows::leaked, table, symbols) : ""},
		     {"summary", trial.summary()}};
	json["report"] = std::move(container);
	return json;
}

[[noreturn]] void work(const CheckOptions &options, const Command &command, size_t number, int report)
{
	Json json;
	try {
		json = look(options, command, number);
	} catch (const Error &error) {
		json = {{"error", error.what()}, {"status", error.status()}};
	} catch (const std::exception &error) {
		json = {{"error", error.what()}, {"status", kFailed}};
	}
	try {
		write_all(report, json_text(json), "the report");
	} catch (const std::exception &) {
		_exit(kFailed); // nobody listens
	}
	_exit(0);
}

// Nothing of the others, and nothing that is not to outlive beanctl.
void become_worker(int printed, int report, pid_t parent, const sigset_t &mask)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
		_exit(kFailed);
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(printed, STDOUT_FILENO) < 0 ||
	    dup2(printed, STDERR_FILENO) < 0)
		_exit(kFailed);
	if (report > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, static_cast<unsigned>(report) - 1, 0);
	close_range(static_cast<unsigned>(report) + 1, ~0u, 0);
	sigprocmask(SIG_SETMASK, &mask, nullptr);
}

Pipe pipe_to_poll()
{
	Pipe pipe = make_pipe();
	if (fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK) != 0)
		fail_system("fcntl");
	return pipe;
}

} // namespace

Output::Output(const std::string &log) : file_(log)
{
	if (log.empty())
		return;
	log_ = Descriptor(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
	if (log_.get() < 0)
		fail_system(log);
}

void Output::take(std::string_view text)
{
	if (log_.get() >= 0)
		write_all(log_.get(), text, file_);
	tail_ += text;
	if (tail_.size() > 2 * kKept) {
		tail_.erase(0, tail_.size() - kKept);
		cut_ = true;
	}
}

std::string Output::text() const
{
	if (!cut_ && tail_.size() <= kKept)
		return tail_;
	// From the start of a line.
	const size_t start = tail_.size() - kKept;
	const size_t newline = std::min(tail_.find('\n', start), tail_.size() - 1);
	return "...\n" + tail_.substr(newline + 1 < tail_.size() ? newline + 1 : start);
}

Job::Job(const CheckOptions &options, const Command &command, size_t number, const std::string &log,
	 const sigset_t &mask)
    : number_(number), log_(log), output_(log)
{
	Pipe printed = pipe_to_poll();
	Pipe report = pipe_to_poll();
	const pid_t parent = getpid();
	(void)std::fflush(nullptr); // what is in there is ours to print
	pid_ = fork();
	if (pid_ < 0)
		fail_system("fork");
	if (pid_ == 0) {
		become_worker(printed.write_end.get(), report.write_end.get(), parent, mask);
		work(options, command, number, report.write_end.get());
	}
	printed_ = std::move(printed.read_end);
	report_ = std::move(report.read_end);
}

Job::~Job()
{
	if (pid_ <= 0)
		return;
	kill(pid_, SIGKILL);
	while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
	}
}

std::vector<pollfd> Job::waits_for() const
{
	std::vector<pollfd> all{{report_.get(), POLLIN, 0}};
	if (printed_.get() >= 0)
		all.push_back({printed_.get(), POLLIN, 0});
	return all;
}

bool Job::take()
{
	const bool more = read_ready(report_.get(), [&](std::string_view text) { text_ += text; });
	const auto keep = [&](std::string_view text) { output_.take(text); };
	if (printed_.get() >= 0 && !read_ready(printed_.get(), keep))
		printed_.reset();
	return !more;
}

Json Job::answer()
{
	int status = 0;
	while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
	}
	pid_ = 0;
	Json json = Json::parse(text_, nullptr, false);
	if (json.is_object())
		return json;
	const std::string end = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
						    : fmt::format("exit status {}", WEXITSTATUS(status));
	return {{"error", fmt::format("the process that watched it ended: {}", end)}, {"status", kFailed}};
}

} // namespace beanctl
