// SPDX-License-Identifier: GPL-2.0
/*
 * What only a kernel can show: the live, hooked module under allocations and frees in every context.
 *
 * A case runs in a kernel thread of KUnit's, which belongs to the host. It becomes a container's task by showing another struct
 * pid for a while: current->thread_pid is all that the hooks look at, and nobody else looks at it unless asked to.
 * No assertion stands between box_enter() and box_leave(): one that fails allocates, or ends the thread with the wrong pid.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "../../src/shim/shim.h"
#include "cases.h"

DECLARE_PER_CPU(struct bc_cpu, bc_this_cpu);

/* ---- containers */

void *bct_ns_new(bool dead)
{
	struct pid_namespace *ns = kzalloc(sizeof(*ns), GFP_KERNEL);

	if (!ns)
		return NULL;
	refcount_set(&ns->ns.count, 1);
	ns->ns.inum = 1;
	ns->level = 1;
	ns->parent = &init_pid_ns;
	ns->user_ns = &init_user_ns;
	ns->pid_allocated = dead ? 0 : PIDNS_ADDING;
	return ns;
}

void bct_ns_free(void *ns)
{
	synchronize_rcu();
	kfree(ns);
}

s64 bct_ns_references(const void *ns)
{
	return refcount_read(&((const struct pid_namespace *)ns)->ns.count) - 1;
}

struct box {
	struct pid_namespace *ns;
	struct pid *pid;
	u32 id;
};

static bool box_new(struct box *box)
{
	box->ns = bct_ns_new(false);
	box->pid = kzalloc(sizeof(struct pid) + 2 * sizeof(struct upid), GFP_KERNEL);
	if (!box->ns || !box->pid)
		return false;
	refcount_set(&box->pid->count, 1);
	box->pid->level = 1;
	box->pid->numbers[0] = (struct upid){ .nr = task_pid_nr(current), .ns = &init_pid_ns };
	/* gcc: numbers[] has one element on some kernels */
	*((struct upid *)box->pid->numbers + 1) = (struct upid){ .nr = 1, .ns = box->ns };
	box->id = bc_task_forked(box->ns, task_pid_nr(current), "kunit", false);
	return box->id != 0;
}

/* From here to box_leave() the current task is the container's. Returns what box_leave() wants. */
static struct pid *box_enter(struct box *box)
{
	struct pid *own = current->thread_pid;

	rcu_assign_pointer(current->thread_pid, box->pid);
	return own;
}

static void box_leave(struct pid *own)
{
	rcu_assign_pointer(current->thread_pid, own);
}

/* Its last task has gone. Returns when there is a verdict. */
static const char *box_stop(struct box *box)
{
	const char *state;
	bool stopped;
	int i;

	bc_init_exited(box->ns);
	for (i = 0; i < 6000; i++) {
		mutex_lock(&bc_mutex);
		stopped = bct_stopped(box->id);
		state = bct_state(box->id);
		mutex_unlock(&bc_mutex);
		if (stopped)
			return state;
		msleep(10);
	}
	return "without a verdict after 60 s";
}

static void box_free(struct box *box)
{
	synchronize_rcu();
	kfree(box->ns);
	kfree(box->pid);
	memset(box, 0, sizeof(*box));
}

static struct bct_sum held(const struct box *box)
{
	struct bct_sum sum;

	mutex_lock(&bc_mutex);
	sum = bct_held(box->id);
	mutex_unlock(&bc_mutex);
	return sum;
}

static struct bct_sum recorded(const struct box *box)
{
	struct bct_sum sum;

	mutex_lock(&bc_mutex);
	sum = bct_recorded(box->id);
	mutex_unlock(&bc_mutex);
	return sum;
}

static u32 owner(const void *object)
{
	u32 id;

	mutex_lock(&bc_mutex);
	id = bct_owner((u64)object);
	mutex_unlock(&bc_mutex);
	return id;
}

/* What an object has to cost, told by its page. */
static u32 price(const void *object)
{
	const struct bc_kmem_cache *cache = bc_cache_of(object);

	return cache ? cache->size : page_size(virt_to_head_page(object));
}

