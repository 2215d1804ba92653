// SPDX-License-Identifier: GPL-2.0
/*
 * Loses what the kernel keeps otherwise: who writes `queue` to /proc/lose_kept loses a work queue, by `random` a generator of random numbers.
 * `free` gives all back, from any task; so does unloading.
 */
#include <crypto/rng.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(lock);
static struct workqueue_struct *queue;
static struct crypto_rng *generator;

static int lose_queue(void)
{
	if (queue)
		return -EBUSY;
	queue = alloc_workqueue("lose_kept", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

static int lose_generator(void)
{
	struct crypto_rng *made;

	if (!IS_REACHABLE(CONFIG_CRYPTO_RNG2))
		return -EOPNOTSUPP;
	if (generator)
		return -EBUSY;
	made = crypto_alloc_rng("stdrng", 0, 0);
	if (IS_ERR(made))
		return PTR_ERR(made);
	generator = made;
	return crypto_rng_reset(made, NULL, crypto_rng_seedsize(made));
}

static int free_all(void)
{
	if (queue)
		destroy_workqueue(queue);
	if (IS_REACHABLE(CONFIG_CRYPTO_RNG2) && generator)
		crypto_free_rng(generator);
	queue = NULL;
	generator = NULL;
	return 0;
}

static ssize_t lose_kept_write(struct file *file, const char __user *buffer, size_t count, loff_t *pos)
{
	char text[16] = "";
	int ret = -EINVAL;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, count))
		return -EFAULT;
	mutex_lock(&lock);
	if (sysfs_streq(text, "queue"))
		ret = lose_queue();
	else if (sysfs_streq(text, "random"))
		ret = lose_generator();
	else if (sysfs_streq(text, "free"))
		ret = free_all();
	mutex_unlock(&lock);
	return ret ?: count;
}

static const struct proc_ops lose_kept_ops = {
	.proc_write = lose_kept_write,
	.proc_lseek = noop_llseek,
};

static int __init lose_kept_init(void)
{
	return proc_create("lose_kept", 0222, NULL, &lose_kept_ops) ? 0 : -ENOMEM;
}

static void __exit lose_kept_exit(void)
{
	remove_proc_entry("lose_kept", NULL);
	free_all();
}

module_init(lose_kept_init);
module_exit(lose_kept_exit);
MODULE_DESCRIPTION("Loses what the kernel keeps otherwise, for tests");
MODULE_LICENSE("GPL");
