// SPDX-License-Identifier: GPL-2.0
/*
 * What must not be refused its memory, told by its stack: what would ask for it again and again until it gets it, and the host's audit, which
 * takes a refusal for the end of the machine's memory. And who has been killed: the way out may lead through more than is there.
 */
#include <linux/preempt.h>
#include <linux/sched/signal.h>
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

/*
 * Each calls audit_panic() where it gets no memory, which stops the machine if it has been told to (auditctl -f 2), and the record is lost:
 * it is the host that wants to know what the container does. kernel/audit.c and auditsc.c, 6.1 and 6.12; a kernel may have none.
 */
static const char *const audit_functions[] = {
	"audit_alloc",
	"audit_log_start",
	"audit_log_vformat",
	"audit_log_n_hex",
	"audit_log_n_string",
	"audit_log_exit",
	"audit_log_task_context",
	"__audit_log_kern_module",
};
static struct bc_text_range audit_ranges[BC_PARTS * ARRAY_SIZE(audit_functions)];

static const struct kind {
	u32 bit;
	const char *const *names;
	unsigned int count; /* of names: of each there are BC_PARTS ranges */
	struct bc_text_range *ranges;
	const char *who; /* NULL: may be missing */
} kinds[] = {
	{ BC_MUST_FAULT, fault_functions, ARRAY_SIZE(fault_functions), fault_ranges, "a page fault" },
	{ BC_MUST_MAPLE, maple_functions, ARRAY_SIZE(maple_functions), maple_ranges, "a step of a maple tree" },
	{ BC_MUST_AUDIT, audit_functions, ARRAY_SIZE(audit_functions), audit_ranges, NULL },
};

static bool find_functions(const struct kind *kind)
{
	struct bc_text_range *ranges = kind->ranges;
	unsigned int i;

	for (i = 0; i < kind->count; i++, ranges += BC_PARTS) {
		bc_lookup_part(kind->names[i], BC_COLD, &ranges[BC_COLD]);
		if (!bc_lookup_part(kind->names[i], BC_HOT, &ranges[BC_HOT]) && kind->who) {
			pr_err("%s: no such function in this kernel: a limit could refuse memory to %s, which would be repeated for ever\n",
			       kind->names[i], kind->who);
			return false;
		}
	}
	return true;
}

int bc_must_have_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!find_functions(&kinds[i]))
			return -ENOENT;
	}
	return 0;
}

static u32 kinds_of(unsigned long address)
{
	const struct bc_text_range *range;
	const struct kind *kind;
	u32 found = 0;

	for (kind = kinds; kind < kinds + ARRAY_SIZE(kinds); kind++) {
		for (range = kind->ranges; range < kind->ranges + BC_PARTS * kind->count; range++) {
			if (bc_is_in(range, address))
				found |= kind->bit;
		}
	}
	return found;
}

/*
 * By the stack, and only when a charge is about to be refused: a hook on handle_mm_fault() and its return would cost every fault
 * of every task of the host, for a flag that only a container at its limit needs, and has no place in the task to keep it. A walk
 * is some 8,000 guest instructions.
 */
u32 bc_must_have(void)
{
	unsigned long entries[48];
	unsigned int skip, n, i;
	u32 found = in_task() && fatal_signal_pending(current) ? BC_MUST_DIE : 0;

	for (skip = 0; skip < 4 * ARRAY_SIZE(entries); skip += n) {
		n = stack_trace_save(entries, ARRAY_SIZE(entries), skip);
		for (i = 0; i < n; i++)
			found |= kinds_of(entries[i]);
		if (n < ARRAY_SIZE(entries))
			break;
	}
	return found;
}
