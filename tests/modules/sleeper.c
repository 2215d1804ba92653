// SPDX-License-Identifier: GPL-2.0
/*
 * A file that, when it is opened, takes an object of a slab cache whose constructor waits until it is told to go on: a task asleep inside the
 * allocator.
 *
 *   insmod sleeper.ko; cat /proc/sleeper & ...; echo 1 >/sys/module/sleeper/parameters/go
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>

#include "until_told.h"

static struct kmem_cache *cache;

/* Of a slab that nobody else has yet, with nothing held (mm/slub.c, new_slab(), 6.1 and 6.12). */
static void construct(void *object)
{
	wait_until_told();
}

static int sleeper_open(struct inode *inode, struct file *file)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	kmem_cache_free(cache, object);
	return 0;
}

static const struct proc_ops sleeper_operations = { .proc_open = sleeper_open };

static int __init sleeper_init(void)
{
	cache = kmem_cache_create("selftest_sleeper", 1024, 0, 0, construct);
	if (!cache)
		return -ENOMEM;
	if (proc_create("sleeper", 0400, NULL, &sleeper_operations))
		return 0;
	kmem_cache_destroy(cache);
	return -ENOMEM;
}

static void __exit sleeper_exit(void)
{
	remove_proc_entry("sleeper", NULL);
	kmem_cache_destroy(cache);
}

module_init(sleeper_init);
module_exit(sleeper_exit);
MODULE_DESCRIPTION("A task asleep inside the allocator, for tests");
MODULE_LICENSE("GPL");
