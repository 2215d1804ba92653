// SPDX-License-Identifier: GPL-2.0
/*
 * Is this survivor a part of what a mounted btrfs, xfs or ext4 knows? Whoever writes to one makes such parts in its own name: they stay until
 * the next commit, half a minute, or for as long as the file system is mounted. Told by what they hang in.
 *
 * The structures are the file systems' own, and where the words are that we need is from the sources of both kernels, as Debian builds
 * them. What does not lead back to the object is not believed, so that a wrong place finds nothing.
 */
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#if IS_ENABLED(CONFIG_JBD2)
#include <linux/jbd2.h> /* not without CONFIG_BLOCK, on 6.1 */
#endif

#include "probe.h"

#define MOST_HEIGHT 16
#define MOST_ROOTS 64 /* that are not files' */

struct btrfs_places {
	u32 buffer_fs, buffer_refs, buffer_pages;     /* struct extent_buffer */
	u32 tree_ref;				      /* its bflags: one reference is its pages' */
	u32 roots, roots_end, global_roots, fs_roots; /* struct btrfs_fs_info: pointers to struct btrfs_root; two trees of such */
	u32 group_size, group_node, group_ctl;	      /* struct btrfs_block_group */
	u32 head_size, head_node;		      /* struct btrfs_delayed_ref_head */
	u32 node_root, node_list, node_refs, in_root; /* struct btrfs_delayed_node; struct btrfs_root's table of them */
};
static const struct btrfs_places btrfs = {
	.buffer_fs = 24,
	.buffer_pages = 112,
	.roots = 24,
	.node_root = 16,
	.node_list = 24,
	.node_refs = 280,
#if BC_KERNEL_6_12
	.buffer_refs = 44,
	.tree_ref = 2,
	.roots_end = 104,
	.global_roots = 112,
	.fs_roots = 128,
	.group_size = 632,
	.group_node = 216,
	.group_ctl = 208,
	.head_size = 152,
	.head_node = 16,
	.in_root = 872,
#else
	.buffer_refs = 36,
	.tree_ref = 4,
	.roots_end = 96,
	.global_roots = 104,
	.fs_roots = 120,
	.group_size = 648,
	.group_node = 208,
	.group_ctl = 200,
	.head_size = 144,
	.head_node = 96,
	.in_root = 928,
#endif
};
#define EXTENT_STATE_NODE 16 /* struct extent_state, its rb_node */
#define BUFFER_FLAGS 16	     /* struct extent_buffer */
#define HEADER_OWNER 88	     /* struct btrfs_header, the number of the tree */
#define ROOT_BLOCKS 24	     /* struct btrfs_root: its block, and that of the last commit; it begins with its node in a tree */
#define ROOT_LOG 40	     /* the root of its log */
#define CTL_GROUP 96	     /* struct btrfs_free_space_ctl, its block group */
#define TRANSACTION_LIST 40  /* struct btrfs_transaction */

/* fs/xfs: struct xfs_log_vec, xfs_log_item, xfs_inode_log_item, xfs_inode */
#define VECTOR_ITEM 32
#define ITEM_AIL 0
#define ITEM_CIL 104
#define ITEM_VECTORS 120 /* two: that which is being written, and its shadow */
#define ITEM_INODE 152
#define INODE_ITEM 160
#define INODE_VFS 312

/* What a tree of pointers has at an index. */
static const void *entry_at(const struct xarray *xa, u64 index)
{
	const void *entry;
	int height;

	if (!GET(entry, &xa->xa_head))
		return NULL;
	for (height = 0; height < MOST_HEIGHT && xa_is_node(entry); height++) {
		const struct xa_node *node = xa_to_node(entry);
		unsigned char shift;

		if (!GET(shift, &node->shift) || shift >= BITS_PER_LONG || (!height && index >> shift >= XA_CHUNK_SIZE) ||
		    !GET(entry, &node->slots[(index >> shift) & XA_CHUNK_MASK]))
			return NULL;
		if (!shift)
			return entry;
	}
	return NULL;
}

static long references_of_root(const char *root, const void *buffer)
{
	const void *blocks[2];

	if (!GET(blocks, (const void *const (*)[2])(root + ROOT_BLOCKS)))
		return 0;
	return (blocks[0] == buffer) + (blocks[1] == buffer);
}

static long references_of_tree(const struct rb_node *node, const void *buffer, int *left)
{
	struct rb_node copy;

	if (!node || --*left < 0 || !GET(copy, node))
		return 0;
	return references_of_root((const char *)node, buffer) + references_of_tree(copy.rb_left, buffer, left) +
	       references_of_tree(copy.rb_right, buffer, left);
}

/* Trees hold their root block, that of now and that of the last commit. */
static long references_of_roots(const char *fs, const void *buffer, u64 owner)
{
	const struct rb_node *global;
	const char *root, *log;
	int left = MOST_ROOTS;
	long found = 0;
	u32 at;

	for (at = btrfs.roots; at < btrfs.roots_end; at += sizeof(root)) {
		if (GET(root, (const char *const *)(fs + at)) && root)
			found += references_of_root(root, buffer);
	}
	if (GET(global, (const struct rb_node *const *)(fs + btrfs.global_roots)))
		found += references_of_tree(global, buffer, &left);
	root = entry_at((const struct xarray *)(fs + btrfs.fs_roots), owner);
	if (root)
		found = max(found, references_of_root(root, buffer)); /* which may be among the former */
	if (root && GET(log, (const char *const *)(root + ROOT_LOG)) && log)
		found += references_of_root(log, buffer);
	return found;
}

