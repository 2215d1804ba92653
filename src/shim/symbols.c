// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols: those of the kernel that are not exported, and the names that a report prints.
 *
 * kallsyms_lookup_name() itself is not exported; a kprobe gives its address. Nothing found this way is ever called through a
 * pointer: on a kernel with IBT its endbr has been sealed away, or the address lies behind it. Static calls are direct calls.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>

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

bool bc_lookup_part(const char *name, enum bc_part part, struct bc_text_range *text)
{
	char full[KSYM_NAME_LEN];

	snprintf(full, sizeof(full), "%s%s", name, part == BC_COLD ? ".cold" : "");
	return bc_lookup_range(full, &text->start, &text->end);
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
