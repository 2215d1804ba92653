// SPDX-License-Identifier: GPL-2.0
/*
 * What is this surviving object, and who but a cache refers to it? Told from the object's state.
 *
 * The object may be freed and its page reused while we look, so nothing is dereferenced: every word is copied without
 * faulting, every list is walked for a bounded number of steps, and a torn picture yields a wrong "held" or "reclaimable" at
 * worst, which the next look corrects.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#if __has_include(<linux/filelock.h>)
#include <linux/filelock.h>
#endif
#include <linux/kernfs.h>
#include <linux/magic.h>
#include <linux/maple_tree.h>
#include <linux/mm_types.h>
#include <linux/rbtree.h>
#include <linux/sched/coredump.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include <net/inet_hashtables.h>
#include <net/neighbour.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nofault.h"
#include "shim.h"

#define MOST_STEPS 4096 /* with preemption off: some 100 us */

/*
 * References of a dentry that are not its children's; -1 where it cannot be read. A cached child holds its parent.
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
	return count - children > 0 ? count - children : 0;
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

static void probe_dentry(const struct dentry *dentry, struct bc_probed *out)
{
	long extra = dentry_extra(dentry);
	struct super_block *sb;

	if (extra < 0 || !GET(sb, &dentry->d_sb) || (extra > 0 && cached_nowhere(sb)))
		return;
	out->known = true;
	out->extra = extra;
	out->subject = (u64)dentry;
	out->owner = (u64)sb;
	out->nameless = is_deleted(dentry);
	out->pinned = !out->nameless && lives_in_memory(sb);
	snprintf(out->text, sizeof(out->text), "references=%ld%s", extra, out->nameless ? ",deleted" : "");
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

static void probe_inode(const char *object, u32 size, struct bc_probed *out)
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
		return;
	while (node && aliases < MOST_STEPS) {
		const struct dentry *alias = container_of(node, struct dentry, d_u.d_alias);
		long more = dentry_extra(alias);

		if (!aliases++)
			out->alias = (u64)alias;
		out->alias_extra += more > 0 ? more : 0;
		if (!GET(node, &node->next))
			return;
	}
	/* each alias holds one */
	extra = atomic_read(&count) > aliases ? atomic_read(&count) - aliases : 0;
	if (!GET(sb, &inode->i_sb))
		return;
	if (atomic_read(&count) > 0 && cached_nowhere(sb)) {
		out->refused = true;
		return;
	}
	out->known = true;
	out->extra = extra;
	out->subject = (u64)inode;
	out->owner = (u64)sb;
	out->aliases = aliases;
	out->nameless = links == 0;
	snprintf(out->text, sizeof(out->text), "ino=%lu,references=%ld%s", number, extra, links ? "" : ",deleted");
}

/* A node that its parent, or its tree's root, points to is part of a tree that lives. */
static void probe_tree_node(const struct xa_node *node, struct bc_probed *out)
{
	struct xa_node copy;
	void *entry;

	if (!GET(copy, node))
		return;
	if (copy.parent) {
		if (copy.offset >= XA_CHUNK_SIZE || !GET(entry, &copy.parent->slots[copy.offset]))
			return;
	} else {
		if (!copy.array || !GET(entry, &copy.array->xa_head))
			return;
	}
	if (((unsigned long)entry & ~3UL) != (unsigned long)node)
		return;
	out->known = true;
	out->owner = (u64)copy.array;
	snprintf(out->text, sizeof(out->text), "tree=linked");
}

/*
 * A maple node knows its parent, the root its tree (lib/maple_tree.c: bit 0 of parent tells the two apart, the other low bits are
 * the slot and the parent's type). A dead node is its own parent. Every step up is believed only if the way down leads back.
 */
#define MAPLE_ROOT_PARENT 1UL
#define MAPLE_LOW 255UL