/* Counters and ledger agree with each other and with what the case knows. */
#define EXPECT_HELD(test, box, n, b)                                                                                   \
	do {                                                                                                           \
		struct bct_sum __held = held(box), __recorded = recorded(box);                                         \
		KUNIT_EXPECT_EQ(test, __held.objects, (s64)(n));                                                       \
		KUNIT_EXPECT_EQ(test, __held.bytes, (s64)(b));                                                         \
		KUNIT_EXPECT_EQ(test, __recorded.objects, (s64)(n));                                                   \
		KUNIT_EXPECT_EQ(test, __recorded.bytes, (s64)(b));                                                     \
	} while (0)

/* ---- the fixture: a container of each case's own, clean at the end, and nothing lost */

static struct box box;
static s64 losses_before;

static s64 losses(void)
{
	s64 sum;

	mutex_lock(&bc_mutex);
	sum = bct_losses();
	mutex_unlock(&bc_mutex);
	return sum;
}

static int open_box(struct kunit *test)
{
	losses_before = losses();
	KUNIT_ASSERT_TRUE(test, box_new(&box));
	return 0;
}

static void close_box(struct kunit *test)
{
	s64 in_flight = 0;
	int cpu;

	if (!box.id)
		return;
	KUNIT_EXPECT_STREQ(test, box_stop(&box), "clean");
	EXPECT_HELD(test, &box, 0, 0);
	KUNIT_EXPECT_EQ(test, bct_ns_references(box.ns), (s64)0);
	for_each_possible_cpu(cpu)
		in_flight += READ_ONCE(per_cpu(bc_this_cpu, cpu).in_flight);
	KUNIT_EXPECT_EQ(test, in_flight, (s64)0);
	KUNIT_EXPECT_EQ(test, losses() - losses_before, (s64)0);
	box_free(&box);
}

/* ---- caches */

static void no_merging(void *object)
{
}

void *bct_cache_new(const char *name, unsigned int size, bool reclaimable)
{
	return kmem_cache_create(name, size, 8, reclaimable ? SLAB_RECLAIM_ACCOUNT : 0, no_merging);
}

void bct_cache_destroy(void *cache)
{
	kmem_cache_destroy(cache);
}

void *bct_cache_alloc(void *cache)
{
	return kmem_cache_alloc(cache, GFP_KERNEL);
}

void bct_cache_free(void *cache, void *object)
{
	kmem_cache_free(cache, object);
}

void *bct_alloc(unsigned long size)
{
	return kmalloc(size, GFP_KERNEL);
}

void bct_free(void *memory)
{
	kfree(memory);
}

/* ---- a batch of objects, allocated in the container and freed somewhere else */

#define BATCH 600

struct batch {
	void *objects[BATCH];
	u32 count;
	s64 bytes;
	bool context; /* the free ran where it was meant to */
	struct completion done;
};

static struct batch *batch_new(struct kunit *test)
{
	struct batch *batch = kunit_kzalloc(test, sizeof(*batch), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, batch);
	init_completion(&batch->done);
	return batch;
}

/* Sizes from 8 bytes to a page-backed 16 KiB; constant ones, too, which take another way into the allocator. */
static void batch_fill(struct batch *batch, struct box *box, u32 count)
{
	struct pid *own = box_enter(box);
	u32 i;

	for (i = 0; i < count; i++) {
		u32 kind = i % 16;
		void *object = kind == 15 ? kmalloc(160, GFP_KERNEL) : kmalloc(8u << (kind % 12), GFP_KERNEL);

		if (!object)
			break;
		batch->objects[batch->count++] = object;
	}
	box_leave(own);
	for (i = 0, batch->bytes = 0; i < batch->count; i++)
		batch->bytes += price(batch->objects[i]);
}

static void batch_free(struct batch *batch, bool context)
{
	u32 i;

	batch->context = context;
	for (i = 0; i < batch->count; i++)
		kfree(batch->objects[i]);
	complete(&batch->done);
}

#define FILL(test, batch, box, n)                                                                                      \
	do {                                                                                                           \
		batch_fill(batch, box, n);                                                                             \
		KUNIT_ASSERT_EQ(test, (batch)->count, (u32)(n));                                                       \
		EXPECT_HELD(test, box, n, (batch)->bytes);                                                             \
	} while (0)

#define EXPECT_FREED(test, batch, box)                                                                                 \
	do {                                                                                                           \
		KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&(batch)->done, 30 * HZ), 0UL);                      \
		KUNIT_EXPECT_TRUE(test, (batch)->context);                                                             \
		EXPECT_HELD(test, box, 0, 0);                                                                          \
	} while (0)

/* ---- frees in each context */

