// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that race for the last bytes of a limit on kmemsize:
 *
 *   race_limit messages|mixed PROCESSES OPERATIONS
 *
 * waits for a line, then each fills until it is refused, gives back and takes
 * again at random OPERATIONS times, and fills again down to the smallest size.
 * Then it says
 *
 *   refused=N held_by=PROCESSES
 *
 * and keeps all of it until its standard input ends. With `messages` nothing but
 * System V messages is allocated meanwhile, so `refused` counts every refusal
 * and what is left below the limit is less than the smallest message. `mixed`
 * takes pipes, sockets, files and processes too.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGEST 8192	/* msgmax */
#define MOST_FDS 4000

static struct shared {
	atomic_int ready, started, churned, finished, over;
	atomic_long refused;
} *shared;

static struct {
	long type;
	char text[LARGEST];
} message = { .type = 1 };

static int processes, operations, mixed, queue, fds[MOST_FDS], fd_number;
static unsigned int state;

static unsigned int below(unsigned int number)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % number;
}

static void fail(const char *what)
{
	fprintf(stderr, "race_limit: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* No inode for a pipe or a socket is ENFILE, no pid or credentials for a process may be EAGAIN. */
static int refused(const char *what)
{
	if (errno != ENOMEM && errno != ENOBUFS && errno != ENFILE && errno != EAGAIN)
		fail(what);
	shared->refused++;
	return -1;
}

static int send_message(int size)
{
	return msgsnd(queue, &message, size, IPC_NOWAIT) ? refused("msgsnd") : 0;
}

static void take_message(void)
{
	if (msgrcv(queue, &message, LARGEST, 0, IPC_NOWAIT) < 0 && errno != ENOMSG)
		fail("msgrcv");
	message.type = 1;
}

static int keep(int fd)
{
	if (fd < 0)
		return refused("a descriptor");
	fds[fd_number++] = fd;
	return 0;
}

static int allocate(void)
{
	int pair[2];

	if (!mixed || fd_number > MOST_FDS - 2)
		return send_message(1 + below(LARGEST));
	switch (below(6)) {
	case 0:
		if (pipe(pair))
			return refused("pipe");
		return keep(pair[0]) | keep(pair[1]);
	case 1:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return refused("socketpair");
		return keep(pair[0]) | keep(pair[1]);
	case 2:
		return keep(socket(AF_INET, below(2) ? SOCK_STREAM : SOCK_DGRAM, 0));
	case 3:
		return keep(open("/dev/null", O_RDONLY));
	case 4: {
		pid_t child = fork();

		if (child < 0)
			return refused("fork");
		if (!child)
			_exit(0);
		return waitpid(child, NULL, 0) == child ? 0 : -1;
	}
	default:
		return send_message(1 + below(LARGEST));
	}
}

static void give_back(void)
{
	if (fd_number && below(2))
		close(fds[--fd_number]);
	else
		take_message();
}

/* Waits without allocating anything. */
static void meet(atomic_int *counter, int number)
{
	++*counter;
	while (*counter < number)
		usleep(2000);
}

static void race(int number)
{
	static const int sizes[] = { 8000, 4000, 2000, 1000, 500, 200, 100, 40, 8 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = number + 1;
	queue = big_queue();
	if (queue < 0)
		fail("big_queue");
	/* No page may be missing later. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("mlockall");

	shared->ready++;
	while (!shared->started)
		usleep(2000);
	while (!allocate())
		;
	for (int i = 0; i < operations; i++) {
		if (below(2))
			give_back();
		else
			allocate();
	}
	/* From here on nobody gives back. */
	meet(&shared->churned, processes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		while (!send_message(sizes[i]))
			;
	shared->finished++;
	while (!shared->over)
		usleep(2000);
	_exit(0);
}

static void wait_for(atomic_int *counter)
{
	while (*counter < processes) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			_exit(1);
		usleep(2000);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	char text[64], byte;

	if (argc != 4 || (strcmp(argv[1], "messages") && strcmp(argv[1], "mixed")))
		return 2;
	mixed = !strcmp(argv[1], "mixed");
	processes = atoi(argv[2]);
	operations = atoi(argv[3]);
	setrlimit(RLIMIT_NOFILE, &files);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");
	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (!child)
			race(i);
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("mlockall");
	wait_for(&shared->ready);
	if (write(1, "ready=1\n", 8) != 8 || read(0, &byte, 1) != 1)
		return 1;
	shared->started = 1;
	wait_for(&shared->finished);
	snprintf(text, sizeof(text), "refused=%ld held_by=%d\n", shared->refused, processes);
	if (write(1, text, strlen(text)) < 0)
		return 1;
	while (read(0, &byte, 1) == 1)
		if (byte == 'x')
			break;
	shared->over = 1;
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}
