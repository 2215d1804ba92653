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
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "probe.h"

#define MOST_SKBS 64u /* net/core/skbuff.c, NAPI_SKB_CACHE_SIZE */

static const struct list_head *super_blocks;
static const char __percpu *napi_cache;
static u32 napi_count_at, napi_skbs_at;
static struct table {
	unsigned long start, end;
} consoles, swap_areas, fib_hash, fib_address_hash;
static u32 kthread_full_name;
static u32 mount_namespace_at; /* fs/mount.h */

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
	if (!bc_layout_offset("mount", "mnt_ns", &mount_namespace_at))
		mount_namespace_at = 0;
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

/* 1 and 0; -1 where the list was torn while we walked. */
static int is_super_block(const void *object)
{
	const struct list_head *node, *back;
	int steps;

	if (!super_blocks || !GET(node, &super_blocks->next))
		return -1;
	for (steps = 0; node != super_blocks; steps++) {
		const struct list_head *next;

		if (list_entry(node, struct super_block, s_list) == object)
			return 1;
		if (steps == MOST_STEPS || !GET(next, &node->next) || !GET(back, &next->prev) || back != node)
			return -1;
		node = next;
	}
	return 0;
}

/* Propagation makes mounts in other namespaces, in the name of whoever mounts. */
static bool probe_mount(const char *mount, u32 size, struct bc_probed *out)
{
	const struct task_struct *process;
	char comm[TASK_COMM_LEN];
	const void *ns;
	bool found = false;

	if (!mount_namespace_at || size < mount_namespace_at + sizeof(ns) ||
	    !GET(ns, (const void *const *)(mount + mount_namespace_at)) || (long)ns >= 0 || IS_ERR(ns))
		return false;
	rcu_read_lock();
	for_each_process(process) {
		const struct nsproxy *nsproxy = READ_ONCE(process->nsproxy);
		const void *own;

		if (!nsproxy || !GET(own, &nsproxy->mnt_ns) || own != ns)
			continue;
		found = true;
		bc_comm_of(process, comm, sizeof(comm));
		snprintf(out->text, sizeof(out->text), "pid=%d,comm=%s,by=mount", task_pid_nr((struct task_struct *)process), comm);
		break;
	}
	rcu_read_unlock();
	return found;
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

		found = (READ_ONCE(task->flags) & PF_KTHREAD) && GET(name, (const char *const *)((const char *)task->worker_private + kthread_full_name)) &&
			name == object;
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

static bool is_writeback(const struct bdi_writeback *wb)
{
#ifdef CONFIG_CGROUP_WRITEBACK
	return is_listed(&wb->bdi_node) || is_listed(&wb->offline_node);
#else
	return false;
#endif
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

/* block/blk-cgroup.h: what it begins with */
struct blkcg_gq {
	const void *queue;
	struct list_head q_node;
	struct hlist_node blkcg_node;
};

/* When its cgroup or its device goes it is taken out of the second, by 6.1 out of both: blkg_destroy(). */
static bool is_block_group(const struct blkcg_gq *group)
{
	return is_listed(&group->q_node) && is_hashed(&group->blkcg_node);
}

bool bc_probe_table(enum bc_probe what, const void *object, u32 size, struct bc_probed *out)
{
	switch (what) {
	case BC_PROBE_STACK:
		return bc_stack_is_kept(object);
	case BC_PROBE_NET:
		return is_dead_net(object, size);
	case BC_PROBE_MOUNTPOINT:
		return has_mounts(object);
	case BC_PROBE_SUPERBLOCK:
		out->owner = (u64)super_block_with(object);
		return out->owner != 0;
	case BC_PROBE_CONSOLE:
		return is_in_table(&consoles, object);
	case BC_PROBE_SWAP:
		return is_in_table(&swap_areas, object);
	case BC_PROBE_FIB_HASH:
		return is_in_table(&fib_hash, object) || is_in_table(&fib_address_hash, object);
	case BC_PROBE_SKB:
		return is_cached_skb(object);
	case BC_PROBE_KTHREAD:
		return is_kthread_name(object);
	case BC_PROBE_LOOP_WORKER:
		return is_listed(&((const struct loop_worker *)object)->idle_list);
	case BC_PROBE_WRITEBACK:
		return is_writeback(object);
	case BC_PROBE_BLKCG:
		return is_block_group(object);
	case BC_PROBE_POLICY:
		return is_listed(&((const struct aa_policy *)object)->list);
	case BC_PROBE_MOUNTED:
		out->extra = is_super_block(object);
		return out->extra >= 0;
	case BC_PROBE_MOUNT:
		return probe_mount(object, size, out);
	default:
		return false;
	}
}
