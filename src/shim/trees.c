// SPDX-License-Identifier: GPL-2.0
/*
 * Walks of trees that may change meanwhile: red-black ones, and those of idrs.
 */
#include <linux/idr.h>
#include <linux/rbtree.h>
#include <linux/xarray.h>

#include "keeper.h"

const struct rb_node *leftmost_in_tree(const struct rb_node *node)
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

struct idr_walk {
	struct keeper *keeper;
	bool (*visit)(struct keeper *keeper, const void *entry, unsigned long index, int what);
	int what;
};

/* A node of the table's tree leads back to the one above it, which covers 64 times as much. No deeper than six: an index is an int. */
static bool each_in_node(const struct idr_walk *walk, const struct xa_node *node, const struct xa_node *above, unsigned int shift,
			 unsigned long first)
{
	const struct xa_node *parent;
	unsigned char its_shift;
	const void *entry;
	int i;

	if (!GET(parent, &node->parent) || parent != above || !GET(its_shift, &node->shift) || its_shift != shift)
		return false;
	for (i = 0; i < XA_CHUNK_SIZE; i++) {
		unsigned long index = first + ((unsigned long)i << shift);

		if (!step(walk->keeper) || !GET(entry, (const void *const *)&node->slots[i]))
			return false;
		if (!entry)
			continue;
		if (shift ? !xa_is_node(entry) || !each_in_node(walk, xa_to_node(entry), node, shift - XA_CHUNK_SHIFT, index) :
			    xa_is_internal(entry) || !walk->visit(walk->keeper, entry, index, walk->what))
			return false;
	}
	return true;
}

bool each_in_idr(struct keeper *keeper, const struct idr *idr,
		 bool (*visit)(struct keeper *keeper, const void *entry, unsigned long index, int what), int what)
{
	const struct idr_walk walk = { keeper, visit, what };
	unsigned char shift;
	const void *root;

	if (!GET(root, (const void *const *)&idr->idr_rt.xa_head))
		return false;
	if (!root)
		return true;
	if (!xa_is_node(root))
		return !xa_is_internal(root) && visit(keeper, root, 0, what);
	return GET(shift, &xa_to_node(root)->shift) && shift < 32 && shift % XA_CHUNK_SHIFT == 0 &&
	       each_in_node(&walk, xa_to_node(root), NULL, shift, 0);
}
