// SPDX-License-Identifier: GPL-2.0
/*
 * Allocates an exact number of slab objects on a path of choice and gives them
 * back in a way and a context of choice:
 *
 *   echo alloc kmem_cache_node 100 0 >/proc/alloc_paths
 *   echo alloc kmalloc_var 100 64 softirq >/proc/alloc_paths
 *   echo free bulk >/proc/alloc_paths
 *
 *   alloc PATH COUNT SIZE [CONTEXT]   PATH: see alloc_paths_table.c
 *   free [HOW] [CONTEXT]              HOW: each, bulk, kfree_rcu, call_rcu
 *   CONTEXT                           task, worker (another processor), softirq, hardirq; in the task, and
 *                                     GFP_ATOMIC, GFP_NOWAIT, GFP_NOFS, __GFP_NOFAIL: atomic, nowait, nofs, nofail
 *
 * Reading gives a header and one line: path, objects alive, those that a task's
 * own container has to pay for, the cache and an object's size in it. What a
 * cache adds to that size is in /sys/kernel/slab/CACHE/slab_size.
 *
 * A write makes nothing but these objects: it needs no memory of its own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "alloc_paths.h"

enum how { HOW_EACH, HOW_BULK, HOW_KFREE_RCU, HOW_CALL_RCU };
static const char *const how_names[] = { "each", "bulk", "kfree_rcu", "call_rcu" };

enum context {
	CONTEXT_TASK,
	CONTEXT_WORKER,
	CONTEXT_SOFTIRQ,
	CONTEXT_HARDIRQ,
	CONTEXT_ATOMIC,
	CONTEXT_NOWAIT,
	CONTEXT_NOFS,
	CONTEXT_NOFAIL,
};
static const char *const context_names[] = { "task", "worker", "softirq", "hardirq", "atomic", "nowait", "nofs", "nofail" };

static gfp_t gfp_of(enum context context)
{
	switch (context) {
	case CONTEXT_SOFTIRQ:
	case CONTEXT_HARDIRQ:
	case CONTEXT_ATOMIC:
		return GFP_ATOMIC;
	case CONTEXT_NOWAIT:
		return GFP_NOWAIT;
	case CONTEXT_NOFS:
		return GFP_NOFS;
	case CONTEXT_NOFAIL:
		return GFP_KERNEL | __GFP_NOFAIL;
	default:
		return GFP_KERNEL;
	}
}

/* What an object is while RCU has it; another path may be in use by then. */
struct rcu_object {
	struct rcu_head rcu;
	const struct alloc_path *path;
};

static DEFINE_MUTEX(lock);	/* all below: one run at a time */
static const struct alloc_path *path;
static size_t size;
static void *objects[MAX_OBJECTS];
static unsigned int count, charged;

static void free_by_call_rcu(struct rcu_head *rcu)
{
	struct rcu_object *object = container_of(rcu, struct rcu_object, rcu);

	free_object(object->path, object);
}

/* --- what is done, in whichever context */

static struct {
	bool allocate;
	enum how how;
	unsigned int wanted;
	gfp_t gfp;
	struct completion done;
} job;

static void allocate(void)
{
	if (path->many) {
		count = path->many(objects, job.wanted, job.gfp);
		return;
	}
	for (count = 0; count < job.wanted; count++) {
		objects[count] = path->one(size, job.gfp);
		if (!objects[count])
			break;
	}
}

static void give_back(void)
{
	struct rcu_object *object;

	if (job.how == HOW_BULK && count) {
		free_objects_in_bulk(path, objects, count);
		count = 0;
	}
	while (count) {
		object = objects[--count];
		switch (job.how) {
		case HOW_KFREE_RCU:
			kfree_rcu(object, rcu);
			break;
		case HOW_CALL_RCU:
			object->path = path;
			call_rcu(&object->rcu, free_by_call_rcu);
			break;
		default:
			free_object(path, object);
		}
	}
}

static void work(void)
{
	if (job.allocate)
		allocate();
	else
		give_back();
}

/* --- the contexts */

static long in_worker(void *unused)
{
	work();
	return 0;
}

static void in_tasklet(struct tasklet_struct *unused)
{
	work();
	complete(&job.done);
}

static void in_irq_work(struct irq_work *unused)
{
	work();
}

static DECLARE_TASKLET(tasklet, in_tasklet);
static struct irq_work irq_work = IRQ_WORK_INIT_HARD(in_irq_work);

static void work_in(enum context context)
{
	unsigned int cpu;

	switch (context) {
	default:
		work();
		break;
	case CONTEXT_WORKER:
		cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
		work_on_cpu(cpu < nr_cpu_ids ? cpu : 0, in_worker, NULL);
		break;
	case CONTEXT_SOFTIRQ:
		reinit_completion(&job.done);
		tasklet_schedule(&tasklet);
		wait_for_completion(&job.done);
		break;
	case CONTEXT_HARDIRQ:
		irq_work_queue(&irq_work);
		irq_work_sync(&irq_work);
		break;
	}
}

