// SPDX-License-Identifier: GPL-2.0
/*
 * The leak of 2007 again: processes under user ids that nobody else has, each of
 * which takes and gives back a reference of its struct user_struct (with `shm` of
 * its struct ucounts) on one path. With nothing armed nothing stays.
 *
 *   lost_user pipe|scm|cred|shm NUMBER [FIRST_UID]
 *   lost_user loop NUMBER [FIRST_UID]
 *
 * `loop` is `pipe` in one process that keeps its rights and so is fast: for each
 * line on its standard input it goes on, with users nobody had, until NUMBER of
 * them are over or something is refused, and says `users=N errno=NAME`.
 *
 * and what to arm (skip_put.ko) for one lost reference:
 *
 *   pipe   in=free_pipe_info callee=free_uid comm=lost_user
 *   scm    in=__scm_destroy callee=free_uid comm=lost_user
 *   cred   in=put_cred_rcu callee=free_uid     (RCU's context: no comm)
 *   shm    in=user_shm_unlock callee=put_ucounts comm=lost_user
 */
#include "ipc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "lost_user: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void become(uid_t uid)
{
	if (setresuid(uid, uid, uid))
		fail("setresuid");
}

/* A pipe counts for the user who made it. */
static void use_pipe(void)
{
	int ends[2];

	if (pipe(ends))
		fail("pipe");
	close(ends[0]);
	close(ends[1]);
}

/* So does a descriptor that is under way; sending gives one reference back. */
static void use_scm(void)
{
	int pair[2], zero = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fail("socketpair");
	if (!send_descriptors(pair[0], &zero, 1))
		fail("sendmsg");
	if (!receive_descriptors(pair[1]))
		fail("recvmsg");
	close(pair[0]);
	close(pair[1]);
}

static void run(const char *what, uid_t uid, void (*use)(void))
{
	int status;
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (!child) {
		become(uid);
		if (use)
			use();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		fail(what);
}

static int shared;

static void lock_segment(void)
{
	if (shmctl(shared, SHM_LOCK, NULL))
		fail("SHM_LOCK");
}

/*
 * As in 2007: one user locks a segment, a second one locks it again. The first
 * one's reference is given back when the segment is unlocked.
 */
static void use_shm(uid_t first, uid_t second)
{
	struct shmid_ds segment;

	shared = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666);
	if (shared < 0)
		fail("shmget");
	/* Both may lock it: the one as its owner, the other after him. */
	if (shmctl(shared, IPC_STAT, &segment))
		fail("IPC_STAT");
	segment.shm_perm.uid = first;
	if (shmctl(shared, IPC_SET, &segment))
		fail("IPC_SET");
	run("first user", first, lock_segment);
	segment.shm_perm.uid = second;
	if (shmctl(shared, IPC_SET, &segment))
		fail("IPC_SET");
	run("second user", second, lock_segment);
	if (shmctl(shared, SHM_UNLOCK, NULL) || shmctl(shared, IPC_RMID, NULL))
		fail("SHM_UNLOCK");
}

static int one_user(uid_t uid)
{
	int ends[2];

	/* The real one counts; the effective one stays root, who may go on. */
	if (setresuid(uid, 0, 0) || pipe(ends))
		return -1;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int loop(uid_t uid, int number)
{
	char text[64] = "ready=1\n", byte;

	for (;;) {
		int users = 0;

		if (write(1, text, strlen(text)) < 0)
			return 1;
		do {
			if (read(0, &byte, 1) != 1)
				return 0;
		} while (byte != '\n');
		for (errno = 0; users < number && !one_user(uid++); users++)
			;
		snprintf(text, sizeof(text), "users=%d errno=%s\n", users,
			 users == number ? "0" : strerrorname_np(errno));
	}
}

int main(int argc, char **argv)
{
	int number = argc > 2 ? atoi(argv[2]) : 0;
	uid_t uid = argc > 3 ? (uid_t)atoi(argv[3]) : 20000;
	const char *path = argc > 1 ? argv[1] : "";

	if (number < 1 || argc > 4) {
		fprintf(stderr, "usage: lost_user pipe|scm|cred|shm|loop NUMBER [FIRST_UID]\n");
		return 2;
	}
	if (!strcmp(path, "loop"))
		return loop(uid, number);
	for (int i = 0; i < number; i++, uid++) {
		if (!strcmp(path, "pipe"))
			run("pipe", uid, use_pipe);
		else if (!strcmp(path, "scm"))
			run("scm", uid, use_scm);
		else if (!strcmp(path, "cred"))
			run("cred", uid, NULL);
		else if (!strcmp(path, "shm"))
			use_shm(uid, uid + number);
		else
			return 2;
	}
	return 0;
}
