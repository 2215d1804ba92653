// SPDX-License-Identifier: GPL-2.0
/*
 * What an open file has, whoever has it open or mapped: its name, its owner's credentials, and what is behind it.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/pipe_fs_i.h>
#include <net/sock.h>

#include "keeper.h"

#define PROC_INODE_WORDS 9 /* of struct proc_inode before its vfs_inode, its pid among them: fs/proc/internal.h */

/* Credentials hold their user, and he is no leak of whoever was the first to be him. */
void cred_keeps(struct keeper *keeper, const struct cred *cred)
{
	const struct user_namespace *user_ns;
	const struct user_struct *user;
	const struct ucounts *ucounts;

	keeps(keeper, cred);
	if (GET(user, &cred->user))
		keeps(keeper, user);
	if (GET(ucounts, &cred->ucounts))
		keeps(keeper, ucounts);
	if (GET(user_ns, &cred->user_ns))
		keeps(keeper, user_ns);
}

enum { INOTIFY, FANOTIFY, WATCHES };
static const char *const names_of_watches[] = { [INOTIFY] = "inotify_fops", [FANOTIFY] = "fanotify_fops" };
static const void *watches[WATCHES];

void bc_files_init(void)
{
	int i;

	for (i = 0; i < WATCHES; i++)
		watches[i] = (const void *)bc_lookup(names_of_watches[i]);
}

/*
 * What was done to a watched file waits, in the name of whoever did it, until the watch's owner reads it: struct fsnotify_event. Where he
 * has to permit it, until he has answered, even when nobody waits for that any more (fs/notify/fanotify/fanotify.c, fanotify_get_response()).
 */
static void watch_keeps(struct keeper *keeper, const struct file *file)
{
	const struct fsnotify_group *group = READ_ONCE(file->private_data);
	const void *operations = READ_ONCE(file->f_op);

	if (!group || !operations || (operations != watches[INOTIFY] && operations != watches[FANOTIFY]))
		return;
	list_walked(keeper, "fsnotify", &group->notification_list);
#ifdef CONFIG_FANOTIFY
	if (operations == watches[FANOTIFY])
		list_walked(keeper, "fanotify", &group->fanotify_data.access_list);
#endif
}

/* Whom it tells by SIGIO: fcntl(F_SETOWN). */
static void owner_keeps(struct keeper *keeper, const struct file *file)
{
	const struct fown_struct *owner;
	const struct pid *pid;

#if BC_KERNEL_6_12
	if (!GET(owner, &file->f_owner) || !owner)
		return;
	keeps(keeper, owner);
#else
	owner = &file->f_owner;
#endif
	if (GET(pid, &owner->pid))
		keeps(keeper, pid);
}

/* flock() and fcntl(F_OFD_SETLK) of somebody who shares the open file stay until it is closed. */
static void locks_keep(struct keeper *keeper, const struct inode *inode)
{
	const struct file_lock_context *locks;

	if (!GET(locks, &inode->i_flctx) || !locks)
		return;
	list_walked(keeper, "flock", &locks->flc_flock);
	list_walked(keeper, "flock", &locks->flc_posix);
	list_walked(keeper, "flock", &locks->flc_lease);
}

/* Its ring is another where somebody wanted a larger one: fcntl(F_SETPIPE_SZ). */
static void pipe_keeps(struct keeper *keeper, const struct pipe_inode_info *pipe)
{
	const struct pipe_buffer *ring;

	keeps(keeper, pipe);
	if (pipe && GET(ring, &pipe->bufs))
		keeps(keeper, ring);
}

void file_keeps(struct keeper *keeper, const struct file *file)
{
	const struct inode *inode;
	const struct cred *cred;
	const void *pointer;
	struct path path;

	keeps(keeper, file);
	if (GET(pointer, &file->private_data)) /* a pidfd's struct pid (6.1), the mm_struct of /proc/PID/mem, ... */
		keeps(keeper, pointer);
	if (GET(path, &file->f_path)) {
		keeps(keeper, path.dentry);
		keeps(keeper, path.mnt);
	}
	if (GET(cred, &file->f_cred))
		cred_keeps(keeper, cred);
	owner_keeps(keeper, file);
	if (!GET(inode, &file->f_inode))
		return;
	keeps(keeper, inode);
	if (GET(pointer, &inode->i_private)) /* a pidfd's struct pid (6.12), a namespace */
		keeps(keeper, pointer);
}

/* Who maps a file of an overlay has mapped that of the layer below, which keeps the overlay's name. 6.1's is called so itself. */
static void layer_keeps(struct keeper *keeper, const struct file *file)
{
#if BC_KERNEL_6_12
	const struct path *path = file_user_path(file);

	keeps(keeper, path->dentry);
	keeps(keeper, path->mnt);
#endif
}

void bc_file_refers(const struct file *file, const void **last_ipc_ns, struct keeper *keeper)
{
	const struct inode *inode = file_inode(file);

	file_keeps(keeper, file);
	layer_keeps(keeper, file);
	keeper->steps = 0;
	bc_terminal_refers(file, keeper);
	bc_ipc_file_refers(file, last_ipc_ns, keeper);
	watch_keeps(keeper, file);
	if (!inode)
		return;
	locks_keep(keeper, inode);
	if (S_ISSOCK(inode->i_mode) && inode->i_sb->s_magic == SOCKFS_MAGIC) {
		socket_keeps(keeper, SOCKET_I((struct inode *)inode));
	} else if (S_ISFIFO(inode->i_mode)) {
		pipe_keeps(keeper, READ_ONCE(inode->i_pipe));
	} else if (inode->i_sb->s_magic == PROC_SUPER_MAGIC) {
		void *const *word = (void *const *)inode - PROC_INODE_WORDS;
		void *pointer;
		int i;

		for (i = 0; i < PROC_INODE_WORDS; i++) {
			if (GET(pointer, word + i))
				keeps(keeper, pointer);
		}
	}
}
