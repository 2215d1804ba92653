// SPDX-License-Identifier: GPL-2.0
/* Between processes: pipes, unix sockets, System V, POSIX queues, events, keys. */
#include "busy.h"
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void pipes(void)
{
	char block[8192] = "x";

	for (int i = 0; i < busy.size; i++) {
		int ends[2];

		must(!pipe2(ends, O_CLOEXEC), "pipe2");
		must(write(ends[1], block, sizeof(block)) == sizeof(block), "write");
		if (i == 0)
			must(fcntl(ends[1], F_SETPIPE_SZ, 131072) > 0, "F_SETPIPE_SZ");
		must(read(ends[0], block, 100) == 100, "read");
		/* What is left in it goes with it. */
		close(ends[0]);
		close(ends[1]);
	}
}

static void unix_sockets(void)
{
	int pair[2], ends[2], fds[3];

	must(!pipe(ends), "pipe");
	for (int i = 0; i < busy.size; i++) {
		must(!socketpair(AF_UNIX, i & 1 ? SOCK_STREAM : SOCK_DGRAM, 0, pair), "socketpair");
		fds[0] = ends[0];
		fds[1] = ends[1];
		fds[2] = 2;
		must(send_descriptors(pair[0], fds, 3), "sendmsg");
		must(send_descriptors(pair[0], fds, 1), "sendmsg");
		must(receive_descriptors(pair[1]), "recvmsg");
		/* The second message is still under way when its sockets go. */
		close(pair[0]);
		close(pair[1]);
	}
}

/* A socket in its own queue: only the kernel's collector can free it. */
static void unix_cycle(void)
{
	for (int i = 0; i < 10; i++) {
		int pair[2];

		must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
		must(send_descriptors(pair[0], pair, 2), "sendmsg");
		must(send_descriptors(pair[1], pair, 2), "sendmsg");
		close(pair[0]);
		close(pair[1]);
	}
}

static void named_sockets(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	for (int i = 0; i < busy.size / 4 + 1; i++) {
		int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
		int connection;

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("socket", i));
		must(server >= 0 && client >= 0, "socket");
		must(!bind(server, (struct sockaddr *)&address, sizeof(address)), "bind");
		must(!listen(server, 5), "listen");
		must(!connect(client, (struct sockaddr *)&address, sizeof(address)), "connect");
		connection = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		must(connection >= 0, "accept4");
		must(write(client, "hello", 5) == 5, "write");
		must(!unlink(address.sun_path), "unlink");
		close(server);
		close(client);
		close(connection);
	}
}

static void sysv(void)
{
	struct { long type; char text[512]; } message = { .type = 1 };
	struct sembuf up = { .sem_num = 3, .sem_op = 1, .sem_flg = SEM_UNDO };
	int queue, set, segment;
	char *memory;

	for (int i = 0; i < busy.size / 10 + 1; i++) {
		queue = msgget(IPC_PRIVATE, 0600);
		must(queue >= 0, "msgget");
		for (int k = 0; k < 16; k++)
			must(!msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT), "msgsnd");
		must(msgrcv(queue, &message, sizeof(message.text), 0, 0) == sizeof(message.text), "msgrcv");
		/* Every other one is left to the end of the ipc namespace. */
		must(i & 1 || !msgctl(queue, IPC_RMID, NULL), "msgctl");

		set = semget(IPC_PRIVATE, 8, 0600);
		must(set >= 0, "semget");
		must(!semop(set, &up, 1), "semop");
		must(i & 1 || !semctl(set, 0, IPC_RMID), "semctl");

		segment = shmget(IPC_PRIVATE, 16384, 0600);
		must(segment >= 0, "shmget");
		memory = shmat(segment, NULL, 0);
		must(memory != (void *)-1, "shmat");
		memset(memory, 1, 16384);
		must(!shmctl(segment, SHM_LOCK, NULL), "SHM_LOCK");
		must(!shmctl(segment, SHM_UNLOCK, NULL), "SHM_UNLOCK");
		must(!shmdt(memory), "shmdt");
		must(i & 1 || !shmctl(segment, IPC_RMID, NULL), "shmctl");
	}
}

static void posix_queues(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 10, .mq_msgsize = 128 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG };
	char text[128] = "hello";
	mqd_t queue = mq_open("/busy", O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);

	if (queue < 0 && errno == ENOSYS)
		skip("no POSIX message queues");
	must(queue >= 0, "mq_open");
	for (int i = 0; i < 8; i++)
		must(!mq_send(queue, text, sizeof(text), i), "mq_send");
	must(mq_receive(queue, text, sizeof(text), NULL) == sizeof(text), "mq_receive");
	signal(SIGURG, SIG_IGN);
	must(!mq_notify(queue, &event), "mq_notify");
	must(!mq_unlink("/busy"), "mq_unlink");
}

static void events(void)
{
	int poll = epoll_create1(EPOLL_CLOEXEC), nested = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET }, got[16];
	sigset_t set;
	int fd;

	must(poll >= 0 && nested >= 0, "epoll_create1");
	for (int i = 0; i < busy.size && i < 400; i++) {
		fd = eventfd(1, EFD_CLOEXEC);
		must(fd >= 0, "eventfd");
		must(!epoll_ctl(i & 1 ? poll : nested, EPOLL_CTL_ADD, fd, &event), "EPOLL_CTL_ADD");
	}
	must(!epoll_ctl(poll, EPOLL_CTL_ADD, nested, &event), "EPOLL_CTL_ADD");
	must(epoll_wait(poll, got, 16, 0) > 0, "epoll_wait");

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	must(fd >= 0, "signalfd");
	must(!epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event), "EPOLL_CTL_ADD");
	must(!raise(SIGUSR1), "raise");
}

static void keys(void)
{
	char name[32], payload[200] = "secret";
	long ring, key;

	/* The session's and the user's keyrings are the host's: not those. */
	ring = syscall(SYS_add_key, "keyring", "busy", NULL, 0, KEY_SPEC_PROCESS_KEYRING);
	if (ring < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no keyrings here");
	must(ring >= 0, "add_key of a keyring");
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "busy-%d", i);
		key = syscall(SYS_add_key, "user", name, payload, sizeof(payload), ring);
		must(key >= 0, "add_key");
		if (i & 1)
			must(!syscall(SYS_keyctl, KEYCTL_REVOKE, key), "KEYCTL_REVOKE");
	}
}

const struct work busy_ipc[] = {
	{ "pipes", pipes },
	{ "unix_sockets", unix_sockets },
	{ "unix_cycle", unix_cycle },
	{ "named_sockets", named_sockets },
	{ "sysv", sysv },
	{ "posix_queues", posix_queues },
	{ "events", events },
	{ "keys", keys },
	{}
};
