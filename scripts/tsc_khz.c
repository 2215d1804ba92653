// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the rate of this machine's time stamp counter, in kHz.
 *
 * An emulated machine has this counter as it is (QEMU 7.2, include/qemu/timer.h, cpu_get_host_ticks()), and its kernel
 * measures the rate when it boots, with a timer that QEMU keeps by another clock. Where the emulator has to wait for a
 * CPU between the two, the kernel takes the counter for up to ten times slower than it is, and its clock runs that much
 * too fast for ever: all that a test waits for is over too early.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

struct reading {
	int64_t ns;
	uint64_t ticks;
};

/* The closest of some: between the two clocks nobody else may have had the CPU. */
static struct reading read_both(void)
{
	struct reading best = { 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t before = __rdtsc();
		int64_t ns = now();
		uint64_t after = __rdtsc();

		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best.ns = ns;
		best.ticks = before + shortest / 2;
	}
	return best;
}

int main(void)
{
	struct timespec while_it_counts = { .tv_nsec = 200 * 1000 * 1000 };
	struct reading first = read_both(), last;

	nanosleep(&while_it_counts, NULL);
	last = read_both();
	printf("%.0f\n", (double)(last.ticks - first.ticks) * 1e6 / (double)(last.ns - first.ns));
	return 0;
}
