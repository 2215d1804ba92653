// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces that need no task: that have a name (`ip netns add`, a mount of nsfs), or are open. What is in one, a device, a route, a queue,
 * stays until it has neither, whoever made it.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/ns_common.h>
#include <net/net_namespace.h>

#include "keeper.h"

static const struct vfsmount *const *kernels_mount; /* of nsfs: fs/nsfs.c */
static const void *net_operations;
static u32 mount_at, instance_at, namespace_at; /* fs/mount.h, struct mount */

void bc_namespaces_init(void)
{
	kernels_mount = (const void *)bc_lookup("nsfs_mnt");
	net_operations = (const void *)bc_lookup("netns_operations");
	if (!bc_layout_offset("mount", "mnt", &mount_at) || !bc_layout_offset("mount", "mnt_instance", &instance_at) ||
	    !bc_layout_offset("mount", "mnt_ns", &namespace_at))
		kernels_mount = NULL;
}

static void namespace_refers(const struct inode *inode, struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper)
{
	const struct ns_common *common;
	const void *operations;

	if (!GET(common, (const struct ns_common *const *)&inode->i_private) || !common || !GET(operations, &common->ops))
		return;
	keeps(keeper, common); /* within the namespace */
	if (net_operations && operations == net_operations)
		bc_netns_refers(container_of(common, struct net, ns), nets, keeper);
	else
		bc_ipc_common_refers(common, operations, last_ipc_ns, keeper);
}

void bc_namespace_file_refers(const struct file *file, struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper)
{
	const struct inode *inode = file_inode(file);

	if (inode && inode->i_sb->s_magic == NSFS_MAGIC)
		namespace_refers(inode, nets, last_ipc_ns, keeper);
}

/*
 * Those that are mounted somewhere. A mount that has been taken off is in no mount namespace any more, nor is the kernel's own: there it
 * has an error (MNT_NS_INTERNAL).
 */
static bool mounts_refer(const struct list_head *mounts, struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper)
{
	const struct list_head *node = mounts;

	while (next_of_list(keeper, mounts, &node)) {
		const char *mount = (const char *)node - instance_at;
		const struct inode *inode;
		const struct dentry *root;
		int steps = keeper->steps;
		const void *where;

		if (!GET(where, (const void *const *)(mount + namespace_at)) ||
		    !GET(root, &((const struct vfsmount *)(mount + mount_at))->mnt_root))
			return false;
		if ((long)where >= 0 || IS_ERR(where))
			continue;
		if (!GET(inode, &root->d_inode))
			return false;
		keeper->holder.by = "mount";
		if (inode)
			namespace_refers(inode, nets, last_ipc_ns, keeper);
		keeper->steps = steps;
	}
	return node;
}

void bc_namespaces_refer(struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper)
{
	const struct vfsmount *mount;
	const struct super_block *sb;

	if (!kernels_mount || !GET(mount, kernels_mount) || !mount || !GET(sb, &mount->mnt_sb))
		return;
	memset(&keeper->holder, 0, sizeof(keeper->holder));
	keeper->holder.fd = -1;
	keeper->steps = 0;
	walked(keeper, "nsfs", mounts_refer(&sb->s_mounts, nets, last_ipc_ns, keeper));
}
