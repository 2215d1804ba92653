// SPDX-License-Identifier: GPL-2.0
/* Timers of all kinds, fired and pending. */
#include "busy.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void timerfds(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 }, late = { .it_value.tv_sec = 3600 };
	uint64_t expired;

	for (int i = 0; i < busy.size && i < 400; i++) {
		int fd = timerfd_create(i & 1 ? CLOCK_MONOTONIC : CLOCK_REALTIME, TFD_CLOEXEC);

		must(fd >= 0, "timerfd_create");
		must(!timerfd_settime(fd, 0, i ? &late : &soon, NULL), "timerfd_settime");
		if (!i)
			must(read(fd, &expired, sizeof(expired)) == sizeof(expired), "read");
	}
}

static void posix_timers(void)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
	};
	struct itimerspec often = { .it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	timer_t timer;

	signal(SIGRTMIN, SIG_IGN);
	for (int i = 0; i < busy.size; i++) {
		must(!timer_create(clocks[i % 4], &event, &timer), "timer_create");
		must(!timer_settime(timer, 0, &often, NULL), "timer_settime");
		if (i & 4)
			must(!timer_delete(timer), "timer_delete");
	}
	/* Half of them are running when the process ends. */
}

static void itimers(void)
{
	struct itimerval often = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };

	signal(SIGALRM, SIG_IGN);
	signal(SIGPROF, SIG_IGN);
	must(!setitimer(ITIMER_REAL, &often, NULL), "ITIMER_REAL");
	must(!setitimer(ITIMER_PROF, &often, NULL), "ITIMER_PROF");
	usleep(5000);
}

const struct work busy_time[] = {
	{ "timerfds", timerfds },
	{ "posix_timers", posix_timers },
	{ "itimers", itimers },
	{}
};
