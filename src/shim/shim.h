/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the shim share among themselves.
 */
#ifndef BC_SHIM_H
#define BC_SHIM_H

#include <linux/compiler.h>
#include <linux/sched.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/types.h>

#include <beancounter/core.h>

#include "compat.h"

#undef pr_fmt
#define pr_fmt(fmt) "beancounter: " fmt

/* symbols.c: symbols of the kernel that are not exported. 0 where there is none. */
int bc_symbols_init(void);
unsigned long bc_lookup(const char *name);
extern unsigned long bc_return_to_handler;
bool bc_lookup_range(const char *name, unsigned long *start, unsigned long *end);

/* gcc may put into a part of its own, elsewhere in the kernel, what it takes for unlikely: NAME.cold. */
enum bc_part { BC_HOT, BC_COLD, BC_PARTS };
struct bc_text_range {
	unsigned long start, end;
};
bool bc_lookup_part(const char *name, enum bc_part part, struct bc_text_range *text);

/* A return address is behind its call, which may be the last instruction. */
static inline bool bc_is_in(const struct bc_text_range *text, unsigned long return_address)
{
	return return_address > text->start && return_address <= text->end;
}

/* stacks.c */
void bc_slab_ranges_init(void);
void bc_name_sleepers(void);

/* must_have.c */
int bc_must_have_init(void); /* 0, or the kernel has no such functions */

/* layout.c: refuses where the structures are not what we were built for. */
int bc_layout_check(void);
bool bc_layout_offset(const char *type, const char *member, u32 *offset);

/* A structure that is private to another part of the kernel is as its source in 6.1 and 6.12 says, or is not looked at. */
struct bc_layout {
	const char *type, *member;
	u32 at;
};
#define BC_LAYOUT(structure, member) { #structure, #member, offsetof(struct structure, member) }
bool bc_layouts_are(const struct bc_layout *layouts, int count);

/* probe_tables.c */
void bc_probe_tables_init(void);

/* keepers.c: what the kernel keeps for itself; false where a walk was not complete. sleep */
void bc_keepers_init(void);
const char *bc_keepers(bc_holder_found found, void *context);

/* memory.c */
void bc_memory_init(void);
u64 bc_kfence_object(u64 address); /* of one in KFENCE's pool: where the object there starts, 0 if that cannot be told; any */

/* thread_stacks.c */
void bc_thread_stacks_init(void);
/* Of what was a stack when it was allocated: is it still in use, or kept for the next task? With bc_mutex. */
bool bc_stack_is_kept(const void *area);
void bc_stack_of_new_task(const struct task_struct *task); /* any */

/* hooks.c */
int bc_hooks_resolve(void);
int bc_hooks_attach(void);
/* 0; else a hook could not be taken away, and the module's text must stay for ever. */
int bc_hooks_detach(void);
unsigned int bc_hooks_expected(void);

extern void *const bc_cpu_nobody;

/* A direct call of ftrace: from a function's fentry site to a trampoline. */
struct bc_direct {
	unsigned long site; /* the address of the fentry call: bc_hook_site() */
	bool attached;
	unsigned long trampoline;
	struct ftrace_ops ops;
};
unsigned long bc_hook_site(unsigned long function); /* 0: ftrace cannot hook it */
int bc_direct_attach(struct bc_direct *direct, void (*trampoline)(void)); /* -EBUSY: somebody else's is there */
/* 0, also where nothing is attached; the caller waits before the trampoline may go. */
int bc_direct_detach(struct bc_direct *direct);

/* memory.c: an original past its hook, in case it is the one that our own memory comes from */
void bc_memory_offer_body(const char *name, void *body);

/*
 * pool.c: what is put aside for sections with preemption off, on PREEMPT_RT; elsewhere the allocator can be asked in them.
 * bc_pool_fill() wants preemption on.
 */
#ifdef CONFIG_PREEMPT_RT
int bc_pool_init(void);
void bc_pool_exit(void);
void *bc_pool_take(unsigned long size);
void bc_pool_give_back(void *mem);
bool bc_pool_fill(u32 gfp);
extern int bc_pool_low;
#else
static inline int bc_pool_init(void)
{
	return 0;
}
static inline void bc_pool_exit(void)
{
}
static inline void *bc_pool_take(unsigned long size)
{
	return NULL;
}
static inline void bc_pool_give_back(void *mem)
{
}
static inline bool bc_pool_fill(u32 gfp)
{
	return true;
}
#endif

/*
 * A task's name. Nobody is kept from changing it meanwhile: what comes out is a part of one and a part of the next at worst, and has
 * an end, since the last byte is never anything but 0.
 */
static inline void bc_comm_of(const struct task_struct *task, char *comm, unsigned long size)
{
	data_race(strscpy_pad(comm, task->comm, size));
}

/* events.c: tracepoints, module notifier, kmem_cache_destroy. */
int bc_events_init(void);
void bc_events_exit(void);

/*
 * face_soon.c: has a new container's face made before the current task returns to user space, or leaves that to the worker (any, with
 * preemption off). bc_faces_not_soon() is for when nobody asks for more: none is under way then.
 */
void bc_face_soon_init(void);
void bc_face_soon(u32 id);
void bc_faces_not_soon(void);

/* loaders.c; with bc_events_*() */
int bc_loaders_init(void);
void bc_loaders_exit(void);
void bc_loader_exits(void);

/* places.c: what a word of memory is in. False: nothing that lives, a free object or a stack's part that is not in use. */
struct bc_place;
struct page;
void bc_places_init(void);
bool bc_places_known(void); /* can dead and living memory be told apart? Else all of it is taken to live. */
bool bc_place_of(u64 address, struct page *page, struct bc_place *place, const void **cache);

/* census.c: bc_words() */
void bc_census_init(void);

/* references.c: sees the gets and puts of user_structs and ucounts. */
int bc_references_init(void);
/* How many direct hooks could not be taken away. */
int bc_references_detach(void);
void bc_references_exit(void);

/* worker.c */
int bc_worker_init(void);
void bc_worker_start(void);
void bc_worker_stop(void);
void bc_worker_exit(void);
extern struct mutex bc_mutex; /* excludes bc_core_work(), bc_render() and bc_control() from each other */

/* proc.c */
int bc_proc_init(bool old_file);
void bc_proc_exit(void);
void bc_face_remove(u32 id);

#endif
