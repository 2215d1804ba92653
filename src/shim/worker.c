// SPDX-License-Identifier: GPL-2.0
/*
 * One worker for all that is slow: it turns the core's rounds, and does between them what waits for others.
 */
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "shim.h"

DEFINE_MUTEX(bc_mutex);

static struct workqueue_struct *queue;
static struct delayed_work work;
static struct irq_work kick;

#if !BC_KERNEL_6_12
/*
 * 6.1 has no kvfree_rcu_barrier(). Its shrinker does the same but for the waiting: it hands every batch that kfree_rcu() has
 * collected to RCU now, instead of after 5 s (kernel/rcu/tree.c, KFREE_DRAIN_JIFFIES). Called as the memory manager would.
 */
static unsigned long no_shrink(struct shrinker *shrinker, struct shrink_control *sc)
{
	return 0;
}
DEFINE_STATIC_CALL(bc_kfree_rcu_shrink_scan, no_shrink);

static void flush_kfree_rcu(void)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = LONG_MAX };

	static_call(bc_kfree_rcu_shrink_scan)(NULL, &sc);
}
#else
static void flush_kfree_rcu(void)
{
	kvfree_rcu_barrier();
}
#endif

/*
 * Sockets that hold each other by descriptors under way are garbage that nobody collects before the next AF_UNIX socket is
 * released (net/unix/af_unix.c, unix_release_sock()): release one.
 */
static void collect_unix_garbage(void)
{
	struct socket *sock;

	if (!sock_create_kern(&init_net, AF_UNIX, SOCK_DGRAM, 0, &sock))
		sock_release(sock);
}

static void drain(u32 how)
{
	if (how == 0)
		return;
	if (how == 1) {
		rcu_barrier();
		return;
	}
	collect_unix_garbage();
	flush_kfree_rcu();
	rcu_barrier();
	vm_unmap_aliases();
	net_ns_barrier(); /* cleanup_net() at work is over */
	rcu_barrier();
}

static void turn(struct work_struct *unused)
{
	struct bc_round round;
	u32 i;

	mutex_lock(&bc_mutex);
	bc_core_work(&round);
	mutex_unlock(&bc_mutex);

	/* Not under the mutex: removing a file waits for its readers, and they wait for the mutex. */
	for (i = 0; i < round.faces_gone; i++)
		bc_face_remove(round.face_gone[i]);
	drain(round.drain);
	if (round.next_ms)
		queue_delayed_work(queue, &work, msecs_to_jiffies(round.next_ms));
}

static void on_kick(struct irq_work *unused)
{
	mod_delayed_work(queue, &work, 0);
}

void bc_kick_worker(void)
{
	irq_work_queue(&kick);
}

int bc_worker_init(void)
{
	queue = alloc_workqueue("beancounter", WQ_UNBOUND | WQ_FREEZABLE, 1);
	if (!queue)
		return -ENOMEM;
	INIT_DELAYED_WORK(&work, turn);
	init_irq_work(&kick, on_kick);
#if !BC_KERNEL_6_12
	{
		unsigned long addr = bc_lookup("kfree_rcu_shrink_scan");

		if (addr)
			static_call_update(bc_kfree_rcu_shrink_scan, (void *)addr);
		else
			pr_info("kfree_rcu batches cannot be flushed here: stops take some seconds more\n");
	}
#endif
	return 0;
}

void bc_worker_start(void)
{
	queue_delayed_work(queue, &work, 0);
}

/* Nothing may kick any more: hooks and events are gone. */
void bc_worker_exit(void)
{
	if (!queue)
		return;
	irq_work_sync(&kick);
	cancel_delayed_work_sync(&work);
	destroy_workqueue(queue);
	queue = NULL;
}

void bc_log_stop(u32 id, const char *name, const char *state, u64 objects, u64 bytes, const char *worst)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);

	if (!objects || !__ratelimit(&limit))
		return;
	pr_warn("container %u%s%s stopped %s: %llu objects, %llu bytes; first %s; see /proc/beancounter/%u/leaks\n", id,
		*name ? " " : "", name, state, objects, bytes, worst, id);
}
