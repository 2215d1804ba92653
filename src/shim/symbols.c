// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols: those of the kernel that are not exported, and the names that a report prints.
 *
 * kallsyms_lookup_name() itself is not exported; a kprobe gives its address. Nothing found this way is ever called through a
 * pointer: on a kernel with IBT its endbr has been sealed away, or the address lies behind it. Static calls are direct calls.
 */
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/stacktrace.h>

#include "shim.h"

static unsigned long no_lookup(const char *name)
{
	return 0;
}

static int no_size(unsigned long addr, unsigned long *size, unsigned long *offset)
{
	return 0;
}

DEFINE_STATIC_CALL(bc_kallsyms_lookup_name, no_lookup);
DEFINE_STATIC_CALL(bc_kallsyms_lookup_size_offset, no_size);

/* the core knows it by this name, src/core/hooks.cc */
unsigned long bc_return_to_handler;

unsigned long bc_lookup(const char *name)
{
	return static_call(bc_kallsyms_lookup_name)(name);
}

int bc_symbols_init(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;
	int ret = register_kprobe(&probe);

	if (ret) {
		pr_err("no kprobe on kallsyms_lookup_name (%d): this module needs CONFIG_KPROBES and CONFIG_KALLSYMS\n", ret);
		return ret;
	}
	addr = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	static_call_update(bc_kallsyms_lookup_name, (void *)addr);

	addr = bc_lookup("kallsyms_lookup_size_offset");
	if (!addr) {
		pr_err("the kernel has no kallsyms_lookup_size_offset\n");
		return -ENOENT;
	}
	static_call_update(bc_kallsyms_lookup_size_offset, (void *)addr);
	bc_return_to_handler = bc_lookup("return_to_handler");
	bc_slab_ranges_init();
	return 0;
}

bool bc_lookup_range(const char *name, unsigned long *start, unsigned long *end)
{
	unsigned long addr = bc_lookup(name), size = 0, offset = 0;

	if (!addr || !static_call(bc_kallsyms_lookup_size_offset)(addr, &size, &offset) || !size)
		return false;
	*start = addr - offset;
	*end = *start + size;
	return true;
}

int bc_symbol(u64 address, char *text, unsigned long len)
{
	char full[KSYM_SYMBOL_LEN];
	char *slash, *module;

	/* "name+0x1d/0x40 [module]": the function's size says nothing to a reader, and a blank would end the field */
	sprint_symbol(full, address);
	module = strstr(full, " [");
	slash = strrchr(full, '/');
	if (slash && (!module || slash < module))
		*slash = 0;
	if (module)
		module++;
	return scnprintf(text, len, "%s%s", full, module ? module : "");
}

int bc_pointer_text(u64 address, char *text, unsigned long len)
{
	return scnprintf(text, len, "%pK", (void *)address);
}

/*
 * The allocator's own functions between a caller and a page-backed object, and helpers that allocate for somebody.
 */
static const char *const slab_functions[] = {
#if BC_KERNEL_6_12
	"___kmalloc_large_node", "__kmalloc_large_noprof", "__kmalloc_large_node_noprof", "__kmalloc_noprof",
	"__kmalloc_node_noprof", "__kmalloc_node_track_caller_noprof", "__kvmalloc_node_noprof", "krealloc_noprof",
	"kvrealloc_noprof", "kmemdup_noprof", "__kmalloc_cache_noprof", "__kmalloc_cache_node_noprof",
#else
	"__kmalloc_large_node", "kmalloc_large", "kmalloc_large_node", "__kmalloc", "__kmalloc_node",
	"__kmalloc_node_track_caller", "kvmalloc_node", "krealloc", "kvrealloc", "kmemdup", "kmalloc_trace",
	"kmalloc_node_trace",
#endif
	"kmem_cache_alloc_bulk",
};
static struct {
	unsigned long start, end;
} slab_ranges[ARRAY_SIZE(slab_functions)];

void bc_slab_ranges_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(slab_functions); i++)
		bc_lookup_range(slab_functions[i], &slab_ranges[i].start, &slab_ranges[i].end);
}

/* Where every page fault passes: the processor's, and get_user_pages(), which faults for itself. */
static const char *const fault_functions[] = {
	"handle_mm_fault",
	"exc_page_fault",
	"asm_exc_page_fault",
};
static struct {
	unsigned long start, end;
} fault_ranges[ARRAY_SIZE(fault_functions)];

int bc_fault_ranges_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fault_functions); i++) {
		if (!bc_lookup_range(fault_functions[i], &fault_ranges[i].start, &fault_ranges[i].end)) {
			pr_err("%s: no such function in this kernel: a limit could refuse memory to a page fault, which would be repeated for ever\n",
			       fault_functions[i]);
			return -ENOENT;
		}
	}
	return 0;
}

/*
 * By the stack, and only when a charge is about to be refused: a hook on handle_mm_fault() and its return would cost every fault
 * of every task of the host, for a flag that only a container at its limit needs, and has no place in the task to keep it. A walk
 * is some 8,000 guest instructions: what kmalloc_16k costs more than kmalloc_4k in tests/selftest/cost.sh, for looking for its caller.
 */
bool bc_in_page_fault(void)
{
	unsigned long entries[48];
	unsigned int skip, n, i, r;

	for (skip = 0; skip < 4 * ARRAY_SIZE(entries); skip += n) {
		n = stack_trace_save(entries, ARRAY_SIZE(entries), skip);
		for (i = 0; i < n; i++) {
			for (r = 0; r < ARRAY_SIZE(fault_ranges); r++) {
				if (entries[i] > fault_ranges[r].start && entries[i] <= fault_ranges[r].end)
					return true;
			}
		}
		if (n < ARRAY_SIZE(entries))
			break;
	}
	return false;
}

u64 bc_true_caller(void)
{
	unsigned long entries[16];
	unsigned int n = stack_trace_save(entries, ARRAY_SIZE(entries), 1), i, r;

	for (i = 0; i < n; i++) {
		if (within_module(entries[i], THIS_MODULE))
			continue;
		for (r = 0; r < ARRAY_SIZE(slab_ranges); r++) {
			if (entries[i] >= slab_ranges[r].start && entries[i] < slab_ranges[r].end)
				break;
		}
		if (r == ARRAY_SIZE(slab_ranges))
			return entries[i];
	}
	return n ? entries[n - 1] : 0;
}
