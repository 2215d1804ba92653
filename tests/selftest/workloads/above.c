// SPDX-License-Identifier: GPL-2.0
/*
 * Fills what the kernel keeps above the slab allocator, or on behalf of something that outlives a container: ../above.sh has what is
 * to become of it.
 *
 *   above stacks | maps | ring | bpf | watch FOLDER | direct FILE | swap FILE | console FILE
 *
 * Exit status: 0, 1 when something failed, 4 where this kernel does not have it, 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 200
#define MAPS 2000
#define ENTRIES 64
#define PAGE 4096

static const char *argument;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "above: %s: %s\n", what, strerror(errno));
	exit(1);
}

static pthread_barrier_t all;

static void *meet(void *unused)
{
	pthread_barrier_wait(&all);
	return unused;
}

static void stacks(void)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	int i;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	pthread_barrier_init(&all, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		must(!pthread_create(&threads[i], &small, meet, NULL), "pthread_create");
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Nodes of the maple tree, which are allocated some at a time ahead. */
static void maps(void)
{
	int i;

	for (i = 0; i < MAPS; i++)
		must(mmap(NULL, PAGE, i & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, "mmap");
}

/* Requests that go through a ring's workers, and stay in its cache of requests. */
static void ring(void)
{
	struct io_uring_params p = {};
	int fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	struct io_uring_sqe *sqes;
	unsigned int *tail, *array, i;
	char *rings;

	must(fd >= 0, "io_uring_setup");
	rings = mmap(NULL, p.sq_off.array + ENTRIES * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, ENTRIES * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	must(rings != MAP_FAILED && (void *)sqes != MAP_FAILED, "mmap");
	tail = (unsigned int *)(rings + p.sq_off.tail);
	array = (unsigned int *)(rings + p.sq_off.array);
	for (i = 0; i < ENTRIES; i++) {
		sqes[i] = (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .flags = IOSQE_ASYNC };
		array[i] = i;
	}
	__atomic_store_n(tail, ENTRIES, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, fd, ENTRIES, ENTRIES, IORING_ENTER_GETEVENTS, NULL, 0) == ENTRIES, "io_uring_enter");
	close(fd);
}

static void bpf(void)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 64, .max_entries = 1000,
			       .map_flags = BPF_F_NO_PREALLOC };
	int i, fd = syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
	char value[64] = "";

	must(fd >= 0, "BPF_MAP_CREATE");
	for (i = 0; i < 1000; i++) {
		union bpf_attr element = { .map_fd = fd, .key = (unsigned long)&i, .value = (unsigned long)value };

		must(!syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &element, sizeof(element)), "BPF_MAP_UPDATE_ELEM");
	}
	close(fd);
}

static void watch(void)
{
	int fd = inotify_init1(0);

	must(fd >= 0 && inotify_add_watch(fd, argument, IN_CREATE) >= 0, "inotify_add_watch");
	close(fd);
}

/* Asynchronous and direct, beyond the file's end or not: the file system's work queue completes it. */
static void direct(void)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	aio_context_t context = 0;
	struct io_event event;
	int fd = open(argument, O_RDWR | O_DIRECT);
	struct iocb write = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = fd, .aio_buf = (unsigned long)page, .aio_nbytes = PAGE };
	struct iocb *writes[] = { &write };

	must(fd >= 0, argument);
	must(!syscall(SYS_io_setup, 1, &context), "io_setup");
	must(syscall(SYS_io_submit, context, 1, writes) == 1, "io_submit");
	must(syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 && event.res == PAGE, "io_getevents");
	syscall(SYS_io_destroy, context);
	close(fd);
}

static void swap(void)
{
	must(!swapon(argument, 0), "swapon");
	must(!swapoff(argument), "swapoff");
}

static void console(void)
{
	int fd = open(argument, O_RDWR | O_NOCTTY);

	if (fd < 0 && (errno == ENOENT || errno == ENXIO))
		exit(4);
	must(fd >= 0, argument);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
		int arguments;
	} works[] = {
		{ "stacks", stacks, 0 }, { "maps", maps, 0 }, { "ring", ring, 0 }, { "bpf", bpf, 0 }, { "watch", watch, 1 },
		{ "direct", direct, 1 }, { "swap", swap, 1 }, { "console", console, 1 },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(argv[1], works[i].name) || argc != 2 + works[i].arguments)
			continue;
		argument = argv[argc - 1];
		works[i].run();
		return 0;
	}
	return 2;
}
