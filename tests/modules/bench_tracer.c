// SPDX-License-Identifier: GPL-2.0
/*
 * The tracer that one would write instead of hooks, for comparison: probes on the tracepoints of kmem, and a hash of the objects
 * that live, by address, each with its container, site and size. It does what a tracer can: it sees no bulk allocation and
 * refuses nothing. Entries come from a reserve made when loading, so that it never allocates in a probe.
 *
 * /proc/bench_tracer: allocations and frees of containers' objects seen, objects that found no entry.
 */
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>

#include "bench_tracer.h"

#define BITS 16
#define ENTRIES (1 << 18)

struct entry {
	struct hlist_node node;
	const void *object;
	unsigned long site;
	struct pid_namespace *ns;
	size_t bytes;
};

struct bucket {
	raw_spinlock_t lock;
	struct hlist_head head;
};

struct counts {
	u64 allocations, frees, lost;
	s64 held;
};

static struct bucket *buckets;
static struct entry *entries;
static DEFINE_PER_CPU(struct hlist_head, unused);
static DEFINE_PER_CPU(struct counts, counts);

static struct bucket *bucket_of(const void *object)
{
	return &buckets[hash_ptr((void *)object, BITS)];
}

static struct entry *find(struct bucket *bucket, const void *object)
{
	struct entry *entry;

	hlist_for_each_entry(entry, &bucket->head, node)
		if (entry->object == object)
			return entry;
	return NULL;
}

/* One that is there already was freed where no tracepoint is. */
static struct entry *entry_for(struct bucket *bucket, const void *object)
{
	struct entry *entry = find(bucket, object);
	struct hlist_node *node = this_cpu_ptr(&unused)->first;

	if (entry) {
		this_cpu_sub(counts.held, entry->bytes);
		return entry;
	}
	if (!node)
		return NULL;
	hlist_del(node);
	hlist_add_head(node, &bucket->head);
	return hlist_entry(node, struct entry, node);
}

static void remember(const void *object, unsigned long site, size_t bytes)
{
	struct pid_namespace *ns;
	struct bucket *bucket;
	struct entry *entry;
	unsigned long flags;

	if (!in_task() || !object)
		return;
	ns = task_active_pid_ns(current);
	if (!ns || ns == &init_pid_ns)
		return;
	bucket = bucket_of(object);
	raw_spin_lock_irqsave(&bucket->lock, flags);
	this_cpu_inc(counts.allocations);
	entry = entry_for(bucket, object);
	if (entry) {
		entry->object = object;
		entry->site = site;
		entry->ns = ns;
		entry->bytes = bytes;
		this_cpu_add(counts.held, bytes);
	} else {
		this_cpu_inc(counts.lost);
	}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
}

static void forget(const void *object)
{
	struct bucket *bucket = bucket_of(object);
	struct entry *entry;
	unsigned long flags;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	entry = find(bucket, object);
	if (entry) {
		hlist_del(&entry->node);
		this_cpu_inc(counts.frees);
		this_cpu_sub(counts.held, entry->bytes);
		hlist_add_head(&entry->node, this_cpu_ptr(&unused));
	}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
}

static void probe_kmalloc(void *data, unsigned long site, const void *object, size_t asked, size_t bytes, gfp_t gfp, int node)
{
	remember(object, site, bytes);
}

static void probe_cache_alloc(void *data, unsigned long site, const void *object, struct kmem_cache *cache, gfp_t gfp, int node)
{
	remember(object, site, kmem_cache_size(cache));
}

static void probe_kfree(void *data, unsigned long site, const void *object)
{
	forget(object);
}

static void probe_cache_free(void *data, unsigned long site, const void *object, const struct kmem_cache *cache)
{
	forget(object);
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *point;
	bool on;
} probes[] = {
	{ "kmalloc", probe_kmalloc },
	{ "kmem_cache_alloc", probe_cache_alloc },
	{ "kfree", probe_kfree },
	{ "kmem_cache_free", probe_cache_free },
};

static void match(struct tracepoint *point, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(point->name, probes[i].name))
			probes[i].point = point;
}

static struct counts sum(void)
{
	struct counts sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		struct counts *one = per_cpu_ptr(&counts, cpu);

		sum.allocations += one->allocations;
		sum.frees += one->frees;
		sum.lost += one->lost;
	}
	return sum;
}

void bench_tracer_saw(u64 *allocations, u64 *frees)
{
	struct counts now = sum();

	*allocations = now.allocations;
	*frees = now.frees;
}
EXPORT_SYMBOL_GPL(bench_tracer_saw);

static ssize_t read_counts(struct file *file, char __user *to, size_t length, loff_t *at)
{
	struct counts now = sum();
	char text[96];
	int n = scnprintf(text, sizeof(text), "%llu %llu %llu\n", now.allocations, now.frees, now.lost);

	if (length < n)
		return -EINVAL;
	return copy_to_user(to, text, n) ? -EFAULT : n;
}

static const struct proc_ops ops = {
	.proc_read = read_counts,
	.proc_lseek = noop_llseek,
};

static void detach(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (probes[i].on)
			tracepoint_probe_unregister(probes[i].point, probes[i].probe, NULL);
	tracepoint_synchronize_unregister();
	remove_proc_entry("bench_tracer", NULL);
	vfree(entries);
	vfree(buckets);
}

static int __init tracer_init(void)
{
	int cpu = -1, i;

	buckets = vzalloc(sizeof(*buckets) << BITS);
	entries = vzalloc(sizeof(*entries) * ENTRIES);
	if (!buckets || !entries || !proc_create("bench_tracer", 0444, NULL, &ops))
		goto no;
	for (i = 0; i < 1 << BITS; i++)
		raw_spin_lock_init(&buckets[i].lock);
	for (i = 0; i < ENTRIES; i++) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		hlist_add_head(&entries[i].node, per_cpu_ptr(&unused, cpu));
	}
	for_each_kernel_tracepoint(match, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!probes[i].point || tracepoint_probe_register(probes[i].point, probes[i].probe, NULL))
			goto no;
		probes[i].on = true;
	}
	return 0;
no:
	detach();
	return -ENODEV;
}

module_init(tracer_init);
module_exit(detach);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A tracer of containers' objects by tracepoints and a hash");
