// SPDX-License-Identifier: GPL-2.0
/*
 * Works at the limit of kmemsize. System V messages fill the container up to its
 * last bytes; then, round by round, a little more room is made and the work
 * done: so the refusal meets each of the work's allocations once.
 *
 *   at_limit files DIRECTORY ROUNDS    writes, renames, links, ... in DIRECTORY
 *   at_limit faults                    touches fresh memory of every kind
 *
 * Prints `ready`, waits for a line (the limit is set meanwhile), then works and
 * prints `worked=N refused=N wrong=N`: operations that succeeded, that had
 * ENOMEM, and that failed in any other way, each of which it reports on standard
 * error. A page fault has no way to say ENOMEM: it has to succeed.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OPEN_FILES 8
#define AREAS 64

static int queue;
static struct result {
	long worked, refused, wrong;
} *result;	/* shared with children */

static struct {
	long type;
	char text[8000];
} message = { .type = 1 };

static void fail(const char *what)
{
	fprintf(stderr, "at_limit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_queue(void)
{
	queue = big_queue();
	if (queue < 0)
		fail("big_queue");
}

static void fill(void)
{
	static const int sizes[] = { 8000, 2000, 400, 8 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		message.type = sizes[i];
		while (!msgsnd(queue, &message, sizes[i], IPC_NOWAIT))
			;
		if (errno != ENOMEM)
			fail("msgsnd");
	}
}

/* Of the messages of that many bytes. */
static void make_room(int size, int messages)
{
	while (messages--)
		if (msgrcv(queue, &message, size, size, IPC_NOWAIT) < 0)
			break;
}

static int worked(int ok, const char *what)
{
	if (ok) {
		result->worked++;
	} else if (errno == ENOMEM) {
		result->refused++;
	} else {
		result->wrong++;
		fprintf(stderr, "at_limit: %s: %s\n", what, strerror(errno));
	}
	return ok;
}

/* --- files */

static int open_files[OPEN_FILES];

static const char *name_of(const char *name, int number)
{
	static char names[4][64];
	static int next;

	next = (next + 1) % 4;
	snprintf(names[next], sizeof(names[next]), "%s-%d", name, number);
	return names[next];
}

static void write_file(int fd, int round)
{
	static char block[20000];
	off_t at = (off_t)(round % 16) * 4 * sizeof(block);

	memset(block, 'a' + round % 26, sizeof(block));
	worked(pwrite(fd, block, sizeof(block), at) > 0, "pwrite");
	/* A hole between, so that there are many extents. */
	worked(pwrite(fd, block, 512, at + 3 * (off_t)sizeof(block)) > 0, "pwrite");
	worked(!fsync(fd), "fsync");
}

static void one_round(int round)
{
	int fd;

	write_file(open_files[round % OPEN_FILES], round);
	fd = open(name_of("file", round), O_RDWR | O_CREAT, 0600);
	if (worked(fd >= 0, "open")) {
		write_file(fd, round);
		worked(!fsetxattr(fd, "user.at_limit", "value", 5, 0), "fsetxattr");
		worked(!ftruncate(fd, 3000), "ftruncate");
		close(fd);
		worked(!link(name_of("file", round), name_of("link", round)) || errno == EEXIST, "link");
		worked(!rename(name_of("file", round), name_of("renamed", round)), "rename");
	}
	worked(!symlink("nowhere", name_of("symlink", round)), "symlink");
	if (worked(!mkdir(name_of("directory", round), 0700), "mkdir"))
		worked(!rmdir(name_of("directory", round)), "rmdir");
	if (round % 2)
		worked(!unlink(name_of("renamed", round - 1)) || errno == ENOENT, "unlink");
	if (round % 16 == 15)
		sync();
}

static void files(const char *directory, int rounds)
{
	char byte;

	if (chdir(directory))
		fail(directory);
	for (int i = 0; i < OPEN_FILES; i++) {
		open_files[i] = open(name_of("open", i), O_RDWR | O_CREAT, 0600);
		if (open_files[i] < 0)
			fail("open");
	}
	make_queue();
	if (write(1, "ready=1\n", 8) != 8 || read(0, &byte, 1) != 1)
		exit(1);
	for (int round = 0; round < rounds; round++) {
		fill();
		/* 0, 64, 128, ... bytes, then with some kilobytes more. */
		make_room(8, round % 24);
		make_room(2000, round / 24 * 3);
		one_round(round);
	}
}

/* --- page faults */

#define PAGE 4096

/* Areas that the kernel cannot merge: each needs structures of its own at its first touch. */
static char *areas[AREAS];

static void map_areas(int fd)
{
	for (int i = 0; i < AREAS; i++) {
		int file = fd >= 0 && i % 2;

		areas[i] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				file ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, file ? fd : -1, 0);
		if (areas[i] == MAP_FAILED || mprotect(areas[i] + 3 * PAGE, PAGE, PROT_NONE))
			fail("mmap");
	}
}

static void touch(void)
{
	for (int i = 0; i < AREAS / 2; i++)
		for (int page = 0; page < 3; page++)
			areas[i][page * PAGE] = 1;
	worked(1, "touch");
}

/* The kernel writes into pages that are not there yet. */
static void read_into(int zero)
{
	for (int i = AREAS / 2; i < AREAS; i++) {
		errno = 0;
		worked(read(zero, areas[i], 3 * PAGE) == 3 * PAGE, "read into fresh pages");
	}
}

static int __attribute__((noinline)) deep(int depth)
{
	volatile char frame[PAGE];

	frame[0] = depth;
	return depth ? deep(depth - 1) + frame[0] : 0;
}

static void in_child(const char *what, void (*run)(void))
{
	int status;
	pid_t child = fork();

	/* A refused fork is no fault. */
	if (!worked(child >= 0, "fork"))
		return;
	if (!child) {
		run();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status) {
		fprintf(stderr, "at_limit: %s: ended with status 0x%x\n", what, status);
		result->wrong++;
	} else {
		result->worked++;
	}
}

static void copy_on_write(void)
{
	for (int i = 0; i < AREAS; i++)
		areas[i][0] = 2;
}

static void grow_stack(void)
{
	deep(200);
}

static void faults(void)
{
	int zero = open("/dev/zero", O_RDONLY), fd = open("/proc/self/exe", O_RDONLY);
	char byte;

	if (zero < 0 || fd < 0)
		fail("open");
	map_areas(fd);
	make_queue();
	if (write(1, "ready=1\n", 8) != 8 || read(0, &byte, 1) != 1)
		exit(1);
	fill();
	touch();
	read_into(zero);
	deep(100);
	worked(1, "stack");
	/* Now with enough room for a fork, and nothing for the child's faults. */
	for (int room = 2; room < 20; room++) {
		fill();
		make_room(8000, room);
		in_child("copy on write", copy_on_write);
		in_child("stack", grow_stack);
	}
}

int main(int argc, char **argv)
{
	char text[128];

	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		fail("mmap");
	memset(result, 0, sizeof(*result));
	if (argc == 4 && !strcmp(argv[1], "files"))
		files(argv[2], atoi(argv[3]));
	else if (argc == 2 && !strcmp(argv[1], "faults"))
		faults();
	else
		return 2;
	snprintf(text, sizeof(text), "worked=%ld refused=%ld wrong=%ld\n", result->worked, result->refused,
		 result->wrong);
	if (write(1, text, strlen(text)) < 0)
		return 1;
	/* Closes and flushes at its end, at the limit as well. */
	return 0;
}
