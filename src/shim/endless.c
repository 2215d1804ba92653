// SPDX-License-Identifier: GPL-2.0
/*
 * What would ask for memory again and again until it gets it, and so must not be refused it for ever: told by its stack.
 */
#include <linux/stacktrace.h>

#include "shim.h"

/* Where every page fault passes: the processor's, and get_user_pages(), which faults for itself. */
static const char *const fault_functions[] = {
	"handle_mm_fault",
	"exc_page_fault",
	"asm_exc_page_fault",
};
static struct bc_text_range fault_ranges[BC_PARTS * ARRAY_SIZE(fault_functions)];

/*
 * lib/maple_tree.c: mas_nomem() gives up only where it has not a single node; with some it says that there are enough, the step fails for
 * want of the rest, and comes back. It is a function of its own, and a part of those that follow it here, on both kernels.
 */
static const char *const maple_functions[] = {
	"mas_nomem",
	"mtree_store_range",
	"mtree_insert_range",
	"mtree_alloc_range",
	"mtree_alloc_rrange",
};
static struct bc_text_range maple_ranges[BC_PARTS * ARRAY_SIZE(maple_functions)];

static bool find_functions(const char *const *names, int count, struct bc_text_range *ranges, const char *who)
{
	int i;

	for (i = 0; i < count; i++) {
		bc_lookup_part(names[i], BC_COLD, &ranges[BC_PARTS * i + BC_COLD]);
		if (!bc_lookup_part(names[i], BC_HOT, &ranges[BC_PARTS * i + BC_HOT])) {
			pr_err("%s: no such function in this kernel: a limit could refuse memory to %s, which would be repeated for ever\n",
			       names[i], who);
			return false;
		}
	}
	return true;
}

int bc_endless_ranges_init(void)
{
	return find_functions(fault_functions, ARRAY_SIZE(fault_functions), fault_ranges, "a page fault") &&
	       find_functions(maple_functions, ARRAY_SIZE(maple_functions), maple_ranges, "a step of a maple tree") ? 0 : -ENOENT;
}

/*
 * By the stack, and only when a charge is about to be refused: a hook on handle_mm_fault() and its return would cost every fault
 * of every task of the host, for a flag that only a container at its limit needs, and has no place in the task to keep it. A walk
 * is some 8,000 guest instructions.
 */
static bool is_below(const struct bc_text_range *ranges, unsigned int count)
{
	const struct bc_text_range *range, *end = ranges + count;
	unsigned long entries[48];
	unsigned int skip, n, i;

	for (skip = 0; skip < 4 * ARRAY_SIZE(entries); skip += n) {
		n = stack_trace_save(entries, ARRAY_SIZE(entries), skip);
		for (i = 0; i < n; i++) {
			for (range = ranges; range < end; range++) {
				if (bc_is_in(range, entries[i]))
					return true;
			}
		}
		if (n < ARRAY_SIZE(entries))
			break;
	}
	return false;
}

bool bc_in_page_fault(void)
{
	return is_below(fault_ranges, ARRAY_SIZE(fault_ranges));
}

bool bc_in_maple_retry(void)
{
	return is_below(maple_ranges, ARRAY_SIZE(maple_ranges));
}