static void free_in_its_task(struct kunit *test)
{
	struct batch *batch = batch_new(test);
	struct pid *own;

	FILL(test, batch, &box, BATCH);
	own = box_enter(&box);
	batch_free(batch, true);
	box_leave(own);
	EXPECT_FREED(test, batch, &box);
}

static void free_by_the_host(struct kunit *test)
{
	struct batch *batch = batch_new(test);

	FILL(test, batch, &box, BATCH);
	KUNIT_EXPECT_EQ(test, owner(batch->objects[0]), box.id);
	batch_free(batch, true);
	EXPECT_FREED(test, batch, &box);
}

static void free_by_another_container(struct kunit *test)
{
	struct batch *batch = batch_new(test);
	struct box other = {};
	struct pid *own;

	KUNIT_ASSERT_TRUE(test, box_new(&other));
	FILL(test, batch, &box, BATCH);
	EXPECT_HELD(test, &other, 0, 0);
	own = box_enter(&other);
	batch_free(batch, true);
	box_leave(own);
	EXPECT_FREED(test, batch, &box);
	EXPECT_HELD(test, &other, 0, 0);
	KUNIT_EXPECT_STREQ(test, box_stop(&other), "clean");
	box_free(&other);
}

static struct batch *in_tasklet;

static void tasklet_frees(struct tasklet_struct *unused)
{
	batch_free(in_tasklet, in_serving_softirq());
}

static void free_in_a_tasklet(struct kunit *test)
{
	struct tasklet_struct tasklet;

	in_tasklet = batch_new(test);
	tasklet_setup(&tasklet, tasklet_frees);
	FILL(test, in_tasklet, &box, BATCH);
	tasklet_schedule(&tasklet);
	EXPECT_FREED(test, in_tasklet, &box);
	tasklet_kill(&tasklet);
}

struct timed {
	struct timer_list timer;
	struct hrtimer hrtimer;
	struct irq_work irq_work;
	struct work_struct work;
	struct batch *batch;
};

static void timer_frees(struct timer_list *timer)
{
	batch_free(container_of(timer, struct timed, timer)->batch, in_serving_softirq());
}

static void free_in_a_timer(struct kunit *test)
{
	struct timed timed = { .batch = batch_new(test) };

	timer_setup_on_stack(&timed.timer, timer_frees, 0);
	FILL(test, timed.batch, &box, BATCH);
	mod_timer(&timed.timer, jiffies + 2);
	EXPECT_FREED(test, timed.batch, &box);
	del_timer_sync(&timed.timer);
	destroy_timer_on_stack(&timed.timer);
}

static enum hrtimer_restart hrtimer_frees(struct hrtimer *timer)
{
	batch_free(container_of(timer, struct timed, hrtimer)->batch, in_hardirq());
	return HRTIMER_NORESTART;
}

static void free_in_an_hrtimer(struct kunit *test)
{
	struct timed timed = { .batch = batch_new(test) };

	hrtimer_init_on_stack(&timed.hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timed.hrtimer.function = hrtimer_frees;
	FILL(test, timed.batch, &box, BATCH);
	hrtimer_start(&timed.hrtimer, ms_to_ktime(2), HRTIMER_MODE_REL_HARD);
	EXPECT_FREED(test, timed.batch, &box);
	hrtimer_cancel(&timed.hrtimer);
	destroy_hrtimer_on_stack(&timed.hrtimer);
}

static void irq_work_frees(struct irq_work *work)
{
	batch_free(container_of(work, struct timed, irq_work)->batch, in_hardirq());
}

static void free_in_irq_work(struct kunit *test)
{
	struct timed timed = { .batch = batch_new(test) };

	timed.irq_work = IRQ_WORK_INIT_HARD(irq_work_frees);
	FILL(test, timed.batch, &box, BATCH);
	irq_work_queue(&timed.irq_work);
	EXPECT_FREED(test, timed.batch, &box);
	irq_work_sync(&timed.irq_work);
}

static void work_frees(struct work_struct *work)
{
	batch_free(container_of(work, struct timed, work)->batch, true);
}

/* Every CPU gives back what another one has charged: its own cells go below zero and are folded so. */
static void free_on_every_other_cpu(struct kunit *test)
{
	struct timed timed = { .batch = batch_new(test) };
	int cpu;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU");
	for_each_online_cpu(cpu) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		timed.batch->count = 0;
		reinit_completion(&timed.batch->done);
		FILL(test, timed.batch, &box, BATCH);
		INIT_WORK_ONSTACK(&timed.work, work_frees);
		schedule_work_on(cpumask_any_but(cpu_online_mask, cpu), &timed.work);
		flush_work(&timed.work);
		destroy_work_on_stack(&timed.work);
		EXPECT_FREED(test, timed.batch, &box);
	}
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}

