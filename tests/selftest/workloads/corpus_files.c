// SPDX-License-Identifier: GPL-2.0
/* Mounts and their options, names, inodes, locks, watches. */
#include "corpus.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In a file system of the host's. */
static const char *shared_file(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/corpus.%u", corpus_uid);
	return path;
}

/* A tmpfs has a memory policy of its own. */
static void tmpfs_policy(void)
{
	must(!mount("corpus", "/mnt", "tmpfs", 0, "mpol=bind:0"), "mount");
	must(!umount("/mnt"), "umount");
}

static void fs_context(void)
{
	int context = syscall(SYS_fsopen, "ramfs", 0);

	must(context >= 0, "fsopen");
	close(context);
}

/* A mount that is in no place goes with its descriptor. */
static void fs_mount(void)
{
	int context = syscall(SYS_fsopen, "tmpfs", 0), detached;

	must(context >= 0, "fsopen");
	must(!syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "FSCONFIG_CMD_CREATE");
	detached = syscall(SYS_fsmount, context, 0, 0);
	must(detached >= 0, "fsmount");
	close(detached);
	close(context);
}

/* The host's, once more, in no place. */
static void bind_mount(void)
{
	int detached = syscall(SYS_open_tree, AT_FDCWD, "/tmp", OPEN_TREE_CLONE);

	must(detached >= 0, "open_tree");
	close(detached);
}

static void make_shared_file(void)
{
	int one = open(shared_file(), O_CREAT | O_EXCL | O_RDWR, 0600);

	must(one >= 0, shared_file());
	must(write(one, "x", 1) == 1, "write");
	close(one);
}

static void file(void)
{
	make_shared_file();
	must(!unlink(shared_file()), "unlink");
}

static void lock(void)
{
	int one = open(shared_file(), O_CREAT | O_EXCL | O_RDWR, 0600);

	must(one >= 0, shared_file());
	must(!flock(one, LOCK_EX), "flock");
	must(!unlink(shared_file()), "unlink");
	close(one);
}

/* Its own file system, since what watches wait for is done by a kernel thread when that goes. */
static void watch(void)
{
	int one;

	must(!mount("corpus", "/mnt", "tmpfs", 0, NULL), "mount");
	one = inotify_init1(0);
	must(one >= 0, "inotify_init1");
	must(inotify_add_watch(one, "/mnt", IN_CREATE) >= 0, "inotify_add_watch");
	close(one);
	must(!umount("/mnt"), "umount");
}

const struct work corpus_files[] = {
	{ "tmpfs-policy", tmpfs_policy },
	{ "fs-context", fs_context },
	{ "fs-mount", fs_mount },
	{ "bind-mount", bind_mount },
	{ "file", file },
	{ "flock", lock },
	{ "inotify", watch },
	{},
};
