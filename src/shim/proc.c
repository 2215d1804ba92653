// SPDX-License-Identifier: GPL-2.0
/*
 * The files. A file's text is made whole when it is opened, so that no reader ever sees a torn row.
 *
 * Who may look is decided by the opener's active pid namespace and its capabilities there, never by which mount of proc the
 * file was reached through.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "shim.h"

#define MOST_WRITTEN (64 * 1024)

static struct proc_dir_entry *root;
static bool old_there;

/* The host's administrator. Asked at open and again at write, since descriptors are passed on. */
static bool is_administrator(void)
{
	return task_active_pid_ns(current) == &init_pid_ns && capable(CAP_SYS_ADMIN);
}

/*
 * A container's root reads its own rows, and what a text takes is charged to him. At his limit that would wait for what RCU still has, twice,
 * while everybody waits for the mutex: so it is not refused. He gets no more than his rows' length beyond it, for a file that is charged, too.
 */
static int open_text(struct file *file, enum bc_file what, u32 id)
{
	struct bc_text *text = kzalloc(sizeof(*text), GFP_KERNEL);
	unsigned int scope;
	int ret;

	if (!text)
		return -ENOMEM;
	mutex_lock(&bc_mutex);
	scope = memalloc_nofs_save();
	ret = bc_render(what, id, text);
	memalloc_nofs_restore(scope);
	mutex_unlock(&bc_mutex);
	if (ret) {
		kfree(text);
		return ret;
	}
	file->private_data = text;
	return 0;
}

static ssize_t read_text(struct file *file, char __user *to, size_t count, loff_t *at)
{
	struct bc_text *text = file->private_data;

	return simple_read_from_buffer(to, count, at, text->data, text->length);
}

static int release_text(struct inode *inode, struct file *file)
{
	struct bc_text *text = file->private_data;

	if (text)
		bc_text_free(text);
	kfree(text);
	return 0;
}

/* ---- /proc/user_beancounters */

static int open_beancounters(struct inode *inode, struct file *file)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	u32 id = 0;

	/* the capabilities that the original asked for, in the user namespace that owns the reader's pid namespace */
	if (!ns || !ns_capable(ns->user_ns, CAP_DAC_OVERRIDE) || !ns_capable(ns->user_ns, CAP_DAC_READ_SEARCH))
		return -EACCES;
	if (ns != &init_pid_ns) {
		struct pid *pid = task_pid(current);

		id = pid && pid->level > 0 ? bc_container_id(pid->numbers[1].ns) : 0;
		if (!id)
			return -ENOENT;
	}
	return open_text(file, BC_FILE_BEANCOUNTERS, id);
}

static const struct proc_ops beancounters_ops = {
	.proc_open = open_beancounters,
	.proc_read = read_text,
	.proc_lseek = default_llseek,
	.proc_release = release_text,
};

/* ---- /proc/beancounter: an entry's data is its file, and for a container's the ID above it */

#define ENTRY(file, id) ((void *)(((unsigned long)(id) << 8) | (file)))

static int open_entry(struct inode *inode, struct file *file)
{
	unsigned long data = (unsigned long)pde_data(inode);

	if (!is_administrator())
		return -EACCES;
	return open_text(file, data & 0xff, data >> 8);
}

/* ---- ID/resources, which is written, too */

/* A whole write, from its first byte; NULL or an error. */
static char *whole_write(const char __user *from, size_t count, loff_t at)
{
	if (!is_administrator())
		return ERR_PTR(-EACCES);
	if (!count || count > MOST_WRITTEN || at)
		return ERR_PTR(-EINVAL);
	return memdup_user_nul(from, count);
}

static ssize_t write_resources(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	u32 id = (unsigned long)pde_data(file_inode(file)) >> 8;
	char *text = whole_write(from, count, *at);
	int ret;

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&bc_mutex);
	ret = bc_set_resources(id, text, count);
	mutex_unlock(&bc_mutex);
	kfree(text);
	if (ret)
		return ret;
	/* In force exactly when the writer goes on. */
	bc_wait_for_frees(false);
	return count;
}

