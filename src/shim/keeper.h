/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walks of holders.c, keepers.c and of the files below: whom they tell of what they find, and how long they may go on. Each is
 * false where a change or its length ended it before its end; those that are called from elsewhere leave its name behind. All sleep.
 */
#ifndef BC_KEEPER_H
#define BC_KEEPER_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/xarray.h>

#include "nofault.h"
#include "shim.h"

struct idr;
struct ipc_namespace;
struct mm_struct;
struct net;
struct net_device;
struct ns_common;
struct simple_xattrs;
struct socket;

#define MOST_STEPS (1 << 24) /* a server has some million cached inodes, or nodes in sysfs; each step is some 100 ns */

struct keeper {
	bc_holder_found found;
	void *context;
	struct bc_holder holder;
	int steps;
	const char *torn; /* the first walk that did not come to its end */
};

static inline void keeps(struct keeper *keeper, const void *pointer)
{
	if ((long)pointer < 0)
		keeper->found(keeper->context, (u64)pointer, &keeper->holder);
}

/* ... as something that is nobody's, and stays for the next to need it. */
static inline void keeps_for_next(struct keeper *keeper, const void *pointer, enum bc_hold how)
{
	keeper->holder.how = how;
	keeps(keeper, pointer);
	keeper->holder.how = BC_HOLDS;
}

/* A walk is over, `whole` or not. By the kernel's name for what was walked, for the report: Documentation/reports.md. */
static inline bool walked(struct keeper *keeper, const char *walk, bool whole)
{
	if (!whole && !keeper->torn)
		keeper->torn = walk;
	return whole;
}

/* False after too many of them: each walk begins with none. */
static inline bool step(struct keeper *keeper)
{
	if (!(++keeper->steps % 256))
		cond_resched();
	return keeper->steps < MOST_STEPS;
}

/*
 * The walk of a list, from its head on: true with `node` the next in it. False at its end, where `node` is the head again, and where it is
 * too long, or a change has torn it: then `node` is NULL. One that points to itself has been taken out just now.
 */
static inline bool next_of_list(struct keeper *keeper, const struct list_head *list, const struct list_head **node)
{
	const struct list_head *next, *back;

	if (!step(keeper) || !GET(next, &(*node)->next) || !GET(back, &next->prev) || back != *node || (next == *node && next != list))
		next = NULL;
	*node = next;
	return next && next != list;
}

/* The walk of a list of objects that begin with their place in it. */
static inline bool list_keeps(struct keeper *keeper, const struct list_head *list)
{
	const struct list_head *node = list;

	while (next_of_list(keeper, list, &node))
		keeps(keeper, node);
	return node;
}

/* ... as a walk of its own */
static inline void list_walked(struct keeper *keeper, const char *walk, const struct list_head *list)
{
	keeper->steps = 0;
	walked(keeper, walk, list_keeps(keeper, list));
}

/* trees.c: NULL where that cannot be told */
const struct rb_node *leftmost_in_tree(const struct rb_node *node);

/* NULL after the last. */
bool next_in_tree(const struct rb_node *node, const struct rb_node **next);

/* The walk of a tree, from its leftmost node on. */
bool each_in_tree(struct keeper *keeper, const struct rb_root *tree, bool (*visit)(struct keeper *keeper, const struct rb_node *node));

/* ... of an idr's: each entry with its number, and `what` the caller wants to know. */
bool each_in_idr(struct keeper *keeper, const struct idr *idr,
		 bool (*visit)(struct keeper *keeper, const void *entry, unsigned long index, int what), int what);

/* What lies outside the direct map: what describes it is an object. */
void keeps_area(struct keeper *keeper, const void *pointer);

/* Whatever the words there point to, and what describes it where that lies outside the direct map. */
void words_keep(struct keeper *keeper, const void *const *words, int count);

/*
 * files.c: what there is of any file, and credentials of any kind, wherever they were found; and of an open one, which whoever calls
 * holds, all that is behind it
 */