struct with_head {
	struct rcu_head rcu;
	char rest[200];
};

static void rcu_frees(struct rcu_head *head)
{
	kfree(container_of(head, struct with_head, rcu));
}

static void free_by_rcu(struct kunit *test, bool callback)
{
	struct batch *batch = batch_new(test);
	struct pid *own = box_enter(&box);
	u32 i;

	for (i = 0; i < BATCH; i++) {
		batch->objects[i] = kmalloc(sizeof(struct with_head), GFP_KERNEL);
		if (!batch->objects[i])
			break;
	}
	box_leave(own);
	batch->count = i;
	KUNIT_EXPECT_EQ(test, i, (u32)BATCH);
	if (i)
		EXPECT_HELD(test, &box, i, (s64)i * price(batch->objects[0]));
	while (i--) {
		struct with_head *object = batch->objects[i];

		if (callback)
			call_rcu(&object->rcu, rcu_frees);
		else
			kfree_rcu(object, rcu);
	}
	rcu_barrier();
#if BC_KERNEL_6_12
	kvfree_rcu_barrier();
#endif
	/* 6.1 collects kfree_rcu() for 5 s and more */
	for (i = 0; i < 3000 && held(&box).objects; i++)
		msleep(10);
	EXPECT_HELD(test, &box, 0, 0);
}

static void free_in_a_call_rcu(struct kunit *test)
{
	free_by_rcu(test, true);
}

static void free_by_kfree_rcu(struct kunit *test)
{
	free_by_rcu(test, false);
}

/* ---- allocations */

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
		KUNIT_EXPECT_EQ_MSG(test, owner(objects[i]), box.id, "%s", names[i]);
		bytes += price(objects[i]);
	}
	EXPECT_HELD(test, &box, ARRAY_SIZE(names), bytes);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct bct_sum before = held(&box);
		u32 bytes = objects[i] ? price(objects[i]) : 0;

		kfree(objects[i]);
		KUNIT_EXPECT_EQ_MSG(test, before.bytes - held(&box).bytes, (s64)bytes, "%s", names[i]);
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
	EXPECT_HELD(test, &box, 1, price(grown));
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
		KUNIT_EXPECT_EQ(test, owner(objects[i]), box.id);
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

	KUNIT_EXPECT_EQ(test, owner(small), 0u);
	KUNIT_EXPECT_EQ(test, owner(large), 0u);
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
	preempt_disable();
	irq_work_queue(&irq_work);
	for (i = 0; i < 1000000 && irq_work_is_busy(&irq_work); i++)
		cpu_relax();
	preempt_enable();
	local_bh_disable();
	tasklet_schedule(&tasklet);
	with_bh_off = kmalloc(100, GFP_ATOMIC);
	local_bh_enable(); /* the tasklet runs in here */
	box_leave(own);
	tasklet_kill(&tasklet);

	KUNIT_EXPECT_PTR_EQ(test, softirq_over, current);
	KUNIT_EXPECT_PTR_EQ(test, hardirq_over, current);
	KUNIT_EXPECT_NOT_NULL(test, from_softirq);
	KUNIT_EXPECT_NOT_NULL(test, from_hardirq);
	KUNIT_EXPECT_EQ(test, owner(from_softirq), 0u);
	KUNIT_EXPECT_EQ(test, owner(from_hardirq), 0u);
	KUNIT_ASSERT_NOT_NULL(test, with_bh_off);
	KUNIT_EXPECT_EQ(test, owner(with_bh_off), box.id);
	EXPECT_HELD(test, &box, 1, price(with_bh_off));
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
	struct batch *batch = batch_new(test);
	struct kmem_cache *cache = bct_cache_new("bct_raw", 424, false);
	unsigned long flags;
	struct pid *own;
	s64 arrays;

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
		EXPECT_HELD(test, &box, batch->count, (s64)batch->count * price(batch->objects[0]));
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
	EXPECT_HELD(test, &box, BATCH, (s64)BATCH * price(batch->objects[0]));
	kmem_cache_free_bulk(cache, BATCH / 2, batch->objects);
	EXPECT_HELD(test, &box, BATCH / 2, (s64)BATCH / 2 * price(batch->objects[BATCH / 2]));
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

