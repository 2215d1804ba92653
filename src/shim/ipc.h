/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the walks of ipc namespaces share: ipc.c has the namespaces, the others what is in one. Where the kernel was built without a kind
 * there is none of it.
 */
#ifndef BC_IPC_H
#define BC_IPC_H

#include "keeper.h"

#define TRIES 4 /* of a list in which messages come and go */

struct ucounts;

/* Whatever the word there points to. */
bool keeps_at(struct keeper *keeper, const void *place);

/* ... somebody whom something is counted for */
bool ucounts_at(struct keeper *keeper, struct ucounts *const *place);

bool messages_keep(struct keeper *keeper, const struct list_head *list);

#ifdef CONFIG_SYSVIPC
void bc_sysv_init(void);
void sysv_keeps(struct keeper *keeper, const struct ipc_namespace *ns);
/* Of a file that is held: the namespace of the segment that it has attached, or NULL. */
const struct ipc_namespace *attached_keeps(struct keeper *keeper, const struct file *file);
#else
static inline void bc_sysv_init(void)
{
}
static inline void sysv_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
}
static inline const struct ipc_namespace *attached_keeps(struct keeper *keeper, const struct file *file)
{
	return NULL;
}
#endif

#ifdef CONFIG_POSIX_MQUEUE
void bc_posix_init(void);
bool posix_keeps(struct keeper *keeper, const struct ipc_namespace *ns);
/* Of an open one, which is held, wherever its namespace is. */
bool open_queue_keeps(struct keeper *keeper, const struct file *file);
#else
static inline void bc_posix_init(void)
{
}
static inline bool posix_keeps(struct keeper *keeper, const struct ipc_namespace *ns)
{
	return true;
}
static inline bool open_queue_keeps(struct keeper *keeper, const struct file *file)
{
	return true;
}
#endif

#endif