/* alloc_extent_buffer(): one reference is the tree's as long as the pages are there, and they point to it. */
static bool probe_extent_buffer(const char *buffer, struct bc_probed *out)
{
	unsigned long flags;
	struct page *page;
	const void *private;
	const char *fs;
	atomic_t refs;
	u64 owner;

	if (!GET(flags, (const unsigned long *)(buffer + BUFFER_FLAGS)) || !GET(refs, (const atomic_t *)(buffer + btrfs.buffer_refs)) ||
	    !GET(page, (struct page *const *)(buffer + btrfs.buffer_pages)) || !GET(private, (void *const *)&page->private) ||
	    private != buffer || !(flags & 1UL << btrfs.tree_ref))
		return false;
	out->extra = atomic_read(&refs) > 1 ? atomic_read(&refs) - 1 : 0;
	if (out->extra && GET(fs, (const char *const *)(buffer + btrfs.buffer_fs)) &&
	    GET(owner, (const u64 *)((const char *)page_address(page) + HEADER_OWNER)))
		out->extra -= min_t(long, out->extra, references_of_roots(fs, buffer, owner));
	snprintf(out->text, sizeof(out->text), "references=%ld", (long)out->extra);
	return true;
}

static bool is_block_group(const char *object, u32 size)
{
	const char *group, *ctl;

	if (size >= btrfs.group_size)
		return is_in_tree((const struct rb_node *)(object + btrfs.group_node));
	return GET(group, (const char *const *)(object + CTL_GROUP)) && GET(ctl, (const char *const *)(group + btrfs.group_ctl)) &&
	       ctl == object && is_in_tree((const struct rb_node *)(group + btrfs.group_node));
}

static bool is_delayed_ref(const char *object, u32 size)
{
	return is_in_tree((const struct rb_node *)(object + (size >= btrfs.head_size ? btrfs.head_node : 0)));
}

/* One reference is that of the inode whose it is, and one that of the list of those with something to do. */
static bool is_delayed_node(const char *node)
{
	bool listed = is_listed((const struct list_head *)(node + btrfs.node_list));
	const char *root;
	refcount_t refs;
	u64 inode;

	return GET(inode, (const u64 *)node) && GET(root, (const char *const *)(node + btrfs.node_root)) &&
	       GET(refs, (const refcount_t *)(node + btrfs.node_refs)) && refcount_read(&refs) <= 1 + listed &&
	       entry_at((const struct xarray *)(root + btrfs.in_root), inode) == node;
}

/* It is to be written to the log, or has been and is to be written to its place; or it is an inode's, which keeps it. */
static bool is_log_item(const char *item)
{
	const char *inode, *back;

	if (is_listed((const struct list_head *)(item + ITEM_AIL)) || is_listed((const struct list_head *)(item + ITEM_CIL)))
		return true;
	return GET(inode, (const char *const *)(item + ITEM_INODE)) && GET(back, (const char *const *)(inode + INODE_ITEM)) &&
	       back == item && is_listed(&((const struct inode *)(inode + INODE_VFS))->i_sb_list);
}

static bool is_log_vector(const char *vector)
{
	const char *item, *vectors[2];

	return GET(item, (const char *const *)(vector + VECTOR_ITEM)) &&
	       GET(vectors, (const char *const (*)[2])(item + ITEM_VECTORS)) && (vectors[0] == vector || vectors[1] == vector) &&
	       is_log_item(item);
}

#if IS_ENABLED(CONFIG_JBD2)
/* fs/ext4/ext4.h: struct ext4_inode_info has it behind its struct inode. */
static bool probe_journal(const struct jbd2_inode *jinode, struct bc_probed *out)
{
	const struct inode *inode;
	const void *back;

	if (!GET(inode, &jinode->i_vfs_inode) || !is_listed(&inode->i_sb_list) || !GET(back, (const void *const *)(inode + 1)) ||
	    back != jinode)
		return false;
	out->owner = (u64)inode;
	return true;
}
#else
static bool probe_journal(const void *object, struct bc_probed *out)
{
	return false;
}
#endif

bool bc_probe_disk(enum bc_probe what, const void *object, u32 size, struct bc_probed *out)
{
	switch (what) {
	case BC_PROBE_EXTENT_STATE:
		return is_in_tree(object + EXTENT_STATE_NODE);
	case BC_PROBE_EXTENT_BUFFER:
		return probe_extent_buffer(object, out);
	case BC_PROBE_BLOCK_GROUP:
		return is_block_group(object, size);
	case BC_PROBE_CACHING:
		return is_listed(object);
	case BC_PROBE_TRANSACTION:
		return is_listed(object + TRANSACTION_LIST);
	case BC_PROBE_DELAYED_REF:
		return is_delayed_ref(object, size);
	case BC_PROBE_DELAYED_NODE:
		return is_delayed_node(object);
	case BC_PROBE_LOG_ITEM:
		return is_log_item(object);
	case BC_PROBE_LOG_VECTOR:
		return is_log_vector(object);
	case BC_PROBE_JOURNAL:
		return probe_journal(object, out);
	default:
		return false;
	}
}
