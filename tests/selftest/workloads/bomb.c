// SPDX-License-Identifier: GPL-2.0
/*
 * Takes all it can get of one kind, with so many processes, and goes on trying
 * when it is refused:
 *
 *   bomb fork|fd|socket|keyring|message|vma|spin [PROCESSES]
 *
 * waits for a line on its standard input, then says once, at the first refusal,
 *
 *   made=N errno=NAME
 *
 * `spin` is the harmless one: it only burns processors.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct shared {
	atomic_long made;
	atomic_int said;
} *shared;

static void fail(const char *what)
{
	fprintf(stderr, "bomb: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int bomb_fork(void)
{
	pid_t child = fork();

	/* The child goes on where its parent is: all of them fork. It is counted there. */
	return child > 0 ? 0 : child < 0 ? -1 : 1;
}

static int bomb_fd(void)
{
	return open("/dev/null", O_RDONLY) < 0 ? -1 : 0;
}

static int bomb_socket(void)
{
	static unsigned int turn;
	int pair[2];

	switch (turn++ % 3) {
	case 0: return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	case 1: return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -1 : 0;
	default: return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? -1 : 0;
	}
}

static int bomb_keyring(void)
{
	static char payload[2000];
	static long number;
	char name[32];

	snprintf(name, sizeof(name), "bomb-%d-%ld", getpid(), number);
	if (syscall(SYS_add_key, "user", name, payload, sizeof(payload), KEY_SPEC_PROCESS_KEYRING) < 0)
		return -1;
	number++;
	return 0;
}

static int bomb_message(void)
{
	static int queue = -1;
	static struct {
		long type;
		char text[1000];
	} message = { .type = 1 };

	if (queue < 0 && (queue = big_queue()) < 0)
		return -1;
	return msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT);
}

/* Neighbours with other rights are not merged. */
static int bomb_vma(void)
{
	static unsigned int turn;

	return mmap(NULL, 4096, turn++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED ? -1 : 0;
}

static int bomb_spin(void)
{
	for (volatile int i = 0; i < 1000000; i++)
		;
	return 0;
}

/* 0: made one; -1: refused; 1: nothing to count. */
static const struct {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "fork", bomb_fork }, { "fd", bomb_fd }, { "socket", bomb_socket }, { "keyring", bomb_keyring },
	{ "message", bomb_message }, { "vma", bomb_vma }, { "spin", bomb_spin },
};

static void run(int (*make)(void))
{
	char text[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int result = make();

		if (!result)
			shared->made++;
		if (result >= 0 || shared->said || atomic_exchange(&shared->said, 1))
			continue;
		snprintf(text, sizeof(text), "made=%ld errno=%s\n", shared->made, strerrorname_np(errno));
		if (write(1, text, strlen(text)) < 0)
			_exit(1);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	int processes = argc > 2 ? atoi(argv[2]) : 1;
	char byte;

	setrlimit(RLIMIT_NOFILE, &files);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");
	memset(shared, 0, sizeof(*shared));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (argc < 2 || strcmp(argv[1], kinds[i].name))
			continue;
		if (read(0, &byte, 1) != 1)
			return 1;
		while (--processes > 0 && fork() > 0)
			;
		run(kinds[i].make);
	}
	return 2;
}
