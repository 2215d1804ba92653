// SPDX-License-Identifier: GPL-2.0
/*
 * A reserve of one element (mm/mempool.c), and what a task can do to it by writing to /proc/reserve:
 *
 *   keep   it allocates an element while another one has the reserve's, and gives it back first: its own stays there
 *   lose   it allocates one and forgets it
 *   free   gives the lost ones back, from any task; so does unloading
 *
 * A lost one's address is kept inverted: a search of the memory must not find it. Nor may it be what somebody remembers of an object
 * that was there before, so that the elements lie in memory that was not used lately.
 */
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define ELEMENT 200
#define MOST_LOST 16
#define USED_LATELY 8192 /* pages, 32 MiB: more than the CPUs and the smallest blocks keep for the next */

static DEFINE_MUTEX(lock);
static struct kmem_cache *cache;
static mempool_t *pool;
static unsigned long not_lost[MOST_LOST];
static unsigned int lost_count;

static void *nothing(gfp_t gfp, void *unused)
{
	return NULL;
}

static noinline void keep(void)
{
	mempool_alloc_t *alloc = pool->alloc;
	void *own, *others;

	own = mempool_alloc(pool, GFP_KERNEL);
	pool->alloc = nothing;
	others = mempool_alloc(pool, GFP_KERNEL);
	pool->alloc = alloc;
	mempool_free(own, pool);
	mempool_free(others, pool);
}

static noinline int lose(void)
{
	if (lost_count == MOST_LOST)
		return -ENOSPC;
	not_lost[lost_count++] = ~(unsigned long)mempool_alloc(pool, GFP_KERNEL);
	return 0;
}

static void free_all(void)
{
	while (lost_count)
		mempool_free((void *)~not_lost[--lost_count], pool);
}

static ssize_t reserve_write(struct file *file, const char __user *buffer, size_t count, loff_t *pos)
{
	char text[16] = "";
	int ret = 0;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, count))
		return -EFAULT;
	mutex_lock(&lock);
	if (sysfs_streq(text, "keep"))
		keep();
	else if (sysfs_streq(text, "lose"))
		ret = lose();
	else if (sysfs_streq(text, "free"))
		free_all();
	else
		ret = -EINVAL;
	mutex_unlock(&lock);
	return ret ?: count;
}

static const struct proc_ops reserve_ops = {
	.proc_write = reserve_write,
	.proc_lseek = noop_llseek,
};

static void take_pages(struct list_head *taken)
{
	struct page *page;
	int i;

	for (i = 0; i < USED_LATELY; i++) {
		page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, taken);
	}
}

static void give_pages(struct list_head *taken)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, taken, lru)
		__free_page(page);
}

static int __init reserve_init(void)
{
	LIST_HEAD(taken);

	take_pages(&taken);
	/* Not merged: a usercopy region. */
	cache = kmem_cache_create_usercopy("reserve_element", ELEMENT, 0, 0, 0, ELEMENT, NULL);
	pool = cache ? mempool_create_slab_pool(1, cache) : NULL; /* the first element, and its page */
	give_pages(&taken);
	if (pool && proc_create("reserve", 0222, NULL, &reserve_ops))
		return 0;
	mempool_destroy(pool);
	kmem_cache_destroy(cache);
	return -ENOMEM;
}

static void __exit reserve_exit(void)
{
	remove_proc_entry("reserve", NULL);
	free_all();
	mempool_destroy(pool);
	kmem_cache_destroy(cache);
}

module_init(reserve_init);
module_exit(reserve_exit);
MODULE_DESCRIPTION("A reserve that a task can leave an element in, or lose one of, for tests");
MODULE_LICENSE("GPL");
