// SPDX-License-Identifier: GPL-2.0
/*
 * What lies in an ipc namespace until somebody removes it, whoever made it: segments, queues and semaphores of System V, POSIX queues, and
 * what is in them. A container without a namespace of its own uses the host's.
 *
 * Namespaces are found by the living tasks that are in one, have it open or a segment of it attached. Nothing is locked, and nothing held: what
 * does not lead back to where it was found is not believed, and a walk that is torn by a change says so. What a message or a semaphore set
 * points to was allocated with it, and goes the way of all that something held points to: its other parts, what a security module knows.
 */
#include <linux/dcache.h>
#include <linux/idr.h>
#include <linux/ipc.h>
#include <linux/ipc_namespace.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/mqueue.h>
#include <linux/msg.h>
#include <linux/ns_common.h>
#include <linux/rhashtable.h>
#include <linux/signal_types.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>

#include "keeper.h"

#define TRIES 4	      /* of a list in which messages come and go */
#define MOST_TABLES 4 /* of keys: one, and the larger one that it is being moved to */

static const struct ipc_namespace *initial;
static const void *ns_operations;

/* A structure that is private to the kernel's own ipc directory is as its source in 6.1 and 6.12 says, or is not looked at. */
struct place {
	const char *type, *member;
	u32 at;
};
#define PLACE(structure, member) { #structure, #member, offsetof(struct structure, member) }

static bool are_known(const struct place *places, int count)
{
	u32 at;
	int i;

	for (i = 0; i < count; i++) {
		if (!bc_layout_offset(places[i].type, places[i].member, &at) || at != places[i].at)
			return false;
	}
	return true;
}

/* Whatever the word there points to. */
static bool keeps_at(struct keeper *keeper, const void *place)
{
	const void *pointer;

	if (!GET(pointer, (const void *const *)place))
		return false;
	keeps(keeper, pointer);
	return true;
}

/* ... somebody whom something is counted for */
static bool ucounts_at(struct keeper *keeper, struct ucounts *const *place)
{
	const struct ucounts *ucounts;

	if (!GET(ucounts, place))
		return false;
	keeps(keeper, ucounts);
	return !ucounts || keeps_at(keeper, &ucounts->ns);
}

static bool messages_keep(struct keeper *keeper, const struct list_head *list)
{
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		if (list_keeps(keeper, list)) /* struct msg_msg begins with it */
			return true;
	}
	return false;
}

/* ---- System V */

#ifdef CONFIG_SYSVIPC

#define INDEX_BITS 0x7fff /* of an id, and 24 of them where the kernel was booted with ipcmni_extend: ipc/util.h */

enum { SEMAPHORES, QUEUES, SEGMENTS, KINDS }; /* struct ipc_namespace, ids: ipc/util.h */

struct shmid_kernel { /* ipc/shm.c */
	struct kern_ipc_perm shm_perm;
	struct file *shm_file;
	unsigned long shm_nattch, shm_segsz;
	time64_t shm_atim, shm_dtim, shm_ctim;
	struct pid *shm_cprid, *shm_lprid;
	struct ucounts *mlock_ucounts;
};

struct shm_file_data {
	int id;
	struct ipc_namespace *ns;
	struct file *file;
};

struct msg_queue { /* ipc/msg.c */
	struct kern_ipc_perm q_perm;
	time64_t q_stime, q_rtime, q_ctime;
	unsigned long q_cbytes, q_qnum, q_qbytes;
	struct pid *q_lspid, *q_lrpid;
	struct list_head q_messages;
};

struct sem { /* ipc/sem.c */
	int semval;
	struct pid *sempid;
	spinlock_t lock;
	struct list_head pending_alter, pending_const;
	time64_t sem_otime;
} ____cacheline_aligned_in_smp;

struct sem_array {
	struct kern_ipc_perm sem_perm;
	time64_t sem_ctime;
	struct list_head pending_alter, pending_const, list_id;
	int sem_nsems, complex_count;
	unsigned int use_global_lock;
	struct sem sems[];
};

struct sem_undo {
	struct list_head list_proc;
	struct rcu_head rcu;
	struct sem_undo_list *ulp;
	struct list_head list_id;
};

