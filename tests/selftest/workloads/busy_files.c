// SPDX-License-Identifier: GPL-2.0
/* Files and what hangs on them: a tmpfs, locks, watches, asynchronous input. */
#include "busy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static int create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	must(fd >= 0, path);
	return fd;
}

static void files(void)
{
	char block[4096] = "x";

	for (int i = 0; i < busy.size; i++) {
		int fd = create(path_of("file", i));

		must(write(fd, block, sizeof(block)) == sizeof(block), "write");
		must(!fchmod(fd, 0640), "fchmod");
		close(fd);
	}
	for (int i = 0; i < busy.size; i++) {
		must(!link(path_of("file", i), path_of("link", i)), "link");
		must(!symlink(path_of("file", i), path_of("symlink", i)), "symlink");
		must(!rename(path_of("file", i), path_of("renamed", i)), "rename");
		must(access(path_of("absent", i), F_OK) && errno == ENOENT, "negative lookup");
	}
	for (int i = 0; i < busy.size; i++) {
		must(!unlink(path_of("link", i)), "unlink");
		must(!unlink(path_of("symlink", i)), "unlink");
		must(!unlink(path_of("renamed", i)), "unlink");
	}
}

static void directories(void)
{
	for (int i = 0; i < busy.size; i++)
		must(!mkdir(path_of("directory", i), 0700), "mkdir");
	must(!mkfifo(path_of("directory-0/fifo", 0), 0600), "mkfifo");
	must(!unlink(path_of("directory-0/fifo", 0)), "unlink");
	for (int i = 0; i < busy.size; i++)
		must(!rmdir(path_of("directory", i)), "rmdir");
}

static void xattrs(void)
{
	const char *path = path_of("xattr", 0);
	int fd = create(path);

	if (fsetxattr(fd, "trusted.busy", "value", 5, 0)) {
		unlink(path);
		skip("no trusted.* attributes (a user namespace, or this file system)");
	}
	must(!fremovexattr(fd, "trusted.busy"), "fremovexattr");
	must(!unlink(path), "unlink");
}

/* Many open files of one process: its table grows in steps. */
static void descriptors(void)
{
	int fd = create(path_of("descriptors", 0));

	for (int i = 0; i < busy.size * 4 && i < 900; i++)
		must(dup(fd) >= 0, "dup");
	must(!unlink(path_of("descriptors", 0)), "unlink");
}

static void mappings(void)
{
	size_t page = 4096, length = page * 2 * busy.size;
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	int fd = create(path_of("mapping", 0));

	must(memory != MAP_FAILED, "mmap");
	/* Every other page with other rights: a mapping becomes many. */
	for (size_t at = 0; at < length; at += 2 * page) {
		memory[at] = 1;
		must(!mprotect(memory + at, page, PROT_READ), "mprotect");
	}
	must(mremap(memory, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, memory + page) != MAP_FAILED,
	     "mremap");
	must(!munmap(memory, length), "munmap");

	must(!ftruncate(fd, length), "ftruncate");
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(memory != MAP_FAILED, "mmap of a file");
	memset(memory, 1, length);
	must(!msync(memory, length, MS_SYNC), "msync");
	must(!madvise(memory, length, MADV_DONTNEED), "madvise");
	/* runtimes' seccomp filters refuse this, and vmsplice() below */
	must(!mlock(memory, page) || errno == EPERM, "mlock");
	must(!unlink(path_of("mapping", 0)), "unlink");
}

