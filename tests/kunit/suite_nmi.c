// SPDX-License-Identifier: GPL-2.0
/*
 * In an NMI, which comes amid anything: a section, a fold, what runs with interrupts off.
 *
 * The allocator has locks and may not be called there, and nobody does. So it is functions of our own that are hooked here, by the
 * same call that ftrace puts at a site: what a hook does before its function's body. That it takes no lock is lockdep's to say, which
 * reports each one that is taken in an NMI and somewhere else, too.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/slab.h>

#include <asm/apic.h>
#include <asm/nmi.h>

#include "box.h"

#if BC_KERNEL_6_12
#define ALLOC "kmem_cache_alloc_noprof"
#else
#define ALLOC "kmem_cache_alloc"
#endif

#ifndef KUNIT_CASE_SLOW /* 6.1 */
#define KUNIT_CASE_SLOW KUNIT_CASE
#endif

/* hooked by `trampoline`; all that there is of its body is the value */
#define SITE(name, trampoline)                                                                                         \
	asm(".pushsection .text, \"ax\", @progbits\n"                                                                  \
	    ".type " name ", @function\n" name ":\n\t"                                                                 \
	    "call " trampoline "\n\t"                                                                                  \
	    "mov $1, %eax\n\t" ASM_RET ".size " name ", .-" name "\n"                                                  \
	    ".popsection\n")

SITE("alloc_flat", "bc_tramp_flat_" ALLOC);
SITE("alloc_chunks", "bc_tramp_chunks_" ALLOC);
SITE("free_flat", "bc_tramp_flat_kfree");
SITE("free_chunks", "bc_tramp_chunks_kfree");
unsigned long alloc_flat(struct kmem_cache *cache, gfp_t gfp), alloc_chunks(struct kmem_cache *cache, gfp_t gfp);
unsigned long free_flat(const void *object), free_chunks(const void *object);

static unsigned long hooked_alloc(struct kmem_cache *cache)
{
	return bc_core_is_flat() ? alloc_flat(cache, GFP_NOWAIT) : alloc_chunks(cache, GFP_NOWAIT);
}

static unsigned long hooked_free(const void *object)
{
	return bc_core_is_flat() ? free_flat(object) : free_chunks(object);
}

/* What the handler is to do, and has seen. */
static struct {
	struct kmem_cache *cache;
	const struct task_struct *task;
	void *const *objects;
	u32 count, at_once;
	u32 freed, sent, handled, over_task, wrong;
} nmi;

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	unsigned int before = preempt_count();
	u32 i;

	if (READ_ONCE(nmi.handled) == READ_ONCE(nmi.sent))
		return NMI_DONE; /* somebody else's */
	if (hooked_alloc(nmi.cache) != 1)
		nmi.wrong++;
	for (i = 0; i < nmi.at_once && nmi.freed < nmi.count; i++) {
		if (hooked_free(nmi.objects[nmi.freed++]) != 1)
			nmi.wrong++;
	}
	if (!in_nmi() || preempt_count() != before)
		nmi.wrong++;
	if (current == nmi.task)
		nmi.over_task++;
	smp_store_release(&nmi.handled, nmi.handled + 1);
	return NMI_HANDLED;
}

/* False where it does not arrive. */
static bool send_nmi(int cpu)
{
	u32 i;

	preempt_disable();
	WRITE_ONCE(nmi.sent, nmi.sent + 1);
#if BC_KERNEL_6_12
	__apic_send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
#else
	apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
#endif
	preempt_enable();
	for (i = 0; i < 1000000 && smp_load_acquire(&nmi.handled) != nmi.sent; i++)
		cpu_relax();
	return smp_load_acquire(&nmi.handled) == nmi.sent;
}

static int begin_nmis(struct kunit *test, struct batch *batch, u32 at_once)
{
	memset(&nmi, 0, sizeof(nmi));
	nmi.cache = bct_cache_new("bct_nmi", 120, false);
	KUNIT_ASSERT_NOT_NULL(test, nmi.cache);
	nmi.task = current;
	nmi.objects = batch->objects;
	nmi.count = batch->count;
	nmi.at_once = at_once;
	return register_nmi_handler(NMI_LOCAL, on_nmi, NMI_FLAG_FIRST, "beancounter_kunit");
}

