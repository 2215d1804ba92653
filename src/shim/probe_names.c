// SPDX-License-Identifier: GPL-2.0
/*
 * Who but a cache refers to this name or inode? See probe.c for how things are read.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/magic.h>

#include "probe.h"

/*
 * References of a dentry that are not its children's; -1 where it cannot be read. A cached child holds its parent. Of one with more children
 * than can be looked at nothing is known to be another's: no stranger is made of those that were not counted.
 */
static long dentry_extra(const struct dentry *dentry)
{
	int count;
	long children = 0;

	if (!GET(count, &dentry->d_lockref.count))
		return -1;
	if (count <= 0)
		return 0;
#if BC_KERNEL_6_12
	{
		struct hlist_node *node;

		if (!GET(node, &dentry->d_children.first))
			return -1;
		while (node && children < MOST_STEPS) {
			children++;
			if (!GET(node, &node->next))
				return -1;
		}
	}
#else
	{
		const struct list_head *head = &dentry->d_subdirs;
		struct list_head *node;

		if (!GET(node, &head->next))
			return -1;
		while (node != head && children < MOST_STEPS) {
			children++;
			if (!GET(node, &node->next))
				return -1;
		}
	}
#endif
	return children < MOST_STEPS && count > children ? count - children : 0;
}

/*
 * Sockets, pipes and anonymous files live in file systems that nobody can walk: their dentries and inodes are in no cache, and
 * one that is referenced is somebody's open file, or what a lost one left.
 */
static bool cached_nowhere(const struct super_block *sb)
{
	unsigned long flags;

	return GET(flags, &sb->s_flags) && (flags & SB_KERNMOUNT);
}

/*
 * File systems that live in memory hold each name that they have, by a reference that no pointer belongs to (simple_link() and the
 * like: "extra count - pin the dentry in core"). Deleting the name gives it back.
 */
static bool lives_in_memory(const struct super_block *sb)
{
	unsigned long magic;

	if (!GET(magic, &sb->s_magic))
		return false;
	switch (magic) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case HUGETLBFS_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case BPF_FS_MAGIC:
	case BINFMTFS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Roots are in no hash, and have no name to lose. */
static bool is_deleted(const struct dentry *dentry)
{
	struct hlist_bl_node hash;
	struct dentry *parent;

	return GET(hash, &dentry->d_hash) && !hash.pprev && GET(parent, &dentry->d_parent) && parent != dentry;
}

static bool probe_dentry(const struct dentry *dentry, struct bc_probed *out)
{
	long extra = dentry_extra(dentry);
	struct super_block *sb;

	if (extra < 0 || !GET(sb, &dentry->d_sb) || (extra > 0 && cached_nowhere(sb)))
		return false;
	out->extra = extra;
	out->subject = (u64)dentry;
	out->owner = (u64)sb;
	out->nameless = is_deleted(dentry);
	out->pinned = !out->nameless && lives_in_memory(sb);
	snprintf(out->text, sizeof(out->text), "references=%ld%s", extra, out->nameless ? ",deleted" : "");
	return true;
}

/* Objects that contain a struct inode have it at an offset of their own: found by i_data.host, which points back to it. */
static const struct inode *inode_in(const char *object, u32 size)
{
	u32 at;

	for (at = 0; at + sizeof(struct inode) <= size; at += sizeof(long)) {
		const struct inode *inode = (const struct inode *)(object + at);
		struct inode *host;

		if (!GET(host, &inode->i_data.host))
			return NULL;
		if (host == inode)
			return inode;
	}
	return NULL;
}

static bool probe_inode(const char *object, u32 size, struct bc_probed *out)
{
	const struct inode *inode = inode_in(object, size);
	struct hlist_node *node;
	long aliases = 0, extra = 0;
	struct super_block *sb;
	atomic_t count;
	unsigned long number = 0;
	unsigned int links;

	if (!inode || !GET(count, &inode->i_count) || !GET(node, &inode->i_dentry.first) || !GET(number, &inode->i_ino) ||
	    !GET(links, &inode->i_nlink))
		return false;
	while (node && aliases < MOST_STEPS) {
		const struct dentry *alias = container_of(node, struct dentry, d_u.d_alias);
		long more = dentry_extra(alias);

		if (!aliases++)
			out->alias = (u64)alias;
		out->alias_extra += more > 0 ? more : 0;
		if (!GET(node, &node->next))
			return false;
	}
	/* each alias holds one */
	extra = aliases < MOST_STEPS && atomic_read(&count) > aliases ? atomic_read(&count) - aliases : 0;
	if (!GET(sb, &inode->i_sb))
		return false;
	if (atomic_read(&count) > 0 && cached_nowhere(sb)) {
		out->refused = true;
		return false;
	}
	out->extra = extra;
	out->subject = (u64)inode;
	out->owner = (u64)sb;
	out->aliases = aliases;
	out->nameless = links == 0;
	snprintf(out->text, sizeof(out->text), "ino=%lu,references=%ld%s", number, extra, links ? "" : ",deleted");
	return true;
}

bool bc_probe_name(enum bc_probe what, const void *object, u32 size, struct bc_probed *out)
{
	switch (what) {
	case BC_PROBE_DENTRY:
		return probe_dentry(object, out);
	case BC_PROBE_INODE:
		return probe_inode(object, size, out);
	default:
		return false;
	}
}
