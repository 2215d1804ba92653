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
 *   trace PID        ptrace(PTRACE_SEIZE)
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
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_COPY 500

static int listener = -1, connection = -1, memory = -1, copies = FIRST_COPY;
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

static int do_give(const char *unused)
{
	struct msghdr *header = message();
	struct cmsghdr *control = CMSG_FIRSTHDR(header);

	(void)unused;
	memory = memfd_create("shared", 0);
	if (memory < 0)
		return -1;
	*control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(control), &memory, sizeof(int));
	return sendmsg(connection, header, 0) == 1 ? 0 : -1;
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
	{ "listen ", do_listen }, { "accept", do_accept }, { "connect ", do_connect }, { "give", do_give },
	{ "take", do_take }, { "fill ", do_fill }, { "dup ", do_dup }, { "drop", do_drop }, { "trace ", do_trace },
	{ "enter ", do_enter }, { "read ", do_read }, { "write ", do_write },
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
