// SPDX-License-Identifier: GPL-2.0
/*
 * Whose is a task's stack? It is allocated by a fork and serves one task after the other, of other containers and the host's too, so a
 * stopped container's may be (kernel/fork.c)
 *
 *  - a living task's;
 *  - one of the two that each CPU keeps for the next fork, cached_stacks;
 *  - a dead task's that waits for RCU, or, when no CPU wanted it, for vfree()'s work: struct vm_stack at its start says so;
 *  - a task's that is being forked, which nobody can find yet, for as long as that takes: nobody has run on it;
 *  - a task's that has been reaped and is not yet off its CPU for the last time (finish_task_switch()), or vfree() is at it.
 *
 * So one that was found nowhere is watched: if the next task that appears with it does so before the next look, or if that finds other
 * words in it than the last, it is no lost one. A lost one is in none of these places at any look, and nobody writes to it.
 */
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <asm/switch_to.h>

#include "nofault.h"
#include "shim.h"

#define STACKS_PER_CPU 2 /* NR_CACHED_STACKS */
#define MOST_WATCHED 16
#define FIRST_FRAME ALIGN(sizeof(struct fork_frame) + 16, 64) /* 16: padding at the top, with FRED */
#define WATCH (60 * HZ) /* looks come sooner; what was watched before may have been freed, and be another */

struct vm_stack {
	struct rcu_head rcu;
	struct vm_struct *stack_vm_area;
};

static struct vm_struct *__percpu *cached_stacks;
static unsigned long free_after_rcu;

/* Written by the worker and by who reads ID/leaks, with bc_mutex; by forks only `used`. */
static struct {
	const void *area;
	unsigned long since;
	u32 words;
	bool used;
} watched[MOST_WATCHED];
static u32 next_watched;
static bool watching;

void bc_thread_stacks_init(void)
{
	cached_stacks = (void __percpu *)bc_lookup("cached_stacks");
	free_after_rcu = bc_lookup("thread_stack_free_rcu");
}

static bool is_cached(const void *area)
{
	const struct vm_struct *stack;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < STACKS_PER_CPU; i++) {
			if (GET(stack, per_cpu_ptr(cached_stacks, cpu) + i) && stack == area)
				return true;
		}
	}
	return false;
}

static bool is_a_tasks(const void *area)
{
	const struct task_struct *process, *task;
	bool found = false;

	rcu_read_lock();
	for_each_process_thread(process, task) /* two loops, that a break would not leave */
		found |= data_race(task_stack_vm_area(task)) == area; /* who dies just now gives it up */
	rcu_read_unlock();
	return found;
}

/*
 * Whoever takes the stack again clears it. RCU clears the function when it calls it (kernel/rcu/tree.c, rcu_do_batch()), and
 * vfree_atomic() writes over the first word only.
 */
static bool is_being_freed(const struct vm_struct *area)
{
	const struct vm_stack *start;
	struct vm_stack stack;
	unsigned long func;

	if (!free_after_rcu || !GET(start, &area->addr) || !GET(stack, start))
		return false;
	func = (unsigned long)stack.rcu.func;
	return stack.stack_vm_area == area && (!func || func == free_after_rcu);
}

/*
 * What lies in it, told by a number: 0 where it is not mapped any more. Has nobody run on it? Then there is but STACK_END_MAGIC at its
 * start, and at its end the frame that copy_thread() has made for the first switch to it: all else was cleared.
 */
static u32 words_in(const struct vm_struct *area, bool *unused)
{
	unsigned long size, at;
	const char *start;
	u64 some[8];
	u32 sum = 1;

	*unused = false;
	if (!GET(start, &area->addr) || !GET(size, &area->size))
		return 0;
	size = min_t(unsigned long, size, THREAD_SIZE);
	*unused = true;
	for (at = 0; at + sizeof(some) <= size; at += sizeof(some)) {
		if (!GET(some, start + at)) {
			*unused = false;
			return 0;
		}
		if (at && at + sizeof(some) + FIRST_FRAME <= size && memchr_inv(some, 0, sizeof(some)))
			*unused = false;
		sum = jhash2((const u32 *)some, 2 * ARRAY_SIZE(some), sum);
	}
	return sum;
}

/* Is it for a task to come, or has it been used since it was last found nowhere? It is watched from here on. */
static bool was_used(const struct vm_struct *area)
{
	bool unused, used, fresh;
	u32 i, words = words_in(area, &unused);

	if (unused)
		return true;
	for (i = 0; i < MOST_WATCHED; i++) {
		if (watched[i].area != area)
			continue;
		fresh = time_before(jiffies, watched[i].since + WATCH);
		used = xchg(&watched[i].used, false) || watched[i].words != words;
		watched[i].since = jiffies;
		watched[i].words = words;
		return used && fresh;
	}
	i = next_watched++ % MOST_WATCHED;
	WRITE_ONCE(watched[i].area, NULL);
	WRITE_ONCE(watched[i].used, false);
	watched[i].since = jiffies;
	watched[i].words = words;
	smp_store_release(&watched[i].area, area);
	WRITE_ONCE(watching, true);
	return false;
}

void bc_stack_of_new_task(const struct task_struct *task)
{
	const void *area = task_stack_vm_area(task);
	u32 i;

	if (likely(!READ_ONCE(watching)) || !area)
		return;
	for (i = 0; i < MOST_WATCHED; i++) {
		if (smp_load_acquire(&watched[i].area) == area)
			WRITE_ONCE(watched[i].used, true);
	}
}

bool bc_stack_is_kept(const void *area)
{
	return cached_stacks && (is_cached(area) || is_a_tasks(area) || is_being_freed(area) || was_used(area));
}