static void end_nmis(void)
{
	unregister_nmi_handler(NMI_LOCAL, "beancounter_kunit");
	kmem_cache_destroy(nmi.cache);
}

/* In earnest, by the host: for the module it was freed in an NMI. */
static void free_all(struct batch *batch)
{
	while (batch->count)
		kfree(batch->objects[--batch->count]);
}

static void an_nmi_charges_nobody(struct kunit *test)
{
	struct batch *batch = batch_new(test);
	bool arrived;
	struct pid *own;

	KUNIT_ASSERT_EQ(test, begin_nmis(test, batch, 0), 0);
	own = box_enter(&box);
	preempt_disable();
	arrived = send_nmi(smp_processor_id());
	preempt_enable();
	box_leave(own);
	end_nmis();
	KUNIT_EXPECT_TRUE(test, arrived);
	KUNIT_EXPECT_EQ(test, nmi.over_task, 1u);
	KUNIT_EXPECT_EQ(test, nmi.wrong, 0u);
	EXPECT_HELD(test, &box, 0, 0);
}

/* Of all kinds, more than a cell takes: it is folded in there. */
static void free_in_an_nmi(struct kunit *test)
{
	struct batch *batch = batch_new(test);
	bool arrived;

	FILL(test, batch, &box, BATCH);
	KUNIT_ASSERT_EQ(test, begin_nmis(test, batch, BATCH), 0);
	preempt_disable();
	arrived = send_nmi(smp_processor_id());
	preempt_enable();
	end_nmis();
	KUNIT_EXPECT_TRUE(test, arrived);
	KUNIT_EXPECT_EQ(test, nmi.wrong, 0u);
	EXPECT_HELD(test, &box, 0, 0);
	free_all(batch);
	EXPECT_HELD(test, &box, 0, 0);
}

/* Sends until everything has been freed. */
static int sender(void *cpu)
{
	while (!kthread_should_stop() && nmi.freed < nmi.count && send_nmi((long)cpu))
		usleep_range(20, 100);
	while (!kthread_should_stop())
		msleep(1);
	return 0;
}

/* From another CPU, so that they come amid charges and frees of the container's task, wherever that is. */
static void nmis_amid_charges(struct kunit *test)
{
	struct batch *batch = batch_new(test), *busy = batch_new(test);
	struct task_struct *thread;
	unsigned long end;
	struct pid *own;
	long cpu;
	u32 i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU");
	cpu = get_cpu();
	put_cpu();
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	FILL(test, batch, &box, BATCH);
	KUNIT_ASSERT_EQ(test, begin_nmis(test, batch, 2), 0);
	thread = kthread_create(sender, (void *)cpu, "bct_nmi");
	if (!IS_ERR(thread)) {
		kthread_bind(thread, cpumask_any_but(cpu_online_mask, cpu));
		wake_up_process(thread);
		own = box_enter(&box);
		for (end = jiffies + 60 * HZ; READ_ONCE(nmi.freed) < nmi.count && time_before(jiffies, end);) {
			for (busy->count = 0; busy->count < 40; busy->count++)
				busy->objects[busy->count] = kmalloc(8u << busy->count % 12, GFP_KERNEL);
			for (i = 0; i < busy->count; i++)
				kfree(busy->objects[i]);
			cond_resched();
		}
		box_leave(own);
		kthread_stop(thread);
	}
	end_nmis();
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	KUNIT_EXPECT_FALSE(test, IS_ERR(thread));
	KUNIT_EXPECT_EQ(test, nmi.freed, nmi.count);
	KUNIT_EXPECT_EQ(test, nmi.handled, nmi.sent);
	KUNIT_EXPECT_GT(test, nmi.over_task, (u32)BATCH / 8);
	KUNIT_EXPECT_EQ(test, nmi.wrong, 0u);
	EXPECT_HELD(test, &box, 0, 0);
	free_all(batch);
	EXPECT_HELD(test, &box, 0, 0);
	kunit_info(test, "%u NMIs, %u of them over the container's task\n", nmi.handled, nmi.over_task);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(an_nmi_charges_nobody),
	KUNIT_CASE(free_in_an_nmi),
	KUNIT_CASE_SLOW(nmis_amid_charges),
	{}
};

BOX_SUITE(nmi, cases);
