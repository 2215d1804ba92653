/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walks of keepers.c, terminals.c and keyrings.c: whom they tell of what they find, and how long they may go on.
 */
#ifndef BC_KEEPER_H
#define BC_KEEPER_H

#include <linux/list.h>
#include <linux/sched.h>

#include "nofault.h"
#include "shim.h"

#define MOST_STEPS (1 << 20)

struct keeper {
	bc_holder_found found;
	void *context;
	struct bc_holder holder;
	int steps;
};

static inline void keeps(struct keeper *keeper, const void *pointer)
{
	if ((long)pointer < 0)
		keeper->found(keeper->context, (u64)pointer, &keeper->holder);
}

/* False after too many of them. */
static inline bool step(struct keeper *keeper)
{
	if (!(++keeper->steps % 256))
		cond_resched();
	return keeper->steps < MOST_STEPS;
}

/* The next of a list, while nobody changes it just there. */
static inline bool next_of_list(const struct list_head *node, const struct list_head **next)
{
	const struct list_head *back;

	return GET(*next, &node->next) && GET(back, &(*next)->prev) && back == node;
}

/* What lies outside the direct map: what describes it is an object. */
void keeps_area(struct keeper *keeper, const void *pointer);

/* terminals.c */
void bc_terminals_init(void);
bool terminals_keep(struct keeper *keeper);

#endif
