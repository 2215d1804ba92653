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

static bool table_keeps(struct keeper *keeper, const u64 *table, unsigned int entries, int level)
{
	u64 some[ENTRIES_AT_ONCE];
	unsigned int at, i;

	for (at = 0; at < entries; at += ENTRIES_AT_ONCE) {
		if (!step(keeper) || copy_from_kernel_nofault(some, table + at, sizeof(some)))
			return false;
		for (i = 0; i < ENTRIES_AT_ONCE; i++) {
			const void *below;
			spinlock_t *lock;

			if ((some[i] & TABLE) != _PAGE_PRESENT)
				continue;
			below = __va(some[i] & PTE_PFN_MASK);
			if (!GET(lock, bc_page_table_lock(virt_to_page(below))))
				return false;
			keeps(keeper, lock);
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
