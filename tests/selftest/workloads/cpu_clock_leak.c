// SPDX-License-Identifier: GPL-2.0
/*
 * A leak of stock kernels, posix-cpu-timers: one struct pid a round. A thread
 * sleeps in clock_nanosleep() on the CPU clock of a child; the child is killed
 * and reaped; a signal ends the sleep. do_cpu_nanosleep() then finds nobody
 * behind the clock and returns without giving its pid back. In 6.1.0-56 it is
 * there, in 6.12.117+deb12 no more.
 *
 *   cpu_clock_leak ROUNDS
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* As in include/linux/posix-timers_types.h, which user space does not have. */
#define CPUCLOCK_SCHED 2
#define PROCESS_CPUCLOCK(pid, type) ((~(clockid_t)(pid) << 3) | (type))

#define CEILING_MS 10000

static pid_t target, sleeper_tid;
static atomic_int going, result;

static void fail(const char *what, int error)
{
	fprintf(stderr, "cpu_clock_leak: %s: %s\n", what, strerror(error));
	exit(1);
}

static void on_signal(int number)
{
	(void)number;
}

static void *sleeper(void *unused)
{
	struct timespec hour = { .tv_sec = 3600 };

	sleeper_tid = syscall(SYS_gettid);
	atomic_store(&going, 1);
	/* The plain system call: glibc refuses some clocks on its own. */
	atomic_store(&result, syscall(SYS_clock_nanosleep, PROCESS_CPUCLOCK(target, CPUCLOCK_SCHED),
				      0, &hour, NULL) ? errno : 0);
	return unused;
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

/* Sleeps where it is meant to: its system call's number is in its syscall file. */
static int is_asleep(void)
{
	char path[64], text[32] = "";
	FILE *file;

	if (!atomic_load(&going))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", sleeper_tid);
	file = fopen(path, "r");
	if (!file)
		fail(path, errno);
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return atoi(text) == SYS_clock_nanosleep;
}

static void one_round(void)
{
	pthread_t thread;
	int error, waited;

	target = fork();
	if (target < 0)
		fail("fork", errno);
	if (!target)
		for (;;)
			pause();
	atomic_store(&going, 0);
	atomic_store(&result, -1);
	error = pthread_create(&thread, NULL, sleeper, NULL);
	if (error)
		fail("pthread_create", error);
	for (waited = 0; !is_asleep(); waited++) {
		if (atomic_load(&result) != -1 || waited > CEILING_MS)
			fail("clock_nanosleep did not sleep", atomic_load(&result));
		if (waited > 10)
			pause_ms(1);
		else
			sched_yield();
	}
	kill(target, SIGKILL);
	if (waitpid(target, NULL, 0) != target)
		fail("waitpid", errno);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	/*
	 * EINTR where the sleep was cut short; a kernel that looks again may call
	 * the dead process's clock invalid, or the sleep over.
	 */
	error = atomic_load(&result);
	if (error && error != EINTR && error != EINVAL && error != ESRCH)
		fail("clock_nanosleep", error);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	int rounds = argc == 2 ? atoi(argv[1]) : 0;

	if (rounds < 1) {
		fprintf(stderr, "usage: cpu_clock_leak ROUNDS\n");
		return 2;
	}
	sigaction(SIGUSR1, &action, NULL);
	while (rounds--)
		one_round();
	return 0;
}
