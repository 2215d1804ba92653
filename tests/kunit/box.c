// SPDX-License-Identifier: GPL-2.0
/*
 * A container of a case's own, and what cases allocate.
 *
 * A case runs in a kernel thread of KUnit's, which belongs to the host. It becomes a container's task by showing another struct
 * pid for a while: current->thread_pid is all that the hooks look at, and nobody else looks at it unless asked to.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "box.h"
#include "shim.h"

DECLARE_PER_CPU(struct bc_cpu, bc_this_cpu);

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

u64 bct_address_of(const char *function)
{
	return bc_lookup(function);
}

s64 bct_ns_references(const void *ns)
{
	return refcount_read(&((const struct pid_namespace *)ns)->ns.count) - 1;
}

bool box_new(struct box *box)
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

struct pid *box_enter(struct box *box)
{
	struct pid *own = current->thread_pid;

	rcu_assign_pointer(current->thread_pid, box->pid);
	return own;
}

void box_leave(struct pid *own)
{
	rcu_assign_pointer(current->thread_pid, own);
}

const char *box_stop(struct box *box)
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

void box_free(struct box *box)
{
	synchronize_rcu();
	kfree(box->ns);
	kfree(box->pid);
	memset(box, 0, sizeof(*box));
}

struct bct_sum box_held(const struct box *box)
{
	struct bct_sum sum;

	mutex_lock(&bc_mutex);
	sum = bct_held(box->id);
	mutex_unlock(&bc_mutex);
	return sum;
}

struct bct_sum box_recorded(const struct box *box)
{
	struct bct_sum sum;

	mutex_lock(&bc_mutex);
	sum = bct_recorded(box->id);
	mutex_unlock(&bc_mutex);
	return sum;
}

u32 owner_of(const void *object)
{
	u32 id;

	mutex_lock(&bc_mutex);
	id = bct_owner((u64)object);
	mutex_unlock(&bc_mutex);
	return id;
}

u32 price_of(const void *object)
{
	const struct bc_kmem_cache *cache = bc_cache_of(object);

	return cache ? cache->size : page_size(virt_to_head_page(object));
}

struct box box;
static s64 losses_before;

static s64 losses(void)
{
	s64 sum;

	mutex_lock(&bc_mutex);
	sum = bct_losses();
	mutex_unlock(&bc_mutex);
	return sum;
}

int open_box(struct kunit *test)
{
	losses_before = losses();
	KUNIT_ASSERT_TRUE(test, box_new(&box));
	return 0;
}

void close_box(struct kunit *test)
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

/* ---- a batch of objects */

struct batch *batch_new(struct kunit *test)
{
	struct batch *batch = kunit_kzalloc(test, sizeof(*batch), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, batch);
	init_completion(&batch->done);
	return batch;
}

/* Sizes from 8 bytes to a page-backed 16 KiB; constant ones, too, which take another way into the allocator. */
void batch_fill(struct batch *batch, struct box *box, u32 count)
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
		batch->bytes += price_of(batch->objects[i]);
}

void batch_free(struct batch *batch, bool context)
{
	u32 i;

	batch->context = context;
	for (i = 0; i < batch->count; i++)
		kfree(batch->objects[i]);
	complete(&batch->done);
}
