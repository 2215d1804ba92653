// SPDX-License-Identifier: GPL-2.0
/*
 * A file that lets nobody close it until it is told to: whoever has it open and is killed stays on his way out, between his exit's
 * tracepoint and the rest of it.
 *
 *   insmod linger.ko; exec 3</proc/linger; ...; echo 1 >/sys/module/linger/parameters/go
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(waiting);
static bool go;
static atomic_t closing = ATOMIC_INIT(0);

static int go_set(const char *text, const struct kernel_param *kp)
{
	int error = param_set_bool(text, kp);

	wake_up_all(&waiting);
	return error;
}

static const struct kernel_param_ops go_ops = { .set = go_set, .get = param_get_bool };
module_param_cb(go, &go_ops, &go, 0644);
MODULE_PARM_DESC(go, "whoever closes may go on");

static int closing_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&closing));
}

static const struct kernel_param_ops closing_ops = { .get = closing_get };
module_param_cb(closing, &closing_ops, NULL, 0444);
MODULE_PARM_DESC(closing, "how many have begun to close");

static int linger_release(struct inode *inode, struct file *file)
{
	atomic_inc(&closing);
	wait_event(waiting, READ_ONCE(go));
	return 0;
}

static const struct proc_ops linger_operations = { .proc_release = linger_release };

static int __init linger_init(void)
{
	return proc_create("linger", 0400, NULL, &linger_operations) ? 0 : -ENOMEM;
}

static void __exit linger_exit(void)
{
	remove_proc_entry("linger", NULL);
}

module_init(linger_init);
module_exit(linger_exit);
MODULE_DESCRIPTION("A file that lets nobody close it until it is told to, for tests");
MODULE_LICENSE("GPL");
