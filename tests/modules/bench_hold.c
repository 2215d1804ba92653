// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that live: `N SIZE` written to /proc/bench_hold makes N more by kmalloc(SIZE), in the writer's name; they outlive it.
 * Reading says how many there are. 0 frees them all.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static void *first;
static unsigned long count;
static DEFINE_MUTEX(lock);

static void drop(void)
{
	while (first) {
		void *next = *(void **)first;

		kfree(first);
		first = next;
		if (!(--count % 1024))
			cond_resched();
	}
}

static ssize_t write_hold(struct file *file, const char __user *from, size_t length, loff_t *at)
{
	unsigned long more, size = 0;
	char text[48];
	int given;
	ssize_t done = length;

	if (length >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, length))
		return -EFAULT;
	text[length] = 0;
	given = sscanf(text, "%lu %lu", &more, &size);
	if (given < 1 || (more && (given != 2 || size < sizeof(void *))))
		return -EINVAL;
	mutex_lock(&lock);
	if (!more)
		drop();
	for (; more; more--) {
		void **object = kmalloc(size, GFP_KERNEL);

		if (!object) {
			done = -ENOMEM;
			break;
		}
		*object = first;
		first = object;
		if (!(++count % 1024))
			cond_resched();
	}
	mutex_unlock(&lock);
	return done;
}

static ssize_t read_hold(struct file *file, char __user *to, size_t length, loff_t *at)
{
	char text[24];
	int n = scnprintf(text, sizeof(text), "%lu\n", READ_ONCE(count));

	return simple_read_from_buffer(to, length, at, text, n);
}

static const struct proc_ops ops = {
	.proc_read = read_hold,
	.proc_write = write_hold,
	.proc_lseek = noop_llseek,
};

static int __init hold_init(void)
{
	return proc_create("bench_hold", 0644, NULL, &ops) ? 0 : -ENOMEM;
}

static void __exit hold_exit(void)
{
	remove_proc_entry("bench_hold", NULL);
	drop();
}

module_init(hold_init);
module_exit(hold_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Objects by the million");
