/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process of the highest priority that wants to run again and again: the longest it had to wait is the longest section of the kernel's
 * that could not be left. On one processor; the others have their own. In a container it allocates each time, too, and frees: the dearest
 * such pair shows whether anybody stops allocators.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 50000 /* ns */
#define PAIRS "/proc/bench/switch"

static struct watch {
	int there, over;
	long longest; /* ns */
	long pair;    /* ticks; of a container's */
	long times;   /* that it ran */
} *watch;
static pid_t watcher;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static long since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000000 + now.tv_nsec - then->tv_nsec;
}

static void allocate(int pairs)
{
	char text[64];
	long first;
	ssize_t n = read(pairs, text, sizeof(text) - 1);

	check(n > 0, PAIRS);
	text[n] = 0;
	check(sscanf(text, "%ld", &first) == 1, PAIRS);
	if (first > watch->pair)
		watch->pair = first;
}

static void wait_and_see(int pairs)
{
	const struct sched_param priority = { .sched_priority = 99 };
	struct timespec next;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall");
	check(sched_setscheduler(0, SCHED_FIFO, &priority) == 0, "a task of the highest priority");
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!__atomic_load_n(&watch->over, __ATOMIC_RELAXED)) {
		long late;

		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		late = since(&next);
		if (late > watch->longest)
			watch->longest = late;
		if (pairs >= 0)
			allocate(pairs);
		__atomic_add_fetch(&watch->times, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&watch->there, 1, __ATOMIC_RELAXED);
		/* Those it has missed meanwhile are not waits of their own. */
		if (late > PERIOD || pairs >= 0)
			clock_gettime(CLOCK_MONOTONIC, &next);
	}
}

/* `pidns`: the namespace of the container that it is to be in; NULL for none. */
static void begin_watch(const char *pidns)
{
	int pairs = -1, ns;

	if (pidns) {
		ns = open(pidns, O_RDONLY);
		check(ns >= 0 && setns(ns, CLONE_NEWPID) == 0 && close(ns) == 0, pidns);
		pairs = open(PAIRS, O_RDONLY);
		check(pairs >= 0, PAIRS);
	}
	watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(watch != MAP_FAILED, "mmap");
	watcher = fork();
	check(watcher >= 0, "fork");
	if (watcher == 0) {
		wait_and_see(pairs);
		_exit(0);
	}
	close(pairs);
	while (!__atomic_load_n(&watch->there, __ATOMIC_RELAXED))
		usleep(1000);
	usleep(10000);
	watch->longest = watch->pair = watch->times = 0;
}

/* What it has seen: the longest wait in nanoseconds, and the dearest pair in ticks. */
static void end_watch(long *longest, long *pair)
{
	int status;

	/* What was watched may have been over before its next turn. */
	while (!__atomic_load_n(&watch->times, __ATOMIC_RELAXED))
		check(usleep(100) == 0 && waitpid(watcher, &status, WNOHANG) == 0, "the task of the highest priority");
	*longest = watch->longest;
	*pair = watch->pair;
	__atomic_store_n(&watch->over, 1, __ATOMIC_RELAXED);
	check(waitpid(watcher, &status, 0) == watcher && status == 0, "the task of the highest priority");
	munmap(watch, sizeof(*watch));
}

#endif
