// SPDX-License-Identifier: GPL-2.0
/*
 * A file that lets nobody close it until it is told to: whoever has it open and is killed stays on his way out, between his exit's
 * tracepoint and the rest of it.
 *
 *   insmod linger.ko; exec 3</proc/linger; ...; echo 1 >/sys/module/linger/parameters/go
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/proc_fs.h>

#include "until_told.h"

static int linger_release(struct inode *inode, struct file *file)
{
	wait_until_told();
	return 0;
}

static const struct proc_ops linger_operations = { .proc_release = linger_release };

static int __init linger_init(void)
{
	return proc_create("linger", 0400, NULL, &linger_operations) ? 0 : -ENOMEM;
}

static void __exit linger_exit(void)
{
	remove_proc_entry("linger", NULL);
}

module_init(linger_init);
module_exit(linger_exit);
MODULE_DESCRIPTION("A file that lets nobody close it until it is told to, for tests");
MODULE_LICENSE("GPL");
