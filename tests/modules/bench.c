// SPDX-License-Identifier: GPL-2.0
/*
 * What allocations and their frees cost the task that reads /proc/bench/NAME: guest instructions, where the machine counts them
 * (scripts/vm --icount: one instruction is one tick of the time stamp counter). Interrupts are off, the least of many rounds
 * counts, the empty loop is taken away; the first line checks the clock on a thousand nops.
 *
 *   pairs	name, instructions, pairs they are of; a line each. With bench_tracer.ko there, two more: how many of these
 *		allocations and frees it saw
 *   account	the same with memcg's accounting flags
 *   switch	the first pair since somebody else read it, and the one after it: what a change of containers costs
 *   churn	a thousand kmalloc(256) and their frees, a quarter of them alive at a time
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <asm/msr.h>

#include "bench_tracer.h"

#define ROUNDS 200
#define PAIRS 64
#define BULK 16 /* what one slab of the cache has: which slab the next one comes from is chance */
#define CHURNS 4
#define CHURNED 250
/* Of kfree_rcu(): what waits at most, for a container near its limit; it is freed while the task sleeps. */
#define WAITING_ROUNDS 8
#define WAITING_PAIRS 32
#define WAITING_TIMES 5

struct waiting {
	struct rcu_head rcu;
	char rest[48];
};
static_assert(sizeof(struct waiting) == 64);

static struct kmem_cache *plain_cache, *account_cache;
static void *objects[BULK];
static unsigned long failed;
static void (*tracer_saw)(u64 *allocations, u64 *frees);
static u64 seen[2];
static volatile size_t size = 64;

static void nothing(void)
{
	asm volatile("" ::: "memory");
}

/* Interrupts off. A reschedule that is due would show at the end of every section: 20 instructions of a pair in a container. */
static unsigned long begin(void)
{
	unsigned long flags;

	cond_resched();
	local_irq_save(flags);
	return flags;
}

static void nops(void)
{
	asm volatile(".rept 1000\n nop\n .endr" ::: "memory");
}

static __always_inline void pair_constant(gfp_t gfp, struct kmem_cache *cache)
{
	void *p = kmalloc(64, gfp);

	barrier_data(&p);
	kfree(p);
}

static __always_inline void pair_variable(gfp_t gfp, struct kmem_cache *cache)
{
	kfree(kmalloc(size, gfp));
}

static __always_inline void pair_cache(gfp_t gfp, struct kmem_cache *cache)
{
	void *p = kmem_cache_alloc(cache, gfp);

	if (likely(p))
		kmem_cache_free(cache, p);
	else
		failed++;
}

static __always_inline void pair_bulk(gfp_t gfp, struct kmem_cache *cache)
{
	int n = kmem_cache_alloc_bulk(cache, gfp, BULK, objects);

	if (likely(n))
		kmem_cache_free_bulk(cache, n, objects);
	else
		failed++;
}

/* What kfree_rcu() does with a batch when its time has come. */
static __always_inline void pair_batch(gfp_t gfp, struct kmem_cache *cache)
{
	int i;

	for (i = 0; i < BULK; i++) {
		objects[i] = kmalloc(64, gfp);
		if (unlikely(!objects[i]))
			break;
	}
	if (likely(i == BULK))
		kfree_bulk(BULK, objects);
	else
		failed++;
}

static __always_inline void pair_rcu(gfp_t gfp, struct kmem_cache *cache)
{
	struct waiting *p = kmalloc(sizeof(*p), gfp);

	if (likely(p))
		kfree_rcu(p, rcu);
	else
		failed++;
}

static __always_inline void pair_fourk(gfp_t gfp, struct kmem_cache *cache)
{
	kfree(kmalloc(4096, gfp));
}

static __always_inline void pair_sixteenk(gfp_t gfp, struct kmem_cache *cache)
{
	kfree(kmalloc(16384, gfp));
}

/* The flags are constants to the compiler, as they are to most callers. */
#define BOTH(kind)                                                   \
	static void kind##_plain(void)                               \
	{                                                            \
		pair_##kind(GFP_NOWAIT, plain_cache);                \
	}                                                            \
	static void kind##_account(void)                             \
	{                                                            \
		pair_##kind(GFP_NOWAIT | __GFP_ACCOUNT, account_cache); \
	}
BOTH(constant)
BOTH(variable)
BOTH(cache)
BOTH(bulk)
BOTH(batch)
BOTH(rcu)
BOTH(fourk)
BOTH(sixteenk)

static const struct {
	const char *name;
	void (*plain)(void);
	void (*account)(void);
	int per; /* pairs in one run */
	bool waits;
} cases[] = {
	{ "kmalloc_64", constant_plain, constant_account, 1 },
	{ "kmalloc_64_variable", variable_plain, variable_account, 1 },
	{ "kmem_cache", cache_plain, cache_account, 1 },
	{ "bulk", bulk_plain, bulk_account, BULK },
	{ "kfree_rcu", rcu_plain, rcu_account, 1, true },
	{ "kfree_bulk", batch_plain, batch_account, BULK },
	{ "kmalloc_4k", fourk_plain, fourk_account, 1 },
	{ "kmalloc_16k", sixteenk_plain, sixteenk_account, 1 },
};