static const struct place sysv_places[] = {
	PLACE(shmid_kernel, shm_file), PLACE(shmid_kernel, shm_lprid), PLACE(shmid_kernel, mlock_ucounts),
	PLACE(shm_file_data, ns), PLACE(shm_file_data, file), PLACE(msg_queue, q_lspid), PLACE(msg_queue, q_messages),
	PLACE(sem, sempid), PLACE(sem, sem_otime), PLACE(sem_array, list_id), PLACE(sem_array, sem_nsems),
	PLACE(sem_array, sems), PLACE(sem_undo, ulp), PLACE(sem_undo, list_id),
};
static bool sysv_known;

static const char *const names_of_operations[] = { "shm_file_operations", "shm_file_operations_huge" };
static const void *operations[ARRAY_SIZE(names_of_operations)];

static void sysv_init(void)
{
	int i;

	sysv_known = are_known(sysv_places, ARRAY_SIZE(sysv_places));
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		operations[i] = (const void *)bc_lookup(names_of_operations[i]);
}

static bool segment_keeps(struct keeper *keeper, const struct shmid_kernel *segment)
{
	const struct file *file;

	if (!GET(file, &segment->shm_file))
		return false;
	file_keeps(keeper, file);
	return keeps_at(keeper, &segment->shm_cprid) && keeps_at(keeper, &segment->shm_lprid) &&
	       ucounts_at(keeper, &segment->mlock_ucounts);
}

static bool queue_keeps(struct keeper *keeper, const struct msg_queue *queue)
{
	return keeps_at(keeper, &queue->q_lspid) && keeps_at(keeper, &queue->q_lrpid) && messages_keep(keeper, &queue->q_messages);
}

/* What is to be undone is another's than the set: that of its processes, the last of which may be outside. */
static bool undos_keep(struct keeper *keeper, const struct list_head *list)
{
	const struct list_head *node = list;

	while (next_of_list(keeper, list, &node)) {
		const struct sem_undo *undo = list_entry(node, struct sem_undo, list_id);

		if (!keeps_at(keeper, &undo->ulp))
			return false;
		keeps(keeper, undo);
		keeps_area(keeper, undo);
	}
	return node;
}

static bool set_keeps(struct keeper *keeper, const struct sem_array *set)
{
	int i, count;

	if (!GET(count, &set->sem_nsems))
		return false;
	for (i = 0; i < count; i++) {
		if (!step(keeper) || !keeps_at(keeper, &set->sems[i].sempid))
			return false;
	}
	return undos_keep(keeper, &set->list_id);
}

/* Each begins with what all have, and that says where in the table it is. */
static bool perm_keeps(struct keeper *keeper, const struct kern_ipc_perm *perm, unsigned long index, int kind)
{
	int id;

	if (!GET(id, &perm->id) || (id ^ index) & INDEX_BITS)
		return false;
	keeps(keeper, perm);
	keeps_area(keeper, perm);
	if (kind == SEGMENTS)
		return segment_keeps(keeper, (const struct shmid_kernel *)perm);
	if (kind == QUEUES)
		return queue_keeps(keeper, (const struct msg_queue *)perm);
	return set_keeps(keeper, (const struct sem_array *)perm);
}

/* A node of the table's tree leads back to the one above it, which covers 64 times as much. No deeper than six: an index is an int. */
static bool node_keeps(struct keeper *keeper, const struct xa_node *node, const struct xa_node *above, unsigned int shift,
		       unsigned long first, int kind)
{
	const struct xa_node *parent;
	unsigned char its_shift;
	const void *entry;
	int i;

	if (!GET(parent, &node->parent) || parent != above || !GET(its_shift, &node->shift) || its_shift != shift)
		return false;
	for (i = 0; i < XA_CHUNK_SIZE; i++) {
		unsigned long index = first + ((unsigned long)i << shift);

		if (!step(keeper) || !GET(entry, (const void *const *)&node->slots[i]))
			return false;
		if (!entry)
			continue;
		if (shift ? !xa_is_node(entry) || !node_keeps(keeper, xa_to_node(entry), node, shift - XA_CHUNK_SHIFT, index, kind) :
			    xa_is_internal(entry) || !perm_keeps(keeper, entry, index, kind))
			return false;
	}
	return true;
}

