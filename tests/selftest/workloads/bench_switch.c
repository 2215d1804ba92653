// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs that containers take turns on one CPU: bench_switch FILE CONTAINERS TURNS. Each container has one process, which is told
 * to read FILE once (/proc/bench/switch: the first pair of an allocation and a free since it came to run, and the next one) when all
 * others have. Prints the means of both over all but the first turn.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct seat {
	unsigned int turn, done;
	unsigned long first, second;
};

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void wait_for(unsigned int *word, unsigned int value)
{
	unsigned int now;

	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != value)
		syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void wake(unsigned int *word, unsigned int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int live(void *argument)
{
	struct seat *seat = argument;
	unsigned int turn;
	char text[64];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (turn = 1;; turn++) {
		wait_for(&seat->turn, turn);
		n = read(3, text, sizeof(text) - 1);
		check(n > 0, "read");
		text[n] = 0;
		check(sscanf(text, "%lu %lu", &seat->first, &seat->second) == 2, text);
		wake(&seat->done, turn);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	unsigned long first = 0, second = 0;
	unsigned int count, turns, turn, i;
	struct seat *seats;
	pid_t *children;

	check(argc == 4 && (count = atoi(argv[2])) > 0 && (turns = atoi(argv[3])) > 1, "usage: bench_switch FILE CONTAINERS TURNS");
	check(dup2(open(argv[1], O_RDONLY), 3) == 3, argv[1]);
	seats = mmap(NULL, count * sizeof(*seats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(seats != MAP_FAILED, "mmap");
	/* Without CLONE_VM each has a copy of the stack, too. */
	children = calloc(count, sizeof(*children));
	for (i = 0; i < count; i++) {
		children[i] = clone(live, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, &seats[i]);
		check(children[i] > 0, "clone");
	}
	for (turn = 1; turn <= turns; turn++) {
		for (i = 0; i < count; i++) {
			wake(&seats[i].turn, turn);
			wait_for(&seats[i].done, turn);
			if (turn == 1)
				continue;
			first += seats[i].first;
			second += seats[i].second;
		}
	}
	printf("%.1f %.1f\n", (double)first / count / (turns - 1), (double)second / count / (turns - 1));
	fflush(stdout);
	for (i = 0; i < count; i++)
		check(kill(children[i], SIGKILL) == 0, "kill");
	for (i = 0; i < count; i++)
		check(waitpid(children[i], NULL, 0) == children[i], "wait");
	return 0;
}