static u64 least(void (*run)(void), int times, int rounds)
{
	u64 best = ~0ull;
	int round, i;

	for (round = 0; round < rounds; round++) {
		u64 start, took, before[2] = {};
		unsigned long flags = begin();

		if (tracer_saw)
			tracer_saw(&before[0], &before[1]);
		start = rdtsc_ordered();
		for (i = 0; i < times; i++)
			run();
		took = rdtsc_ordered() - start;
		if (tracer_saw) {
			tracer_saw(&seen[0], &seen[1]);
			seen[0] -= before[0];
			seen[1] -= before[1];
		}
		local_irq_restore(flags);
		best = min(best, took);
	}
	return best;
}

/* On 6.1 a batch is freed some five seconds later; an idle machine that counts instructions skips them. */
static u64 least_waiting(void (*run)(void))
{
	u64 best = ~0ull;
	int i;

	for (i = 0; i < WAITING_TIMES; i++) {
		best = min(best, least(run, WAITING_PAIRS, WAITING_ROUNDS));
		rcu_barrier();
		ssleep(10);
	}
	return best;
}

static int show(struct seq_file *m, void *unused)
{
	bool account = m->private != NULL;
	u64 empty = least(nothing, PAIRS, ROUNDS);
	u64 empty_waiting = least(nothing, WAITING_PAIRS, ROUNDS);
	int i;

	tracer_saw = symbol_get(bench_tracer_saw);
	seq_printf(m, "nops_1000 %llu 1\n", least(nops, 1, ROUNDS) - least(nothing, 1, ROUNDS));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		void (*run)(void) = account ? cases[i].account : cases[i].plain;
		u64 took;

		failed = 0;
		if (cases[i].waits)
			took = least_waiting(run) - empty_waiting;
		else
			took = least(run, PAIRS, ROUNDS) - empty;
		if (failed)
			seq_printf(m, "%s failed %lu", cases[i].name, failed);
		else
			seq_printf(m, "%s %llu %d", cases[i].name, took,
				   (cases[i].waits ? WAITING_PAIRS : PAIRS) * cases[i].per);
		if (tracer_saw)
			seq_printf(m, " %llu %llu", seen[0], seen[1]);
		seq_putc(m, '\n');
	}
	if (tracer_saw)
		symbol_put(bench_tracer_saw);
	tracer_saw = NULL;
	return 0;
}

/* Straight into the reader's buffer: seq_file would allocate first. */
static ssize_t say(char __user *to, size_t length, u64 one, u64 two)
{
	char text[64];
	int n = scnprintf(text, sizeof(text), "%llu %llu\n", one, two);

	if (length < n)
		return -EINVAL;
	return copy_to_user(to, text, n) ? -EFAULT : n;
}

static ssize_t read_switch(struct file *file, char __user *to, size_t length, loff_t *at)
{
	unsigned long flags = begin();
	u64 start, first, second;

	start = rdtsc_ordered();
	constant_plain();
	first = rdtsc_ordered() - start;
	start = rdtsc_ordered();
	constant_plain();
	second = rdtsc_ordered() - start;
	local_irq_restore(flags);
	return say(to, length, first, second);
}

static int churn(void)
{
	void *first = NULL, **object;
	int made;

	for (made = 0; made < CHURNED; made++) {
		object = kmalloc(256, GFP_NOWAIT);
		if (unlikely(!object))
			break;
		*object = first;
		first = object;
	}
	while (first) {
		object = first;
		first = *object;
		kfree(object);
	}
	return made;
}

static ssize_t read_churn(struct file *file, char __user *to, size_t length, loff_t *at)
{
	unsigned long flags = begin();
	int i, made = 0;
	u64 start, took;

	start = rdtsc_ordered();
	for (i = 0; i < CHURNS; i++)
		made += churn();
	took = rdtsc_ordered() - start;
	local_irq_restore(flags);
	return say(to, length, made, took);
}

static const struct proc_ops switch_ops = {
	.proc_read = read_switch,
	.proc_lseek = noop_llseek,
};

static const struct proc_ops churn_ops = {
	.proc_read = read_churn,
	.proc_lseek = noop_llseek,
};

/* A cache with one shares its slabs with no other. 240 bytes and the free pointer behind them are 256. */
static void construct(void *object)
{
}

static int __init bench_init(void)
{
	struct proc_dir_entry *dir;

	plain_cache = kmem_cache_create("bench", 240, 0, SLAB_HWCACHE_ALIGN, construct);
	account_cache = kmem_cache_create("bench_account", 240, 0, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT, construct);
	dir = proc_mkdir("bench", NULL);
	if (plain_cache && account_cache && dir && proc_create_single_data("pairs", 0444, dir, show, NULL) &&
	    proc_create_single_data("account", 0444, dir, show, (void *)1) && proc_create("switch", 0444, dir, &switch_ops) &&
	    proc_create("churn", 0444, dir, &churn_ops))
		return 0;
	proc_remove(dir);
	kmem_cache_destroy(account_cache);
	kmem_cache_destroy(plain_cache);
	return -ENOMEM;
}

static void __exit bench_exit(void)
{
	remove_proc_subtree("bench", NULL);
	kmem_cache_destroy(account_cache);
	kmem_cache_destroy(plain_cache);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guest instructions of allocations and their frees");
