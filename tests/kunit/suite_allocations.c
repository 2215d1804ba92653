// SPDX-License-Identifier: GPL-2.0
/*
 * Every way into the allocator, in each context.
 */
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "box.h"

/* Every hooked way into the allocator charges its object once. */
static void every_entry_charges_once(struct kunit *test)
{
	static const char *const names[] = { "kmalloc, constant size", "kmalloc", "kmalloc_node, constant size", "kmalloc_node",
					     "kzalloc",		       "kstrdup", "kmemdup",			 "kcalloc",
					     "krealloc",	       "kmem_cache_alloc", "kmem_cache_alloc_node",
					     "kmem_cache_alloc_lru",   "kmem_cache_alloc_bulk", "kmalloc, 8 KiB",
					     "kmalloc, 8 KiB and one", "kmalloc, constant 64 KiB", "kvmalloc, small" };
	void *objects[ARRAY_SIZE(names)] = {};
	struct kmem_cache *cache = bct_cache_new("bct_entries", 200, false);
	struct pid *own;
	s64 bytes = 0;
	size_t n = 100;
	u32 i = 0;

	KUNIT_ASSERT_NOT_NULL(test, cache);
	OPTIMIZER_HIDE_VAR(n);
	own = box_enter(&box);
	objects[i++] = kmalloc(100, GFP_KERNEL);
	objects[i++] = kmalloc(n, GFP_KERNEL);
	objects[i++] = kmalloc_node(100, GFP_KERNEL, numa_mem_id());
	objects[i++] = kmalloc_node(n, GFP_KERNEL, numa_mem_id());
	objects[i++] = kzalloc(n, GFP_KERNEL);
	objects[i++] = kstrdup("a string", GFP_KERNEL);
	objects[i++] = kmemdup("a block", 7, GFP_KERNEL);
	objects[i++] = kcalloc(n, 3, GFP_KERNEL);
	objects[i++] = krealloc(NULL, n, GFP_KERNEL);
	objects[i++] = kmem_cache_alloc(cache, GFP_KERNEL);
	objects[i++] = kmem_cache_alloc_node(cache, GFP_KERNEL, numa_mem_id());
	objects[i++] = kmem_cache_alloc_lru(cache, NULL, GFP_KERNEL);
	if (kmem_cache_alloc_bulk(cache, GFP_KERNEL, 1, &objects[i++]) != 1)
		objects[i - 1] = NULL;
	objects[i++] = kmalloc(8192 + n - 100, GFP_KERNEL);
	objects[i++] = kmalloc(8093 + n, GFP_KERNEL);
	objects[i++] = kmalloc(65536, GFP_KERNEL);
	objects[i++] = kvmalloc(n, GFP_KERNEL);
	box_leave(own);
	KUNIT_EXPECT_EQ(test, (size_t)i, ARRAY_SIZE(names));

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		KUNIT_EXPECT_NOT_NULL_MSG(test, objects[i], "%s", names[i]);
		if (!objects[i])
			continue;
		KUNIT_EXPECT_EQ_MSG(test, owner_of(objects[i]), box.id, "%s", names[i]);
		bytes += price_of(objects[i]);
	}
	EXPECT_HELD(test, &box, ARRAY_SIZE(names), bytes);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct bct_sum before = box_held(&box);
		u32 bytes = objects[i] ? price_of(objects[i]) : 0;

		kfree(objects[i]);
		KUNIT_EXPECT_EQ_MSG(test, before.bytes - box_held(&box).bytes, (s64)bytes, "%s", names[i]);
	}
	EXPECT_HELD(test, &box, 0, 0);
	kmem_cache_destroy(cache);
}

static void nothing_costs_nothing(struct kunit *test)
{
	struct pid *own = box_enter(&box);
	size_t zero = 0, huge = KMALLOC_MAX_SIZE;
	void *nothing, *refused;

	OPTIMIZER_HIDE_VAR(zero);
	OPTIMIZER_HIDE_VAR(huge);
	nothing = kmalloc(zero, GFP_KERNEL);
	refused = kmalloc(huge + 1, GFP_KERNEL | __GFP_NOWARN);
	kfree(nothing);
	kfree(refused);
	kfree(NULL);
	box_leave(own);
	KUNIT_EXPECT_PTR_EQ(test, nothing, ZERO_SIZE_PTR);
	KUNIT_EXPECT_NULL(test, refused);
	EXPECT_HELD(test, &box, 0, 0);
}

