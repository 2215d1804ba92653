// SPDX-License-Identifier: GPL-2.0
/*
 * Who loads a module: what his task allocates meanwhile is the module's, its parameters, the tables of its functions, what its init
 * makes, and stays until that goes. Nobody's, therefore, where a container's task calls insmod itself. (What the kernel asks for it has
 * a task of its own load.)
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pid.h>

#include "shim.h"

#define MOST_LOADERS 16 /* at a time; what more of them allocate is charged as always */

static const struct task_struct *loaders[MOST_LOADERS];
static atomic_t loading;

static int place_of(const struct task_struct *task)
{
	int i;

	for (i = 0; i < MOST_LOADERS; i++) {
		if (READ_ONCE(loaders[i]) == task)
			return i;
	}
	return -1;
}

bool bc_current_loads(void)
{
	return place_of(current) >= 0;
}

static void begin(void)
{
	int i;

	for (i = 0; i < MOST_LOADERS; i++) {
		if (!cmpxchg(&loaders[i], NULL, current)) {
			atomic_inc(&loading);
			bc_loading(true);
			return;
		}
	}
}

static void end(const struct task_struct *task)
{
	int i = place_of(task);

	if (i < 0)
		return;
	WRITE_ONCE(loaders[i], NULL);
	atomic_dec(&loading);
	bc_loading(false);
}

/* One that an oops of the module's init ended does not come back from there. With preemption off, in the task itself. */
void bc_loader_exits(void)
{
	if (unlikely(atomic_read(&loading)))
		end(current);
}

static int on_load(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct pid *pid = READ_ONCE(current->thread_pid);

	if (!pid || !pid->level || bc_current_loads()) /* the host's; or a module's init that loads one */
		return 1;
	begin();
	return !bc_current_loads();
}

static int on_loaded(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	end(current);
	return 0;
}

static struct kretprobe load_probe = { /* kernel/module/main.c */
	.kp.symbol_name = "load_module",
	.entry_handler = on_load,
	.handler = on_loaded,
	.maxactive = MOST_LOADERS,
};
static bool probed;

void bc_loaders_exit(void)
{
	if (probed)
		unregister_kretprobe(&load_probe);
	probed = false;
}

int bc_loaders_init(void)
{
	int ret = register_kretprobe(&load_probe);

	if (ret) {
		pr_err("no kretprobe on load_module (%d)\n", ret);
		return ret;
	}
	probed = true;
	return 0;
}
