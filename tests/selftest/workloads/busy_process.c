// SPDX-License-Identifier: GPL-2.0
/* Processes and what belongs to them: threads, terminals, mounts, identities. */
#include "busy.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void processes(void)
{
	char *const arguments[] = { "busy", "-o", "nothing", NULL };
	int status;

	for (int i = 0; i < busy.processes; i++) {
		pid_t child = fork();

		must(child >= 0, "fork");
		if (!child) {
			if (i & 1) {
				int null = open("/dev/null", O_RDWR);

				dup2(null, 2);
				execv("/proc/self/exe", arguments);
				_exit(99);
			}
			if (i % 8 == 0)
				setsid();
			_exit(1);
		}
		/* Some at a time are there at once. */
		if (i % 16 == 15)
			while (waitpid(-1, &status, WNOHANG) > 0)
				must(WIFEXITED(status) && WEXITSTATUS(status) == 1, "exec");
	}
	while (wait(&status) > 0)
		must(WIFEXITED(status) && WEXITSTATUS(status) == 1, "exec");
}

static void *thread(void *unused)
{
	char name[16];

	snprintf(name, sizeof(name), "busy-%ld", (long)syscall(SYS_gettid));
	prctl(PR_SET_NAME, name);
	return unused;
}

static void threads(void)
{
	pthread_t ids[32];

	for (int round = 0; round < busy.size / 32 + 1; round++) {
		for (int i = 0; i < 32; i++) {
			errno = pthread_create(&ids[i], NULL, thread, NULL);
			must(!errno, "pthread_create");
		}
		for (int i = 0; i < 32; i++)
			pthread_join(ids[i], NULL);
	}
}

/* Threads that are alive when the process ends. */
static void *sleeper(void *unused)
{
	pause();
	return unused;
}

static void threads_at_exit(void)
{
	pthread_t id;

	for (int i = 0; i < 16; i++) {
		errno = pthread_create(&id, NULL, sleeper, NULL);
		must(!errno, "pthread_create");
	}
}

static void orphans(void)
{
	for (int i = 0; i < 16; i++) {
		pid_t child = fork();

		must(child >= 0, "fork");
		if (!child) {
			/* A grandchild that outlives its parent: init's to reap. */
			if (!fork())
				usleep(10000);
			_exit(0);
		}
		must(waitpid(child, NULL, 0) == child, "waitpid");
	}
}

static void vforks(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = vfork();

		must(child >= 0, "vfork");
		if (!child)
			_exit(0);
		must(waitpid(child, NULL, 0) == child, "waitpid");
	}
}

/*
 * By number, not through openpty(): that wants /dev/pts, which in a container is
 * a mount of its own or the host's.
 */
static void terminals(void)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char answer[100];

	for (int i = 0; i < 8; i++) {
		int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

		if (master < 0 && (errno == ENOENT || errno == EACCES || errno == ENODEV || errno == EIO))
			skip("no /dev/ptmx");
		must(master >= 0, "open of /dev/ptmx");
		must(!grantpt(master) && !unlockpt(master), "unlockpt");
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
		must(slave >= 0, "TIOCGPTPEER");
		must(!ioctl(slave, TIOCSWINSZ, &size), "TIOCSWINSZ");
		must(write(slave, "hello\n", 6) == 6, "write");
		must(read(master, answer, sizeof(answer)) > 0, "read");
		close(slave);
		close(master);
	}
}

static void mounts(void)
{
	char here[256], there[256];

	snprintf(here, sizeof(here), "%s", path_of("mount", 0));
	snprintf(there, sizeof(there), "%s", path_of("bind", 0));
	must(!mkdir(here, 0700) && !mkdir(there, 0700), "mkdir");
	if (unshare(CLONE_NEWNS)) {
		rmdir(here);
		rmdir(there);
		skip("mounting is not allowed here");
	}
	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "making mounts private");
	for (int i = 0; i < 4; i++) {
		must(!mount("busy", here, "tmpfs", 0, "size=1m"), "mount of a tmpfs");
		must(!mkdir(path_of("mount-0/inside", i), 0700), "mkdir");
		must(!mount(here, there, NULL, MS_BIND, NULL), "bind mount");
		must(!mount(NULL, there, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "remount");
		must(!umount2(there, 0), "umount of a bind mount");
		must(!umount2(here, MNT_DETACH), "umount of a tmpfs");
	}
	must(!mount("proc", here, "proc", 0, NULL), "mount of a proc");
	must(!umount2(here, 0), "umount of a proc");
	must(!mount("busy", here, "tmpfs", 0, NULL), "mount of a tmpfs");
	/* The last one goes with the namespace. */
}

static void mounts_cleanup(void)
{
	in_child(mounts);
	rmdir(path_of("mount", 0));
	rmdir(path_of("bind", 0));
}

static void namespaces(void)
{
	if (unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP))
		skip("no further namespaces here");
	must(!sethostname("busy", 4), "sethostname");
	must(!unshare(CLONE_NEWTIME), "unshare of time");
}

static void filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	for (int i = 0; i < 8; i++)
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			skip("no seccomp filters");
	must(syscall(SYS_getppid) == -1 && errno == ENOTTY, "getppid is not filtered");
}

static void identities(void)
{
	gid_t groups[64];

	for (int i = 0; i < 64; i++)
		groups[i] = 1000 + i;
	if (setgroups(64, groups))
		skip("one identity only (a user namespace)");
	must(!setresgid(1000, 1000, 1000), "setresgid");
	must(!setresuid(12345, 12345, 12345), "setresuid");
	must(!prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
}

static void many_identities(void)
{
	in_child(identities);
}

static void signals(void)
{
	union sigval value = { .sival_int = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	must(!sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
	for (int i = 0; i < busy.size; i++)
		must(!sigqueue(getpid(), SIGRTMIN, value), "sigqueue");
	for (int i = 0; i < busy.size / 2; i++)
		must(sigwaitinfo(&set, NULL) == SIGRTMIN, "sigwaitinfo");
	/* The others are pending when the process ends. */
}

static void traced(void)
{
	int status;
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(BUSY_SKIPPED);
		raise(SIGSTOP);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child, "waitpid");
	if (WIFEXITED(status))
		skip("no ptrace()");
	must(!ptrace(PTRACE_CONT, child, NULL, NULL), "PTRACE_CONT");
	must(waitpid(child, &status, 0) == child && !status, "waitpid");
}

static void pidfds(void)
{
	pid_t child = fork();
	int fd;

	must(child >= 0, "fork");
	if (!child)
		_exit(0);
	fd = syscall(SYS_pidfd_open, child, 0);
	must(fd >= 0, "pidfd_open");
	must(waitpid(child, NULL, 0) == child, "waitpid");
	/* The descriptor outlives the process it is of. */
}

const struct work busy_process[] = {
	{ "processes", processes },
	{ "threads", threads },
	{ "threads_at_exit", threads_at_exit },
	{ "orphans", orphans },
	{ "vforks", vforks },
	{ "terminals", terminals },
	{ "mounts", mounts_cleanup },
	{ "namespaces", namespaces },
	{ "seccomp", filtered },
	{ "identities", many_identities },
	{ "signals", signals },
	{ "ptrace", traced },
	{ "pidfds", pidfds },
	{}
};
