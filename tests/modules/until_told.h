/* SPDX-License-Identifier: GPL-2.0 */
/* For modules that keep a task somewhere until they are told to let it go: echo 1 >/sys/module/NAME/parameters/go */
#ifndef UNTIL_TOLD_H
#define UNTIL_TOLD_H

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(told);
static bool go;
static atomic_t waiting = ATOMIC_INIT(0);

static int go_set(const char *text, const struct kernel_param *kp)
{
	int error = param_set_bool(text, kp);

	wake_up_all(&told);
	return error;
}

static const struct kernel_param_ops go_ops = { .set = go_set, .get = param_get_bool };
module_param_cb(go, &go_ops, &go, 0644);
MODULE_PARM_DESC(go, "who waits may go on");

static int waiting_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&waiting));
}

static const struct kernel_param_ops waiting_ops = { .get = waiting_get };
module_param_cb(waiting, &waiting_ops, NULL, 0444);
MODULE_PARM_DESC(waiting, "how many wait");

/* Nobody is to take them for hung. */
static void wait_until_told(void)
{
	atomic_inc(&waiting);
	wait_event_idle(told, READ_ONCE(go));
	atomic_dec(&waiting);
}

#endif
