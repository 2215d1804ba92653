// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel makes for the first who needs it, and keeps for whoever is the next: for good, or as long as a device is there. It is
 * nobody's. It is found from what points to it: its like, made by the same function, that nothing points to has leaked.
 */
#include <linux/idr.h>
#include <linux/loop.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "keeper.h"

/* The variables that point to it. One that this kernel does not have keeps nothing. */
static struct {
	const char *name, *by;
	int words;
	bool each_cpu;
	unsigned long at;
} variables[] = {
	{ "crypto_default_rng", "crypto", 1 }, /* crypto/rng.c: random numbers for IPsec, and for keys */
	{ "tcp_md5sig_pool", "tcp", 2, true }, /* net/ipv4/tcp.c, 6.1; later kernels give it back with the last key */
};

/* kernel/workqueue.c, struct workqueue_struct, begins with its parts, a list. The next word links it with its like. */
static const struct {
	const char *name;
	enum bc_hold how;
} members[] = {
	{ "rescuer", BC_KEEPS_ALONE },
	{ "unbound_attrs", BC_KEEPS },	 /* which has masks of CPUs */
	{ "lock_name", BC_KEEPS_ALONE }, /* with lockdep */
};
static u32 member_at[ARRAY_SIZE(members)];
static u32 active_at; /* how many are at work on each node, and on none: 6.12 */
static bool queue_known;

struct loop { /* drivers/block/loop.c, struct loop_device, as far as that: 6.1 and 6.12 */
	int number;
	loff_t offset, sizelimit;
	int flags;
	char file_name[LO_NAME_SIZE];
	const struct file *backing_file;
	const struct block_device *device;
	gfp_t old_gfp_mask;
	spinlock_t lock;
	int state;
	spinlock_t work_lock;
	const struct list_head *workqueue;
};

void bc_kept_init(void)
{
	u32 at;
	int i;

	for (i = 0; i < ARRAY_SIZE(variables); i++)
		variables[i].at = bc_lookup(variables[i].name);
	queue_known = bc_layout_offset("workqueue_struct", "pwqs", &at) && at == 0;
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (!bc_layout_offset("workqueue_struct", members[i].name, &member_at[i]))
			member_at[i] = 0;
	}
	if (!bc_layout_offset("workqueue_struct", "node_nr_active", &active_at))
		active_at = 0;
}

static void variables_keep(struct keeper *keeper)
{
	int i, cpu;

	keeper->holder.how = BC_KEEPS;
	for (i = 0; i < ARRAY_SIZE(variables); i++) {
		if (!variables[i].at)
			continue;
		keeper->holder.by = variables[i].by;
		if (!variables[i].each_cpu) {
			words_keep(keeper, (const void *const *)variables[i].at, variables[i].words);
			continue;
		}
		for_each_possible_cpu(cpu) {
			const char *own = per_cpu_ptr((const char __percpu *)variables[i].at, cpu);

			words_keep(keeper, (const void *const *)own, variables[i].words);
		}
	}
	keeper->holder.how = BC_HOLDS;
}

/* ---- work queues: one by one, what each has. All of them are in one list. */

static bool queue_keeps(struct keeper *keeper, const struct list_head *queue)
{
	const struct list_head *part = queue;
	const void *pointer;
	int i;

	keeps_for_next(keeper, queue, BC_KEEPS_ALONE);
	while (next_of_list(keeper, queue, &part))
		keeps_for_next(keeper, part, BC_KEEPS_ALONE);
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (member_at[i] && GET(pointer, (const void *const *)((const char *)queue + member_at[i])))
			keeps_for_next(keeper, pointer, members[i].how);
	}
	for (i = 0; active_at && i <= nr_node_ids; i++) {
		if (GET(pointer, (const void *const *)((const char *)queue + active_at) + i))
			keeps_for_next(keeper, pointer, BC_KEEPS_ALONE);
	}
	return part;
}

/* A loop device has its queue from its first file on until the device itself is removed. */
static bool loop_keeps(struct keeper *keeper, const void *entry, unsigned long index, int unused)
{
	const struct list_head *queue;
	const struct loop *loop = entry;
	int number;

	if (!GET(number, &loop->number) || number != index || !GET(queue, &loop->workqueue))
		return false;
	return !queue || walked(keeper, "workqueue", queue_keeps(keeper, queue));
}

void for_next_keep(struct keeper *keeper)
{
	/* a module's, which may come and go */
	const struct idr *loops = queue_known ? (const void *)bc_lookup("loop_index_idr") : NULL;

	variables_keep(keeper);
	keeper->steps = 0;
	keeper->holder.by = "loop";
	if (loops)
		walked(keeper, "loop", each_in_idr(keeper, loops, loop_keeps, 0));
}
