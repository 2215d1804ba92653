// SPDX-License-Identifier: GPL-2.0
#include "init.h"

#include <grp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace beanctl
{

namespace
{

constexpr int kOwnError = 125;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;

void tell(const InitOrders &orders, Message::What what, int value, const char *step = "")
{
	Message message{};
	message.what = what;
	message.value = value;
	strncpy(message.step, step, sizeof(message.step) - 1);
	// Less than PIPE_BUF: whole or not at all. Where nobody listens any more there is nobody to tell that either.
	[[maybe_unused]] const ssize_t n = write(orders.reports, &message, sizeof(message));
}

[[noreturn]] void give_up(const InitOrders &orders, const char *step)
{
	tell(orders, Message::failed, errno, step);
	_exit(kOwnError);
}

// beanctl's word to go on. Its end, should it be killed, is no such word.
void await_word(const InitOrders &orders)
{
	char byte = 0;
	ssize_t n = 0;
	do
		n = read(orders.orders, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(kOwnError);
}

void raise_loopback(const InitOrders &orders)
{
	const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		give_up(orders, "socket for lo");
	ifreq request{};
	memcpy(request.ifr_name, "lo", sizeof("lo"));
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(control, SIOCSIFFLAGS, &request) != 0)
		give_up(orders, "SIOCSIFFLAGS of lo");
	close(control);
}

void set_up(const InitOrders &orders)
{
	await_word(orders);
	if (orders.user && (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0))
		give_up(orders, "setresuid");
	// After the change of user, which would clear it. beanctl dying before this line is noticed by await_word().
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		give_up(orders, "prctl");
	// By this name the module lists the container.
	const char *slash = strrchr(orders.command[0], '/');
	prctl(PR_SET_NAME, slash != nullptr ? slash + 1 : orders.command[0], 0, 0, 0);
	if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
		give_up(orders, "making / private");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr) != 0)
		give_up(orders, "mounting /proc");
	if (orders.net)
		raise_loopback(orders);
	tell(orders, Message::ready, 0);
	await_word(orders);
}

[[noreturn]] void become_command(const InitOrders &orders)
{
	if (orders.hold) {
		tell(orders, Message::held, 0);
		await_word(orders);
	}
	if (orders.output_to_stderr && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		give_up(orders, "dup2");
	sigprocmask(SIG_SETMASK, &orders.mask, nullptr);
	execvp(orders.command[0], orders.command);
	const int error = errno;
	tell(orders, Message::no_exec, error);
	_exit(error == ENOENT ? kNotFound : kNotExecutable);
}

[[noreturn]] void end_with(const InitOrders &orders, int status)
{
	tell(orders, Message::finished, status);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

void reap(const InitOrders &orders, pid_t command)
{
	for (;;) {
		int status = 0;
		const pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid == command)
			end_with(orders, status);
		if (pid <= 0)
			return;
	}
}

} // namespace

void container_init(const InitOrders &orders)
{
	// Blocked, signals to process 1 stay pending instead of being ignored; sigwaitinfo() takes them.
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, nullptr);
	set_up(orders);

	const pid_t command = fork();
	if (command < 0)
		give_up(orders, "fork");
	if (command == 0)
		become_command(orders);
	for (;;) {
		siginfo_t info;
		const int number = sigwaitinfo(&all, &info);
		if (number == SIGCHLD)
			reap(orders, command);
		// What the terminal sends (SI_KERNEL) it sends to the command too.
		else if (number > 0 && info.si_code != SI_KERNEL)
			kill(command, number);
	}
}

} // namespace beanctl
