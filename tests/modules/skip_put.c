// SPDX-License-Identifier: GPL-2.0
/*
 * Deletes one line of source from a running kernel: steps over the nth direct
 * call to a function inside another one.
 *
 *   insmod skip_put.ko in=free_pipe_info callee=free_uid times=1 comm=lost_user
 *
 * is the kernel that somebody built without the free_uid() in free_pipe_info().
 * A kprobe on the call moves the instruction pointer past it; where the compiler
 * made a tail jump of the call, it returns to the caller instead. Calls in the
 * function's .cold part count after those in its body. A call that was inlined
 * cannot be skipped: see extra_get.ko.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/uaccess.h>

#include "find_symbol.h"
#include "when.h"

static char *in;
module_param(in, charp, 0444);
MODULE_PARM_DESC(in, "function that contains the call");

static char *callee;
module_param(callee, charp, 0444);
MODULE_PARM_DESC(callee, "function that is not to be called");

static unsigned int nth = 1;
module_param(nth, uint, 0444);
MODULE_PARM_DESC(nth, "which of the calls, counted from 1");

module_param_cb(skipped, &happened_ops, NULL, 0444);
MODULE_PARM_DESC(skipped, "how often it was skipped");

#define CALL_OPCODE 0xe8
#define JUMP_OPCODE 0xe9
#define CALL_LENGTH 5

/*
 * A direct call goes to the function's first byte, to the one behind its endbr
 * (4 bytes), or, with call depth tracking, into the padding before it.
 */
#define ENDBR_LENGTH 4
#define PADDING_LENGTH 16

static bool is_jump;

static int step_over(struct kprobe *kp, struct pt_regs *regs)
{
	if (!is_meant(current) || !take_turn())
		return 0;
	if (is_jump) {
		regs->ip = *(unsigned long *)regs->sp;
		regs->sp += sizeof(unsigned long);
	} else {
		regs->ip = (unsigned long)kp->addr + CALL_LENGTH;
	}
	return 1;
}

/* A probe that has one of these is never turned into a jump. */
static void afterwards(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.pre_handler = step_over,
	.post_handler = afterwards,
};

/* The call was made all the same, where another probe's handler was at work on the CPU. */
module_param_named(missed, probe.nmissed, ulong, 0444);
MODULE_PARM_DESC(missed, "how often the probe was not asked");

static bool branch_at(unsigned long addr, u8 *opcode, unsigned long *target)
{
	u8 code[CALL_LENGTH];
	s32 distance;

	if (copy_from_kernel_nofault(code, (void *)addr, sizeof(code)))
		return false;
	if (code[0] != CALL_OPCODE && code[0] != JUMP_OPCODE)
		return false;
	memcpy(&distance, code + 1, sizeof(distance));
	*opcode = code[0];
	*target = addr + CALL_LENGTH + distance;
	return true;
}

static bool is_callee(const struct symbol_range *function, unsigned long target)
{
	return target + PADDING_LENGTH >= function->start &&
	       target <= function->start + ENDBR_LENGTH;
}

/*
 * Bytes, not instructions, are looked at: that some other instruction contains
 * an e8 or e9 with exactly these 32 bits behind it does not happen, and
 * register_kprobe() refuses an address inside an instruction.
 */
static unsigned int find_call(const struct symbol_range *range, const struct symbol_range *function,
			      unsigned int wanted, unsigned long *found)
{
	unsigned long addr, target, end = range->start + range->size;
	unsigned int seen = 0;
	u8 opcode;

	for (addr = range->start; addr + CALL_LENGTH <= end; addr++) {
		if (!branch_at(addr, &opcode, &target) || !is_callee(function, target))
			continue;
		if (++seen != wanted)
			continue;
		*found = addr;
		is_jump = opcode == JUMP_OPCODE;
	}
	return seen;
}

/* For the error message: every branch that goes to the start of a function. */
static void list_calls(const struct symbol_range *range)
{
	static char name[KSYM_SYMBOL_LEN];	/* too long for the stack */
	unsigned long addr, target, end = range->start + range->size;
	u8 opcode;

	for (addr = range->start; addr + CALL_LENGTH <= end; addr++) {
		if (!branch_at(addr, &opcode, &target) ||
		    (target >= range->start && target < end))
			continue;
		sprint_symbol(name, target);
		if (strstr(name, "+0x0/") || strstr(name, "+0x4/"))
			pr_err("  %s at %pS: %s\n", opcode == CALL_OPCODE ? "call" : "jump",
			       (void *)addr, name);
	}
}

static int resolve(const char *parameter, const char *name, struct symbol_range *range)
{
	int ret = find_symbol(name, range);

	if (ret)
		pr_err("%s=%s: %s (%d)\n", parameter, name,
		       ret == -ENOENT ? "no such function in /proc/kallsyms; inlined, or .isra/.part/.constprop behind its name?" :
					"kprobes refuse this function",
		       ret);
	return ret;
}

static int __init skip_put_init(void)
{
	struct symbol_range body, cold = {}, function;
	unsigned int in_body, in_cold = 0;
	char cold_name[KSYM_NAME_LEN / 2];
	unsigned long addr = 0;
	int ret;

	if (!in || !callee || !nth) {
		pr_err("say in=FUNCTION callee=FUNCTION [nth=N, from 1] [times=M] [comm=NAME]\n");
		return -EINVAL;
	}
	ret = resolve("in", in, &body) ?: resolve("callee", callee, &function);
	if (ret)
		return ret;

	in_body = find_call(&body, &function, nth, &addr);
	snprintf(cold_name, sizeof(cold_name), "%s.cold", in);
	if (!find_symbol(cold_name, &cold))
		in_cold = find_call(&cold, &function, nth - in_body, &addr);
	if (!addr) {
		pr_err("%s has %u direct calls of %s, not %u; its calls are:\n", in,
		       in_body + in_cold, callee, nth);
		list_calls(&body);
		list_calls(&cold);
		return -ENOENT;
	}

	when_init();
	probe.addr = (kprobe_opcode_t *)addr;
	ret = register_kprobe(&probe);
	if (ret) {
		pr_err("no probe at %pS (%d)\n", (void *)addr, ret);
		return ret;
	}
	pr_info("skipping the %s at %pS\n", is_jump ? "tail jump" : "call", (void *)addr);
	return 0;
}

static void __exit skip_put_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(skip_put_init);
module_exit(skip_put_exit);
MODULE_DESCRIPTION("Steps over one call in a running kernel, for tests");
MODULE_LICENSE("GPL");
