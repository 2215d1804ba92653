// SPDX-License-Identifier: GPL-2.0
/*
 * Leaks on purpose. A task that writes a number of bytes to /proc/leak_one loses
 * one object of that size, allocated in leak_one_lost(). Writing `free` gives
 * all of them back, from any task; so does unloading. `last` is where the last
 * one is.
 *
 * The object stays reachable from here, as the lost user_struct of 2007 was from
 * its hash: a scanner for unreachable memory must not be what finds it.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define MAX_LOST 1024

static DEFINE_MUTEX(lock);
static void *lost[MAX_LOST];
static unsigned int lost_count;

static unsigned long last;
module_param(last, ulong, 0400);

/* By its name it is looked for in the report. */
static noinline int leak_one_lost(size_t size)
{
	void *object = kmalloc(size, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	lost[lost_count++] = object;
	last = (unsigned long)object;
	return 0;
}

static void free_all(void)
{
	while (lost_count)
		kfree(lost[--lost_count]);
}

static ssize_t leak_one_write(struct file *file, const char __user *buffer, size_t count,
			      loff_t *pos)
{
	char text[16] = "";
	unsigned int size;
	int ret = 0;

	/* On the stack: no object of our own may be charged to the writer. */
	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, count))
		return -EFAULT;

	mutex_lock(&lock);
	if (sysfs_streq(text, "free"))
		free_all();
	else if (kstrtouint(text, 0, &size) || !size || size > KMALLOC_MAX_SIZE)
		ret = -EINVAL;
	else
		ret = lost_count < MAX_LOST ? leak_one_lost(size) : -ENOSPC;
	mutex_unlock(&lock);
	return ret ?: count;
}

static const struct proc_ops leak_one_ops = {
	.proc_write = leak_one_write,
	.proc_lseek = noop_llseek,
};

static int __init leak_one_init(void)
{
	/* Also for the root of a user namespace, to whom this file is nobody's. */
	return proc_create("leak_one", 0222, NULL, &leak_one_ops) ? 0 : -ENOMEM;
}

static void __exit leak_one_exit(void)
{
	remove_proc_entry("leak_one", NULL);
	free_all();
}

module_init(leak_one_init);
module_exit(leak_one_exit);
MODULE_DESCRIPTION("Leaks one object on purpose, for tests");
MODULE_LICENSE("GPL");
