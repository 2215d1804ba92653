// SPDX-License-Identifier: GPL-2.0
/*
 * Cached inodes: what somebody was the first to need of one, and the extended attributes that are kept in memory, those of tmpfs, sysfs and
 * cgroupfs.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/shmem_fs.h>
#include <linux/xattr.h>

#include "keeper.h"

#define NAME_LENGTH 4	/* of "xfs" */
#define XFS_VFS 312	/* fs/xfs/xfs_inode.h, struct xfs_inode: its struct inode */
#define XFS_DATA_FORK 64 /* and its struct xfs_iforks, of which each ... */
#define XFS_ATTR_FORK 112
#define FORK_ROOT 8	/* has a root of a tree, */
#define FORK_DATA 24	/* and what is in the inode itself, or another such root */

static const struct list_head *super_blocks;

void bc_inodes_init(void)
{
	super_blocks = (const void *)bc_lookup("super_blocks");
}

static void xattr_keeps(struct keeper *keeper, const struct simple_xattr *xattr)
{
	const char *name;

	keeps(keeper, xattr);
	if (GET(name, &xattr->name))
		keeps(keeper, name);
}

#if BC_KERNEL_6_12

static bool xattr_in_tree(struct keeper *keeper, const struct rb_node *node)
{
	xattr_keeps(keeper, rb_entry(node, struct simple_xattr, rb_node));
	return true;
}

bool xattrs_keep(struct keeper *keeper, const struct simple_xattrs *xattrs)
{
	return each_in_tree(keeper, &xattrs->rb_root, xattr_in_tree);
}

#else

bool xattrs_keep(struct keeper *keeper, const struct simple_xattrs *xattrs)
{
	const struct list_head *node = &xattrs->head;

	while (next_of_list(keeper, &xattrs->head, &node))
		xattr_keeps(keeper, list_entry(node, struct simple_xattr, list));
	return node;
}

#endif

enum file_system { ANY, XFS, TMPFS };

/* xfs: what it has in memory of its file's extents, or of a small directory's names */
static void forks_keep(struct keeper *keeper, const struct inode *inode)
{
	static const u32 places[] = { XFS_DATA_FORK + FORK_ROOT, XFS_DATA_FORK + FORK_DATA, XFS_ATTR_FORK + FORK_ROOT,
				      XFS_ATTR_FORK + FORK_DATA };
	const void *pointer;
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (GET(pointer, (const void *const *)((const char *)inode - XFS_VFS + places[i])))
			keeps(keeper, pointer);
	}
}

#if defined(CONFIG_NUMA) && defined(CONFIG_SHMEM)

static bool policy_keeps(struct keeper *keeper, const struct rb_node *node)
{
	const struct sp_node *range = rb_entry(node, struct sp_node, nd);
	const struct mempolicy *policy;

	keeps(keeper, range);
	if (GET(policy, &range->policy))
		keeps(keeper, policy);
	return true;
}

/* Of a tmpfs file or a segment, whoever has it mapped. */
static bool policies_keep(struct keeper *keeper, const struct shmem_inode_info *info)
{
	return each_in_tree(keeper, &info->policy.root, policy_keeps);
}

#else

static bool policies_keep(struct keeper *keeper, const struct shmem_inode_info *info)
{
	return true;
}

#endif

static bool inode_keeps(struct keeper *keeper, const struct inode *inode, enum file_system kind)
{
	const void *const *const places[] = {
#ifdef CONFIG_FS_POSIX_ACL
		(const void *)&inode->i_acl,
		(const void *)&inode->i_default_acl,
#endif
#ifdef CONFIG_FSNOTIFY
		(const void *)&inode->i_fsnotify_marks,
#endif
	};
	const void *pointer;
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (GET(pointer, places[i]))
			keeps(keeper, pointer);
	}
	if (kind == XFS)
		forks_keep(keeper, inode);
	return kind != TMPFS || (walked(keeper, "xattr", xattrs_keep(keeper, &SHMEM_I((struct inode *)inode)->xattrs)) &&
				 walked(keeper, "mempolicy", policies_keep(keeper, SHMEM_I((struct inode *)inode))));
}

static bool inodes_keep(struct keeper *keeper, const struct super_block *sb, enum file_system kind)
{
	const struct list_head *node = &sb->s_inodes;

	keeper->steps = 0;
	while (next_of_list(keeper, &sb->s_inodes, &node)) {
		if (!inode_keeps(keeper, list_entry(node, struct inode, i_sb_list), kind))
			return false;
	}
	return node;
}

static enum file_system kind_of(const struct super_block *sb)
{
	const struct file_system_type *type;
	const char *name;
	char copy[NAME_LENGTH];
	unsigned long magic;

	if (GET(type, &sb->s_type) && GET(name, &type->name) && GET(copy, (const char (*)[NAME_LENGTH])name) &&
	    !memcmp(copy, "xfs", NAME_LENGTH))
		return XFS;
	return IS_ENABLED(CONFIG_SHMEM) && GET(magic, &sb->s_magic) && magic == TMPFS_MAGIC ? TMPFS : ANY;
}

void file_systems_keep(struct keeper *keeper)
{
	const struct list_head *node = super_blocks;

	if (!super_blocks)
		return;
	while (next_of_list(keeper, super_blocks, &node)) {
		const struct super_block *sb = list_entry(node, struct super_block, s_list);

		keeper->holder.by = kind_of(sb) == XFS ? "xfs" : "inode";
		walked(keeper, "inode", inodes_keep(keeper, sb, kind_of(sb)));
		keeper->steps = 0;
	}
	walked(keeper, "super_block", node);
}
