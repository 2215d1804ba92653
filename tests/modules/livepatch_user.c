// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch of a function that beancounter hooks: does what kmem_cache_free_bulk() does, one by one. Taken back by
 * /sys/kernel/livepatch/livepatch_user/enabled, as every livepatch.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>

static void one_by_one(struct kmem_cache *s, size_t count, void **objects)
{
	size_t i;

	for (i = 0; i < count; i++)
		kfree(objects[i]);
}

static struct klp_func functions[] = {
	{ .old_name = "kmem_cache_free_bulk", .new_func = one_by_one },
	{}
};

static struct klp_object objects[] = {
	{ .funcs = functions }, /* no name: the kernel itself */
	{}
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init livepatch_user_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_user_exit(void)
{
}

module_init(livepatch_user_init);
module_exit(livepatch_user_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("A livepatch of a function that beancounter hooks");
