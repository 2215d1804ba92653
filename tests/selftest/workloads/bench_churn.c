// SPDX-License-Identifier: GPL-2.0
/*
 * Charges on several processors at once: bench_churn FIFO READS CPUS [BYTES]. When a word comes through FIFO, one process on each of CPUS
 * reads /proc/bench/churn READS times. Prints a line for each: the mean of what a thousand charges took, and how many charges there
 * were. With BYTES that much is asked for in the end, while all processes are still there, which has to be refused: 1 if it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void churn(int cpu, int begin, int file, int reads)
{
	unsigned long made, took, charges = 0, all = 0;
	char text[64];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
	check(read(begin, text, 1) == 0, "the beginning");
	while (reads--) {
		ssize_t n = read(file, text, sizeof(text) - 1);

		check(n > 0, "/proc/bench/churn");
		text[n] = 0;
		check(sscanf(text, "%lu %lu", &made, &took) == 2, text);
		charges += made;
		all += took;
	}
	printf("%.1f %lu\n", charges ? (double)all * 1000 / charges : 0, charges);
}

int main(int argc, char **argv)
{
	int begin[2], done[2], end[2], cpu, cpus, file, fifo, hold = -1, i, status;
	char text[64];

	check(argc >= 4, "usage: bench_churn FIFO READS CPUS [BYTES]");
	cpus = atoi(argv[3]);
	file = open("/proc/bench/churn", O_RDONLY);
	check(file >= 0, "/proc/bench/churn");
	if (argc > 4)
		hold = open("/proc/bench_hold", O_WRONLY);
	check(pipe(begin) == 0 && pipe(done) == 0 && pipe(end) == 0, "pipe");
	for (cpu = 0; cpu < cpus; cpu++) {
		pid_t child = fork();

		check(child >= 0, "fork");
		if (child == 0) {
			close(begin[1]);
			close(end[1]);
			churn(cpu, begin[0], file, atoi(argv[2]));
			check(write(done[1], "", 1) == 1, "the parent");
			close(done[1]);
			check(read(end[0], text, 1) == 0, "the end");
			return 0;
		}
	}
	/* Whoever opens the other end finds everybody there. */
	fifo = open(argv[1], O_RDONLY);
	check(fifo >= 0 && read(fifo, text, sizeof(text)) > 0, argv[1]);
	close(begin[1]);
	close(done[1]);
	for (i = 0; i < cpus; i++)
		check(read(done[0], text, 1) == 1, "a process");
	/* One that has ended has given back what it was made of, which may be more than there is to the limit. */
	if (argc > 4) {
		snprintf(text, sizeof(text), "%ld 4096", atol(argv[4]) / 4096);
		check(write(hold, text, strlen(text)) < 0 && errno == ENOMEM, "not refused near the limit");
	}
	close(end[1]);
	while (cpus--)
		check(wait(&status) > 0 && status == 0, "a process");
	return 0;
}