static void migrate_between(struct kunit *test)
{
	struct batch *batch = batch_new(test);
	int cpu, i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU");
	for (i = 0; i < 40; i++) {
		for_each_online_cpu(cpu) {
			struct pid *own;

			set_cpus_allowed_ptr(current, cpumask_of(cpu));
			own = box_enter(&box);
			while (batch->count)
				kfree(batch->objects[--batch->count]);
			box_leave(own);
			batch_fill(batch, &box, 30 + i);
		}
	}
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	EXPECT_HELD(test, &box, batch->count, batch->bytes);
	batch_free(batch, true);
	EXPECT_FREED(test, batch, &box);
}

/* A page that comes to a cache of another stride gets another array. */
static void page_reuse(struct kunit *test)
{
	static const u32 sizes[] = { 64, 512, 24, 2000, 8, 160 };
	struct batch *batch = batch_new(test);
	unsigned long *before = kunit_kcalloc(test, BATCH, sizeof(*before), GFP_KERNEL);
	u32 round, i, j, n = 0, reused = 0;

	KUNIT_ASSERT_NOT_NULL(test, before);
	for (round = 0; round < 18; round++) {
		struct kmem_cache *cache = bct_cache_new("bct_reuse", sizes[round % ARRAY_SIZE(sizes)], false);
		struct pid *own;
		s64 bytes = 0;

		KUNIT_ASSERT_NOT_NULL(test, cache);
		own = box_enter(&box);
		for (i = 0; i < BATCH; i++) {
			batch->objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
			if (!batch->objects[i])
				break;
		}
		box_leave(own);
		KUNIT_EXPECT_EQ(test, i, (u32)BATCH);
		batch->count = i;
		for (i = 0; i < batch->count; i++) {
			unsigned long pfn = page_to_pfn(virt_to_page(batch->objects[i]));

			bytes += price(batch->objects[i]);
			for (j = 0; j < n; j++)
				reused += before[j] == pfn;
		}
		EXPECT_HELD(test, &box, batch->count, bytes);
		for (n = 0; n < batch->count; n++)
			before[n] = page_to_pfn(virt_to_page(batch->objects[n]));
		while (batch->count)
			kmem_cache_free(cache, batch->objects[--batch->count]);
		EXPECT_HELD(test, &box, 0, 0);
		kmem_cache_destroy(cache);
	}
	KUNIT_EXPECT_GT_MSG(test, reused, 0u, "no page was used again: nothing was tested");
}

/* ---- the long one: threads that allocate and free at random, each other's objects, too */

#define POOL 2048
#define STEPS 120000 /* a thread */
#define CACHES 4

struct churn {
	void *pool[POOL];
	struct kmem_cache *caches[CACHES];
	atomic_t running;
	atomic64_t made;
	struct completion done;
};

