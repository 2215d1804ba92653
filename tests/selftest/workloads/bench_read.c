// SPDX-License-Identifier: GPL-2.0
/*
 * What reading a file costs: bench_read [--in PIDNS] FILE... A line for each: its name, ticks of the time stamp counter for reading it whole
 * (the least of three), bytes, and the longest time in nanoseconds that a task of the highest priority on the same processor had to wait for
 * it while it was read once more: the longest section of the kernel's that cannot be left. With --in that task is in the container whose pid
 * namespace that file names, allocates each time it runs, and the fifth number is the most ticks that an allocation and its free took.
 */
#include <string.h>
#include <x86intrin.h>

#include "bench_watch.h"

static char buffer[1 << 20];

static long read_whole(const char *file)
{
	int fd = open(file, O_RDONLY);
	long bytes = 0;
	ssize_t n;

	check(fd >= 0, file);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		bytes += n;
	check(n == 0, file);
	close(fd);
	return bytes;
}

int main(int argc, char **argv)
{
	const char *pidns = NULL;
	int i = 1, round;

	if (argc > 2 && !strcmp(argv[1], "--in")) {
		pidns = argv[2];
		i = 3;
	}
	for (; i < argc; i++) {
		unsigned long long best = ~0ull;
		long bytes = 0, longest, pair;

		for (round = 0; round < 3; round++) {
			unsigned long long start = __rdtsc(), took;

			bytes = read_whole(argv[i]);
			took = __rdtsc() - start;
			if (took < best)
				best = took;
		}
		begin_watch(pidns);
		read_whole(argv[i]);
		end_watch(&longest, &pair);
		printf("%s %llu %ld %ld %ld\n", argv[i], best, bytes, longest, pair);
		fflush(stdout);
	}
	return 0;
}
