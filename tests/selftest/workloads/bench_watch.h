/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A task of the highest priority that wants to run again and again: the longest it had to wait is the longest section of the kernel's
 * that could not be left. On one processor; the others have their own.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 50000 /* ns */

static int watching;
static long longest;
static pthread_t watcher;

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

static void *watch(void *unused)
{
	struct timespec next;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (__atomic_load_n(&watching, __ATOMIC_RELAXED)) {
		long late;

		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		late = since(&next);
		if (late > longest)
			longest = late;
		/* Those it has missed meanwhile are not waits of their own. */
		if (late > PERIOD)
			clock_gettime(CLOCK_MONOTONIC, &next);
	}
	return NULL;
}

static void begin_watch(void)
{
	struct sched_param priority = { .sched_priority = 99 };
	pthread_attr_t attributes;

	check(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall");
	watching = 1;
	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
	pthread_attr_setschedparam(&attributes, &priority);
	check(pthread_create(&watcher, &attributes, watch, NULL) == 0, "a task of the highest priority");
	usleep(10000);
	longest = 0;
}

static long end_watch(void)
{
	__atomic_store_n(&watching, 0, __ATOMIC_RELAXED);
	pthread_join(watcher, NULL);
	return longest;
}

#endif
