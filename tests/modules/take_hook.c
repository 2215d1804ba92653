// SPDX-License-Identifier: GPL-2.0
/*
 * Overwrites what a function begins with where ftrace has a call, while it is loaded, behind ftrace's back: whoever hooks the function is not
 * called any more, and believes to be. For a function that only allocates: frees that are not seen would not be made good.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/memory.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/static_call.h>
#include <linux/string.h>

#include <asm/nops.h>
#include <asm/text-patching.h>

#include "find_symbol.h"

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "whose hook is to go");

static const u8 nop5[] = { BYTES_NOP5 };
static u8 *site, code[sizeof(nop5)];
static struct mutex *text_lock;

static unsigned long no_lookup(const char *name)
{
	return 0;
}
DEFINE_STATIC_CALL(lookup, no_lookup);

static unsigned long no_location(unsigned long ip)
{
	return 0;
}
DEFINE_STATIC_CALL(location, no_location);

static void no_poke(void *addr, const void *opcode, size_t len, const void *emulate)
{
}
DEFINE_STATIC_CALL(poke, no_poke);

static void put(const u8 *bytes)
{
	mutex_lock(text_lock);
	static_call(poke)(site, bytes, sizeof(nop5), NULL);
	mutex_unlock(text_lock);
}

static int __init take_hook_init(void)
{
	struct symbol_range range;
	unsigned long found, poke_at, start;
	int ret = find_symbol("kallsyms_lookup_name", &range);

	if (ret)
		return ret;
	static_call_update(lookup, (void *)range.start);
	found = static_call(lookup)("ftrace_location");
	poke_at = static_call(lookup)("text_poke_bp");
	text_lock = (void *)static_call(lookup)("text_mutex");
	start = function ? static_call(lookup)(function) : 0;
	if (!found || !poke_at || !text_lock || !start) {
		pr_err("say function=FUNCTION; or this kernel lacks what it is done with\n");
		return -ENOENT;
	}
	static_call_update(location, (void *)found);
	static_call_update(poke, (void *)poke_at);
	site = (u8 *)static_call(location)(start);
	if (!site || *site != CALL_INSN_OPCODE) {
		pr_err("%s: not hooked\n", function);
		return -EINVAL;
	}
	memcpy(code, site, sizeof(code));
	put(nop5);
	return 0;
}

static void __exit take_hook_exit(void)
{
	put(code);
}

module_init(take_hook_init);
module_exit(take_hook_exit);
MODULE_DESCRIPTION("Takes a function's hook away behind ftrace's back, for tests");
MODULE_LICENSE("GPL");