static const struct proc_ops entry_ops = {
	.proc_open = open_entry,
	.proc_read = read_text,
	.proc_lseek = default_llseek,
	.proc_release = release_text,
};

static const struct proc_ops resources_ops = {
	.proc_open = open_entry,
	.proc_read = read_text,
	.proc_write = write_resources,
	.proc_lseek = default_llseek,
	.proc_release = release_text,
};

static int open_control(struct inode *inode, struct file *file)
{
	return is_administrator() ? 0 : -EACCES;
}

static ssize_t write_control(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	char *text = whole_write(from, count, *at);
	int ret;

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&bc_mutex);
	ret = bc_control(text, count);
	mutex_unlock(&bc_mutex);
	kfree(text);
	return ret ?: count;
}

static const struct proc_ops control_ops = {
	.proc_open = open_control,
	.proc_write = write_control,
	.proc_lseek = noop_llseek,
};

/* ---- a container's folder */

static const struct {
	const char *name;
	enum bc_file file;
	umode_t mode;
	const struct proc_ops *ops;
} face_files[] = {
	{ "resources", BC_FILE_RESOURCES, 0600, &resources_ops },
	{ "objects", BC_FILE_OBJECTS, 0400, &entry_ops },
	{ "leaks", BC_FILE_LEAKS, 0400, &entry_ops },
	{ "refusals", BC_FILE_REFUSALS, 0400, &entry_ops },
	{ "references", BC_FILE_REFERENCES, 0400, &entry_ops },
};

struct face {
	struct list_head list;
	u32 id;
	struct proc_dir_entry *dir;
	bool going;
	bool there[ARRAY_SIZE(face_files)];
};

static LIST_HEAD(faces);
static DEFINE_MUTEX(faces_mutex);

static struct face *find_face(u32 id)
{
	struct face *face;

	list_for_each_entry(face, &faces, list) {
		if (face->id == id)
			return face;
	}
	return NULL;
}

static bool is_taken(u32 id)
{
	bool taken;

	rcu_read_lock();
	taken = bc_id_taken(id);
	rcu_read_unlock();
	return taken;
}

static struct face *make_face(u32 id)
{
	struct face *face = kzalloc(sizeof(*face), GFP_KERNEL);
	char name[16];

	if (!face)
		return NULL;
	snprintf(name, sizeof(name), "%u", id);
	face->id = id;
	face->dir = proc_mkdir_mode(name, 0500, root);
	if (!face->dir) {
		kfree(face);
		return NULL;
	}
	list_add(&face->list, &faces);
	return face;
}

/* What it lacks. True: nothing any more. A file for which there is no memory comes when it is asked for again. */
static bool fill(struct face *face)
{
	bool whole = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(face_files); i++) {
		if (!face->there[i])
			face->there[i] = proc_create_data(face_files[i].name, face_files[i].mode, face->dir, face_files[i].ops,
							  ENTRY(face_files[i].file, face->id));
		whole = whole && face->there[i];
	}
	return whole;
}

/*
 * Whoever asks for one may be late: its container has been evicted since, and bc_face_remove() has found nothing. And whoever has one
 * removed may be late: the ID has been given to another since, or the same again. Both look, with faces_mutex, at who has the ID by then.
 */
bool bc_face_add(u32 id)
{
	struct face *face;
	bool done;

	mutex_lock(&faces_mutex);
	face = find_face(id);
	if (!face && (!root || !is_taken(id))) {
		done = true;
	} else {
		face = face ?: make_face(id);
		done = face && !face->going && fill(face);
	}
	mutex_unlock(&faces_mutex);
	return done;
}

