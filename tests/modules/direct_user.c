// SPDX-License-Identifier: GPL-2.0
/*
 * Another direct user of ftrace, as a BPF fentry program or a tracer would be: attaches an empty trampoline to one function,
 * kfree() unless told otherwise. Only one of these and beancounter fits.
 */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/version.h>
#include <asm/nospec-branch.h>


static char *function = "kfree";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "the function to attach to");

extern void direct_user_trampoline(void);

asm(".pushsection .text, \"ax\", @progbits\n"
    ".type direct_user_trampoline, @function\n"
    ".globl direct_user_trampoline\n"
    "direct_user_trampoline:\n"
    ASM_ENDBR
    ASM_RET
    ".size direct_user_trampoline, .-direct_user_trampoline\n"
    ".popsection\n");

static struct ftrace_ops ops;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define attach() register_ftrace_direct(&ops, (unsigned long)direct_user_trampoline)
#define detach() unregister_ftrace_direct(&ops, (unsigned long)direct_user_trampoline, true)
#else
#define attach() register_ftrace_direct_multi(&ops, (unsigned long)direct_user_trampoline)
#define detach() unregister_ftrace_direct_multi(&ops, (unsigned long)direct_user_trampoline)
#endif

static int __init direct_user_init(void)
{
	int ret = ftrace_set_filter(&ops, function, strlen(function), 0);

	return ret ?: attach();
}

static void __exit direct_user_exit(void)
{
	detach();
	synchronize_rcu_tasks();
}

module_init(direct_user_init);
module_exit(direct_user_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Another direct user of ftrace");
