// SPDX-License-Identifier: GPL-2.0
/*
 * Objects of a container that are freed somewhere else: in each context.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "box.h"

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
	KUNIT_EXPECT_EQ(test, owner_of(batch->objects[0]), box.id);
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

	NOT_ON_RT(test);
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

	NOT_ON_RT(test);
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
		EXPECT_HELD(test, &box, i, (s64)i * price_of(batch->objects[0]));
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
	for (i = 0; i < 3000 && box_held(&box).objects; i++)
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

static struct kunit_case cases[] = {
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
	{}
};

BOX_SUITE(frees, cases);
