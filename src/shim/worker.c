// SPDX-License-Identifier: GPL-2.0
/*
 * One worker for all that is slow: it turns the core's rounds, and does between them what waits for others.
 */
#include <linux/cpu.h>
#include <linux/if_ether.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/socket.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/skbuff.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "shim.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

DEFINE_MUTEX(bc_mutex);

static struct workqueue_struct *queue;
static struct delayed_work work;
static struct irq_work kick;
static bool stopped;

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

/*
 * A CPU that runs nothing but kernel threads since a process died keeps that one's address space loaded, and a reference to it
 * ("lazy TLB"), for as long as that lasts: on a quiet machine for ever. Each CPU takes pid 1's in its place.
 */
static struct mm_struct *other_mm;
static DEFINE_PER_CPU(struct work_struct, cpu_work);

static void leave_lazy_mm(void)
{
	if (!other_mm)
		return;
	kthread_use_mm(other_mm);
	kthread_unuse_mm(other_mm);
}

/*
 * An skb that a CPU has read and another one had allocated waits on that one's list until it receives something
 * (skb_attempt_defer_free(), net/core/skbuff.c; net_rx_action() frees them): let it receive something. Nobody takes a packet of
 * this protocol; lo's count of dropped ones shows it.
 */
static void free_deferred_skbs(void)
{
	struct sk_buff *skb = alloc_skb(ETH_ZLEN, GFP_KERNEL | __GFP_NOWARN);

	if (!skb)
		return;
	skb_put_zero(skb, ETH_ZLEN);
	skb->dev = init_net.loopback_dev;
	skb->protocol = htons(ETH_P_LOOPBACK);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	netif_rx(skb);
}

static void on_cpu(struct work_struct *unused)
{
	leave_lazy_mm();
	free_deferred_skbs();
}

static void visit_cpus(void)
{
	struct task_struct *init;
	int cpu;

	other_mm = NULL;
	rcu_read_lock();
	init = pid_task(find_pid_ns(1, &init_pid_ns), PIDTYPE_PID);
	if (init)
		get_task_struct(init);
	rcu_read_unlock();
	if (init) {
		other_mm = get_task_mm(init);
		put_task_struct(init);
	}
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		INIT_WORK(per_cpu_ptr(&cpu_work, cpu), on_cpu);
		schedule_work_on(cpu, per_cpu_ptr(&cpu_work, cpu));
	}
	for_each_online_cpu(cpu)
		flush_work(per_cpu_ptr(&cpu_work, cpu));
	cpus_read_unlock();
	if (other_mm)
		mmput(other_mm);
}

static void drain(u32 how)
{
	if (how == 0)
		return;
	if (how == 1) {
		rcu_barrier();
		return;
	}
	visit_cpus();
	collect_unix_garbage();
	flush_kfree_rcu();
	rcu_barrier();
	vm_unmap_aliases();
	net_ns_barrier(); /* cleanup_net() at work is over */
	rcu_barrier();
}

/* ---- what a charge near its bound waits for */

static struct workqueue_struct *flush_queue;
static struct irq_work flush_kick;
static atomic64_t flush_asked, flush_batches_asked;
static s64 flush_done;
static DECLARE_WAIT_QUEUE_HEAD(flush_wait);

static void do_flush(struct work_struct *unused)
{
	s64 upto = atomic64_read(&flush_asked);

	/* The grace period first: a task that is dead by now has put itself on its way through RCU then. */
	bc_core_flush();
	if (atomic64_xchg(&flush_batches_asked, 0))
		flush_kfree_rcu();
	rcu_barrier();
	WRITE_ONCE(flush_done, upto);
	wake_up_all(&flush_wait);
}
static DECLARE_WORK(flushing, do_flush);

static void on_flush_kick(struct irq_work *unused)
{
	queue_work(flush_queue, &flushing);
}

void bc_kick_flush(void)
{
	irq_work_queue(&flush_kick);
}

bool bc_wait_for_frees(bool batches)
{
	s64 ticket = atomic64_inc_return(&flush_asked);

	if (batches)
		atomic64_set(&flush_batches_asked, 1);
	queue_work(flush_queue, &flushing);
	return wait_event_killable_timeout(flush_wait, READ_ONCE(flush_done) >= ticket, 5 * HZ) > 0;
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
	if (!READ_ONCE(stopped))
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
	/* Charges wait for it: it has to run when memory is short. */
	flush_queue = alloc_workqueue("beancounter_flush", WQ_UNBOUND | WQ_MEM_RECLAIM, 1);
	if (!flush_queue) {
		destroy_workqueue(queue);
		return -ENOMEM;
	}
	init_irq_work(&flush_kick, on_flush_kick);
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

/*
 * No more turns, which make and remove files: before bc_proc_exit(). Who writes to one still may kick, to no effect, and waits for a
 * flush, which goes on until bc_worker_exit().
 */
void bc_worker_stop(void)
{
	WRITE_ONCE(stopped, true);
	irq_work_sync(&kick);
	cancel_delayed_work_sync(&work);
}

/* Nothing may kick any more: hooks, events and files are gone. */
void bc_worker_exit(void)
{
	irq_work_sync(&flush_kick);
	cancel_work_sync(&flushing);
	destroy_workqueue(flush_queue);
	irq_work_sync(&kick); /* a flush kicks, too */
	destroy_workqueue(queue);
}

void bc_log_stop(u32 id, const char *name, const char *state, u64 objects, u64 bytes, const char *worst)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);

	if (!objects || !__ratelimit(&limit))
		return;
	pr_warn("container %u%s%s stopped %s: %llu objects, %llu bytes; first %s; see /proc/beancounter/%u/leaks\n", id,
		*name ? " " : "", name, state, objects, bytes, worst, id);
}

void bc_log_refused(u32 id, const char *name, u64 refusals, const char *task, s32 pid, const char *resource, const char *site)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);

	if (__ratelimit(&limit))
		pr_warn("container %u%s%s: %llu charges refused; last %s of %s[%d] at %s; see /proc/beancounter/%u/refusals\n", id,
			*name ? " " : "", name, refusals, resource, task, pid, site, id);
}

void bc_log_overflow(u32 rows)
{
	pr_warn("no row for one more container beside %u: it shares the row overflow, where it has no limits and gets no verdict; see containers_lost in /proc/beancounter/health, and the parameter max_containers\n",
		rows);
}

void bc_log_torn(u32 id, const char *name, const char *walk)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);

	if (__ratelimit(&limit))
		pr_warn("container %u%s%s: the search for holders never comes to the end of %s: nothing is called leaked; see /proc/beancounter/%u/leaks\n",
			id, *name ? " " : "", name, walk, id);
}

void bc_trace_refused(u32 id, const char *resource, const char *cause, u64 bytes, u64 site)
{
	trace_charge_refused(id, resource, cause, bytes, site);
}

void bc_trace_stop(u32 id, const char *name, const char *state, u64 objects, u64 bytes)
{
	trace_container_stop(id, name, state, objects, bytes);
}

void bc_trace_leak(u32 id, const char *verdict, const char *cache, const char *site, u64 objects, u64 bytes)
{
	trace_leak(id, verdict, cache, site, objects, bytes);
}