static bool tree_keeps(struct keeper *keeper, const void *root, int kind)
{
	unsigned char shift;

	if (!root)
		return true;
	if (!xa_is_node(root))
		return !xa_is_internal(root) && perm_keeps(keeper, root, 0, kind);
	return GET(shift, &xa_to_node(root)->shift) && shift < 32 && shift % XA_CHUNK_SHIFT == 0 &&
	       node_keeps(keeper, xa_to_node(root), NULL, shift, 0, kind);
}

/* The table of keys is the namespace's, and is made larger by whoever adds one too many. */
static bool keys_keep(struct keeper *keeper, const struct rhashtable *keys)
{
	const struct bucket_table *table;
	int i;

	if (!GET(table, (const struct bucket_table *const *)&keys->tbl))
		return false;
	for (i = 0; table && i < MOST_TABLES; i++) {
		keeps(keeper, table);
		keeps_area(keeper, table);
		if (!GET(table, (const struct bucket_table *const *)&table->future_tbl))
			return false;
	}
	return true;
}

static void sysv_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	static const char *const names[] = { [SEMAPHORES] = "sem", [QUEUES] = "msg", [SEGMENTS] = "shm" };
	const void *root;
	int kind;

	for (kind = 0; sysv_known && kind < KINDS; kind++) {
		keeper->steps = 0;
		walked(keeper, names[kind],
		       keys_keep(keeper, &ns->ids[kind].key_ht) &&
			       GET(root, (const void *const *)&ns->ids[kind].ipcs_idr.idr_rt.xa_head) && tree_keeps(keeper, root, kind));
	}
}

/* Who has a segment attached has a file of it that is his own. It keeps the segment's, and the namespace. */
static void attached_keeps(struct keeper *keeper, const struct file *file, const void **last)
{
	const void *its_operations = READ_ONCE(file->f_op);
	const struct shm_file_data *data = READ_ONCE(file->private_data);
	const struct ipc_namespace *ns;
	const struct file *segments;

	if (!sysv_known || !data || !its_operations || (its_operations != operations[0] && its_operations != operations[1]))
		return;
	if (!walked(keeper, "shm", GET(ns, &data->ns) && GET(segments, &data->file)))
		return;
	keeps(keeper, ns);
	file_keeps(keeper, segments);
	bc_ipc_refers(ns, last, keeper);
}

#else

static void sysv_init(void)
{
}

static void sysv_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
}

static void attached_keeps(struct keeper *keeper, const struct file *file, const void **last)
{
}

#endif

/* ---- POSIX queues: files of a file system that each namespace has */

#ifdef CONFIG_POSIX_MQUEUE

#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */

struct posix_msg_tree_node {
	struct rb_node rb_node;
	struct list_head msg_list;
	int priority;
};

struct mqueue_inode_info {
	spinlock_t lock;
	struct inode vfs_inode;
	wait_queue_head_t wait_q;
	struct rb_root msg_tree;
	struct rb_node *msg_tree_rightmost;
	struct posix_msg_tree_node *node_cache;
	struct mq_attr attr;
	struct sigevent notify;
	struct pid *notify_owner;
	u32 notify_self_exec_id;
	struct user_namespace *notify_user_ns;
	struct ucounts *ucounts;
	struct sock *notify_sock;
	struct sk_buff *notify_cookie;
};

static const struct place posix_places[] = {
	PLACE(posix_msg_tree_node, rb_node), PLACE(posix_msg_tree_node, msg_list), PLACE(mqueue_inode_info, vfs_inode),
	PLACE(mqueue_inode_info, msg_tree), PLACE(mqueue_inode_info, node_cache), PLACE(mqueue_inode_info, notify_owner),
	PLACE(mqueue_inode_info, ucounts), PLACE(mqueue_inode_info, notify_cookie),
};
static bool posix_known;

static void posix_init(void)
{
	posix_known = are_known(posix_places, ARRAY_SIZE(posix_places));
}

/* A node for each priority that messages have. */
static bool priority_keeps(struct keeper *keeper, const struct rb_node *node)
{
	const struct posix_msg_tree_node *priority = rb_entry(node, struct posix_msg_tree_node, rb_node);

	keeps(keeper, priority);
	return messages_keep(keeper, &priority->msg_list);
}