void bc_face_remove(u32 id)
{
	struct face *face;

	mutex_lock(&faces_mutex);
	face = is_taken(id) ? NULL : find_face(id);
	if (face)
		face->going = true;
	mutex_unlock(&faces_mutex);
	if (!face)
		return;
	/* Waits for readers, who may wait for bc_mutex, whose holder may wait for faces_mutex. */
	proc_remove(face->dir);
	mutex_lock(&faces_mutex);
	list_del(&face->list);
	mutex_unlock(&faces_mutex);
	kfree(face);
}

/*
 * The folder's mode keeps out who is not root; root of a container may have it before him, too, through a mount of the host's
 * proc. Its files look at who opens them; that it cannot be walked or listed either takes a permission() of our own, for which
 * proc has no call. The entry is ours and nobody has looked it up yet.
 */
static struct inode_operations root_iops;
static const struct inode_operations **root_entry_iops, *proc_iops; /* the entry's field, and what was in it */

static int root_permission(bc_idmap *idmap, struct inode *inode, int mask)
{
	return is_administrator() ? generic_permission(idmap, inode, mask) : -EACCES;
}

static void guard_root(void)
{
	const struct inode_operations **iops;
	u32 offset;

	if (!root)
		return;
	if (!bc_layout_offset("proc_dir_entry", "proc_iops", &offset)) {
		pr_info("the kernel has no BTF: root of a container can list /proc/beancounter where it sees the host's proc\n");
		return;
	}
	iops = (void *)root + offset;
	root_entry_iops = iops;
	proc_iops = *iops;
	root_iops = *proc_iops;
	root_iops.permission = root_permission;
	WRITE_ONCE(*iops, &root_iops);
}

static void unguard_inodes(struct super_block *sb, void *unused)
{
	struct inode *inode;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (READ_ONCE(inode->i_op) == &root_iops)
			WRITE_ONCE(inode->i_op, proc_iops);
	}
	spin_unlock(&sb->s_inode_list_lock);
}

/*
 * An inode lives as long as somebody has it open or as his working folder, which may be longer than this module: in every
 * mounted proc (there is one a pid namespace) it gets back what proc gives its folders.
 */
static void unguard_root(void)
{
	struct file_system_type *proc;

	if (!root_entry_iops)
		return;
	WRITE_ONCE(*root_entry_iops, proc_iops);
	root_entry_iops = NULL;
	/* who has read the field has put it into his inode then: he does not sleep between the two (proc_get_inode()) */
	synchronize_rcu_tasks();
	proc = get_fs_type("proc");
	iterate_supers_type(proc, unguard_inodes, NULL);
	module_put(proc->owner);
	/* nor does root_permission(): nobody is in it any more */
	synchronize_rcu_tasks();
	synchronize_rcu();
}

int bc_proc_init(bool old_file)
{
	root = proc_mkdir_mode("beancounter", 0500, NULL);
	guard_root();
	if (!root || !proc_create_data("containers", 0400, root, &entry_ops, ENTRY(BC_FILE_CONTAINERS, 0)) ||
	    !proc_create_data("health", 0400, root, &entry_ops, ENTRY(BC_FILE_HEALTH, 0)) ||
	    !proc_create("control", 0600, root, &control_ops)) {
		pr_err("/proc/beancounter cannot be made; is another build of this module loaded?\n");
		return -EEXIST;
	}
	if (!old_file)
		return 0;
	if (!proc_create("user_beancounters", 0444, NULL, &beancounters_ops)) {
		pr_err("/proc/user_beancounters cannot be made; old_file=0 goes without it\n");
		return -EEXIST;
	}
	old_there = true;
	return 0;
}

void bc_proc_exit(void)
{
	struct face *face, *next;

	if (old_there)
		remove_proc_entry("user_beancounters", NULL);
	old_there = false;
	unguard_root();
	proc_remove(root);
	mutex_lock(&faces_mutex);
	root = NULL;
	list_for_each_entry_safe(face, next, &faces, list)
		kfree(face);
	INIT_LIST_HEAD(&faces);
	mutex_unlock(&faces_mutex);
}
