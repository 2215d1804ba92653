/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tree of IPv4's routes, as net/ipv4/fib_trie.c has it, 6.1 and 6.12.
 */
#ifndef BC_FIB_TRIE_H
#define BC_FIB_TRIE_H

#include <linux/rcupdate.h>

struct vector { /* struct key_vector: a leaf has no bits */
	u32 key;
	u8 pos, bits, slen;
	const void *slot[];
};

struct trie_node { /* struct tnode */
	struct rcu_head rcu;
	u32 empty_children, full_children;
	const struct vector *parent;
	struct vector vector;
};

/* Of a child with that key; a table's own vector has one slot, and a position behind the key. */
static inline unsigned long slot_of(const struct vector *parent, u32 key)
{
	return parent->pos < 32 ? (key ^ parent->key) >> parent->pos : 0;
}

#endif
