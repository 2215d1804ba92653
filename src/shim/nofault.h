/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking at objects that may be freed meanwhile: every word is copied without faulting.
 */
#ifndef BC_NOFAULT_H
#define BC_NOFAULT_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/uaccess.h>

#define GET(to, from) (copy_from_kernel_nofault(&(to), (from), sizeof(to)) == 0)

/* Unhashing makes pprev NULL or poison. */
static inline bool is_hashed(const struct hlist_node *node)
{
	struct hlist_node copy, *back;

	return GET(copy, node) && (long)copy.pprev < 0 && GET(back, copy.pprev) && back == node;
}

/* Its neighbours point back, and it is not alone. */
static inline bool is_listed(const struct list_head *node)
{
	struct list_head copy, *back, *forth;

	return GET(copy, node) && copy.next != node && GET(back, &copy.next->prev) && GET(forth, &copy.prev->next) &&
	       back == node && forth == node;
}

/* Erased nodes keep their pointers, so the parent is asked. The only one of a tree is black: an object that never was in one is zero. */
static inline bool is_in_tree(const struct rb_node *node)
{
	struct rb_node copy, above, *up;

	if (!GET(copy, node))
		return false;
	up = (struct rb_node *)(copy.__rb_parent_color & ~3UL);
	if (!up)
		return copy.__rb_parent_color & 1;
	return up != node && GET(above, up) && (above.rb_left == node || above.rb_right == node);
}

#endif
