// SPDX-License-Identifier: GPL-2.0
#include "run.h"

#include "error.h"
#include "trace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace beanctl
{

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int Outcome::signal() const { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

int Outcome::exit_status() const { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

std::string Outcome::text() const
{
	if (!executed)
		return fmt::format("not executed: {}", reason(exec_error));
	if (const int number = signal(); number != 0) {
		const char *name = sigabbrev_np(number);
		return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
	}
	return fmt::format("exit status {}", exit_status());
}

SignalsBlocked::SignalsBlocked()
{
	sigemptyset(&blocked_);
	for (const int number :
	     {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH})
		sigaddset(&blocked_, number);
	sigprocmask(SIG_BLOCK, &blocked_, &before_);
	// Ignored, as it may come to us, nothing could be waited for. Not blocked either: by default it is dropped when
	// it comes, and no object of the container's stays in our queue.
	std::signal(SIGCHLD, SIG_DFL);
}

SignalsBlocked::~SignalsBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

namespace
{

// Its only child so far, seen from here.
pid_t child_of(pid_t init)
{
	const std::string file = fmt::format("/proc/{0}/task/{0}/children", init);
	const std::string children = read_whole(file);
	if (children.empty())
		fail("{} is empty: the command's process is gone", file);
	return static_cast<pid_t>(std::stol(children));
}

} // namespace

Launch::Launch(const RunOptions &options) : options_(options)
{
	require_module();
	before_ = read_health();
	foreground_ = tcgetpgrp(STDIN_FILENO) == getpgrp();
	signalfd_ = Descriptor(signalfd(-1, &signals_.blocked(), SFD_CLOEXEC | SFD_NONBLOCK));
	if (signalfd_.get() < 0)
		fail_system("signalfd");
	clone_init();
	try {
		map_user();
		go();
		const auto answer = hear(true);
		if (answer && answer->what == Message::failed)
			fail("the container could not be set up: {}: {}", answer->step, reason(answer->value));
		if (!answer || answer->what != Message::ready)
			fail("the container's first process ended before it was set up");
		find_container();
		apply();
	} catch (...) {
		reap();
		throw;
	}
}

Launch::~Launch() { reap(); }

// Kills it where it still runs. Returns its status.
int Launch::reap()
{
	int status = 0;
	if (init_ == 0)
		return status;
	kill(init_, SIGKILL);
	while (waitpid(init_, &status, __WALL) < 0 && errno == EINTR) {
	}
	init_ = 0;
	return status;
}

void Launch::clone_init()
{
	Pipe orders = make_pipe();
	Pipe reports = make_pipe();
	std::vector<char *> command;
	for (const std::string &word : options_.command)
		command.push_back(const_cast<char *>(word.c_str()));
	command.push_back(nullptr);
	const InitOrders init{orders.read_end.get(),  reports.write_end.get(),	 options_.net,	 options_.user,
			      options_.fail_nth != 0, options_.output_to_stderr, command.data(), signals_.before()};

	(void)std::fflush(nullptr);
	int pidfd = -1;
	clone_args args{};
	args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
	args.flags |= options_.net ? CLONE_NEWNET : 0;
	args.flags |= options_.user ? CLONE_NEWUSER : 0;
	args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
	args.exit_signal = SIGCHLD;
	const long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		fail_system("clone3 of the container's namespaces");
	if (pid == 0) {
		// Else the end of beanctl would not be seen.
		close(orders.write_end.get());
		close(reports.read_end.get());
		container_init(init);
	}
	init_ = static_cast<pid_t>(pid);
	pidfd_ = Descriptor(pidfd);
	orders_ = std::move(orders.write_end);
	reports_ = std::move(reports.read_end);
}

void Launch::map_user() const
{
	if (!options_.user)
		return;
	const std::string folder = fmt::format("/proc/{}/", init_);
	write_once(folder + "setgroups", "deny");
	write_once(folder + "uid_map", fmt::format("0 {} 1", geteuid()));
	write_once(folder + "gid_map", fmt::format("0 {} 1", getegid()));
}

void Launch::go() const
{
	// Where it is gone its pipe says so, and then hear() does.
	const auto handler = std::signal(SIGPIPE, SIG_IGN);
	[[maybe_unused]] const ssize_t n = write(orders_.get(), "g", 1);
	std::signal(SIGPIPE, handler);
}

// nullopt: nothing to hear, now or (wait) ever.
std::optional<Message> Launch::hear(bool wait)
{
	pollfd poll_for{reports_.get(), POLLIN, 0};
	int ready = 0;
	do
		ready = poll(&poll_for, 1, wait ? -1 : 0);
	while (ready < 0 && errno == EINTR);
	Message message{};
	if (ready <= 0 || read(reports_.get(), &message, sizeof(message)) != sizeof(message))
		return std::nullopt;
	message.step[sizeof(message.step) - 1] = 0;
	return message;
}

void Launch::find_container()
{
	// The module knows it before clone3() returns.
	auto found = container_of_process(init_);
	for (const auto end = Clock::now() + 5s; !found && Clock::now() < end; found = container_of_process(init_))
		std::this_thread::sleep_for(10ms);
	if (!found) {
		const std::string what =
		    fmt::format("the module has no container of its own for the pid namespace of process {}", init_);
		const Health now = read_health();
		const auto lost = now.find("containers_lost");
		const long long more = lost == now.end() ? 0 : lost->second - before_["containers_lost"];
		if (more != 0) // the module's loss, and nobody's mistake
			throw Error(kNoVerdict, fmt::format("{}: containers_lost rose by {} (no memory, or more than "
							    "its parameter max_containers)",
							    what, more));
		fail("{}; is {} that of another kernel?", what, proc_root());
	}
	container_ = *found;
	await_files(container_);
}

void Launch::apply()
{
	if (options_.id != 0 || !options_.name.empty()) {
		// The module numbers a container together with naming it.
		const std::string name = options_.name.empty() ? fmt::format("{}", options_.id) : options_.name;
		name_container(container_, name, options_.id);
		container_.name = name;
		container_.id = options_.id != 0 ? options_.id : container_.id;
		await_files(container_);
	}
	if (!options_.limits.empty())
		set_limits(container_, options_.limits);
	if (options_.stacks)
		turn_stacks(container_, true);
}

static void take(const Message &message, Outcome &outcome)
{
	if (message.what == Message::finished)
		outcome.status = message.value;
	// After `ready`, fork() is the only thing that is left to fail, and a limit or fail-nth is why.
	if (message.what == Message::no_exec || message.what == Message::failed) {
		outcome.executed = false;
		outcome.exec_error = message.value;
	}
}

void Launch::arm() const
{
	try {
		control(fmt::format("fail-nth {} {}", container_.id, options_.fail_nth));
	} catch (const SystemError &error) {
		if (error.number() != EINVAL)
			throw;
		fail("the module does not know fail-nth; a newer one does");
	}
}

// Refused within exec(), some charges kill the process, and the dynamic loader crashes where its first allocation
// fails, whatever the program: the Nth is counted from the program's entry point on.
void Launch::exec_then_arm()
{
	const auto answer = hear(true);
	if (!answer || answer->what != Message::held) {
		early_ = answer;
		return;
	}
	Traced command(child_of(init_));
	go();
	if (!command.run_to_entry())
		return; // where exec failed it tells why itself
	arm();
	command.let_go();
}

void Launch::forward(Outcome &outcome)
{
	signalfd_siginfo info{};
	while (read(signalfd_.get(), &info, sizeof(info)) == sizeof(info)) {
		const int number = static_cast<int>(info.ssi_signo);
		const bool from_terminal = info.ssi_code == SI_KERNEL; // the command has it too
		if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT)
			outcome.interrupted = true;
		if (!from_terminal)
			kill(init_, number);
		if (number == SIGTSTP)
			raise(SIGSTOP); // the shell is to see its job stopped
	}
}

Outcome Launch::finish(std::optional<double> seconds)
{
	Outcome outcome;
	outcome.executed = true;
	go();
	if (options_.fail_nth != 0)
		exec_then_arm();

	const auto end = Clock::now() + std::chrono::duration<double>(seconds.value_or(0));
	for (;;) {
		int wait = -1;
		if (seconds && !outcome.timed_out) {
			const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
			wait = static_cast<int>(std::clamp<long long>(left.count(), 0, 1000000));
			if (wait == 0) {
				outcome.timed_out = true;
				kill(init_, SIGKILL);
				continue;
			}
		}
		std::array<pollfd, 2> poll_for{{{pidfd_.get(), POLLIN, 0}, {signalfd_.get(), POLLIN, 0}}};
		if (poll(poll_for.data(), poll_for.size(), wait) < 0 && errno != EINTR)
			fail_system("poll");
		if (poll_for[1].revents != 0)
			forward(outcome);
		if (poll_for[0].revents != 0)
			break;
	}
	outcome.status = reap();
	if (early_)
		take(*early_, outcome);
	while (const auto message = hear(false))
		take(*message, outcome);
	// A shell in there may have taken the terminal for its own job and not given it back.
	if (foreground_ && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		const auto handler = std::signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpgrp());
		std::signal(SIGTTOU, handler);
	}
	return outcome;
}

int run(const RunOptions &options)
{
	Launch launch(options);
	const Outcome outcome = launch.finish(std::nullopt);
	if (outcome.executed)
		return outcome.exit_status();
	const int error = outcome.exec_error;
	if (WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 125)
		fail("the container's first process could not fork: {}; beanctl show {} tells what a limit refused",
		     reason(error), launch.container().id);
	note(fmt::format("{}: {}", options.command[0], reason(error)));
	return error == ENOENT ? 127 : 126;
}

} // namespace beanctl
