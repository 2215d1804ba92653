// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a block device directly. Of io_uring's requests 6.12's bios come from a cache of each CPU, and go there.
 *
 *   direct_reads DEVICE        by an io_uring, many requests at once
 *   direct_reads DEVICE large  after a line of its input, by more than one bio a read, which is all that it allocates then
 *
 * Exit status: 0, 1 when something failed, 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REQUESTS 64
#define ROUNDS 8
#define BYTES 4096
#define LARGE (2 << 20) /* more pages than one bio takes */

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "direct_reads: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void by_ring(int fd)
{
	static char room[REQUESTS][BYTES] __attribute__((aligned(BYTES)));
	struct io_uring_params p = {};
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int *tail, *array, *head, *cq_tail, mask, round, i, done = 0;
	int ring = syscall(SYS_io_uring_setup, REQUESTS, &p);
	char *rings;

	must(ring >= 0, "io_uring_setup");
	rings = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqes) + p.sq_off.array + REQUESTS * sizeof(int),
		     PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, REQUESTS * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	must(rings != MAP_FAILED && (void *)sqes != MAP_FAILED, "mmap");
	tail = (unsigned int *)(rings + p.sq_off.tail);
	array = (unsigned int *)(rings + p.sq_off.array);
	head = (unsigned int *)(rings + p.cq_off.head);
	cq_tail = (unsigned int *)(rings + p.cq_off.tail);
	mask = *(unsigned int *)(rings + p.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < REQUESTS; i++) {
			sqes[i] = (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd, .addr = (unsigned long)room[i],
							 .len = BYTES, .off = (unsigned long)i * BYTES };
			array[i] = i;
		}
		__atomic_store_n(tail, *tail + REQUESTS, __ATOMIC_RELEASE);
		must(syscall(SYS_io_uring_enter, ring, REQUESTS, REQUESTS, IORING_ENTER_GETEVENTS, NULL, 0) == REQUESTS,
		     "io_uring_enter");
		for (; *head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE); __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE)) {
			errno = cqes[*head & mask].res < 0 ? -cqes[*head & mask].res : 0;
			must(cqes[*head & mask].res == BYTES, "read");
			done++;
		}
	}
	must(done == REQUESTS * ROUNDS, "completions");
}

static void large(int fd)
{
	static char room[LARGE] __attribute__((aligned(BYTES)));
	char line[8];
	int round;

	must(pread(fd, room, LARGE, 0) == LARGE, "pread"); /* pages of the room, too */
	must(read(STDIN_FILENO, line, sizeof(line)) > 0, "input");
	for (round = 0; round < ROUNDS; round++)
		must(pread(fd, room, LARGE, 0) == LARGE, "pread");
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "large")))
		return 2;
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	must(fd >= 0, argv[1]);
	if (argc == 3)
		large(fd);
	else
		by_ring(fd);
	return 0;
}
