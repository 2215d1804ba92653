// SPDX-License-Identifier: GPL-2.0
/*
 * KSM has what its tasks gave it until ksmd comes by, or as long as it is stopped: of an address space whose tasks have ended the
 * structure itself, and what leads from each merged page back to it (mm/ksm.c, __ksm_exit(): slots with items are left to ksmd).
 */
#include <linux/mm_types.h>

#include "keeper.h"

struct slot { /* mm/mm_slot.h, struct mm_slot, and mm/ksm.c, struct ksm_mm_slot: 6.1 and 6.12 */
	struct hlist_node hash;
	struct list_head mm_node;
	const struct mm_struct *mm;
	const struct item *items;
};

struct item { /* struct ksm_rmap_item, as far as it is alike */
	const struct item *next;
	const void *anon_vma; /* or a node's number */
};

static const struct slot *first;

void bc_ksm_init(void)
{
	first = (const void *)bc_lookup("ksm_mm_head");
}

static bool slot_keeps(struct keeper *keeper, const struct slot *slot)
{
	struct slot copy;
	struct item item;
	atomic_t users;

	if (!GET(copy, slot) || !GET(users, &copy.mm->mm_users))
		return false;
	keeps(keeper, slot);
	keeps(keeper, copy.mm);
	if (atomic_read(&users)) /* it has its own */
		return true;
	for (; copy.items; copy.items = item.next) {
		if (!step(keeper) || !GET(item, copy.items))
			return false;
		keeps(keeper, item.anon_vma);
	}
	return true;
}

static bool slots_keep(struct keeper *keeper, const struct list_head *slots)
{
	const struct list_head *node = slots;

	while (next_of_list(keeper, slots, &node)) {
		if (!slot_keeps(keeper, list_entry(node, struct slot, mm_node)))
			return false;
	}
	return node;
}

void ksm_keeps(struct keeper *keeper)
{
	keeper->steps = 0;
	keeper->holder.by = "ksm";
	if (first)
		walked(keeper, "ksm", slots_keep(keeper, &first->mm_node));
}
