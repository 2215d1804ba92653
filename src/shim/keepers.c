// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of what the kernel keeps for itself, in the name of whoever was the first to need them, and which do not say whose they are:
 * whoever has them is found from the kernel's own tables, and asked. The walks lock nothing. Where one is torn by a change it ends,
 * and says so.
 */
#include <linux/cgroup-defs.h>
#include <linux/fs.h>
#include <linux/kernfs.h>
#include <linux/kexec.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/shmem_fs.h>
#include <linux/vmalloc.h>
#include <linux/xattr.h>

#include "keeper.h"

#define MOST_SLOTS 64	/* mm/percpu.c, pcpu_nr_slots */
#define CHUNK_WORDS 24	/* struct pcpu_chunk without its last array: 192 bytes */
#define NAME_LENGTH 4	/* of "xfs" */
#define XFS_VFS 312	/* fs/xfs/xfs_inode.h, struct xfs_inode: its struct inode */
#define XFS_DATA_FORK 64 /* and its struct xfs_iforks, of which each ... */
#define XFS_ATTR_FORK 112
#define FORK_ROOT 8	/* has a root of a tree, */
#define FORK_DATA 24	/* and what is in the inode itself, or another such root */
#define IATTR_XATTRS 56 /* fs/kernfs/kernfs-internal.h, struct kernfs_iattrs: its struct simple_xattrs */

static const struct kernfs_node *const *sysfs_root;
static struct kernfs_node *const *const *cgroup_root; /* struct cgroup_root begins with its kernfs_root, that with its node */
static const struct list_head *const *chunks;
static const int *slots;
static const struct list_head *super_blocks;
static const char *const images[] = { "kexec_image", "kexec_crash_image" };
static const void *const *image[ARRAY_SIZE(images)];
static const struct list_head *packs;

static struct vm_struct *no_area(const void *address)
{
	return NULL;
}
DEFINE_STATIC_CALL(bc_find_vm_area, no_area);

void bc_keepers_init(void)
{
	unsigned long area = bc_lookup("find_vm_area");
	int i;

	for (i = 0; i < ARRAY_SIZE(images); i++)
		image[i] = (const void *)bc_lookup(images[i]);
	sysfs_root = (const void *)bc_lookup("sysfs_root_kn");
	cgroup_root = (const void *)bc_lookup("cgrp_dfl_root");
	chunks = (const void *)bc_lookup("pcpu_chunk_lists");
	slots = (const void *)bc_lookup("pcpu_nr_slots");
	super_blocks = (const void *)bc_lookup("super_blocks");
	packs = (const void *)bc_lookup("pack_list");
	if (area)
		static_call_update(bc_find_vm_area, (void *)area);
	bc_ksm_init();
	bc_memtypes_init();
	bc_ipc_init();
	bc_cgroups_init();
	bc_terminals_init();
}

void keeps_area(struct keeper *keeper, const void *pointer)
{
	if (is_vmalloc_addr(pointer))
		keeps(keeper, static_call(bc_find_vm_area)(pointer));
}

void words_keep(struct keeper *keeper, const void *const *words, int count)
{
	const void *pointer;
	int i;

	for (i = 0; i < count; i++) {
		if (GET(pointer, words + i)) {
			keeps(keeper, pointer);
			keeps_area(keeper, pointer);
		}
	}
}

/* ---- trees */

/* NULL where that cannot be told. */
static const struct rb_node *leftmost_in_tree(const struct rb_node *node)
{
	const struct rb_node *left;
	int height;

	for (height = 0; height < 64; height++) {
		if (!GET(left, &node->rb_left))
			return NULL;
		if (!left)
			return node;
		node = left;
	}
	return NULL;
}

bool next_in_tree(const struct rb_node *node, const struct rb_node **next)
{
	struct rb_node copy;
	int height;

	if (!GET(copy, node))
		return false;
	if (copy.rb_right) {
		*next = leftmost_in_tree(copy.rb_right);
		return *next;
	}
	for (height = 0; height < 64; height++) {
		const struct rb_node *parent = (const struct rb_node *)(copy.__rb_parent_color & ~3UL);

		*next = NULL;
		if (!parent)
			return true;
		if (parent == node || !GET(copy, parent))
			return false;
		if (copy.rb_left == node) {
			*next = parent;
			return true;
		}
		node = parent;
	}
	return false;
}

bool each_in_tree(struct keeper *keeper, const struct rb_root *tree, bool (*visit)(struct keeper *keeper, const struct rb_node *node))
{
	const struct rb_node *node, *next;

	if (!GET(node, &tree->rb_node))
		return false;
	if (!node)
		return true;
	for (node = leftmost_in_tree(node); node; node = next) {
		if (!step(keeper) || !visit(keeper, node) || !next_in_tree(node, &next))
			return false;
		if (!next)
			return true;
	}
	return false;
}

/* ---- extended attributes in memory: of tmpfs, sysfs and cgroupfs */

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

static bool xattrs_keep(struct keeper *keeper, const struct simple_xattrs *xattrs)
{
	return each_in_tree(keeper, &xattrs->rb_root, xattr_in_tree);
}

#else

static bool xattrs_keep(struct keeper *keeper, const struct simple_xattrs *xattrs)
{
	const struct list_head *node = &xattrs->head;

	while (next_of_list(keeper, &xattrs->head, &node))
		xattr_keeps(keeper, list_entry(node, struct simple_xattr, list));
	return node;
}