static void probe_maple(const struct maple_node *object, struct bc_probed *out)
{
	const struct maple_node *node = object;
	int height;

	for (height = 0; height < 16; height++) {
		unsigned long parent, word = 0;
		const unsigned long *up;
		int i;

		if (!GET(parent, (const unsigned long *)node))
			return;
		if (parent & MAPLE_ROOT_PARENT) {
			const struct maple_tree *tree = (const void *)(parent & ~MAPLE_ROOT_PARENT);

			if (!GET(word, (const unsigned long *)&tree->ma_root) || (word & ~MAPLE_LOW) != (unsigned long)node)
				return;
			out->known = true;
			out->owner = (u64)tree;
			snprintf(out->text, sizeof(out->text), "tree=linked");
			return;
		}
		up = (const unsigned long *)(parent & ~MAPLE_LOW);
		if ((unsigned long)up == (unsigned long)node)
			return;
		for (i = 1; i < sizeof(*node) / sizeof(long); i++) {
			if (!GET(word, up + i))
				return;
			if ((word & ~MAPLE_LOW) == (unsigned long)node)
				break;
		}
		if (i == sizeof(*node) / sizeof(long))
			return;
		node = (const struct maple_node *)up;
	}
}

static void probe_mm(const struct mm_struct *mm, struct bc_probed *out)
{
	atomic_t users, count;

	unsigned long flags;

	/* With the flag khugepaged has it on its list, and one of mm_count is its: more, or one without the flag, is lost. */
	if (!GET(users, &mm->mm_users) || !GET(count, &mm->mm_count) || !GET(flags, &mm->flags) ||
	    !test_bit(MMF_VM_HUGEPAGE, &flags))
		return;
	out->known = true;
	out->extra = atomic_read(&users) + (atomic_read(&count) > 1 ? atomic_read(&count) - 1 : 0);
	snprintf(out->text, sizeof(out->text), "users=%d,count=%d", atomic_read(&users), atomic_read(&count));
}

static void probe_queued(const struct list_head *node, struct bc_probed *out)
{
	struct list_head copy, *back, *forth;

	if (!GET(copy, node) || copy.next == node || !GET(back, &copy.next->prev) || !GET(forth, &copy.prev->next))
		return;
	out->known = back == node && forth == node;
}

/* A list head that is empty, or whose neighbours point back. */
static bool is_head(const struct list_head *head)
{
	struct list_head copy, *back, *forth;

	return GET(copy, head) && GET(back, &copy.next->prev) && GET(forth, &copy.prev->next) && back == head && forth == head;
}

static void probe_locks(const struct file_lock_context *locks, struct bc_probed *out)
{
	out->known = is_head(&locks->flc_flock) && is_head(&locks->flc_posix) && is_head(&locks->flc_lease);
}

static bool has_any(const struct hlist_head *list)
{
	struct hlist_node *first;

	return GET(first, &list->first) && first;
}

/* Both kinds are made by the same functions: what it is not does not look hashed. */
static void probe_bind(const void *object, struct bc_probed *out)
{
	const struct inet_bind_bucket *bind = object;
	const struct inet_bind2_bucket *bind2 = object;

#if BC_KERNEL_6_12
	out->known = (is_hashed(&bind->node) && has_any(&bind->bhash2)) || (is_hashed(&bind2->node) && has_any(&bind2->owners));
#else
	out->known = (is_hashed(&bind->node) && has_any(&bind->owners)) ||
		     (is_hashed(&bind2->node) && (has_any(&bind2->owners) || has_any(&bind2->deathrow)));
#endif
}

static void probe_timewait(const struct sock_common *sk, struct bc_probed *out)
{
	unsigned char state;

	out->known = GET(state, (const unsigned char *)&sk->skc_state) && state == TCP_TIME_WAIT && is_hashed(&sk->skc_node);
}

/*
 * Closed by its owner and still in the table of connections, with a timer that sends what is left once more or ends it: inet_csk_destroy_sock()
 * takes it out of there and frees it.
 */
static void probe_orphan(const struct sock *sk, u32 size, struct bc_probed *out)
{
	const struct hlist_node *const *timers[] = { (const void *)&sk->sk_timer.entry.pprev,
						     (const void *)&inet_csk(sk)->icsk_retransmit_timer.entry.pprev };
	const struct hlist_node *armed[ARRAY_SIZE(timers)];
	unsigned short protocol;
	unsigned char state;
	unsigned long flags;

	if (size < sizeof(struct tcp_sock) || !GET(protocol, &sk->sk_protocol) || protocol != IPPROTO_TCP ||
	    !GET(state, (const unsigned char *)&sk->sk_state) || !GET(flags, &sk->sk_flags) || !GET(armed[0], timers[0]) ||
	    !GET(armed[1], timers[1]))
		return;
	out->known = state < 32 && (1U << state) & (TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING | TCPF_LAST_ACK) && test_bit(SOCK_DEAD, &flags) &&
		     (armed[0] || armed[1]) && is_hashed((const struct hlist_node *)&sk->__sk_common.skc_node);
}

