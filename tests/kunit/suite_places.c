// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that change their CPU, pages that change their objects, and all of it at random.
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "box.h"

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

			bytes += price_of(batch->objects[i]);
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

/* The long one: threads that allocate and free at random, each other's objects, too */

#define POOL 2048
#define CACHES 4

/* Of each thread */
static unsigned int churn_steps = 120000;
module_param(churn_steps, uint, 0444);

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

	for (i = 0; i < churn_steps; i++) {
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

/*
 * `meanwhile`, if it is not NULL, is called again and again while the threads are at work: how often something came of it is returned.
 */
static s64 churn(struct kunit *test, u32 (*meanwhile)(void))
{
	static const struct {
		const char *name;
		u32 size;
	} caches[CACHES] = { { "bct_churn_24", 24 }, { "bct_churn_136", 136 }, { "bct_churn_696", 696 }, { "bct_churn_2200", 2200 } };
	struct churn *churn = kunit_kzalloc(test, sizeof(*churn), GFP_KERNEL);
	struct task_struct *threads[8];
	s64 objects = 0, bytes = 0, came = 0;
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
	while (meanwhile && !completion_done(&churn->done)) {
		mutex_lock(&bc_mutex);
		came += meanwhile();
		mutex_unlock(&bc_mutex);
	}
	wait_for_completion(&churn->done);

	for (i = 0; i < POOL; i++) {
		if (churn->pool[i]) {
			objects++;
			bytes += price_of(churn->pool[i]);
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
	return came;
}

static void random_churn(struct kunit *test)
{
	churn(test, NULL);
}

/* The charges and frees are those of trampolines.S, which know nothing of it. */
static void churn_while_arrays_are_given_back(struct kunit *test)
{
	s64 given = churn(test, bct_give_back);

	kunit_info(test, "%lld arrays given back\n", given);
	KUNIT_EXPECT_GT(test, given, (s64)0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(migrate_between),
	KUNIT_CASE_SLOW(page_reuse),
	KUNIT_CASE_SLOW(random_churn),
	KUNIT_CASE_SLOW(churn_while_arrays_are_given_back),
	{}
};

BOX_SUITE(places, cases);
