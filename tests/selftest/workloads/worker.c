// SPDX-License-Identifier: GPL-2.0
/*
 * Somebody who only wants to go on working. For each number on its standard
 * input it works for so many milliseconds and answers
 *
 *   operations=N stall=MICROSECONDS failed=N
 *
 * One operation makes, uses and gives back one of everything: a process, a pipe,
 * a file, a pair of sockets, a mapping, a message. `stall` is the longest that
 * one of them took, `failed` how many system calls were refused. `worker compute`
 * asks nothing of the kernel, and its operations are those in a second of its own
 * processor time: how fast the machine is just now, whoever gets how much of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long failed;

static int must(int ok)
{
	failed += !ok;
	return ok;
}

static void compute(void)
{
	for (volatile int i = 0; i < 5000; i++)
		;
}

static void work(void)
{
	struct {
		long type;
		char text[500];
	} message = { .type = 1 };
	int pair[2], fd, queue;
	char block[512] = "x", *memory;
	pid_t child;

	if (must(!pipe(pair))) {
		must(write(pair[1], block, sizeof(block)) > 0);
		must(read(pair[0], block, sizeof(block)) > 0);
		close(pair[0]);
		close(pair[1]);
	}
	if (must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))) {
		must(send(pair[0], block, sizeof(block), 0) > 0);
		must(recv(pair[1], block, sizeof(block), 0) > 0);
		close(pair[0]);
		close(pair[1]);
	}
	fd = open("/dev/null", O_RDONLY);
	if (must(fd >= 0))
		close(fd);
	memory = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (must(memory != MAP_FAILED)) {
		memory[5000] = 1;
		munmap(memory, 16384);
	}
	queue = msgget(IPC_PRIVATE, 0600);
	if (must(queue >= 0)) {
		must(!msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT));
		msgctl(queue, IPC_RMID, NULL);
	}
	child = fork();
	if (!child)
		_exit(0);
	if (must(child > 0))
		waitpid(child, NULL, 0);
}

static long now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	void (*operate)(void) = argc > 1 && !strcmp(argv[1], "compute") ? compute : work;
	char line[64];
	size_t length = 0;

	while (read(0, line + length, 1) == 1) {
		long operations = 0, stall = 0, start, last, end, processor, before = failed;

		if (line[length++] != '\n' && length < sizeof(line) - 1)
			continue;
		line[length] = '\0';
		length = 0;
		processor = now(CLOCK_PROCESS_CPUTIME_ID);
		start = last = now(CLOCK_MONOTONIC);
		do {
			operate();
			operations++;
			end = now(CLOCK_MONOTONIC);
			if (end - last > stall)
				stall = end - last;
			last = end;
		} while (end - start < atol(line) * 1000);
		if (operate == compute)
			operations = operations * 1000000 / (now(CLOCK_PROCESS_CPUTIME_ID) - processor);
		length = snprintf(line, sizeof(line), "operations=%ld stall=%ld failed=%ld\n", operations,
				  stall, failed - before);
		if (write(1, line, length) < 0)
			return 1;
		length = 0;
	}
	return 0;
}
