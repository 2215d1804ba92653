// SPDX-License-Identifier: GPL-2.0
/*
 * Has a task asleep with the remains of a clone() on its stack that it has long come back from: the address in kernel_clone() that it would have
 * returned to, and the struct pid of a process, which is not held.
 *
 *   insmod plant_stack.ko; echo PID >/proc/plant_stack & ...; echo 1 >/sys/module/plant_stack/parameters/go
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

#include "find_symbol.h"
#include "until_told.h"

#define REMAINS 8
#define SOMEWHERE 16 /* in a function, past its beginning */

static struct symbol_range clone;

static noinline void rest_with(unsigned long pid)
{
	unsigned long remains[2 * REMAINS];
	int i;

	for (i = 0; i < REMAINS; i++) {
		remains[2 * i] = clone.start + SOMEWHERE;
		remains[2 * i + 1] = pid;
	}
	barrier_data(remains);
	wait_until_told();
	barrier_data(remains);
}

static ssize_t plant_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	struct pid *pid;
	int number, error = kstrtoint_from_user(from, count, 0, &number);

	if (error)
		return error;
	rcu_read_lock();
	pid = find_vpid(number);
	rcu_read_unlock();
	if (!pid)
		return -ESRCH;
	rest_with((unsigned long)pid);
	return count;
}

static const struct proc_ops plant_operations = { .proc_write = plant_write };

static int __init plant_stack_init(void)
{
	int error = find_symbol("kernel_clone", &clone);

	if (error)
		return error;
	return proc_create("plant_stack", 0200, NULL, &plant_operations) ? 0 : -ENOMEM;
}

static void __exit plant_stack_exit(void)
{
	remove_proc_entry("plant_stack", NULL);
}

module_init(plant_stack_init);
module_exit(plant_stack_exit);
MODULE_DESCRIPTION("A task with an old call's remains on its stack, for tests");
MODULE_LICENSE("GPL");