static bool in_irq_context(enum context context)
{
	return context == CONTEXT_SOFTIRQ || context == CONTEXT_HARDIRQ;
}

/* --- the commands */

static int parse_name(const char *const *names, int number, const char *text)
{
	return *text ? match_string(names, number, text) : 0;
}

static unsigned int objects_of_slab(void)
{
	unsigned int i, found = 0;

	for (i = 0; i < count; i++)
		found += !is_vmalloc_addr(objects[i]);
	return found;
}

static int command_alloc(const char *name, unsigned int wanted, unsigned int bytes,
			 const char *context_name)
{
	int context = parse_name(context_names, ARRAY_SIZE(context_names), context_name);
	const struct alloc_path *found = alloc_path_find(name);

	if (context < 0 || !found || !wanted || wanted > MAX_OBJECTS)
		return -EINVAL;
	if (!found->fixed_size && (!bytes || bytes > KMALLOC_MAX_CACHE_SIZE * 8))
		return -EINVAL;
	/* What is duplicated has to be somewhere. */
	if (strstr(name, "dup") && bytes > KMALLOC_MAX_CACHE_SIZE)
		return -EINVAL;
	if (found->may_sleep_only && in_irq_context(context))
		return -EINVAL;
	if (count)
		return -EBUSY;

	path = found;
	size = bytes;
	job.allocate = true;
	job.wanted = wanted;
	job.gfp = gfp_of(context);
	work_in(context);
	/* Interrupts and kernel threads charge nobody. */
	charged = in_irq_context(context) || context == CONTEXT_WORKER ? 0 : objects_of_slab();
	return count == wanted ? 0 : -ENOMEM;
}

static int command_free(const char *how_name, const char *context_name)
{
	int how = parse_name(how_names, ARRAY_SIZE(how_names), how_name);
	int context = parse_name(context_names, ARRAY_SIZE(context_names), context_name);

	if (how < 0 || context < 0)
		return -EINVAL;
	if (!path)
		return 0;
	if (path->owner == OWNER_NOBODY) {
		count = 0;
		return 0;
	}
	if (in_irq_context(context) && (how != HOW_EACH || path->may_sleep_only))
		return -EINVAL;
	if (how == HOW_BULK && path->owner != OWNER_KMALLOC && path->owner != OWNER_CACHE)
		return -EINVAL;
	/* A cache cannot tell when kfree_rcu() is done with it, a module not unload. */
	if (how == HOW_KFREE_RCU && path->owner != OWNER_KMALLOC)
		return -EINVAL;
	if (how == HOW_CALL_RCU && path->owner == OWNER_KVMALLOC)
		return -EINVAL;
	if (how >= HOW_KFREE_RCU && alloc_path_size(path, size) < sizeof(struct rcu_object))
		return -EINVAL;
	job.allocate = false;
	job.how = how;
	work_in(context);
	charged = 0;
	return 0;
}

static ssize_t alloc_paths_write(struct file *file, const char __user *buffer, size_t length,
				 loff_t *pos)
{
	char text[80] = "", word[3][20] = {};
	unsigned int wanted, bytes;
	int ret = -EINVAL;

	if (length >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, length))
		return -EFAULT;

	mutex_lock(&lock);
	if (sscanf(text, "alloc %19s %u %u %19s", word[0], &wanted, &bytes, word[1]) >= 3)
		ret = command_alloc(word[0], wanted, bytes, word[1]);
	else if (sscanf(text, "%19s %19s %19s", word[0], word[1], word[2]) >= 1 &&
		 !strcmp(word[0], "free"))
		ret = command_free(word[1], word[2]);
	mutex_unlock(&lock);
	return ret ?: length;
}

static int alloc_paths_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&lock);
	seq_puts(seq, "path objects charged cache size\n");
	if (path)
		seq_printf(seq, "%s %u %u %s %zu\n", path->name, count, charged,
			   alloc_path_cache(path, size), alloc_path_size(path, size));
	mutex_unlock(&lock);
	return 0;
}

static int alloc_paths_open(struct inode *inode, struct file *file)
{
	return single_open(file, alloc_paths_show, NULL);
}

static const struct proc_ops alloc_paths_ops = {
	.proc_open = alloc_paths_open,
	.proc_read = seq_read,
	.proc_write = alloc_paths_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init alloc_paths_init(void)
{
	int ret = alloc_paths_prepare();

	if (ret)
		return ret;
	init_completion(&job.done);
	/* Also for the root of a user namespace, to whom this file is nobody's. */
	if (proc_create("alloc_paths", 0666, NULL, &alloc_paths_ops))
		return 0;
	alloc_paths_release();
	return -ENOMEM;
}

static void __exit alloc_paths_exit(void)
{
	remove_proc_entry("alloc_paths", NULL);
	command_free("", "");
	rcu_barrier();	/* free_by_call_rcu() is in this module */
	alloc_paths_release();
}

module_init(alloc_paths_init);
module_exit(alloc_paths_exit);
MODULE_DESCRIPTION("Exact numbers of slab objects on every path, for tests");
MODULE_LICENSE("GPL");
