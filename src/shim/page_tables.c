// SPDX-License-Identifier: GPL-2.0
/*
 * The locks of page tables. Where a spinlock does not fit into struct page (PREEMPT_RT, lockdep) each page of a page table has one in the
 * slab (mm/memory.c, ptlock_alloc()), which is whoever's was the first to touch that part of the memory: another's, who writes there through
 * /proc/PID/mem.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "compat.h"
#include "keeper.h"

#if ALLOC_SPLIT_PTLOCKS

#define ENTRIES_AT_ONCE 32
#define TABLE (_PAGE_PRESENT | _PAGE_PSE) /* of these the first alone, where it leads to a table; the lowest level is not asked */

static bool page_keeps(struct keeper *keeper, const struct page *page)
{
	const spinlock_t *lock;

	if (!GET(lock, bc_page_table_lock(page)))
		return false;
	keeps(keeper, lock);
	return true;
}

/* Below a huge page there is none, but one lies ready for when that is split (mm/pgtable-generic.c, pgtable_trans_huge_deposit()). */
static bool deposits_keep(struct keeper *keeper, const struct page *table)
{
#if BC_PMD_DEPOSITS
	const struct list_head *node;
	const struct page *first;

	if (!GET(first, bc_page_table_deposits(table)))
		return false;
	if (!first)
		return true;
	node = &first->lru;
	if (!page_keeps(keeper, first))
		return false;
	while (next_of_list(keeper, &first->lru, &node)) {
		if (!page_keeps(keeper, list_entry(node, struct page, lru)))
			return false;
	}
	return node;
#else
	return true;
#endif
}

/* Level 1: each entry leads to a table of the lowest level; 2: to one of level 1. */
static bool table_keeps(struct keeper *keeper, const u64 *table, unsigned int entries, int level)
{
	u64 some[ENTRIES_AT_ONCE];
	unsigned int at, i;

	for (at = 0; at < entries; at += ENTRIES_AT_ONCE) {
		if (!step(keeper) || copy_from_kernel_nofault(some, table + at, sizeof(some)))
			return false;
		for (i = 0; i < ENTRIES_AT_ONCE; i++) {
			const void *below;

			if ((some[i] & TABLE) != _PAGE_PRESENT)
				continue;
			below = __va(some[i] & PTE_PFN_MASK);
			if (!page_keeps(keeper, virt_to_page(below)) || (level == 2 && !deposits_keep(keeper, virt_to_page(below))))
				return false;
			if (level > 1 && !table_keeps(keeper, below, PTRS_PER_PTE, level - 1))
				return false;
		}
	}
	return true;
}

/* With the lock of its mappings, for the tables above the lowest; of those, one may go meanwhile (khugepaged), and is only looked at. */
void page_tables_keep(struct keeper *keeper, const struct mm_struct *mm)
{
	keeper->steps = 0;
	walked(keeper, "page_table", table_keeps(keeper, (const u64 *)mm->pgd, PTRS_PER_PGD / 2, pgtable_l5_enabled() ? 4 : 3));
}

#else

void page_tables_keep(struct keeper *keeper, const struct mm_struct *mm)
{
}

#endif
