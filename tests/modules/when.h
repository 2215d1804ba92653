/* SPDX-License-Identifier: GPL-2.0 */
/* What a module that breaks the kernel a little is told: how often, and for whom; and how often it has. */
#ifndef WHEN_H
#define WHEN_H

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/sched.h>

static unsigned int times = 1;
module_param(times, uint, 0444);
MODULE_PARM_DESC(times, "how often; 0: always");

static char *comm;
module_param(comm, charp, 0444);
MODULE_PARM_DESC(comm, "only for tasks of this name");

static atomic_t happened = ATOMIC_INIT(0), left;

static int happened_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&happened));
}

static const struct kernel_param_ops happened_ops = { .get = happened_get };

/* When loading. */
static void when_init(void)
{
	atomic_set(&left, times);
}

static inline bool is_meant(const struct task_struct *task)
{
	return !comm || !strncmp(task->comm, comm, TASK_COMM_LEN - 1);
}

/* Once more; it is counted. */
static bool take_turn(void)
{
	if (times && atomic_dec_if_positive(&left) < 0)
		return false;
	atomic_inc(&happened);
	return true;
}

#endif