#endif

/* ---- sysfs and cgroupfs: a node's owner and mode, once somebody has changed them, and what all have who have it open */

static bool nodes_keep(struct keeper *keeper, const struct kernfs_node *root)
{
	const struct kernfs_node *kn = root;
	const struct kernfs_iattrs *iattr;
	const struct rb_node *child, *next;
	const struct kernfs_open_node *open;
	unsigned short flags;

	while (step(keeper)) {
		if (!GET(iattr, &kn->iattr) || !GET(flags, &kn->flags))
			return false;
		keeps(keeper, iattr);
		if (iattr && !walked(keeper, "xattr", xattrs_keep(keeper, (const void *)iattr + IATTR_XATTRS)))
			return false;
		if ((flags & KERNFS_TYPE_MASK) == KERNFS_FILE && GET(open, &kn->attr.open))
			keeps(keeper, open);
		if ((flags & KERNFS_TYPE_MASK) == KERNFS_DIR) {
			if (!GET(child, &kn->dir.children.rb_node))
				return false;
			if (child) {
				child = leftmost_in_tree(child);
				if (!child)
					return false;
				kn = rb_entry(child, struct kernfs_node, rb);
				continue;
			}
		}
		for (;;) {
			if (kn == root)
				return true;
			if (!step(keeper) || !next_in_tree(&kn->rb, &next))
				return false;
			if (next) {
				kn = rb_entry(next, struct kernfs_node, rb);
				break;
			}
			if (!GET(kn, &kn->parent) || !kn)
				return false;
		}
	}
	return false;
}

/* ---- per-CPU memory: one more chunk of it, for all, with its maps and its part of the address space */

static void chunk_keeps(struct keeper *keeper, const struct list_head *chunk)
{
	keeps(keeper, chunk); /* struct pcpu_chunk begins with it */
	words_keep(keeper, (const void *const *)chunk + 2, CHUNK_WORDS - 2);
}

static bool chunks_keep(struct keeper *keeper)
{
	const struct list_head *lists, *node;
	int i, count;

	if (!chunks || !slots || !GET(lists, chunks) || !GET(count, slots))
		return true;
	for (i = 0; i < min(count, MOST_SLOTS); i++) {
		for (node = &lists[i]; next_of_list(keeper, &lists[i], &node);) {
			/* A chunk that has been moved to another slot meanwhile leads round that one, and never back here. */
			if (node >= lists && node < lists + count)
				return false;
			chunk_keeps(keeper, node);
		}
		if (!node)
			return false;
	}
	return true;
}

/* ---- cached inodes: what somebody was the first to need of one */

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

static void file_systems_keep(struct keeper *keeper)
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

/* ---- kexec: what was loaded is the machine's until it is used, or another takes its place (kernel/kexec_core.c) */

#ifdef CONFIG_KEXEC_CORE

static void images_keep(struct keeper *keeper)
{
	const void *loaded;
	int i;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		if (!image[i] || !GET(loaded, image[i]) || !loaded)
			continue;
		keeps(keeper, loaded);
		/* its loader's data, and parts of the address space: a crash kernel's image has a copy of what tells the machine's state */
		words_keep(keeper, loaded, sizeof(struct kimage) / sizeof(void *));
	}
}

#else

static void images_keep(struct keeper *keeper)
{
}

#endif

/* ---- BPF: a pack of programs is the machine's, and lives as long as anybody's program is in it (kernel/bpf/core.c) */

struct pack {
	struct list_head list;
	const void *programs; /* in the modules' part of the address space */
};

static bool packs_keep(struct keeper *keeper)
{
	const struct list_head *node = packs;
	const void *programs;

	if (!packs)
		return true;
	while (next_of_list(keeper, packs, &node)) {
		if (!GET(programs, &((const struct pack *)node)->programs))
			return false;
		keeps(keeper, node);
		keeps(keeper, static_call(bc_find_vm_area)(programs));
	}
	return node;
}

const char *bc_keepers(bc_holder_found found, void *context)
{
	struct keeper keeper = { .found = found, .context = context, .holder.fd = -1 };
	struct kernfs_node *const *cgroups;
	const struct kernfs_node *root;

	keeper.holder.by = "sysfs";
	if (sysfs_root && GET(root, sysfs_root) && root)
		walked(&keeper, "sysfs", nodes_keep(&keeper, root));
	keeper.steps = 0;
	keeper.holder.by = "cgroupfs";
	if (cgroup_root && GET(cgroups, cgroup_root) && GET(root, cgroups) && root)
		walked(&keeper, "cgroupfs", nodes_keep(&keeper, root));
	keeper.steps = 0;
	keeper.holder.by = "percpu";
	walked(&keeper, "percpu", chunks_keep(&keeper));
	file_systems_keep(&keeper);
	keeper.steps = 0;
	keeper.holder.by = "bpf";
	walked(&keeper, "bpf", packs_keep(&keeper));
	memtypes_keep(&keeper);
	ksm_keeps(&keeper);
	ipc_keeps(&keeper);
	cgroups_keep(&keeper);
	keeper.holder.by = "kexec";
	images_keep(&keeper);
	terminals_keep(&keeper);
	return keeper.torn;
}
