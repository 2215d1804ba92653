// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX queues: files of a file system that each ipc namespace has, and the messages in them. Walks of ipc.c.
 */
#include <linux/dcache.h>
#include <linux/ipc_namespace.h>
#include <linux/mount.h>
#include <linux/mqueue.h>
#include <linux/signal_types.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>

#include "ipc.h"

#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */

struct posix_msg_tree_node {
	struct rb_node rb_node;
	struct list_head msg_list;
	int priority;
};

struct mqueue_inode_info {
	spinlock_t lock;
	struct inode vfs_inode;
	wait_queue_head_t wait_q;
	struct rb_root msg_tree;
	struct rb_node *msg_tree_rightmost;
	struct posix_msg_tree_node *node_cache;
	struct mq_attr attr;
	struct sigevent notify;
	struct pid *notify_owner;
	u32 notify_self_exec_id;
	struct user_namespace *notify_user_ns;
	struct ucounts *ucounts;
	struct sock *notify_sock;
	struct sk_buff *notify_cookie;
};

static const struct bc_layout posix_places[] = {
	BC_LAYOUT(posix_msg_tree_node, rb_node), BC_LAYOUT(posix_msg_tree_node, msg_list), BC_LAYOUT(mqueue_inode_info, vfs_inode),
	BC_LAYOUT(mqueue_inode_info, msg_tree), BC_LAYOUT(mqueue_inode_info, node_cache), BC_LAYOUT(mqueue_inode_info, notify_owner),
	BC_LAYOUT(mqueue_inode_info, ucounts), BC_LAYOUT(mqueue_inode_info, notify_cookie),
};
static bool posix_known;

void bc_posix_init(void)
{
	posix_known = bc_layouts_are(posix_places, ARRAY_SIZE(posix_places));
}

/* A node for each priority that messages have. */
static bool priority_keeps(struct keeper *keeper, const struct rb_node *node)
{
	const struct posix_msg_tree_node *priority = rb_entry(node, struct posix_msg_tree_node, rb_node);

	keeps(keeper, priority);
	return messages_keep(keeper, &priority->msg_list);
}

static bool posix_queue_keeps(struct keeper *keeper, const struct inode *inode)
{
	const struct mqueue_inode_info *info = container_of(inode, struct mqueue_inode_info, vfs_inode);
	const struct hlist_node *name;
	umode_t mode;
	int tries;

	keeps(keeper, inode);
	if (!GET(name, &inode->i_dentry.first) || !GET(mode, &inode->i_mode))
		return false;
	if (name)
		keeps(keeper, hlist_entry(name, struct dentry, d_u.d_alias));
	if (!S_ISREG(mode)) /* the directory of all */
		return true;
	if (!keeps_at(keeper, &info->node_cache) || !keeps_at(keeper, &info->notify_owner) ||
	    !keeps_at(keeper, &info->notify_user_ns) || !keeps_at(keeper, &info->notify_sock) ||
	    !keeps_at(keeper, &info->notify_cookie) || !ucounts_at(keeper, &info->ucounts))
		return false;
	for (tries = 0; tries < TRIES; tries++) {
		if (each_in_tree(keeper, &info->msg_tree, priority_keeps))
			return true;
	}
	return false;
}

bool posix_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	const struct list_head *node;
	const struct super_block *sb;
	const struct vfsmount *mount;
	unsigned long magic;
	const void *whose;

	if (!posix_known)
		return true;
	if (!GET(mount, &ns->mq_mnt))
		return false;
	if (!mount)
		return true;
	if (!GET(sb, &mount->mnt_sb) || !GET(magic, &sb->s_magic) || magic != MQUEUE_MAGIC || !GET(whose, &sb->s_fs_info) || whose != ns)
		return false;
	keeper->steps = 0;
	keeps(keeper, mount);
	keeps(keeper, sb);
	for (node = &sb->s_inodes; next_of_list(keeper, &sb->s_inodes, &node);) {
		if (!posix_queue_keeps(keeper, list_entry(node, struct inode, i_sb_list)))
			return false;
	}
	return node;
}

/* Of an open one, wherever its namespace is. */
bool open_queue_keeps(struct keeper *keeper, const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return !posix_known || !inode || inode->i_sb->s_magic != MQUEUE_MAGIC || posix_queue_keeps(keeper, inode);
}
