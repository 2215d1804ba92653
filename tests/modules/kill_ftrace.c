// SPDX-License-Identifier: GPL-2.0
/*
 * What a bug of ftrace's own ends in: it is off until the next boot, and what it has patched stays (kernel/trace/ftrace.c, ftrace_kill()).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/static_call.h>

#include "find_symbol.h"

static void nothing(void)
{
}
DEFINE_STATIC_CALL(kill_call, nothing);

static int __init kill_ftrace_init(void)
{
	struct symbol_range range;
	int ret = find_symbol("ftrace_kill", &range);

	if (ret) {
		pr_err("no ftrace_kill (%d)\n", ret);
		return ret;
	}
	/* it is not exported; a call that is patched in is good where a pointer would not be */
	static_call_update(kill_call, (void *)range.start);
	static_call(kill_call)();
	return 0;
}

static void __exit kill_ftrace_exit(void)
{
}

module_init(kill_ftrace_init);
module_exit(kill_ftrace_exit);
MODULE_DESCRIPTION("Kills ftrace, for tests");
MODULE_LICENSE("GPL");
