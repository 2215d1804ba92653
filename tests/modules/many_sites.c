// SPDX-License-Identifier: GPL-2.0
/*
 * More call sites than the module has room for: a byte written to /proc/many_sites allocates one object at each of 256 sites from each
 * of 128 caches, in the writer's name, and frees it. `keep` written does so once more and keeps those of the last cache until `drop` is.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define CACHES 128
#define SITES 256

static struct kmem_cache *caches[CACHES];
static void *objects[SITES];
static DEFINE_MUTEX(lock);

/* A cache with a constructor is never merged. */
static void construct(void *object)
{
}

#define ONE objects[i++] = kmem_cache_alloc(cache, GFP_KERNEL);
#define FOUR ONE ONE ONE ONE
#define SIXTEEN FOUR FOUR FOUR FOUR
#define SIXTY_FOUR SIXTEEN SIXTEEN SIXTEEN SIXTEEN

static noinline void make(struct kmem_cache *cache)
{
	int i = 0;

	SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR
}

static void drop(struct kmem_cache *cache)
{
	int i;

	for (i = 0; i < SITES; i++) {
		if (objects[i])
			kmem_cache_free(cache, objects[i]);
		objects[i] = NULL;
	}
}

static ssize_t write_sites(struct file *file, const char __user *from, size_t length, loff_t *at)
{
	char text[8] = "";
	int i;

	if (length >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, length))
		return -EFAULT;
	mutex_lock(&lock);
	drop(caches[CACHES - 1]);
	for (i = 0; i < CACHES && strncmp(text, "drop", 4); i++) {
		make(caches[i]);
		if (i == CACHES - 1 && !strncmp(text, "keep", 4))
			break;
		drop(caches[i]);
		cond_resched();
	}
	mutex_unlock(&lock);
	return length;
}

static const struct proc_ops ops = {
	.proc_write = write_sites,
	.proc_lseek = noop_llseek,
};

static void sites_exit(void)
{
	int i;

	remove_proc_entry("many_sites", NULL);
	drop(caches[CACHES - 1]);
	for (i = 0; i < CACHES; i++)
		kmem_cache_destroy(caches[i]);
}

static int __init sites_init(void)
{
	char name[24];
	int i;

	for (i = 0; i < CACHES; i++) {
		snprintf(name, sizeof(name), "many_sites-%d", i);
		caches[i] = kmem_cache_create(name, 64, 0, 0, construct);
		if (!caches[i])
			goto fail;
	}
	if (proc_create("many_sites", 0200, NULL, &ops))
		return 0;
fail:
	while (i--)
		kmem_cache_destroy(caches[i]);
	return -ENOMEM;
}

module_init(sites_init);
module_exit(sites_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Call sites by the ten thousand");
