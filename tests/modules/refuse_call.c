// SPDX-License-Identifier: GPL-2.0
/*
 * Has a function of the kernel fail, and before that wait until it is told to: whoever calls it is held at a known place of what he does.
 *
 *   insmod refuse_call.ko function=register_kretprobe comm=insmod nth=2
 *   insmod other.ko & ...; echo 1 >/sys/module/refuse_call/parameters/go
 *
 * The function has to return an int, and its caller to be one that may sleep.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kprobes.h>

#include "until_told.h"
#include "when.h"

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "which is to fail");

static unsigned int nth = 1;
module_param(nth, uint, 0444);
MODULE_PARM_DESC(nth, "which of the calls, counted from 1");

static atomic_t to_come;

module_param_cb(refused, &happened_ops, NULL, 0444);
MODULE_PARM_DESC(refused, "how often it failed");

/* In its place. */
static noinline int fails(void)
{
	wait_until_told();
	return take_turn() ? -ENOMEM : -EBUSY;
}

static int at_entry(struct kprobe *kp, struct pt_regs *regs)
{
	if (!is_meant(current) || atomic_dec_return(&to_come))
		return 0;
	regs->ip = (unsigned long)fails;
	return 1;
}

/* What has one may lead elsewhere at a function's entry, and ftrace knows (kernel/kprobes.c, kprobe_ipmodify_ops, 6.1 and 6.12). */
static void afterwards(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.pre_handler = at_entry,
	.post_handler = afterwards,
};

static int __init refuse_call_init(void)
{
	int ret;

	if (!function || !nth) {
		pr_err("say function=FUNCTION [nth=N, from 1] [comm=NAME]\n");
		return -EINVAL;
	}
	when_init();
	atomic_set(&to_come, nth);
	probe.symbol_name = function;
	ret = register_kprobe(&probe);
	if (ret)
		pr_err("no probe on %s (%d)\n", function, ret);
	return ret;
}

static void __exit refuse_call_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(refuse_call_init);
module_exit(refuse_call_exit);
MODULE_DESCRIPTION("Has a function fail when it is told to, for tests");
MODULE_LICENSE("GPL");
