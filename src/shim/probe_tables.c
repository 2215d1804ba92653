// SPDX-License-Identifier: GPL-2.0
/*
 * Is this surviving object in a table or a list of the kernel's that outlives containers? See probe.c for how things are read.
 *
 * A table that this kernel does not have, or that cannot be found, has nothing in it.
 */
#include <linux/backing-dev-defs.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/list_bl.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "nofault.h"
#include "shim.h"

#define MOST_STEPS 4096
#define MOST_SKBS 64u /* net/core/skbuff.c, NAPI_SKB_CACHE_SIZE */

static const struct list_head *super_blocks;
static const char __percpu *napi_cache;
static u32 napi_count_at, napi_skbs_at;
static struct table {
	unsigned long start, end;
} consoles, swap_areas, fib_hash, fib_address_hash;
static u32 kthread_full_name;

void bc_probe_tables_init(void)
{
	super_blocks = (const void *)bc_lookup("super_blocks");
	bc_lookup_range("vc_cons", &consoles.start, &consoles.end);
	bc_lookup_range("swap_info", &swap_areas.start, &swap_areas.end);
	bc_lookup_range("fib_info_hash", &fib_hash.start, &fib_hash.end);
	bc_lookup_range("fib_info_laddrhash", &fib_address_hash.start, &fib_address_hash.end);
	napi_cache = (const char __percpu *)bc_lookup("napi_alloc_cache");
	if (!bc_layout_offset("napi_alloc_cache", "skb_count", &napi_count_at) ||
	    !bc_layout_offset("napi_alloc_cache", "skb_cache", &napi_skbs_at))
		napi_cache = NULL;
	if (!bc_layout_offset("kthread", "full_name", &kthread_full_name))
		kthread_full_name = 0;
}

/* cleanup_net() drops the last of its references of both kinds before it puts the memory by: net_free(). */
static bool is_dead_net(const struct net *net, u32 size)
{
	refcount_t passive;

	return size >= sizeof(*net) && GET(passive, &net->passive) && refcount_read(&passive) == 0;
}

/* fs/mount.h */
struct mountpoint {
	struct hlist_node m_hash;
	struct dentry *m_dentry;
	struct hlist_head m_list;
	int m_count;
};

static bool has_mounts(const struct mountpoint *point)
{
	struct hlist_node *first, **back;

	return is_hashed(&point->m_hash) && GET(first, &point->m_list.first) && first && GET(back, &first->pprev) &&
	       back == &point->m_list.first;
}

/* The list is changed while we walk; a step that is torn ends the walk. */
static const struct super_block *super_block_with(const void *object)
{
	const struct list_head *node;
	int steps;

	if (!super_blocks || !GET(node, &super_blocks->next))
		return NULL;
	for (steps = 0; node != super_blocks && steps < MOST_STEPS; steps++) {
		const struct super_block *sb = list_entry(node, struct super_block, s_list);
		const void *made[2] = {};

		if (!GET(made[0], &sb->s_dio_done_wq))
			return NULL;
#if BC_KERNEL_6_12
		if (!GET(made[1], &sb->s_fsnotify_info))
			return NULL;
#endif
		if (made[0] == object || made[1] == object)
			return sb;
		if (!GET(node, &node->next))
			return NULL;
	}
	return NULL;
}

/* One of the pointers in a table of the kernel's. */
static bool is_in_table(const struct table *table, const void *object)
{
	const void *const *place, *there;

	for (place = (const void *const *)table->start; place && (unsigned long)(place + 1) <= table->end; place++) {
		if (GET(there, place) && there == object)
			return true;
	}
	return false;
}

/* net/core/skbuff.c, napi_skb_cache_put(): what softirqs free, some dozens a CPU, until one of them needs an skb. */
static bool is_cached_skb(const void *object)
{
	const char *cache;
	const void *skb;
	unsigned int count, i;
	int cpu;

	if (!napi_cache || !napi_count_at || !napi_skbs_at)
		return false;
	for_each_possible_cpu(cpu) {
		cache = per_cpu_ptr(napi_cache, cpu);
		if (!GET(count, (const unsigned int *)(cache + napi_count_at)))
			continue;
		for (i = 0; i < min(count, MOST_SKBS); i++) {
			if (GET(skb, (const void *const *)(cache + napi_skbs_at) + i) && skb == object)
				return true;
		}
	}
	return false;
}

static bool is_kthread_name(const char *object)
{
	const struct task_struct *task;
	bool found = false;

	if (!kthread_full_name)
		return false;
	rcu_read_lock();
	for_each_process(task) {
		const char *name;

		found = (task->flags & PF_KTHREAD) && GET(name, (const char *const *)((const char *)task->worker_private + kthread_full_name)) &&
			name == object;
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/* drivers/block/loop.c */
struct loop_worker {
	struct rb_node rb_node;
	struct work_struct work;
	struct list_head cmd_list;
	struct list_head idle_list;
};

/* security/apparmor/include/lib.h: what a profile begins with */
struct aa_policy {
	const char *name;
	char *hname;
	struct list_head list;
};

void bc_probe_table(enum bc_probe what, u64 object, u32 size, struct bc_probed *out)
{
	const void *it = (const void *)object;

	switch (what) {
	case BC_PROBE_STACK:
		out->known = bc_stack_is_kept(it);
		break;
	case BC_PROBE_NET:
		out->known = is_dead_net(it, size);
		break;
	case BC_PROBE_MOUNTPOINT:
		out->known = has_mounts(it);
		break;
	case BC_PROBE_SUPERBLOCK:
		out->owner = (u64)super_block_with(it);
		out->known = out->owner != 0;
		break;
	case BC_PROBE_CONSOLE:
		out->known = is_in_table(&consoles, it);
		break;
	case BC_PROBE_SWAP:
		out->known = is_in_table(&swap_areas, it);
		break;
	case BC_PROBE_FIB_HASH:
		out->known = is_in_table(&fib_hash, it) || is_in_table(&fib_address_hash, it);
		break;
	case BC_PROBE_SKB:
		out->known = is_cached_skb(it);
		break;
	case BC_PROBE_KTHREAD:
		out->known = is_kthread_name(it);
		break;
	case BC_PROBE_LOOP_WORKER:
		out->known = is_listed(&((const struct loop_worker *)it)->idle_list);
		break;
	case BC_PROBE_WRITEBACK:
#ifdef CONFIG_CGROUP_WRITEBACK
		out->known = is_listed(&((const struct bdi_writeback *)it)->bdi_node) ||
			     is_listed(&((const struct bdi_writeback *)it)->offline_node);
#endif
		break;
	case BC_PROBE_POLICY:
		out->known = is_listed(&((const struct aa_policy *)it)->list);
		break;
	case BC_PROBE_RB:
		out->known = is_in_tree(it);
		break;
	default:
		bc_probe_disk(what, object, size, out);
	}
}
