/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The neck from the kernel to the core: what src/shim and src/platform/host may call. Implemented in src/core.
 *
 * The hook functions (bc_wrap_*, bc_free_*) are not declared here: only src/shim/trampolines.S knows them, and the
 * signatures belong to each kernel line (src/core/hooks.cc).
 */
#ifndef BEANCOUNTER_CORE_H
#define BEANCOUNTER_CORE_H

#include <beancounter/platform.h>

BC_BEGIN_C

/* sleep: 0, or -ENOMEM with nothing left behind. */
int bc_core_init(const struct bc_config *config);
/* sleep: after the last hook has gone and bc_core_work() cannot run any more. */
void bc_core_exit(void);
/* The ledger is one flat table: which of the trampolines fit it. */
bool bc_core_is_flat(void);
/* any: some hooks are stuck and others gone. From here on nothing is refused, and `health` says that no number is to be
 * relied on. */
void bc_core_switch_off(void);

/*
 * One round of everything slow: faces of new containers, stops, verdicts. sleep; bc_core_work(), bc_render() and
 * bc_control() exclude each other by a mutex of the caller.
 *
 * What takes long or waits for readers is left to the caller, to be done without that mutex.
 */
struct bc_round {
	bc_u32 next_ms;	   /* until the next round is wanted; 0: when kicked */
	bc_u32 drain;	   /* 0: none; 1: rcu_barrier(); 2: all that is on its way to a free, system-wide */
	bc_u32 faces_gone; /* IDs whose /proc/beancounter/ID has to go, where bc_id_taken() is false then */
	bc_u32 face_gone[64];
};
void bc_core_work(struct bc_round *round);

/* Is there a container of that ID? With the mutex of bc_core_work(), or in a section of RCU. */
bool bc_id_taken(bc_u32 id);

/*
 * The slow half of a bound: sleeps for a grace period, and then containers that came near one are counted exactly. One
 * caller at a time; excludes nothing else.
 */
void bc_core_flush(void);

/*
 * Task life, from tracepoints (any). `ns` is the container's pid namespace, the one at level 1. A new container is
 * made here and its ID returned, for the caller to give it its face before the forking task returns to user space; else
 * 0.
 */
bc_u32 bc_task_forked(const void *ns, bc_s32 host_pid, const char *comm, bool at_load);
/* Every container that is older than the module has been told of: what is seen first from here on is younger. any */
void bc_all_are_seen(void);
/*
 * An object that somebody outside has made for a task of the container, e.g. its task_struct: charged to it whatever
 * its bounds, as if allocated at `caller`. Not if it is somebody's already. any
 */
void bc_object_given(const void *ns, const void *object, bc_u64 caller);
/* The same for one made on behalf of `model`: to the container that holds that, if one does. any */
void bc_object_like(const void *object, const void *model, bc_u64 caller);
bool bc_object_charged(const void *object); /* any */
/* The last thread of pid 1 of the namespace is exiting. any */
void bc_init_exited(const void *ns);

/*
 * A reference of a user_struct or ucounts was taken or is about to be put. `caller` is the place of the call, `callee`
 * the function that was called there where that one then jumped to the put, else 0. any, with preemption off
 */
enum bc_reference_kind {
	BC_REFERENCE_USER,
	BC_REFERENCE_UCOUNTS
};
struct bc_reference {
	const void *object;
	const void *ns; /* level-1 pid namespace of the task; NULL for the host's, and where there is no task */
	bc_u64 caller;
	bc_u64 callee;
	bc_s64 count; /* with the reference in question */
	enum bc_reference_kind kind;
	bool get;
	bool made; /* by a function that makes such objects */
};
void bc_reference_event(const struct bc_reference *event);
/*
 * The same where nothing is to be thought about: its like was seen before, and it is not the last put, nor a get of
 * what has just been made. False if it is not so, and nothing has happened.
 */
bool bc_reference_known(const void *object, bc_u64 caller, const void *ns, bool get);
bool bc_reference_watched(const void *object); /* any, with preemption off */

/* The current task, a container's, begins or ends to load a module: what it allocates meanwhile is nobody's. any */
void bc_loading(bool begins);

/* A cache is being destroyed or a module's text is going: call sites that refer to them must not match again. any */
void bc_cache_gone(const void *cache);
void bc_text_going(bc_u64 start, bc_u64 end);

/* Text of a file, made at open. The caller frees with bc_text_free(). */
enum bc_file {
	BC_FILE_BEANCOUNTERS, /* id: 0 the host's view, else that container's */
	BC_FILE_CONTAINERS,
	BC_FILE_HEALTH,
	BC_FILE_RESOURCES,
	BC_FILE_OBJECTS,
	BC_FILE_LEAKS,
	BC_FILE_REFUSALS,
	BC_FILE_REFERENCES,
};
struct bc_text {
	char *data;
	unsigned long length;
	unsigned long capacity;
	bool failed; /* memory ran out */
};
int bc_render(enum bc_file file, bc_u32 id, struct bc_text *text); /* sleep; 0, -ENOENT, -ENOMEM */
void bc_text_free(struct bc_text *text);
/* The ID of the container whose level-1 pid namespace this is, 0 where there is none. any */
bc_u32 bc_container_id(const void *ns);

/* sleep: a whole write to /proc/beancounter/control; 0 or -EINVAL, -ENOENT, -EEXIST with nothing changed. */
int bc_control(const char *text, unsigned long length);
/* The same to ID/resources. Exact after the next bc_wait_for_frees(). */
int bc_set_resources(bc_u32 id, const char *text, unsigned long length);

BC_END_C

#endif
