// SPDX-License-Identifier: GPL-2.0
/*
 * One thing that a program asks of the kernel, and takes back again. What fails is not
 * tried again: for beanctl check --fail-nth, which refuses one allocation after the other.
 *
 *   one_call exec|fork|open|connect|mount|pipe|mqueue|shm|unshare
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void do_exec(void)
{
	pid_t child = fork();

	if (!child) {
		execl("/proc/self/exe", "one_call", "nothing", NULL); /* static: no loader, of which most would be */
		_exit(1);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void do_fork(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void do_open(void)
{
	int fd = open("/dev/shm/one_call", O_CREAT | O_RDWR, 0600);

	if (fd < 0)
		return;
	if (write(fd, "x", 1) == 1)
		lseek(fd, 0, SEEK_SET);
	close(fd);
	unlink("/dev/shm/one_call");
}

static void do_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (listener >= 0 && client >= 0 && !bind(listener, (struct sockaddr *)&address, length) &&
	    !listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&address, &length))
		connect(client, (struct sockaddr *)&address, length);
	if (client >= 0)
		close(client);
	if (listener >= 0)
		close(listener);
}

static void do_mount(void)
{
	mkdir("/dev/shm/one_call.d", 0700);
	if (!mount("one_call", "/dev/shm/one_call.d", "tmpfs", 0, "size=64k"))
		umount2("/dev/shm/one_call.d", MNT_DETACH);
	rmdir("/dev/shm/one_call.d");
}

static void do_pipe(void)
{
	int ends[2];

	if (pipe(ends))
		return;
	if (write(ends[1], "x", 1) == 1)
		fcntl(ends[1], F_SETPIPE_SZ, 1 << 17);
	close(ends[0]);
	close(ends[1]);
}

static void do_mqueue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	mqd_t queue = mq_open("/one_call", O_CREAT | O_RDWR, 0600, &attr);

	if (queue == (mqd_t)-1)
		return;
	mq_send(queue, "x", 1, 1);
	mq_close(queue);
	mq_unlink("/one_call");
}

static void do_shm(void)
{
	int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
	void *at;

	if (id < 0)
		return;
	at = shmat(id, NULL, 0);
	if (at != (void *)-1)
		shmdt(at);
	shmctl(id, IPC_RMID, NULL);
}

static void do_unshare(void)
{
	unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWCGROUP);
}

static void do_nothing(void)
{
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{ "exec", do_exec }, { "fork", do_fork }, { "open", do_open }, { "connect", do_connect }, { "mount", do_mount },
	{ "pipe", do_pipe }, { "mqueue", do_mqueue }, { "shm", do_shm }, { "unshare", do_unshare },
	{ "nothing", do_nothing },
};

int main(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; argc == 2 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (!strcmp(argv[1], calls[i].name)) {
			calls[i].call();
			return 0;
		}
	}
	fprintf(stderr, "one_call: exec, open, connect, mount, pipe, mqueue, shm or unshare\n");
	return 2;
}