static void krealloc_moves_the_charge(struct kunit *test)
{
	struct pid *own = box_enter(&box);
	void *object = kmalloc(100, GFP_KERNEL), *grown, *large;

	grown = krealloc(object, 3000, GFP_KERNEL);
	box_leave(own);
	KUNIT_ASSERT_NOT_NULL(test, grown);
	EXPECT_HELD(test, &box, 1, price_of(grown));
	own = box_enter(&box);
	large = krealloc(grown, 20000, GFP_KERNEL);
	box_leave(own);
	KUNIT_ASSERT_NOT_NULL(test, large);
	EXPECT_HELD(test, &box, 1, 32768);
	kfree_sensitive(large);
	EXPECT_HELD(test, &box, 0, 0);
}

static void page_backed(struct kunit *test)
{
	static const struct {
		u32 size, charged;
	} table[] = { { 8193, 16384 }, { 16384, 16384 }, { 16385, 32768 }, { 20000, 32768 }, { 65536, 65536 }, { 200000, 262144 } };
	void *objects[ARRAY_SIZE(table)];
	struct pid *own = box_enter(&box);
	s64 bytes = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		objects[i] = kmalloc(table[i].size, GFP_KERNEL | __GFP_ZERO);
	box_leave(own);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		KUNIT_EXPECT_NOT_NULL(test, objects[i]);
		KUNIT_EXPECT_EQ(test, owner_of(objects[i]), box.id);
		bytes += table[i].charged;
	}
	EXPECT_HELD(test, &box, ARRAY_SIZE(table), bytes);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		kfree(objects[i]);
		bytes -= table[i].charged;
		EXPECT_HELD(test, &box, ARRAY_SIZE(table) - 1 - i, bytes);
	}
}

static void the_host_is_not_charged(struct kunit *test)
{
	void *small = kmalloc(100, GFP_KERNEL), *large = kmalloc(20000, GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, owner_of(small), 0u);
	KUNIT_EXPECT_EQ(test, owner_of(large), 0u);
	EXPECT_HELD(test, &box, 0, 0);
	kfree(small);
	kfree(large);
}

/* On top of the container's task, yet not by it. */
static void *from_softirq, *from_hardirq;
static struct task_struct *softirq_over, *hardirq_over;

static void tasklet_allocates(struct tasklet_struct *unused)
{
	softirq_over = current;
	from_softirq = kmalloc(100, GFP_ATOMIC);
}

static void irq_work_allocates(struct irq_work *unused)
{
	hardirq_over = current;
	from_hardirq = kmalloc(100, GFP_ATOMIC);
}

static void interrupts_charge_nobody(struct kunit *test)
{
	struct irq_work irq_work = IRQ_WORK_INIT_HARD(irq_work_allocates);
	struct tasklet_struct tasklet;
	struct pid *own;
	void *with_bh_off;
	int i;

	tasklet_setup(&tasklet, tasklet_allocates);
	own = box_enter(&box);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) { /* whose allocator no such interrupt may call */
		preempt_disable();
		irq_work_queue(&irq_work);
		for (i = 0; i < 1000000 && irq_work_is_busy(&irq_work); i++)
			cpu_relax();
		preempt_enable();
	}
	local_bh_disable();
	tasklet_schedule(&tasklet);
	with_bh_off = kmalloc(100, GFP_ATOMIC);
	local_bh_enable(); /* the tasklet runs in here */
	box_leave(own);
	tasklet_kill(&tasklet);

	KUNIT_EXPECT_PTR_EQ(test, softirq_over, current);
	KUNIT_EXPECT_NOT_NULL(test, from_softirq);
	KUNIT_EXPECT_EQ(test, owner_of(from_softirq), 0u);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
		KUNIT_EXPECT_PTR_EQ(test, hardirq_over, current);
		KUNIT_EXPECT_NOT_NULL(test, from_hardirq);
		KUNIT_EXPECT_EQ(test, owner_of(from_hardirq), 0u);
	}
	KUNIT_ASSERT_NOT_NULL(test, with_bh_off);
	KUNIT_EXPECT_EQ(test, owner_of(with_bh_off), box.id);
	EXPECT_HELD(test, &box, 1, price_of(with_bh_off));
	kfree(from_softirq);
	kfree(from_hardirq);
	kfree(with_bh_off);
}

