// SPDX-License-Identifier: GPL-2.0
/*
 * Takes one reference too many: what a lost put looks like where the put is
 * inlined and skip_put.ko has no call to skip.
 *
 *   insmod extra_get.ko at=alloc_pid ret=1 offset=0 width=4 comm=busy
 *
 * adds one to the counter at OFFSET in the object that FUNCTION returns (ret=1)
 * or that is its argument ARG (1 to 6). With more than one offset all but the
 * last are of pointers that are followed: offset=16,0 is &object->at16->at0.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/uaccess.h>

#include "when.h"

static char *at;
module_param(at, charp, 0444);
MODULE_PARM_DESC(at, "function to do it in");

static unsigned int arg = 1;
module_param(arg, uint, 0444);
MODULE_PARM_DESC(arg, "which argument is the object, 1 to 6");

static bool ret;
module_param(ret, bool, 0444);
MODULE_PARM_DESC(ret, "the object is what the function returns");

static int offset[4];
static unsigned int offsets = 1;
module_param_array(offset, int, &offsets, 0444);
MODULE_PARM_DESC(offset, "of the counter; with several, of the pointers on the way to it");

static unsigned int width = 4;
module_param(width, uint, 0444);
MODULE_PARM_DESC(width, "bytes of the counter, 4 or 8");

module_param_cb(taken, &happened_ops, NULL, 0444);
MODULE_PARM_DESC(taken, "how many references were taken");

static void take(unsigned long object)
{
	u64 old = 0;
	unsigned int i;

	if (!is_meant(current))
		return;
	for (i = 0; i < offsets; i++) {
		if (IS_ERR_OR_NULL((void *)object))
			return;
		object += offset[i];
		if (i + 1 < offsets &&
		    copy_from_kernel_nofault(&object, (void *)object, sizeof(object)))
			return;
	}
	/* A wrong offset is to end in no leak, not in an oops. */
	if (copy_from_kernel_nofault(&old, (void *)object, width) || !old)
		return;
	if (!take_turn())
		return;
	if (width == 8)
		atomic64_inc((atomic64_t *)object);
	else
		atomic_inc((atomic_t *)object);
}

static int at_entry(struct kprobe *kp, struct pt_regs *regs)
{
	take(regs_get_kernel_argument(regs, arg - 1));
	return 0;
}

static int at_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	take(regs_return_value(regs));
	return 0;
}

static struct kprobe entry_probe = { .pre_handler = at_entry };
static struct kretprobe return_probe = { .handler = at_return, .maxactive = 64 };

static int __init extra_get_init(void)
{
	int error;

	if (!at || arg < 1 || arg > 6 || (width != 4 && width != 8)) {
		pr_err("say at=FUNCTION and arg=1...6 or ret=1, offset=BYTES[,BYTES], width=4|8\n");
		return -EINVAL;
	}
	when_init();
	entry_probe.symbol_name = at;
	return_probe.kp.symbol_name = at;
	error = ret ? register_kretprobe(&return_probe) : register_kprobe(&entry_probe);
	if (error)
		pr_err("at=%s: %s (%d)\n", at,
		       error == -ENOENT ? "no such function in /proc/kallsyms" :
					  "kprobes refuse this function",
		       error);
	return error;
}

static void __exit extra_get_exit(void)
{
	if (ret)
		unregister_kretprobe(&return_probe);
	else
		unregister_kprobe(&entry_probe);
}

module_init(extra_get_init);
module_exit(extra_get_exit);
MODULE_DESCRIPTION("Takes one reference too many in a running kernel, for tests");
MODULE_LICENSE("GPL");
