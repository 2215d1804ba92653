// SPDX-License-Identifier: GPL-2.0
/*
 * One of two who share things, each in a container of its own. For each line on
 * standard input it does one thing and answers with `ok` or the error's name:
 *
 *   listen NAME      an abstract unix socket; `accept` takes who has come
 *   connect NAME
 *   give             sends a memfd of its own, and keeps one descriptor of it
 *   take             receives what was given
 *   fill KIB         writes so much into the memfd
 *   dup N            N more descriptors of it
 *   drop             closes all of them
 *   segment KEY      System V shared memory of AREA bytes, and attaches it; `attach KEY` one that is there, `remove` marks it
 *   map              AREA bytes of the memfd, shared
 *   room             AREA bytes of its own, at ROOM
 *   touch            writes to each page of what is attached or mapped; `detach`
 *   trace PID        ptrace(PTRACE_SEIZE)
 *   vmwrite PID      process_vm_writev() to each page of that one's room; memwrite PATH the same through its /proc/PID/mem
 *   givepid          sends a pidfd of its own
 *   steal FD [PID]   pidfd_getfd() of that descriptor, by the pidfd taken or of PID: it is the memfd from then on
 *   enter PATH       setns() into the pid namespace there
 *   read PATH        its first line; write PATH WORD
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_COPY 500
#define PAGE 4096
#define AREA (4 << 20)
#define ROOM ((char *)0x200000000)	/* nothing else is there, and others know it */

static int listener = -1, connection = -1, memory = -1, copies = FIRST_COPY, segment = -1;
static char *area;
static char block[4096];

/* No file: that would stay. */
static socklen_t address_of(struct sockaddr_un *address, const char *name)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return offsetof(struct sockaddr_un, sun_path) + 1 +
	       snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "%s", name);
}

static int do_listen(const char *name)
{
	struct sockaddr_un address;
	socklen_t length = address_of(&address, name);

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	return listener < 0 || bind(listener, (struct sockaddr *)&address, length) ? -1 : listen(listener, 1);
}

static int do_accept(const char *unused)
{
	(void)unused;
	return connection = accept(listener, NULL, NULL);
}

static int do_connect(const char *name)
{
	struct sockaddr_un address;
	socklen_t length = address_of(&address, name);

	connection = socket(AF_UNIX, SOCK_STREAM, 0);
	return connection < 0 ? -1 : connect(connection, (struct sockaddr *)&address, length);
}

static struct msghdr *message(void)
{
	static char control[CMSG_SPACE(sizeof(int))], byte = 'x';
	static struct iovec vector = { &byte, 1 };
	static struct msghdr header;

	header = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	return &header;
}

static int send_fd(int fd)
{
	struct msghdr *header = message();
	struct cmsghdr *control = CMSG_FIRSTHDR(header);

	*control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(control), &fd, sizeof(int));
	return fd >= 0 && sendmsg(connection, header, 0) == 1 ? 0 : -1;
}

static int do_give(const char *unused)
{
	(void)unused;
	return send_fd(memory = memfd_create("shared", 0));
}

static int do_givepid(const char *unused)
{
	int fd = pidfd_open(getpid(), 0), status = send_fd(fd);

	(void)unused;
	close(fd);
	return status;
}

static int do_take(const char *unused)
{
	struct msghdr *header = message();
	struct cmsghdr *control;

	(void)unused;
	if (recvmsg(connection, header, 0) != 1)
		return -1;
	control = CMSG_FIRSTHDR(header);
	if (!control) {
		errno = ENOMSG;
		return -1;
	}
	memcpy(&memory, CMSG_DATA(control), sizeof(int));
	return 0;
}

static int do_fill(const char *kib)
{
	for (int n = atoi(kib) / 4; n > 0; n--) {
		if (write(memory, block, sizeof(block)) != sizeof(block))
			return -1;
	}
	return 0;
}

static int do_dup(const char *n)
{
	for (int i = atoi(n); i > 0; i--) {
		if (dup2(memory, copies) < 0)
			return -1;
		copies++;
	}
	return 0;
}

static int do_drop(const char *unused)
{
	(void)unused;
	while (copies > FIRST_COPY)
		close(--copies);
	return close(memory);
}

