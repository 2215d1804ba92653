// SPDX-License-Identifier: GPL-2.0
/*
 * Two slab caches that are merged, where this kernel merges: the names below /sys/kernel/slab are links to one then. When the second is
 * destroyed nothing goes but its name (mm/slab_common.c, refcount).
 *
 *   insmod alias_cache.ko; echo 10 >/proc/alias_cache	takes ten objects of the first, which stay as long as the module
 *   echo 0 >/proc/alias_cache				destroys the second
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define SIZE 328 /* which nobody else has */
#define MOST 64

static struct kmem_cache *first, *second;
static void *objects[MOST];
static unsigned int count;
static DEFINE_MUTEX(mutex);

static void take(unsigned int number)
{
	for (; number && count < MOST; number--) {
		objects[count] = kmem_cache_alloc(first, GFP_KERNEL);
		if (objects[count])
			count++;
	}
}

static ssize_t alias_write(struct file *file, const char __user *from, size_t length, loff_t *at)
{
	unsigned int number;
	int error = kstrtouint_from_user(from, length, 0, &number);

	if (error)
		return error;
	mutex_lock(&mutex);
	take(number);
	if (!number) {
		kmem_cache_destroy(second);
		second = NULL;
	}
	mutex_unlock(&mutex);
	return length;
}

static const struct proc_ops alias_operations = { .proc_write = alias_write };

static void give_back(void)
{
	while (count)
		kmem_cache_free(first, objects[--count]);
	kmem_cache_destroy(second);
	kmem_cache_destroy(first);
}

static int __init alias_cache_init(void)
{
	first = kmem_cache_create("selftest_first", SIZE, 0, 0, NULL);
	second = kmem_cache_create("selftest_second", SIZE, 0, 0, NULL);
	if (first && second && proc_create("alias_cache", 0200, NULL, &alias_operations))
		return 0;
	give_back();
	return -ENOMEM;
}

static void __exit alias_cache_exit(void)
{
	remove_proc_entry("alias_cache", NULL);
	give_back();
}

module_init(alias_cache_init);
module_exit(alias_cache_exit);
MODULE_DESCRIPTION("Merged slab caches, one of which goes, for tests");
MODULE_LICENSE("GPL");
