// SPDX-License-Identifier: GPL-2.0
/*
 * What is this surviving object, and who but a cache refers to it? Told from the object's state.
 *
 * The object may be freed and its page reused while we look, so nothing is dereferenced: every word is copied without
 * faulting, every list is walked for a bounded number of steps, and a torn picture yields a wrong "held" or "reclaimable" at
 * worst, which the next look corrects.
 */
#if __has_include(<linux/filelock.h>)
#include <linux/filelock.h>
#else
#include <linux/fs.h>
#endif
#include <linux/kernfs.h>
#include <linux/maple_tree.h>
#include <linux/mm_types.h>
#include <linux/rbtree.h>
#include <linux/sched/coredump.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "probe.h"

/* A node that its parent, or its tree's root, points to is part of a tree that lives. */
static bool probe_tree_node(const struct xa_node *node, struct bc_probed *out)
{
	struct xa_node copy;
	void *entry;

	if (!GET(copy, node))
		return false;
	if (copy.parent) {
		if (copy.offset >= XA_CHUNK_SIZE || !GET(entry, &copy.parent->slots[copy.offset]))
			return false;
	} else {
		if (!copy.array || !GET(entry, &copy.array->xa_head))
			return false;
	}
	if (((unsigned long)entry & ~3UL) != (unsigned long)node)
		return false;
	out->owner = (u64)copy.array;
	snprintf(out->text, sizeof(out->text), "tree=linked");
	return true;
}

/*
 * A maple node knows its parent, the root its tree (lib/maple_tree.c: bit 0 of parent tells the two apart, the other low bits are
 * the slot and the parent's type). A dead node is its own parent. Every step up is believed only if the way down leads back.
 */
#define MAPLE_ROOT_PARENT 1UL
#define MAPLE_LOW 255UL

static bool probe_maple(const struct maple_node *object, struct bc_probed *out)
{
	const struct maple_node *node = object;
	int height;

	for (height = 0; height < 16; height++) {
		unsigned long parent, word = 0;
		const unsigned long *up;
		int i;

		if (!GET(parent, (const unsigned long *)node))
			return false;
		if (parent & MAPLE_ROOT_PARENT) {
			const struct maple_tree *tree = (const void *)(parent & ~MAPLE_ROOT_PARENT);

			if (!GET(word, (const unsigned long *)&tree->ma_root) || (word & ~MAPLE_LOW) != (unsigned long)node)
				return false;
			out->owner = (u64)tree;
			return true;
		}
		up = (const unsigned long *)(parent & ~MAPLE_LOW);
		if ((unsigned long)up == (unsigned long)node)
			return false;
		for (i = 1; i < sizeof(*node) / sizeof(long); i++) {
			if (!GET(word, up + i))
				return false;
			if ((word & ~MAPLE_LOW) == (unsigned long)node)
				break;
		}
		if (i == sizeof(*node) / sizeof(long))
			return false;
		node = (const struct maple_node *)up;
	}
	return false;
}

static bool probe_mm(const struct mm_struct *mm, struct bc_probed *out)
{
	atomic_t users, count;
	unsigned long flags;

	/* With the flag khugepaged has it on its list, and one of mm_count is its: more, or one without the flag, is lost. */
	if (!GET(users, &mm->mm_users) || !GET(count, &mm->mm_count) || !GET(flags, &mm->flags) ||
	    !test_bit(MMF_VM_HUGEPAGE, &flags))
		return false;
	out->extra = atomic_read(&users) + (atomic_read(&count) > 1 ? atomic_read(&count) - 1 : 0);
	snprintf(out->text, sizeof(out->text), "users=%d,count=%d", atomic_read(&users), atomic_read(&count));
	return true;
}

/* A list head that is empty, or whose neighbours point back. */
static bool is_head(const struct list_head *head)
{
	struct list_head copy, *back, *forth;

	return GET(copy, head) && GET(back, &copy.next->prev) && GET(forth, &copy.prev->next) && back == head && forth == head;
}

static bool is_lock_context(const struct file_lock_context *locks)
{
	return is_head(&locks->flc_flock) && is_head(&locks->flc_posix) && is_head(&locks->flc_lease);
}

static bool probe_kernfs(const struct kernfs_node *kn, struct bc_probed *out)
{
	const struct kernfs_node *directory = kn;
	struct kernfs_node *parent;
	struct rb_node rb, *root;
	const void *ns;
	int height;

	/* kernfs_unlink_sibling() makes the rb node empty, i.e. its own parent (fs/kernfs/dir.c) */
	if (!GET(rb, &kn->rb) || !GET(parent, &kn->parent))
		return false;
	if (rb.__rb_parent_color & ~3UL) {
		if (!is_in_tree(&kn->rb))
			return false;
	} else if (!parent || !GET(root, &parent->dir.children.rb_node) || root != &kn->rb) {
		return false;
	}
	/* A device's directory has the tag, what is in it has not. */
	for (height = 0; directory && height < 16; height++) {
		if (!GET(ns, &directory->ns))
			break;
		if (ns) {
			out->owner = (u64)ns;
			break;
		}
		if (!GET(directory, &directory->parent))
			break;
	}
	return true;
}

static bool probe_vmap_area(const struct vmap_area *area, struct bc_probed *out)
{
	struct vm_struct *vm;

	/* a union with subtree_max_size, which is no kernel address */
	if (!GET(vm, &area->vm))
		return false;
	if ((long)vm >= 0)
		return true;
	out->subject = (u64)vm;
	return false;
}

static bool probe_object(enum bc_probe what, const void *object, struct bc_probed *out)
{
	switch (what) {
	case BC_PROBE_TREE_NODE:
		return probe_tree_node(object, out);
	case BC_PROBE_MAPLE:
		return probe_maple(object, out);
	case BC_PROBE_LOCKS:
		return is_lock_context(object);
	case BC_PROBE_QUEUED:
		return is_listed(object);
	case BC_PROBE_RB:
		return is_in_tree(object);
	case BC_PROBE_KERNFS:
		return probe_kernfs(object, out);
	case BC_PROBE_VMAP_AREA:
		return probe_vmap_area(object, out);
	case BC_PROBE_MM:
		return probe_mm(object, out);
	default:
		return false;
	}
}

void bc_probe(enum bc_probe what, u64 object, u32 size, struct bc_probed *out)
{
	const void *it = (const void *)object;

	memset(out, 0, sizeof(*out));
	out->known = probe_object(what, it, out) || bc_probe_name(what, it, size, out) || bc_probe_net(what, it, size, out) ||
		     bc_probe_count(what, it, size, out) || bc_probe_table(what, it, size, out) ||
		     bc_probe_disk(what, it, size, out);
}
