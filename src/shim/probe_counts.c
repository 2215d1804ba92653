// SPDX-License-Identifier: GPL-2.0
/*
 * How many references an object has by its own count, and which one it is: "uid=1000,count=1". Read without faulting, as in
 * probe.c: the object may be freed meanwhile.
 *
 * A function may make more than the structure that it is known for, key_alloc() a key's description, too: what is smaller than the
 * structure is not one.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/pid.h>
#include <linux/sched/user.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "probe.h"

static bool probe_user(const struct user_struct *user, struct bc_probed *out)
{
	refcount_t count;
	kuid_t uid;

	if (!GET(count, &user->__count) || !GET(uid, &user->uid))
		return false;
	out->extra = refcount_read(&count);
	out->hashed = is_hashed(&user->uidhash_node);
	snprintf(out->text, sizeof(out->text), "uid=%u,count=%u%s", __kuid_val(uid), refcount_read(&count),
		 out->hashed ? ",hashed" : "");
	return true;
}

static bool probe_ucounts(const struct ucounts *ucounts, struct bc_probed *out)
{
	struct user_namespace *ns;
	unsigned int inum;
	atomic_t count;
	kuid_t uid;

	if (!GET(count, &ucounts->count) || !GET(uid, &ucounts->uid) || !GET(ns, &ucounts->ns) || !GET(inum, &ns->ns.inum))
		return false;
	out->extra = atomic_read(&count);
	out->hashed = is_hashed(&ucounts->node);
	snprintf(out->text, sizeof(out->text), "uid=%u,count=%d%s,userns=%u", __kuid_val(uid), atomic_read(&count),
		 out->hashed ? ",hashed" : "", inum);
	return true;
}

static bool probe_cred(const struct cred *cred, struct bc_probed *out)
{
	atomic_long_t usage;
	kuid_t uid;

	if (!GET(usage, &cred->usage) || !GET(uid, &cred->uid))
		return false;
	out->extra = atomic_long_read(&usage);
	snprintf(out->text, sizeof(out->text), "uid=%u,count=%lld", __kuid_val(uid), out->extra);
	return true;
}

static bool probe_pid(const struct pid *pid, struct bc_probed *out)
{
	unsigned int level;
	refcount_t count;
	struct hlist_head tasks[PIDTYPE_MAX];
	int nr, i, used = 0;

	if (!GET(count, &pid->count) || !GET(level, &pid->level) || level > MAX_PID_NS_LEVEL || !GET(tasks, &pid->tasks) ||
	    !GET(nr, &pid->numbers[0].nr))
		return false;
	for (i = 0; i < PIDTYPE_MAX; i++)
		used += tasks[i].first != NULL;
	out->extra = refcount_read(&count);
	snprintf(out->text, sizeof(out->text), "pid=%d,count=%u%s", nr, refcount_read(&count), used ? ",in_use" : "");
	return true;
}

static bool probe_file(const struct file *file, struct bc_probed *out)
{
	struct dentry *dentry;
	struct inode *inode;
	unsigned long number = 0;
	atomic_long_t count;

	if (!GET(count, &file->f_count) || !GET(dentry, &file->f_path.dentry) || !GET(inode, &file->f_inode))
		return false;
	if (inode && !GET(number, &inode->i_ino))
		number = 0;
	out->extra = atomic_long_read(&count);
	snprintf(out->text, sizeof(out->text), "ino=%lu,count=%ld", number, atomic_long_read(&count));
	return true;
}

static bool probe_key(const struct key *key, struct bc_probed *out)
{
	refcount_t usage;
	key_serial_t serial;

	if (!GET(usage, &key->usage) || !GET(serial, &key->serial))
		return false;
	out->extra = refcount_read(&usage);
	snprintf(out->text, sizeof(out->text), "serial=%d,count=%u", serial, refcount_read(&usage));
	return true;
}

static bool probe_ns(const struct ns_common *ns, struct bc_probed *out)
{
	struct ns_common copy;

	if (!GET(copy, ns))
		return false;
	out->extra = refcount_read(&copy.count);
	snprintf(out->text, sizeof(out->text), "ns=%u,count=%u", copy.inum, refcount_read(&copy.count));
	return true;
}

bool bc_probe_count(enum bc_probe what, const void *object, u32 size, struct bc_probed *out)
{
#define IS_ONE(type) (!size || size >= sizeof(type))
	switch (what) {
	case BC_PROBE_USER:
		return IS_ONE(struct user_struct) && probe_user(object, out);
	case BC_PROBE_UCOUNTS:
		return IS_ONE(struct ucounts) && probe_ucounts(object, out);
	case BC_PROBE_CRED:
		return IS_ONE(struct cred) && probe_cred(object, out);
	case BC_PROBE_PID:
		return IS_ONE(struct pid) && probe_pid(object, out);
	case BC_PROBE_FILE:
		return IS_ONE(struct file) && probe_file(object, out);
	case BC_PROBE_KEY:
		return IS_ONE(struct key) && probe_key(object, out);
	case BC_PROBE_USER_NS:
		return IS_ONE(struct user_namespace) && probe_ns(&((const struct user_namespace *)object)->ns, out);
	case BC_PROBE_NET_NS:
		return IS_ONE(struct net) && probe_ns(&((const struct net *)object)->ns, out);
	default:
		return false;
	}
#undef IS_ONE
}
