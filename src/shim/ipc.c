// SPDX-License-Identifier: GPL-2.0
/*
 * What lies in an ipc namespace until somebody removes it, whoever made it: segments, queues and semaphores of System V, POSIX queues, and
 * what is in them. A container without a namespace of its own uses the host's.
 *
 * Namespaces are found by the living tasks that are in one, have it open or a segment of it attached. Nothing is locked, and nothing held: what
 * does not lead back to where it was found is not believed, and a walk that is torn by a change says so. What a message or a semaphore set
 * points to was allocated with it, and goes the way of all that something held points to: its other parts, what a security module knows.
 */
#include <linux/fs.h>
#include <linux/ipc_namespace.h>
#include <linux/ns_common.h>
#include <linux/user_namespace.h>

#include "ipc.h"

static const struct ipc_namespace *initial;
static const void *ns_operations;

bool keeps_at(struct keeper *keeper, const void *place)
{
	const void *pointer;

	if (!GET(pointer, (const void *const *)place))
		return false;
	keeps(keeper, pointer);
	return true;
}

bool ucounts_at(struct keeper *keeper, struct ucounts *const *place)
{
	const struct ucounts *ucounts;

	if (!GET(ucounts, place))
		return false;
	keeps(keeper, ucounts);
	return !ucounts || keeps_at(keeper, &ucounts->ns);
}

bool messages_keep(struct keeper *keeper, const struct list_head *list)
{
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		if (list_keeps(keeper, list)) /* struct msg_msg begins with it */
			return true;
	}
	return false;
}

void bc_ipc_init(void)
{
	initial = (const void *)bc_lookup("init_ipc_ns");
	ns_operations = (const void *)bc_lookup("ipcns_operations");
	bc_sysv_init();
	bc_posix_init();
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
void bc_ipc_common_refers(const struct ns_common *common, const void *its_operations, const void **last, struct keeper *keeper)
{
	if (its_operations && its_operations == ns_operations)
		bc_ipc_refers(container_of(common, struct ipc_namespace, ns), last, keeper);
}

void bc_ipc_file_refers(const struct file *file, const void **last, struct keeper *keeper)
{
	bc_ipc_refers(attached_keeps(keeper, file), last, keeper);
	walked(keeper, "mqueue", open_queue_keeps(keeper, file));
}

void ipc_keeps(struct keeper *keeper)
{
	keeper->holder.by = "ipc";
	if (initial)
		namespace_keeps(keeper, initial);
}
