// SPDX-License-Identifier: GPL-2.0
/* Message queues of both kinds, semaphores, shared memory, pipes, descriptors under way, keys. */
#include "corpus.h"
#include "ipc.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A queue that goes with a message in it. */
static void mqueue(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	char text[64] = "nobody reads this";
	mqd_t queue = mq_open("/corpus", O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);

	must(queue >= 0, "mq_open");
	must(!mq_send(queue, text, sizeof(text), 0), "mq_send");
	must(!mq_unlink("/corpus"), "mq_unlink");
	must(!mq_close(queue), "mq_close");
}

/* A queue counts for the user who made it. */
static void of_a_user(void)
{
	must(!setresuid(corpus_uid, corpus_uid, corpus_uid), "setresuid");
	mqueue();
}

static void mqueue_user(void) { in_child(of_a_user); }

static void msg_queue(void)
{
	int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	must(queue >= 0, "msgget");
	must(!msgctl(queue, IPC_RMID, NULL), "IPC_RMID");
}

static void msg_message(void)
{
	struct { long type; char text[40]; } message = { .type = 1, .text = "nobody reads this" };
	int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	must(queue >= 0, "msgget");
	must(!msgsnd(queue, &message, sizeof(message.text), 0), "msgsnd");
	must(!msgctl(queue, IPC_RMID, NULL), "IPC_RMID");
}

static int semaphores;

static void raise_one(void)
{
	struct sembuf up = { .sem_op = 1 };

	must(!semop(semaphores, &up, 1), "semop");
}

/* A semaphore remembers who was the last to change it, although he is dead. */
static void sem_pid(void)
{
	semaphores = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	must(semaphores >= 0, "semget");
	in_child(raise_one);
	must(!semctl(semaphores, 0, IPC_RMID), "IPC_RMID");
}

static void shm_segment(void)
{
	int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	must(segment >= 0, "shmget");
	must(!shmctl(segment, IPC_RMID, NULL), "IPC_RMID");
}

static void pipe_buffers(void)
{
	int ends[2];

	must(!pipe(ends), "pipe");
	close(ends[0]);
	close(ends[1]);
}

/* A descriptor is sent and arrives nowhere: the other end is closed with it in its queue. */
static void send_one(int descriptor)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	must(send_descriptors(pair[0], &descriptor, 1), "sendmsg");
	close(descriptor);
	close(pair[0]);
	close(pair[1]);
}

static void scm(void)
{
	int ends[2];

	must(!pipe(ends), "pipe");
	send_one(ends[0]);
	close(ends[1]);
}

/* A file that nobody has any more: with it goes what it has, down to the credentials of whoever opened it. */
static void scm_file(void)
{
	int descriptor = syscall(SYS_epoll_create1, 0);

	must(descriptor >= 0, "epoll_create1");
	send_one(descriptor);
}

static long keyctl(int operation, long a, long b, long c) { return syscall(SYS_keyctl, operation, a, b, c, 0); }

static void key(void)
{
	long keyring = keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0), one;

	must(keyring >= 0, "KEYCTL_JOIN_SESSION_KEYRING");
	one = syscall(SYS_add_key, "user", "corpus", "payload", 7, KEY_SPEC_SESSION_KEYRING);
	must(one >= 0, "add_key");
	must(!keyctl(KEYCTL_UNLINK, one, KEY_SPEC_SESSION_KEYRING, 0), "KEYCTL_UNLINK");
}

/* What the kernel keeps of a user who owns keys, while he does. */
static void key_user(void)
{
	long one;

	setfsuid(corpus_uid);
	one = syscall(SYS_add_key, "user", "corpus", "payload", 7, KEY_SPEC_PROCESS_KEYRING);
	must(one >= 0, "add_key");
	setfsuid(0);
	must(!keyctl(KEYCTL_CHOWN, one, 0, -1), "KEYCTL_CHOWN");
	must(!keyctl(KEYCTL_UNLINK, one, KEY_SPEC_PROCESS_KEYRING, 0), "KEYCTL_UNLINK");
}

const struct work corpus_ipc[] = {
	{ "mqueue", mqueue },
	{ "mqueue-user", mqueue_user },
	{ "msg-queue", msg_queue },
	{ "msg-message", msg_message },
	{ "sem-pid", sem_pid },
	{ "shm-segment", shm_segment },
	{ "pipe", pipe_buffers },
	{ "scm", scm },
	{ "scm-file", scm_file },
	{ "key", key },
	{ "key-user", key_user },
	{},
};
