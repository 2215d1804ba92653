// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever makes a task has its struct pid until he comes back from kernel_clone(): kernel/fork.c, get_task_pid() and put_pid(), 6.1 and 6.12.
 * On his stack only. That may be longer than the child lives: where a tracer holds him at the event of his clone(), where he writes its number
 * (CLONE_PARENT_SETTID) to memory that somebody else fills (userfaultfd), where he is frozen while he waits for the child of a vfork().
 */
#include <linux/sched.h>
#include <linux/static_call.h>

#include "keeper.h"

#define MOST_FRAMES 48 /* of who is held in kernel_clone(); those that a tracer or a signal keeps there have some twenty */

static struct bc_text_range clone, syscall;

static unsigned int no_frames(struct task_struct *task, unsigned long *frames, unsigned int most, unsigned int skip)
{
	return 0;
}
DEFINE_STATIC_CALL(bc_stack_trace_save_tsk, no_frames);

void bc_clones_init(void)
{
	unsigned long save = bc_lookup("stack_trace_save_tsk"); /* 6.1 does not export it */

	if (save)
		static_call_update(bc_stack_trace_save_tsk, (void *)save);
	bc_lookup_part("do_syscall_64", BC_HOT, &syscall);
	if (!save || !bc_lookup_part("kernel_clone", BC_HOT, &clone))
		pr_info("no kernel_clone(): the struct pid of a child whose parent is held at its clone() may be called leaked\n");
}

/* The first return address into that text; `to` where there is none. */
static const unsigned long *first_in(const struct bc_text_range *text, const unsigned long *from, const unsigned long *to)
{
	unsigned long word;

	for (; from < to; from++) {
		if (GET(word, from) && bc_is_in(text, word))
			break;
	}
	return from;
}

/*
 * Is the task in kernel_clone(), or has it only left that on its stack? As the kernel's own unwinder sees it, which holds the stack
 * meanwhile, and says nothing of a task that runs.
 */
static bool is_in_clone(struct task_struct *task)
{
	unsigned long frames[MOST_FRAMES];
	unsigned int i, n = static_call(bc_stack_trace_save_tsk)(task, frames, MOST_FRAMES, 0);

	for (i = 0; i < n; i++) {
		if (bc_is_in(&clone, frames[i]))
			return true;
	}
	return false;
}

/* What is on it, from where the task sleeps: one that runs is back soon, and what it leaves changes below our eyes. */
static void stack_keeps(struct keeper *keeper, const unsigned long *from, const unsigned long *to)
{
	const void *pointer;

	for (; from < to; from++) {
		if (GET(pointer, (const void *const *)from))
			keeps(keeper, pointer);
	}
}

/*
 * A dying task's stack may be another's by the time it is read. Above the system call's own
 * frames lies what an earlier one may have left there, kernel_clone() among it: each call begins at another place
 * (include/linux/randomize_kstack.h).
 */
void clone_keeps(struct keeper *keeper, struct task_struct *task)
{
	const unsigned long *stack = READ_ONCE(task->stack), *top = stack + THREAD_SIZE / sizeof(*stack);
	const unsigned long *from = (const unsigned long *)READ_ONCE(task->thread.sp), *to;

	if (task == current || READ_ONCE(task->on_cpu) || from < stack || from >= top)
		return;
	to = first_in(&syscall, from, top);
	if (first_in(&clone, from, to) < to && is_in_clone(task)) /* mostly the first says no, and is cheaper */
		stack_keeps(keeper, from, to);
}
