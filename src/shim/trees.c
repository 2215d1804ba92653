// SPDX-License-Identifier: GPL-2.0
/*
 * Walks of red-black trees that may change meanwhile.
 */
#include <linux/rbtree.h>

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