static void memfds(void)
{
	for (int i = 0; i < busy.size; i++) {
		int fd = memfd_create("busy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		must(fd >= 0, "memfd_create");
		must(!ftruncate(fd, 8192), "ftruncate");
		must(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "F_ADD_SEALS");
		close(fd);
	}
}

static void file_locks(void)
{
	int fd = create(path_of("lock", 0));

	for (int i = 0; i < busy.size; i++) {
		struct flock lock = { .l_type = i & 1 ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET,
				      .l_start = i * 2, .l_len = 1 };

		must(!fcntl(fd, F_SETLK, &lock), "F_SETLK");
		lock.l_start += 4096;
		must(!fcntl(fd, F_OFD_SETLK, &lock), "F_OFD_SETLK");
	}
	must(!flock(fd, LOCK_EX), "flock");
	must(!flock(fd, LOCK_UN), "flock");
	must(!flock(fd, LOCK_SH), "flock");
	must(!unlink(path_of("lock", 0)), "unlink");
	/* All of them go with the descriptor, at exit. */
}

static void leases(void)
{
	const char *path = path_of("lease", 0);
	int fd = create(path);

	must(!fcntl(fd, F_SETLEASE, F_WRLCK), "F_SETLEASE");
	must(!fcntl(fd, F_SETLEASE, F_UNLCK), "F_SETLEASE");
	must(!unlink(path), "unlink");
}

static void watches(void)
{
	char events[4096];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	must(fd >= 0, "inotify_init1");
	must(inotify_add_watch(fd, busy.directory, IN_ALL_EVENTS) >= 0, "inotify_add_watch");
	for (int i = 0; i < busy.size; i++) {
		int file = create(path_of("watched", i));

		must(inotify_add_watch(fd, path_of("watched", i), IN_ALL_EVENTS) >= 0,
		     "inotify_add_watch");
		close(file);
		if (i & 1)
			must(!unlink(path_of("watched", i)), "unlink");
	}
	must(read(fd, events, sizeof(events)) > 0, "read");
	/* The rest of the events stays queued, half of the watches in place. */
	for (int i = 0; i < busy.size; i += 2)
		must(!unlink(path_of("watched", i)), "unlink");
}

static void spliced(void)
{
	char block[4096] = "x";
	int in = create(path_of("splice-in", 0)), out = create(path_of("splice-out", 0)), ends[2];
	struct iovec data = { .iov_base = block, .iov_len = sizeof(block) };
	off_t offset = 0;

	must(!pipe(ends), "pipe");
	for (int i = 0; i < 16; i++)
		must(write(in, block, sizeof(block)) == sizeof(block), "write");
	must(lseek(in, 0, SEEK_SET) == 0, "lseek");
	must(splice(in, NULL, ends[1], NULL, 32768, 0) > 0, "splice into a pipe");
	must(splice(ends[0], NULL, out, NULL, 32768, 0) > 0, "splice out of a pipe");
	must(vmsplice(ends[1], &data, 1, 0) > 0 || errno == EPERM, "vmsplice");
	must(sendfile(out, in, &offset, 65536) > 0, "sendfile");
	must(!unlink(path_of("splice-in", 0)) && !unlink(path_of("splice-out", 0)), "unlink");
}

static void aio(void)
{
	aio_context_t context = 0;
	static char blocks[8][4096];
	struct iocb requests[8] = {}, *list[8];
	struct io_event events[8];
	int fd = create(path_of("aio", 0));

	if (syscall(SYS_io_setup, 64, &context))
		skip("no io_setup()");
	for (int i = 0; i < 8; i++) {
		requests[i].aio_fildes = fd;
		requests[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		requests[i].aio_buf = (unsigned long)blocks[i];
		requests[i].aio_nbytes = sizeof(blocks[i]);
		requests[i].aio_offset = i * sizeof(blocks[i]);
		list[i] = &requests[i];
	}
	must(syscall(SYS_io_submit, context, 8L, list) == 8, "io_submit");
	must(syscall(SYS_io_getevents, context, 8L, 8L, events, NULL) == 8, "io_getevents");
	/* A poll that never ends is given back with the context. */
	requests[0].aio_lio_opcode = IOCB_CMD_POLL;
	requests[0].aio_buf = POLLPRI;
	must(!unlink(path_of("aio", 0)), "unlink");
	if (syscall(SYS_io_submit, context, 1L, list) == 1)
		return;		/* and the context with the process */
	must(!syscall(SYS_io_destroy, context), "io_destroy");
}

static void uring(void)
{
	struct io_uring_params params = {};
	int fd = syscall(SYS_io_uring_setup, 8, &params);
	char *rings;
	struct io_uring_sqe *entries;
	unsigned int *tail, *array;

	if (fd < 0)
		skip(errno == EPERM ? "io_uring is switched off (kernel.io_uring_disabled)" :
				      "no io_uring_setup()");
	rings = mmap(NULL, params.sq_off.array + params.sq_entries * sizeof(*array),
		     PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	must(rings != MAP_FAILED, "mmap of the ring");
	entries = mmap(NULL, params.sq_entries * sizeof(*entries), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, IORING_OFF_SQES);
	must(entries != MAP_FAILED, "mmap of the entries");
	tail = (unsigned int *)(rings + params.sq_off.tail);
	array = (unsigned int *)(rings + params.sq_off.array);
	for (int round = 0; round < busy.size; round++) {
		memset(entries, 0, 4 * sizeof(*entries));
		for (int i = 0; i < 4; i++) {
			unsigned int slot = (*tail + i) & (params.sq_entries - 1);

			entries[slot].opcode = IORING_OP_NOP;
			array[slot] = slot;
		}
		__atomic_store_n(tail, *tail + 4, __ATOMIC_RELEASE);
		must(syscall(SYS_io_uring_enter, fd, 4, 0, 0, NULL, 0) == 4, "io_uring_enter");
		/* Nobody looks at the completions: some of them overflow. */
	}
}

const struct work busy_files[] = {
	{ "files", files },
	{ "directories", directories },
	{ "xattrs", xattrs },
	{ "descriptors", descriptors },
	{ "mappings", mappings },
	{ "memfds", memfds },
	{ "file_locks", file_locks },
	{ "leases", leases },
	{ "watches", watches },
	{ "splice", spliced },
	{ "aio", aio },
	{ "io_uring", uring },
	{}
};
