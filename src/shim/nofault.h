/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking at objects that may be freed meanwhile: every word is copied without faulting.
 */
#ifndef BC_NOFAULT_H
#define BC_NOFAULT_H

#include <linux/list.h>
#include <linux/uaccess.h>

#define GET(to, from) (copy_from_kernel_nofault(&(to), (from), sizeof(to)) == 0)

/* Unhashing makes pprev NULL or poison. */
static inline bool is_hashed(const struct hlist_node *node)
{
	struct hlist_node copy, *back;

	return GET(copy, node) && (long)copy.pprev < 0 && GET(back, copy.pprev) && back == node;
}

#endif
