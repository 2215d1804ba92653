// SPDX-License-Identifier: GPL-2.0
/*
 * What whole system calls cost: bench_syscalls FOLDER [COUNTER]. A line for each: its name, the median and the least of its
 * rounds in ticks of the time stamp counter, which is instructions on a machine that counts them. Between two rounds the task sleeps, so
 * that what RCU frees is gone. COUNTER is a file that says how often something was allocated; the third number is how often that was in
 * the median round.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROUNDS 41

static char file[4096];
static int counter = -1;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void nothing(void)
{
}

static void fork_exit_wait(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork");
}

static void open_close(void)
{
	int fd = open(file, O_RDONLY);

	check(fd >= 0 && close(fd) == 0, file);
}

static void pipe_close(void)
{
	int fd[2];

	check(pipe(fd) == 0 && close(fd[0]) == 0 && close(fd[1]) == 0, "pipe");
}

static void socketpair_rw(void)
{
	char bytes[64] = "";
	int fd[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	check(write(fd[0], bytes, sizeof(bytes)) == sizeof(bytes) && read(fd[1], bytes, sizeof(bytes)) == sizeof(bytes),
	      "socketpair");
	check(close(fd[0]) == 0 && close(fd[1]) == 0, "socketpair");
}

static void mmap_munmap(void)
{
	void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(at != MAP_FAILED && munmap(at, 1 << 20) == 0, "mmap");
}

static const struct {
	const char *name;
	void (*run)(void);
} calls[] = {
	{ "nothing", nothing },	      { "fork_exit_wait", fork_exit_wait }, { "open_close", open_close },
	{ "pipe_close", pipe_close }, { "socketpair_rw", socketpair_rw },   { "mmap_munmap", mmap_munmap },
};

static long allocations(void)
{
	char text[128];
	ssize_t n;

	if (counter < 0)
		return 0;
	n = read(counter, text, sizeof(text) - 1);
	check(n > 0, "the counter");
	text[n] = 0;
	return atol(text);
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 30000000 };
	long long took[ROUNDS], counted[ROUNDS];
	unsigned int i, round;

	check(argc >= 2, "usage: bench_syscalls FOLDER [COUNTER]");
	/* Where mappings lie decides what mmap() has to do. */
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
		check(personality(ADDR_NO_RANDOMIZE) >= 0, "personality");
		execv("/proc/self/exe", argv);
		check(0, "/proc/self/exe");
	}
	snprintf(file, sizeof(file), "%s/bench.%d", argv[1], getpid());
	i = open(file, O_CREAT | O_RDWR, 0600);
	check((int)i >= 0 && close(i) == 0, file);
	if (argc > 2) {
		counter = open(argv[2], O_RDONLY);
		check(counter >= 0, argv[2]);
	}
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		calls[i].run();
		for (round = 0; round < ROUNDS; round++) {
			long long before = allocations();
			unsigned long long start;

			nanosleep(&pause, NULL);
			start = __rdtsc();
			calls[i].run();
			took[round] = __rdtsc() - start;
			counted[round] = allocations() - before;
		}
		qsort(took, ROUNDS, sizeof(took[0]), by_size);
		qsort(counted, ROUNDS, sizeof(counted[0]), by_size);
		printf("%s %lld %lld %lld\n", calls[i].name, took[ROUNDS / 2], took[0], counted[ROUNDS / 2]);
		fflush(stdout);
	}
	unlink(file);
	return 0;
}