static int attached(void *address)
{
	if (address == (void *)-1)
		return -1;
	area = address;
	return 0;
}

static int do_segment(const char *key)
{
	segment = shmget(atoi(key), AREA, IPC_CREAT | IPC_EXCL | 0600);
	return segment < 0 ? -1 : attached(shmat(segment, NULL, 0));
}

static int do_attach(const char *key)
{
	segment = shmget(atoi(key), 0, 0);
	return segment < 0 ? -1 : attached(shmat(segment, NULL, 0));
}

static int do_remove(const char *unused)
{
	(void)unused;
	return shmctl(segment, IPC_RMID, NULL);
}

static int do_map(const char *unused)
{
	(void)unused;
	return ftruncate(memory, AREA) ? -1 : attached(mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
}

static int do_room(const char *unused)
{
	(void)unused;
	return mmap(ROOM, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == ROOM ? 0 : -1;
}

static int do_touch(const char *unused)
{
	(void)unused;
	for (size_t at = 0; at < AREA; at += PAGE)
		area[at] = 'x';
	return 0;
}

static int do_detach(const char *unused)
{
	(void)unused;
	return segment >= 0 ? shmdt(area) : munmap(area, AREA);
}

static int do_vmwrite(const char *pid)
{
	for (size_t at = 0; at < AREA; at += PAGE) {
		struct iovec here = { block, 1 }, there = { ROOM + at, 1 };

		if (process_vm_writev(atoi(pid), &here, 1, &there, 1, 0) != 1)
			return -1;
	}
	return 0;
}

static int do_memwrite(const char *path)
{
	int fd = open(path, O_RDWR);

	for (size_t at = 0; at < AREA && fd >= 0; at += PAGE) {
		if (pwrite(fd, block, 1, (off_t)(ROOM + at)) != 1)
			return -1;
	}
	return fd < 0 ? -1 : close(fd);
}

static int do_steal(const char *words)
{
	int number, pid, pidfd = memory;

	if (sscanf(words, "%d %d", &number, &pid) == 2)
		pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return -1;
	number = pidfd_getfd(pidfd, number, 0);
	if (number < 0)
		return -1;
	memory = number;
	return close(pidfd);
}

static int do_trace(const char *pid)
{
	return ptrace(PTRACE_SEIZE, atoi(pid), 0, 0);
}

static int do_enter(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWPID);
}

static int do_read(const char *path)
{
	int fd = open(path, O_RDONLY), got = fd < 0 ? -1 : read(fd, block, sizeof(block));

	if (got < 0)
		return -1;
	return close(fd);
}

static int do_write(const char *line)
{
	char path[256], word[64];
	int fd;

	if (sscanf(line, "%255s %63s", path, word) != 2)
		return -1;
	fd = open(path, O_WRONLY);
	return fd < 0 || write(fd, word, strlen(word)) < 0 ? -1 : 0;
}

static const struct {
	const char *word;
	int (*act)(const char *argument);
} actions[] = {
	{ "listen ", do_listen }, { "accept", do_accept }, { "connect ", do_connect }, { "givepid", do_givepid }, { "give", do_give },
	{ "take", do_take }, { "fill ", do_fill }, { "dup ", do_dup }, { "drop", do_drop }, { "trace ", do_trace },
	{ "enter ", do_enter }, { "read ", do_read }, { "write ", do_write },
	{ "segment ", do_segment }, { "attach ", do_attach }, { "remove", do_remove }, { "map", do_map }, { "room", do_room },
	{ "touch", do_touch }, { "detach", do_detach }, { "vmwrite ", do_vmwrite }, { "memwrite ", do_memwrite },
	{ "steal ", do_steal },
};

int main(void)
{
	static char line[512];

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		const char *answer = "what?";

		line[strcspn(line, "\n")] = '\0';
		for (unsigned int i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
			size_t length = strlen(actions[i].word);

			if (!strncmp(line, actions[i].word, length)) {
				errno = 0;
				answer = actions[i].act(line + length) < 0 ? strerrorname_np(errno) : "ok";
				break;
			}
		}
		printf("%s\n", answer);
	}
	return 0;
}