void bc_files_init(void);
void file_keeps(struct keeper *keeper, const struct file *file);
void cred_keeps(struct keeper *keeper, const struct cred *cred);
void bc_file_refers(const struct file *file, const void **last_ipc_ns, struct keeper *keeper);

/* clones.c; of one that is held */
void bc_clones_init(void);
void clone_keeps(struct keeper *keeper, struct task_struct *task);

/* sockets.c; of an open one, likewise */
void socket_keeps(struct keeper *keeper, const struct socket *socket);

/* bpf.c */
void bc_bpf_init(void);
void bpf_keeps(struct keeper *keeper);

/* inodes.c */
void bc_inodes_init(void);
bool xattrs_keep(struct keeper *keeper, const struct simple_xattrs *xattrs);
void file_systems_keep(struct keeper *keeper);

/* page_tables.c; with the lock of its mappings */
void page_tables_keep(struct keeper *keeper, const struct mm_struct *mm);

/* memtypes.c */
void bc_memtypes_init(void);
void memtypes_keep(struct keeper *keeper);

/* ksm.c */
void bc_ksm_init(void);
void ksm_keeps(struct keeper *keeper);

/* kept.c */
void bc_kept_init(void);
void for_next_keep(struct keeper *keeper);

/* fq.c; of a living task's network namespace */
#ifdef CONFIG_NET_SCHED
bool flows_keep(struct keeper *keeper, const struct net_device *dev, const void *fq);
#else
static inline bool flows_keep(struct keeper *keeper, const struct net_device *dev, const void *fq)
{
	return true;
}
#endif

/* cgroups.c */
void bc_cgroups_init(void);
void cgroups_keep(struct keeper *keeper);

/* terminals.c; of an open one, which whoever calls holds, both ends */
void bc_terminals_init(void);
void terminals_keep(struct keeper *keeper);
void bc_terminal_refers(const struct file *file, struct keeper *keeper);

/* keyrings.c: what a living task's keyrings have, and its user namespace's, but for those that this search has looked at; the credentials are held */
struct bc_keyrings {
	struct xarray seen, in_order;
	unsigned long met, walked; /* of those in order */
};
void bc_keyrings_begin(struct bc_keyrings *search);
void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *search, struct keeper *keeper);
void bc_keyrings_end(struct bc_keyrings *search);

/* ipc.c: the first one's, which is there for ever; another's, but for the one that was looked at last; of a file that is held */
#if defined(CONFIG_SYSVIPC) || defined(CONFIG_POSIX_MQUEUE)
void bc_ipc_init(void);
void ipc_keeps(struct keeper *keeper);
void bc_ipc_refers(const struct ipc_namespace *ns, const void **last, struct keeper *keeper);
void bc_ipc_file_refers(const struct file *file, const void **last, struct keeper *keeper);
void bc_ipc_common_refers(const struct ns_common *common, const void *its_operations, const void **last, struct keeper *keeper);
#else
static inline void bc_ipc_init(void)
{
}
static inline void ipc_keeps(struct keeper *keeper)
{
}
static inline void bc_ipc_refers(const struct ipc_namespace *ns, const void **last, struct keeper *keeper)
{
}
static inline void bc_ipc_file_refers(const struct file *file, const void **last, struct keeper *keeper)
{
}
static inline void bc_ipc_common_refers(const struct ns_common *common, const void *its_operations, const void **last, struct keeper *keeper)
{
}
#endif

/* netns.c: one that lives, but for those that this search has looked at */
struct bc_netns {
	struct xarray seen;
	const unsigned int *nft, *xt; /* where nftables and iptables have their number */
	const void *fq;		      /* the operations of that packet scheduler */
};
void bc_netns_begin(struct bc_netns *search);
void bc_netns_refers(const struct net *net, struct bc_netns *search, struct keeper *keeper);
void bc_netns_end(struct bc_netns *search);

/* namespaces.c: an open file's, which is held; and all that are mounted somewhere */
void bc_namespaces_init(void);
void bc_namespace_file_refers(const struct file *file, struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper);
void bc_namespaces_refer(struct bc_netns *nets, const void **last_ipc_ns, struct keeper *keeper);

#endif
