// SPDX-License-Identifier: GPL-2.0
/*
 * What a pair of allocation and free costs the task that reads /proc/cost: guest instructions, where the machine counts them
 * (scripts/vm --icount: one instruction is one tick of the time stamp counter). Interrupts are off, the least of many rounds
 * counts, the empty loop is taken away; the first line checks the clock on a thousand nops.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <asm/msr.h>

#define ROUNDS 200
#define PAIRS 64

static struct kmem_cache *cache;
static void *objects[32];

static void nothing(void)
{
	asm volatile("" ::: "memory");
}

static void nops(void)
{
	asm volatile(".rept 1000\n nop\n .endr" ::: "memory");
}

static void pair_constant(void)
{
	void *p = kmalloc(64, GFP_KERNEL & ~__GFP_DIRECT_RECLAIM);

	barrier_data(&p);
	kfree(p);
}

static volatile size_t size = 64;

static void pair_variable(void)
{
	kfree(kmalloc(size, GFP_NOWAIT));
}

static void pair_cache(void)
{
	void *p = kmem_cache_alloc(cache, GFP_NOWAIT);

	kmem_cache_free(cache, p);
}

static void pair_bulk(void)
{
	int n = kmem_cache_alloc_bulk(cache, GFP_NOWAIT, ARRAY_SIZE(objects), objects);

	kmem_cache_free_bulk(cache, n, objects);
}

static void pair_4k(void)
{
	kfree(kmalloc(4096, GFP_NOWAIT));
}

static void pair_16k(void)
{
	kfree(kmalloc(16384, GFP_NOWAIT));
}

static const struct {
	const char *name;
	void (*run)(void);
	int per; /* pairs in one run */
} cases[] = {
	{ "kmalloc_64", pair_constant, 1 }, { "kmalloc_64_variable", pair_variable, 1 }, { "kmem_cache", pair_cache, 1 },
	{ "bulk_32", pair_bulk, 32 },	    { "kmalloc_4k", pair_4k, 1 },		 { "kmalloc_16k", pair_16k, 1 },
};

static u64 least(void (*run)(void), int times)
{
	u64 best = ~0ull;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		unsigned long flags;
		u64 start, took;

		cond_resched(); /* a reschedule that is due shows at the end of every section */
		local_irq_save(flags);
		start = rdtsc_ordered();
		for (i = 0; i < times; i++)
			run();
		took = rdtsc_ordered() - start;
		local_irq_restore(flags);
		best = min(best, took);
	}
	return best;
}

static int show(struct seq_file *m, void *unused)
{
	u64 empty = least(nothing, PAIRS), clock = least(nops, 1) - least(nothing, 1);
	int i;

	seq_printf(m, "nops_1000 %llu\n", clock);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		seq_printf(m, "%s %llu\n", cases[i].name, (least(cases[i].run, PAIRS) - empty) / PAIRS / cases[i].per);
	return 0;
}

/*
 * A cache with a constructor shares its slabs with no other: from how many of them 32 objects come would be the luck of the boot, and that
 * is 15 instructions an object of the allocator's own (Documentation/fast-path.md). 240 bytes and the free pointer behind them are 256.
 */
static void construct(void *object)
{
}

static int __init cost_init(void)
{
	cache = kmem_cache_create("cost", 240, 0, SLAB_HWCACHE_ALIGN, construct);
	if (!cache)
		return -ENOMEM;
	return proc_create_single("cost", 0444, NULL, show) ? 0 : -ENOMEM;
}

static void __exit cost_exit(void)
{
	remove_proc_entry("cost", NULL);
	kmem_cache_destroy(cache);
}

module_init(cost_init);
module_exit(cost_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guest instructions of an allocation and its free");