/*
 * With interrupts off and a raw lock held, as under the scheduler's: the objects are enough for new slabs, hence for new arrays
 * of the ledger, which have to be allocated there and then.
 */
static void record_under_a_raw_lock(struct kunit *test)
{
	static DEFINE_RAW_SPINLOCK(lock);
	struct kmem_cache *cache;
	unsigned long flags;
	struct batch *batch;
	struct pid *own;
	s64 arrays;

	NOT_ON_RT(test);
	batch = batch_new(test);
	cache = bct_cache_new("bct_raw", 424, false);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	arrays = bct_arrays_made();
	own = box_enter(&box);
	raw_spin_lock_irqsave(&lock, flags);
	while (batch->count < BATCH) {
		void *object = kmem_cache_alloc(cache, GFP_NOWAIT | __GFP_NOWARN);

		if (!object)
			break;
		batch->objects[batch->count++] = object;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	box_leave(own);
	KUNIT_EXPECT_GT(test, batch->count, (u32)BATCH / 2);
	KUNIT_EXPECT_GT(test, bct_arrays_made(), arrays);
	if (batch->count)
		EXPECT_HELD(test, &box, batch->count, (s64)batch->count * price_of(batch->objects[0]));
	raw_spin_lock_irqsave(&lock, flags);
	while (batch->count)
		kmem_cache_free(cache, batch->objects[--batch->count]);
	raw_spin_unlock_irqrestore(&lock, flags);
	EXPECT_HELD(test, &box, 0, 0);
	kmem_cache_destroy(cache);
}

static void bulk(struct kunit *test)
{
	struct kmem_cache *cache = bct_cache_new("bct_bulk", 88, false);
	struct batch *batch = batch_new(test);
	struct pid *own;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, cache);
	own = box_enter(&box);
	batch->count = kmem_cache_alloc_bulk(cache, GFP_KERNEL, BATCH, batch->objects);
	box_leave(own);
	KUNIT_ASSERT_EQ(test, batch->count, (u32)BATCH);
	EXPECT_HELD(test, &box, BATCH, (s64)BATCH * price_of(batch->objects[0]));
	kmem_cache_free_bulk(cache, BATCH / 2, batch->objects);
	EXPECT_HELD(test, &box, BATCH / 2, (s64)BATCH / 2 * price_of(batch->objects[BATCH / 2]));
	for (i = BATCH / 2; i < BATCH; i++)
		kmem_cache_free(cache, batch->objects[i]);
	EXPECT_HELD(test, &box, 0, 0);
	kmem_cache_destroy(cache);

	/* of several caches, page-backed ones among them, and some that nobody has charged */
	batch->count = 0;
	FILL(test, batch, &box, BATCH - 3);
	for (i = 0; i < 3; i++)
		batch->objects[batch->count++] = kmalloc(100, GFP_KERNEL);
	swap(batch->objects[0], batch->objects[batch->count - 1]);
	kfree_bulk(batch->count, batch->objects);
	EXPECT_HELD(test, &box, 0, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_entry_charges_once),
	KUNIT_CASE(nothing_costs_nothing),
	KUNIT_CASE(krealloc_moves_the_charge),
	KUNIT_CASE(page_backed),
	KUNIT_CASE(bulk),
	KUNIT_CASE(the_host_is_not_charged),
	KUNIT_CASE(interrupts_charge_nobody),
	KUNIT_CASE(record_under_a_raw_lock),
	{}
};

BOX_SUITE(allocations, cases);
