// SPDX-License-Identifier: GPL-2.0
/*
 * The flows of the packet scheduler fq, one for each socket that has sent: made in the name of whoever sends, they stay with their queue
 * until it has too many, whether or not the socket does. A flow has the address of its socket, which it does not hold.
 */
#include <linux/cache.h>
#include <linux/netdevice.h>
#include <linux/rbtree.h>
#include <net/sch_generic.h>

#include "compat.h"
#include "keeper.h"

#define MOST_TRIES 8	  /* of one tree that changes */
#define MOST_TREES_LOG 18 /* net/sched/sch_fq.c, fq_policy[TCA_FQ_BUCKETS_LOG] */

/* struct fq_sched_data, as far as that. 6.1 has more before the settings. */
struct fq {
#if !BC_KERNEL_6_12
	const void *new_flows[2], *old_flows[2];
	struct rb_root delayed;
	u64 time_next_delayed_flow, ktime_cache;
	unsigned long unthrottle_latency_ns;
	struct {
		struct rb_root t_root;
		const void *head, *tail;
		struct rb_node fq_node;
		const void *sk;
		u32 socket_hash;
		int qlen, credit;
		const void *next;
		struct rb_node rate_node;
		u64 time_next_packet;
	} ____cacheline_aligned_in_smp internal;
#endif
	u32 quantum, initial_quantum, flow_refill_delay, flow_plimit;
	unsigned long flow_max_rate;
	u64 ce_threshold, horizon;
	u32 orphan_mask, low_rate_threshold;
	const struct rb_root *fq_root;
	u8 rate_enable, fq_trees_log;
};

/* Of this only the node is known, which is in the flow. What is kept is handed over for good: one that was freed meanwhile is not to lead astray. */
static bool flow_keeps(struct keeper *keeper, const struct rb_node *node)
{
	if (!is_in_tree(node))
		return false;
	keeps_for_next(keeper, node, BC_KEEPS_ALONE);
	return true;
}

/* Few flows are in one tree; a busy one is looked at again, or a leak elsewhere would never be called one. */
static bool tree_keeps(struct keeper *keeper, const struct rb_root *tree)
{
	int tries;

	for (tries = 0; tries < MOST_TRIES; tries++) {
		if (each_in_tree(keeper, tree, flow_keeps))
			return true;
	}
	return false;
}

static bool scheduler_keeps(struct keeper *keeper, const struct Qdisc *scheduler, const void *fq)
{
	const struct rb_root *trees;
	const struct fq *private;
	const void *ops;
	u8 log;
	int i;

	if (!GET(ops, (const void *const *)&scheduler->ops))
		return false;
	if (ops != fq)
		return true;
	private = (const void *)scheduler->privdata;
	if (!GET(trees, &private->fq_root) || !GET(log, &private->fq_trees_log) || log > MOST_TREES_LOG)
		return false;
	for (i = 0; i < 1 << log; i++) {
		if (!step(keeper) || !tree_keeps(keeper, &trees[i]))
			return false;
	}
	return true;
}

/* The device's own, and those below that: by class, or one for each queue. */
bool flows_keep(struct keeper *keeper, const struct net_device *dev, const void *fq)
{
	const struct Qdisc *scheduler;
	const struct hlist_node *node;
	int i;

	if (!GET(scheduler, (const struct Qdisc *const *)&dev->qdisc) || (scheduler && !scheduler_keeps(keeper, scheduler, fq)))
		return false;
	for (i = 0; i < ARRAY_SIZE(dev->qdisc_hash); i++) {
		if (!GET(node, (const struct hlist_node *const *)&dev->qdisc_hash[i].first))
			return false;
		while (node) {
			if (!step(keeper) || !scheduler_keeps(keeper, hlist_entry(node, struct Qdisc, hash), fq) ||
			    !GET(node, (const struct hlist_node *const *)&node->next))
				return false;
		}
	}
	return true;
}
