// SPDX-License-Identifier: GPL-2.0
/*
 * A container's files are there when the clone() that made it returns: its parent makes them on the way back to user space.
 *
 * That may take as long as the child of a vfork() likes, and longer where the parent is frozen meanwhile. Whoever unloads the module does
 * not wait for that, nor has to try again: such works are taken back. (A tracer does not delay them: ptrace_notify(), kernel/signal.c.)
 */
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/task_work.h>

#include "shim.h"

struct face_work {
	struct callback_head head;
	struct list_head list;
	struct task_struct *task; /* there as long as the work is in the list: it runs before the task is gone */
	u32 id;
};

static LIST_HEAD(works);
static LIST_HEAD(spent); /* which the next one frees */
static DEFINE_RAW_SPINLOCK(works_lock); /* taken with preemption off, a leaf */

static struct callback_head *no_cancel(struct task_struct *task, task_work_func_t function)
{
	return NULL;
}
DEFINE_STATIC_CALL(bc_task_work_cancel, no_cancel);
static bool can_cancel;

void bc_face_soon_init(void)
{
	/* Where there are both names (6.12, 6.1's later updates) it is the first that takes a function, else the other. */
	unsigned long cancel = bc_lookup("task_work_cancel_func") ?: bc_lookup("task_work_cancel");

	if (cancel)
		static_call_update(bc_task_work_cancel, (void *)cancel);
	can_cancel = cancel;
}

static void is_over(struct face_work *work)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&works_lock, flags);
	list_move(&work->list, &spent);
	raw_spin_unlock_irqrestore(&works_lock, flags);
}

static void free_spent(void)
{
	struct face_work *work, *next;
	unsigned long flags;
	LIST_HEAD(taken);

	raw_spin_lock_irqsave(&works_lock, flags);
	list_splice_init(&spent, &taken);
	raw_spin_unlock_irqrestore(&works_lock, flags);
	list_for_each_entry_safe(work, next, &taken, list)
		bc_mem_free(work);
}

/*
 * The last that is done here is to leave the list, without sleeping any more: bc_faces_not_soon() waits for it. To free the work might
 * sleep (PREEMPT_RT), and is left to the next one.
 */
static void add_face(struct callback_head *head)
{
	struct face_work *work = container_of(head, struct face_work, head);

	free_spent();
	bc_face_add(work->id);
	bc_pool_fill(GFP_KERNEL); /* bc_face_soon() took from it */
	is_over(work);
}

void bc_face_soon(u32 id)
{
	struct face_work *work = can_cancel ? bc_mem_alloc(sizeof(*work), GFP_ATOMIC) : NULL;
	unsigned long flags;

	if (!work)
		return;
	work->id = id;
	work->task = current;
	init_task_work(&work->head, add_face);
	raw_spin_lock_irqsave(&works_lock, flags);
	list_add(&work->list, &works);
	raw_spin_unlock_irqrestore(&works_lock, flags);
	if (task_work_add(current, &work->head, TWA_RESUME))
		is_over(work);
}

/* Of any whose work is under way, to be put. */
static struct task_struct *task_with_work(void)
{
	struct face_work *work;
	struct task_struct *task = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&works_lock, flags);
	work = list_first_entry_or_null(&works, struct face_work, list);
	if (work)
		task = get_task_struct(work->task);
	raw_spin_unlock_irqrestore(&works_lock, flags);
	return task;
}

void bc_faces_not_soon(void)
{
	struct callback_head *head;
	struct task_struct *task;

	while ((task = task_with_work())) {
		head = static_call(bc_task_work_cancel)(task, add_face);
		put_task_struct(task);
		if (head)
			is_over(container_of(head, struct face_work, head));
		else
			msleep(1); /* it is at it just now */
	}
	/* who has left the list has not left this text yet */
	synchronize_rcu_tasks();
	free_spent();
}
