// SPDX-License-Identifier: GPL-2.0
/*
 * Lets two cgroups run by turns, the other one frozen, and others work meanwhile:
 *
 *   turns NUMBER MILLISECONDS CGROUP_A CGROUP_B [WORKER_IN WORKER_OUT]...
 *
 * Each worker (see worker.c) is told through its pipe to work for one turn. What
 * they did is printed a line each, the sums over the turns of A and of B:
 *
 *   a=OPERATIONS b=OPERATIONS stall_a=MICROSECONDS stall_b=MICROSECONDS failed_a=N failed_b=N
 *
 * Turns are short and come as ABBA, so that whatever else the machine does meets
 * both alike. Both are thawed at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 8

static void fail(const char *what)
{
	fprintf(stderr, "turns: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);

	if (length < 0)
		fail(path);
	close(fd);
	text[length] = '\0';
	return length;
}

static void freeze(const char *cgroup, int frozen)
{
	char path[512], text[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.freeze", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, frozen ? "1" : "0", 1) != 1)
		fail(path);
	close(fd);
	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup);
	for (int i = 0; i < 60000; i++) {
		read_text(path, text, sizeof(text));
		if (strstr(text, frozen ? "frozen 1" : "frozen 0"))
			return;
		usleep(1000);
	}
	errno = ETIMEDOUT;
	fail(path);
}

static struct worker {
	FILE *in, *out;
	long operations[2], stall[2], failed[2];
} workers[MOST];

static void one_turn(int which, const char *const *cgroups, int number, const char *milliseconds)
{
	freeze(cgroups[!which], 1);
	freeze(cgroups[which], 0);
	for (int i = 0; i < number; i++) {
		fprintf(workers[i].in, "%s\n", milliseconds);
		fflush(workers[i].in);
	}
	for (int i = 0; i < number; i++) {
		long operations, stall, failed;

		if (fscanf(workers[i].out, " operations=%ld stall=%ld failed=%ld", &operations, &stall,
			   &failed) != 3)
			fail("a worker's answer");
		workers[i].operations[which] += operations;
		workers[i].failed[which] += failed;
		if (stall > workers[i].stall[which])
			workers[i].stall[which] = stall;
	}
}

int main(int argc, char **argv)
{
	int turns, number = (argc - 5) / 2;

	if (argc < 5 || argc % 2 == 0 || number > MOST)
		return 2;
	turns = atoi(argv[1]);
	for (int i = 0; i < number; i++) {
		/* Both ends, or opening waits for the other side. */
		workers[i].in = fopen(argv[5 + 2 * i], "r+");
		workers[i].out = fopen(argv[6 + 2 * i], "r+");
		if (!workers[i].in || !workers[i].out)
			fail(argv[5 + 2 * i]);
		setvbuf(workers[i].out, NULL, _IONBF, 0);
	}
	for (int i = 0; i < turns; i++) {
		one_turn(i % 2, (const char *const *)argv + 3, number, argv[2]);
		one_turn(!(i % 2), (const char *const *)argv + 3, number, argv[2]);
	}
	freeze(argv[3], 0);
	freeze(argv[4], 0);
	for (int i = 0; i < number; i++) {
		struct worker *w = &workers[i];

		printf("a=%ld b=%ld stall_a=%ld stall_b=%ld failed_a=%ld failed_b=%ld\n", w->operations[0],
		       w->operations[1], w->stall[0], w->stall[1], w->failed[0], w->failed[1]);
	}
	return 0;
}
