// SPDX-License-Identifier: GPL-2.0
/*
 * How long it takes from a container's end to the verdict: bench_stop COUNT SIZE [watch]. The container's only process leaves COUNT objects of SIZE
 * bytes behind (/proc/bench_hold). Prints its number, its state, the nanoseconds,
 * and with `watch` the longest that a task of the highest priority had to wait meanwhile.
 */
#include <string.h>

#include "bench_watch.h"

#define CONTAINERS "/proc/beancounter/containers"

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static char command[64];

static int leave_behind(void *unused)
{
	int fd = open("/proc/bench_hold", O_WRONLY);

	(void)unused;
	check(fd >= 0 && write(fd, command, strlen(command)) == (ssize_t)strlen(command), "/proc/bench_hold");
	return 0;
}

/* The newest container's number, which is the highest, and its state. */
static unsigned long newest(char *state)
{
	static char text[1 << 20];
	unsigned long id, last = 0;
	char *line, name[64], here[16];
	ssize_t n, all = 0;
	int fd = open(CONTAINERS, O_RDONLY);

	check(fd >= 0, CONTAINERS);
	while ((n = read(fd, text + all, sizeof(text) - 1 - all)) > 0)
		all += n;
	close(fd);
	text[all] = 0;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%lu %63s %15s", &id, name, here) == 3 && id > last) {
			last = id;
			strcpy(state, here);
		}
	}
	return last;
}

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	const struct timespec tick = { .tv_nsec = 200000 };
	char state[16] = "";
	long longest = 0, pair;
	long long end, took;
	unsigned long id;
	int status;
	pid_t child;

	check(argc >= 3, "usage: bench_stop COUNT SIZE [watch]");
	snprintf(command, sizeof(command), "%s %s", argv[1], argv[2]);
	child = clone(leave_behind, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, NULL);
	check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the container");
	if (argc > 3)
		begin_watch(NULL);
	end = now();
	for (;;) {
		id = newest(state);
		took = now() - end;
		if (strcmp(state, "running") && strcmp(state, "settling"))
			break;
		check(took < 120000000000ll, "no verdict within 120 s");
		nanosleep(&tick, NULL);
	}
	if (argc > 3)
		end_watch(&longest, &pair);
	printf("%lu %s %lld %ld\n", id, state, took, longest);
	return 0;
}