static u32 next_random(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void *churn_alloc(struct churn *churn, u32 random)
{
	u32 kind = random & 15, size = random >> 4;

	if (kind < CACHES)
		return kmem_cache_alloc(churn->caches[kind], GFP_KERNEL);
	if (kind == CACHES)
		return kmalloc(8193 + size % 12000, GFP_KERNEL);
	if (kind == CACHES + 1)
		return kmalloc(1 + size % 8192, GFP_KERNEL);
	return kmalloc(1 + size % 700, GFP_KERNEL);
}

static int churn_thread(void *data)
{
	struct churn *churn = data;
	u32 random = (u32)(unsigned long)current | 1, i;
	s64 made = 0;

	for (i = 0; i < STEPS; i++) {
		void **place = &churn->pool[next_random(&random) % POOL], *object = NULL, *old;
		u32 what = next_random(&random);
		struct pid *own = box_enter(&box);

		if (what & 0x10000) {
			object = churn_alloc(churn, what >> 17 ^ what << 15);
			made += object != NULL;
		}
		if (what & 1)
			box_leave(own);
		old = xchg(place, object);
		kfree(old);
		if (!(what & 1))
			box_leave(own);
		if (i % 512 == 0)
			cond_resched();
	}
	atomic64_add(made, &churn->made);
	if (atomic_dec_and_test(&churn->running))
		complete(&churn->done);
	return 0;
}

static void random_churn(struct kunit *test)
{
	static const struct {
		const char *name;
		u32 size;
	} caches[CACHES] = { { "bct_churn_24", 24 }, { "bct_churn_136", 136 }, { "bct_churn_696", 696 }, { "bct_churn_2200", 2200 } };
	struct churn *churn = kunit_kzalloc(test, sizeof(*churn), GFP_KERNEL);
	struct task_struct *threads[8];
	s64 objects = 0, bytes = 0;
	int cpu, n = 0, i;

	KUNIT_ASSERT_NOT_NULL(test, churn);
	init_completion(&churn->done);
	for (i = 0; i < CACHES; i++) {
		churn->caches[i] = bct_cache_new(caches[i].name, caches[i].size, i == 1);
		KUNIT_ASSERT_NOT_NULL(test, churn->caches[i]);
	}
	for_each_online_cpu(cpu) {
		threads[n] = kthread_create(churn_thread, churn, "bct_churn/%d", cpu);
		if (IS_ERR(threads[n]))
			break;
		kthread_bind(threads[n], cpu);
		if (++n == ARRAY_SIZE(threads))
			break;
	}
	KUNIT_ASSERT_GT(test, n, 0);
	atomic_set(&churn->running, n);
	for (i = 0; i < n; i++)
		wake_up_process(threads[i]);
	/* KUnit ends a case after 300 s, and the threads' data would be gone */
	wait_for_completion(&churn->done);

	for (i = 0; i < POOL; i++) {
		if (churn->pool[i]) {
			objects++;
			bytes += price(churn->pool[i]);
		}
	}
	kunit_info(test, "%d threads, %lld objects made, %lld of %lld bytes left\n", n, atomic64_read(&churn->made), objects, bytes);
	KUNIT_EXPECT_GT(test, objects, (s64)POOL / 4);
	EXPECT_HELD(test, &box, objects, bytes);
	for (i = 0; i < POOL; i++)
		kfree(churn->pool[i]);
	EXPECT_HELD(test, &box, 0, 0);
	for (i = 0; i < CACHES; i++)
		kmem_cache_destroy(churn->caches[i]);
}

/* ---- stop */

static void a_leak_is_named_until_it_is_freed(struct kunit *test)
{
	struct box leaky = {};
	struct kmem_cache *cache = bct_cache_new("bct_leaky", 72, false);
	struct bc_text text = {};
	struct pid *own;
	void *object;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_ASSERT_TRUE(test, box_new(&leaky));
	own = box_enter(&leaky);
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	box_leave(own);
	KUNIT_EXPECT_STREQ(test, box_stop(&leaky), "leaked");
	KUNIT_EXPECT_EQ(test, bct_ns_references(leaky.ns), (s64)0);
	EXPECT_HELD(test, &leaky, 1, price(object));
	mutex_lock(&bc_mutex);
	KUNIT_EXPECT_EQ(test, bc_render(BC_FILE_LEAKS, leaky.id, &text), 0);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_NOT_NULL(test, strnstr(text.data, "bct_leaky", text.length));
	KUNIT_EXPECT_NOT_NULL(test, strnstr(text.data, "a_leak_is_named_until_it_is_freed+0x", text.length));
	bc_text_free(&text);

	kmem_cache_free(cache, object);
	for (i = 0; i < 1000; i++) {
		mutex_lock(&bc_mutex);
		own = strcmp(bct_state(leaky.id), "clean") ? NULL : leaky.pid;
		mutex_unlock(&bc_mutex);
		if (own)
			break;
		msleep(10);
	}
	KUNIT_EXPECT_NOT_NULL_MSG(test, own, "not clean after its last object went");
	EXPECT_HELD(test, &leaky, 0, 0);
	box_free(&leaky);
	kmem_cache_destroy(cache);
}

static bool has_face(u32 id)
{
	struct path path;
	char name[40];

	snprintf(name, sizeof(name), "/proc/beancounter/%u", id);
	if (kern_path(name, 0, &path))
		return false;
	path_put(&path);
	return true;
}

/* Of the stopped ones that are clean the last 64 stay. */
static void old_clean_containers_go(struct kunit *test)
{
	struct box *boxes = kunit_kcalloc(test, 70, sizeof(*boxes), GFP_KERNEL);
	const char *state;
	int i, waits;

	KUNIT_ASSERT_NOT_NULL(test, boxes);
	for (i = 0; i < 70; i++) {
		KUNIT_ASSERT_TRUE(test, box_new(&boxes[i]));
		if (i == 0) {
			for (waits = 0; waits < 500 && !has_face(boxes[0].id); waits++)
				msleep(10);
			KUNIT_EXPECT_TRUE(test, has_face(boxes[0].id));
		}
		state = box_stop(&boxes[i]);
		KUNIT_EXPECT_TRUE(test, !strcmp(state, "clean") || !strcmp(state, "gone"));
	}
	for (waits = 0; waits < 1000 && has_face(boxes[0].id); waits++)
		msleep(10);
	KUNIT_EXPECT_FALSE(test, has_face(boxes[0].id));
	mutex_lock(&bc_mutex);
	state = bct_state(boxes[0].id);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_STREQ(test, state, "gone");
	mutex_lock(&bc_mutex);
	state = bct_state(boxes[69].id);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_STREQ(test, state, "clean");
	for (i = 0; i < 70; i++)
		box_free(&boxes[i]);
}

#ifndef KUNIT_CASE_SLOW /* 6.1 */
#define KUNIT_CASE_SLOW(name) KUNIT_CASE(name)
#endif

static struct kunit_case kernel_cases[] = {
	KUNIT_CASE(every_entry_charges_once),
	KUNIT_CASE(nothing_costs_nothing),
	KUNIT_CASE(krealloc_moves_the_charge),
	KUNIT_CASE(page_backed),
	KUNIT_CASE(bulk),
	KUNIT_CASE(the_host_is_not_charged),
	KUNIT_CASE(interrupts_charge_nobody),
	KUNIT_CASE(record_under_a_raw_lock),
	KUNIT_CASE(free_in_its_task),
	KUNIT_CASE(free_by_the_host),
	KUNIT_CASE(free_by_another_container),
	KUNIT_CASE(free_in_a_tasklet),
	KUNIT_CASE(free_in_a_timer),
	KUNIT_CASE(free_in_an_hrtimer),
	KUNIT_CASE(free_in_irq_work),
	KUNIT_CASE(free_on_every_other_cpu),
	KUNIT_CASE(free_in_a_call_rcu),
	KUNIT_CASE(free_by_kfree_rcu),
	KUNIT_CASE(migrate_between),
	KUNIT_CASE_SLOW(page_reuse),
	KUNIT_CASE_SLOW(random_churn),
	KUNIT_CASE_SLOW(a_leak_is_named_until_it_is_freed),
	KUNIT_CASE_SLOW(old_clean_containers_go),
	{}
};

static struct kunit_suite kernel_suite = {
	.name = "beancounter_kernel",
	.init = open_box,
	.exit = close_box,
	.test_cases = kernel_cases,
};

/* ---- the cases in C++ */

static const void *next_case(const void *prev, char *desc)
{
	unsigned long index = (unsigned long)prev; /* counted from 1: NULL is the end */

	if (index == bct_cases())
		return NULL;
	strscpy(desc, bct_case_name(index), KUNIT_PARAM_DESC_SIZE);
	return (const void *)(index + 1);
}

static void core(struct kunit *test)
{
	const char *untrue;

	mutex_lock(&bc_mutex);
	untrue = bct_case_run((unsigned long)test->param_value - 1, box.id);
	mutex_unlock(&bc_mutex);
	if (untrue)
		KUNIT_FAIL(test, "not true: %s", untrue);
}

static struct kunit_case core_cases[] = {
	KUNIT_CASE_PARAM(core, next_case),
	{}
};

static struct kunit_suite core_suite = {
	.name = "beancounter_core",
	.init = open_box,
	.exit = close_box,
	.test_cases = core_cases,
};

#if BC_KERNEL_6_12
kunit_test_suites(&core_suite, &kernel_suite);
#else
/* 6.1 runs a module's suites before its init function: there run.sh starts them by writing to this parameter. */
static int run_suites(const char *value, const struct kernel_param *param)
{
	struct kunit_suite *suites[] = { &core_suite, &kernel_suite };
	int ret = __kunit_test_suites_init(suites, ARRAY_SIZE(suites));

	__kunit_test_suites_exit(suites, ARRAY_SIZE(suites));
	return ret;
}

static const struct kernel_param_ops run_ops = { .set = run_suites };
module_param_cb(run, &run_ops, NULL, 0200);
#endif