static bool posix_queue_keeps(struct keeper *keeper, const struct inode *inode)
{
	const struct mqueue_inode_info *info = container_of(inode, struct mqueue_inode_info, vfs_inode);
	const struct hlist_node *name;
	umode_t mode;
	int tries;

	keeps(keeper, inode);
	if (!GET(name, &inode->i_dentry.first) || !GET(mode, &inode->i_mode))
		return false;
	if (name)
		keeps(keeper, hlist_entry(name, struct dentry, d_u.d_alias));
	if (!S_ISREG(mode)) /* the directory of all */
		return true;
	if (!keeps_at(keeper, &info->node_cache) || !keeps_at(keeper, &info->notify_owner) ||
	    !keeps_at(keeper, &info->notify_user_ns) || !keeps_at(keeper, &info->notify_sock) ||
	    !keeps_at(keeper, &info->notify_cookie) || !ucounts_at(keeper, &info->ucounts))
		return false;
	for (tries = 0; tries < TRIES; tries++) {
		if (each_in_tree(keeper, &info->msg_tree, priority_keeps))
			return true;
	}
	return false;
}

static bool posix_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	const struct list_head *node;
	const struct super_block *sb;
	const struct vfsmount *mount;
	unsigned long magic;
	const void *whose;

	if (!posix_known)
		return true;
	if (!GET(mount, &ns->mq_mnt))
		return false;
	if (!mount)
		return true;
	if (!GET(sb, &mount->mnt_sb) || !GET(magic, &sb->s_magic) || magic != MQUEUE_MAGIC || !GET(whose, &sb->s_fs_info) || whose != ns)
		return false;
	keeper->steps = 0;
	keeps(keeper, mount);
	keeps(keeper, sb);
	for (node = &sb->s_inodes; next_of_list(keeper, &sb->s_inodes, &node);) {
		if (!posix_queue_keeps(keeper, list_entry(node, struct inode, i_sb_list)))
			return false;
	}
	return node;
}

/* Of an open one, wherever its namespace is. */
static bool open_queue_keeps(struct keeper *keeper, const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return !posix_known || !inode || inode->i_sb->s_magic != MQUEUE_MAGIC || posix_queue_keeps(keeper, inode);
}

#else

static void posix_init(void)
{
}

static bool posix_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	return true;
}

static bool open_queue_keeps(struct keeper *keeper, const struct file *file)
{
	return true;
}

#endif

/* ---- */

void bc_ipc_init(void)
{
	initial = (const void *)bc_lookup("init_ipc_ns");
	ns_operations = (const void *)bc_lookup("ipcns_operations");
	sysv_init();
	posix_init();
}

static void namespace_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	sysv_keeps(keeper, ns);
	walked(keeper, "mqueue", posix_keeps(keeper, ns));
}

/* Most tasks are in the one that is looked at anyway, or in the same as the task before. */
void bc_ipc_refers(const struct ipc_namespace *ns, const void **last, struct keeper *keeper)
{
	if (!ns || ns == initial || ns == *last)
		return;
	*last = ns;
	namespace_keeps(keeper, ns);
}

/* /proc/PID/ns/ipc: nobody may be in it any more. */
static void open_namespace_keeps(struct keeper *keeper, const struct file *file, const void **last)
{
	const struct inode *inode = file_inode(file);
	const struct ns_common *common;
	const void *its_operations;

	if (!inode || inode->i_sb->s_magic != NSFS_MAGIC)
		return;
	common = READ_ONCE(inode->i_private);
	if (!common || !GET(its_operations, &common->ops) || !its_operations || its_operations != ns_operations)
		return;
	bc_ipc_refers(container_of(common, struct ipc_namespace, ns), last, keeper);
}

void bc_ipc_file_refers(const struct file *file, const void **last, struct keeper *keeper)
{
	attached_keeps(keeper, file, last);
	walked(keeper, "mqueue", open_queue_keeps(keeper, file));
	open_namespace_keeps(keeper, file, last);
}

void ipc_keeps(struct keeper *keeper)
{
	keeper->holder.by = "ipc";
	if (initial)
		namespace_keeps(keeper, initial);
}