/* By its table: permanent and loopback's neighbours are in no list for collection. */
static void probe_neighbour(const struct neighbour *neigh, struct bc_probed *out)
{
	struct neigh_hash_table hash, *table;
	struct neigh_table *tbl;
	struct neighbour *other;
	unsigned long bucket;
	int steps = 0;
	u8 dead;

	if (!GET(dead, &neigh->dead) || dead || !GET(tbl, &neigh->tbl) || !GET(table, &tbl->nht) || !GET(hash, table) ||
	    hash.hash_shift > 20)
		return;
	for (bucket = 0; bucket < 1UL << hash.hash_shift; bucket++) {
		if (!GET(other, &hash.hash_buckets[bucket]))
			return;
		for (; other; steps++) {
			if (other == neigh) {
				out->known = true;
				return;
			}
			if (steps > MOST_STEPS || !GET(other, &other->next))
				return;
		}
	}
}

static void probe_kernfs(const struct kernfs_node *kn, struct bc_probed *out)
{
	const struct kernfs_node *directory = kn;
	struct kernfs_node *parent;
	struct rb_node rb, above, *up, *root;
	const void *ns;
	int height;

	/* kernfs_unlink_sibling() makes the rb node empty, i.e. its own parent (fs/kernfs/dir.c) */
	if (!GET(rb, &kn->rb) || !GET(parent, &kn->parent))
		return;
	up = (struct rb_node *)(rb.__rb_parent_color & ~3UL);
	if (up) {
		if (up == &kn->rb || !GET(above, up))
			return;
		out->known = above.rb_left == &kn->rb || above.rb_right == &kn->rb;
	} else if (parent && GET(root, &parent->dir.children.rb_node)) {
		out->known = root == &kn->rb;
	}
	/* A device's directory has the tag, what is in it has not. */
	for (height = 0; directory && height < 16; height++) {
		if (!GET(ns, &directory->ns))
			return;
		if (ns) {
			out->owner = (u64)ns;
			return;
		}
		if (!GET(directory, &directory->parent))
			return;
	}
}

static void probe_vmap_area(const struct vmap_area *area, struct bc_probed *out)
{
	struct vm_struct *vm;

	/* a union with subtree_max_size, which is no kernel address */
	if (!GET(vm, &area->vm))
		return;
	out->known = true;
	out->extra = (long)vm < 0;
	out->subject = out->extra ? (u64)vm : 0;
}

void bc_probe(enum bc_probe what, u64 object, u32 size, struct bc_probed *out)
{
	memset(out, 0, sizeof(*out));
	switch (what) {
	case BC_PROBE_DENTRY:
		probe_dentry((const void *)object, out);
		break;
	case BC_PROBE_INODE:
		probe_inode((const void *)object, size, out);
		break;
	case BC_PROBE_TREE_NODE:
		probe_tree_node((const void *)object, out);
		break;
	case BC_PROBE_MAPLE:
		probe_maple((const void *)object, out);
		break;
	case BC_PROBE_BIND:
		probe_bind((const void *)object, out);
		break;
	case BC_PROBE_TIMEWAIT:
		probe_timewait((const void *)object, out);
		break;
	case BC_PROBE_ORPHAN:
		probe_orphan((const void *)object, size, out);
		break;
	case BC_PROBE_LOCKS:
		probe_locks((const void *)object, out);
		break;
	case BC_PROBE_NEIGHBOUR:
		probe_neighbour((const void *)object, out);
		break;
	case BC_PROBE_QUEUED:
		probe_queued((const void *)object, out);
		break;
	case BC_PROBE_KERNFS:
		probe_kernfs((const void *)object, out);
		break;
	case BC_PROBE_VMAP_AREA:
		probe_vmap_area((const void *)object, out);
		break;
	case BC_PROBE_MM:
		probe_mm((const void *)object, out);
		break;
	default:
		if (!bc_probe_counted(what, object, size, out))
			bc_probe_table(what, object, size, out);
	}
}
