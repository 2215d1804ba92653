/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where is a function, and how long? kallsyms_lookup_name() is not exported and
 * must not be called through a pointer where the processor checks for endbr. A
 * kprobe that is never armed tells the address, sprint_symbol() the rest.
 */
#ifndef TESTS_FIND_SYMBOL_H
#define TESTS_FIND_SYMBOL_H

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>

struct symbol_range {
	unsigned long start;
	unsigned long size;
};

static inline int find_symbol(const char *name, struct symbol_range *range)
{
	/* Too long for the stack; only module_init uses it. */
	static char text[KSYM_SYMBOL_LEN];
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long offset;
	char *plus;
	int ret;

	ret = register_kprobe(&kp);
	if (ret)
		return ret;
	unregister_kprobe(&kp);

	/* name+0x4/0x80: past an endbr a kprobe's address is four further on. */
	sprint_symbol(text, (unsigned long)kp.addr);
	plus = strrchr(text, '+');
	if (!plus || sscanf(plus, "+%lx/%lx", &offset, &range->size) != 2)
		return -ENOENT;
	range->start = (unsigned long)kp.addr - offset;
	return 0;
}

#endif
