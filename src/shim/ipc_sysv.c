// SPDX-License-Identifier: GPL-2.0
/*
 * System V's segments, queues and semaphores of an ipc namespace, and what is in them. Walks of ipc.c.
 */
#include <linux/idr.h>
#include <linux/ipc.h>
#include <linux/ipc_namespace.h>
#include <linux/msg.h>
#include <linux/rhashtable.h>

#include "ipc.h"

#define MOST_TABLES 4 /* of keys: one, and the larger one that it is being moved to */
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

static const struct bc_layout sysv_places[] = {
	BC_LAYOUT(shmid_kernel, shm_file), BC_LAYOUT(shmid_kernel, shm_lprid), BC_LAYOUT(shmid_kernel, mlock_ucounts),
	BC_LAYOUT(shm_file_data, ns), BC_LAYOUT(shm_file_data, file), BC_LAYOUT(msg_queue, q_lspid), BC_LAYOUT(msg_queue, q_messages),
	BC_LAYOUT(sem, sempid), BC_LAYOUT(sem, sem_otime), BC_LAYOUT(sem_array, list_id), BC_LAYOUT(sem_array, sem_nsems),
	BC_LAYOUT(sem_array, sems), BC_LAYOUT(sem_undo, ulp), BC_LAYOUT(sem_undo, list_id),
};
static bool sysv_known;

static const char *const names_of_operations[] = { "shm_file_operations", "shm_file_operations_huge" };
static const void *operations[ARRAY_SIZE(names_of_operations)];

void bc_sysv_init(void)
{
	int i;

	sysv_known = bc_layouts_are(sysv_places, ARRAY_SIZE(sysv_places));
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
static bool perm_keeps(struct keeper *keeper, const void *entry, unsigned long index, int kind)
{
	const struct kern_ipc_perm *perm = entry;
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

void sysv_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	static const char *const names[] = { [SEMAPHORES] = "sem", [QUEUES] = "msg", [SEGMENTS] = "shm" };
	int kind;

	for (kind = 0; sysv_known && kind < KINDS; kind++) {
		keeper->steps = 0;
		walked(keeper, names[kind],
		       keys_keep(keeper, &ns->ids[kind].key_ht) && each_in_idr(keeper, &ns->ids[kind].ipcs_idr, perm_keeps, kind));
	}
}

/* Who has a segment attached has a file of it that is his own. It keeps the segment's, and the namespace, which is given back. */
const struct ipc_namespace *attached_keeps(struct keeper *keeper, const struct file *file)
{
	const void *its_operations = READ_ONCE(file->f_op);
	const struct shm_file_data *data = READ_ONCE(file->private_data);
	const struct ipc_namespace *ns;
	const struct file *segments;

	if (!sysv_known || !data || !its_operations || (its_operations != operations[0] && its_operations != operations[1]))
		return NULL;
	if (!walked(keeper, "shm", GET(ns, &data->ns) && GET(segments, &data->file)))
		return NULL;
	keeps(keeper, ns);
	file_keeps(keeper, segments);
	return ns;
}
