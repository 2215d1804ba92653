/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The neck from the core to the kernel: all that src/core asks of the world outside, and nothing else. Implemented by
 * src/shim over Linux and by src/platform/host over the C library, which makes the unit tests' rig.
 *
 * What the hot path needs without a call (per-CPU adds, the preemption count, the current task) is not here but in
 * platform/inline.h, likewise written twice.
 *
 * "any": callable from a hook, i.e. with interrupts off and any lock held. "sleep": process context only.
 */
#ifndef BEANCOUNTER_PLATFORM_H
#define BEANCOUNTER_PLATFORM_H

#include <beancounter/types.h>

BC_BEGIN_C

/* One for each CPU. The offsets are used by src/shim/trampolines.S through offsets.h. */
struct bc_cpu {
	bc_s64
	    in_flight; /* wrappers entered less wrappers left on this CPU; only the sum over all CPUs means something */
	void *last;    /* the container charged last on this CPU: a cache, written with preemption off */
};

/* What the core is told at start-up. */
struct bc_config {
	bc_u64 pages;		    /* page frames the ledger has to cover: highest possible address >> page shift */
	bc_u64 ram_pages;	    /* pages of memory there are now */
	bc_u64 flat_most;	    /* parameter: bytes that a flat table of the ledger may take */
	bc_u64 ledger_most;	    /* bytes the ledger may use for chunks and arrays; 0: no limit */
	bc_u32 cpus;		    /* possible CPUs */
	bc_u32 max_containers;	    /* parameter */
	bc_u32 settle_ms;	    /* parameter: the longest wait for a verdict once the tasks are gone */
	bc_u32 hooks;		    /* hooks in the table of this kernel */
	bc_u64 atomic_slack;	    /* parameter: bytes above the limit that GFP_ATOMIC may go */
	bool stacks;		    /* parameter: new containers keep the stack of each allocation */
	bool no_search;		    /* parameter: bc_words() is not to be called */
	const char *default_limits; /* parameter; NULL: none */
};

/*
 * Memory. The gfp of the caller decides what "any" may do: only its __GFP_KSWAPD_RECLAIM bit is honoured. On PREEMPT_RT
 * blocks come from a pool where preemption is off, and per-CPU memory is not to be had there.
 */
void *bc_page_alloc(bc_u32 gfp); /* any: one zeroed page, NULL without memory */
void bc_page_free(void *page);	 /* any */
void *bc_mem_alloc(unsigned long size,
		   bc_u32 gfp);		   /* any: zeroed, aligned to 64; enters the allocator past the hooks */
void bc_mem_free(void *mem);		   /* any */
void *bc_big_alloc(unsigned long size);	   /* sleep: zeroed */
void bc_big_free(void *mem);		   /* sleep */
void *bc_percpu_alloc(unsigned long size); /* any (non-blocking): zeroed; NULL without memory */
void bc_percpu_free(void *percpu);	   /* any */

/* Locks are leaves: nothing is called with one held but what is marked "any" here. Interrupts are off inside. */
enum bc_lock_id {
	BC_LOCK_SITES,
	BC_LOCK_CONTAINERS,
	BC_LOCK_REFUSALS,
	BC_LOCK_REFERENCES,
	BC_LOCKS
};
unsigned long bc_lock(enum bc_lock_id lock);
void bc_unlock(enum bc_lock_id lock, unsigned long flags);

void bc_synchronize_rcu(void); /* sleep: waits for every section with preemption off */
void bc_cond_resched(void);    /* sleep */
void bc_resched(void);	       /* any: what preempt_enable() does when the count falls to zero with a reschedule due */
void bc_kick_worker(void);     /* any: bc_core_work() runs soon; by irq_work, so it takes no lock */
void bc_kick_flush(void);      /* any: bc_core_flush() runs soon, likewise */
/*
 * sleep, killable and bounded: until bc_core_flush() has run whole, and with it all that waited for RCU when this was
 * called has been freed; `batches` too, if kfree_rcu()'s are wanted. False: it takes too long.
 */
bool bc_wait_for_frees(bool batches);
bc_u64 bc_now_ms(void); /* any: monotonic */

/* Copies without faulting; false where the address cannot be read. any */
bool bc_read(void *to, const void *from, unsigned long size);

/* The allocator. */
bc_u32 bc_kmalloc_stride(unsigned long size); /* any: of the cache that serves it, 0 where none does */
bool bc_cache_describe(const void *cache, bc_u32 *stride, bool *reclaimable, char *name, unsigned long len); /* any */
/* The object that starts in [page + low, page + high): its exact address, 0 if the page is no slab any more. any */
bc_u64 bc_object_address(bc_u64 page, bc_u32 low, bc_u32 high, bc_u32 stride);
/* The return address of the first caller outside the slab allocator's own functions. any */
bc_u64 bc_true_caller(void);
/* The same, fast: from the place on the stack where the return address into one of them lies. any */
bc_u64 bc_caller_above(const void *place);
/* Whole stacks, from that caller on, by a number that is never 0. */
bool bc_stacks_init(void);	  /* sleep: once, before the first is saved; false where there is no memory */
bc_u32 bc_stack_save(bc_u32 gfp); /* any: the current task's; 0 without memory */
bc_u32 bc_stack_frames(bc_u32 stack, bc_u64 *frames, bc_u32 most); /* any: how many it has */

/* Symbols. */
int bc_symbol(bc_u64 address, char *text, unsigned long len);	    /* any: "function+0x1d", "function+0x1d[module]" */
int bc_pointer_text(bc_u64 address, char *text, unsigned long len); /* obeys kptr_restrict, for the current reader */

/* Tasks and pid namespaces. */
void bc_current_task(bc_s32 *host_pid, char *comm); /* any; comm has 16 bytes */
/* What the current task is in that must not be refused its memory: bits. Looks at the stack: slow. any; in an interrupt
 * also what that came over. */
enum {
	BC_MUST_FAULT = 1, /* a page fault, its own or one on behalf of the kernel */
	/* Of who asks for several objects at a time: a step of a maple tree that has some of its nodes, and asks for
	 * the rest until it gets it (lib/maple_tree.c, mas_nomem(), 6.1 and 6.12) */
	BC_MUST_MAPLE = 2,
	BC_MUST_AUDIT = 4, /* the host's audit */
	BC_MUST_DIE = 8,   /* killed, and on its way back to where it learns of that */
};
bc_u32 bc_must_have(void);
bool bc_current_loads(void); /* any: is the current task one that bc_loading() was called for? */
struct bc_tasks {
	bc_u32 pids;   /* struct pids that still hold a number in the namespace */
	bc_s32 zombie; /* host pid of one of the tasks there that nobody has reaped, 0 if none */
	bc_s32 parent; /* host pid of its parent */
	char parent_comm[16];
};
void bc_pidns_tasks(const void *ns, struct bc_tasks *out, bool search); /* sleep; search: also fill what needs a walk */
/* Of the first task, if it is still there: command and cgroup path (unchanged otherwise). any */
void bc_task_face(bc_s32 host_pid, const void *ns, char *comm, unsigned long comm_len, char *cgroup,
		  unsigned long cgroup_len);
bc_u32 bc_pidns_inum(const void *ns);	   /* any */
bool bc_pidns_alive(const void *ns);	   /* any: it still takes new pids */
bool bc_pidns_of_user(const void *ns);	   /* any: its user namespace is not the host's: anyone can make one */
bool bc_pidns_ending(const void *ns);	   /* any: the last thread of its pid 1 is exiting, or has */
void bc_pidns_get(const void *ns);	   /* any */
void bc_pidns_put(const void *ns);	   /* sleep */
void bc_cpu_forget(const void *container); /* sleep: no CPU's `last` is this container from here on */

/* What a surviving object is, told from its state and not from its cache's flags. Reads without faulting: the object
 * may be freed meanwhile. any, with preemption off */
enum bc_probe {
	BC_PROBE_NONE,	    /* there is nothing to ask */
	BC_PROBE_DENTRY,    /* struct dentry */
	BC_PROBE_INODE,	    /* an object with a struct inode somewhere inside */
	BC_PROBE_TREE_NODE, /* struct xa_node: of a page cache, or an idr of the host's; owner is the tree's root */
	BC_PROBE_BIND,	    /* struct inet_bind_bucket or inet_bind2_bucket: is it hashed, with a socket? */
	BC_PROBE_TIMEWAIT,  /* struct inet_timewait_sock: is it hashed? */
	BC_PROBE_ORPHAN,    /* struct tcp_sock: closed, hashed, and its timer armed? */
	BC_PROBE_NEIGHBOUR, /* struct neighbour: is it in its table? */
	BC_PROBE_TRIE,	    /* struct tnode of IPv4's routes: is it in its tree? */
	BC_PROBE_CONNTRACK, /* struct nf_conn: in the table of connections? extra: references but the table's; owner:
			       its network namespace */
	BC_PROBE_MAPLE,	    /* struct maple_node: owner is the tree that it is in */
	BC_PROBE_LOCKS,	    /* struct file_lock_context: are its lists whole? */
	BC_PROBE_MM,	    /* struct mm_struct: held by khugepaged's list alone? */
	BC_PROBE_QUEUED,    /* begins with a struct list_head: is it in a list? */
	BC_PROBE_RB,	    /* begins with a struct rb_node: is it in a tree? */
	BC_PROBE_KERNFS,    /* struct kernfs_node: is it in its directory? owner: the namespace that it is shown in */
	BC_PROBE_VMAP_AREA, /* struct vmap_area: is it free? else subject is the struct vm_struct that it describes */
	/* How many references there are, in extra and in the text: */
	BC_PROBE_USER,	  /* struct user_struct */
	BC_PROBE_UCOUNTS, /* struct ucounts */
	BC_PROBE_CRED,	  /* struct cred */
	BC_PROBE_PID,	  /* struct pid */
	BC_PROBE_FILE,	  /* struct file */
	BC_PROBE_KEY,	  /* struct key */
	BC_PROBE_USER_NS, /* struct user_namespace */
	BC_PROBE_NET_NS,  /* struct net */
	/* Of these the kernel has a table, or a list: probe_tables.c */
	BC_PROBE_STACK,	      /* struct vm_struct: a stack that the kernel keeps for a task, or a task has? */
	BC_PROBE_NET,	      /* struct net: nobody's any more, waits for the next cleanup? */
	BC_PROBE_MOUNTPOINT,  /* struct mountpoint: has it mounts? */
	BC_PROBE_SUPERBLOCK,  /* does a mounted file system point to it? owner is its struct super_block */
	BC_PROBE_CONSOLE,     /* struct vc_data: is it a virtual console? */
	BC_PROBE_SWAP,	      /* struct swap_info_struct: in the table of swap areas, which keeps them for the next? */
	BC_PROBE_FIB_HASH,    /* one of the two tables of all next hops, which grow for all? */
	BC_PROBE_SKB,	      /* struct sk_buff: kept by a CPU for the next one? */
	BC_PROBE_KTHREAD,     /* is it the name of a kernel thread that lives? */
	BC_PROBE_LOOP_WORKER, /* struct loop_worker: idle, its device's timer frees it? */
	BC_PROBE_WRITEBACK,   /* struct bdi_writeback: in the list of its device, or of those to be cleaned up? */
	BC_PROBE_BLKCG,	      /* struct blkcg_gq: in its device's list and in its cgroup's? */
	BC_PROBE_POLICY,      /* struct aa_profile: in its name space's list? */
	BC_PROBE_MOUNTED,     /* struct super_block: in the list of those that there are? */
	BC_PROBE_MOUNT,	      /* struct mount: in the mount namespace of a living task? text names one */
	/* Parts of what mounted file systems know: probe_disks.c */
	BC_PROBE_EXTENT_STATE,	/* btrfs: struct extent_state: in a tree? */
	BC_PROBE_EXTENT_BUFFER, /* struct extent_buffer: its pages'? extra: references beyond that one */
	BC_PROBE_BLOCK_GROUP,	/* struct btrfs_block_group or its btrfs_free_space_ctl: in the tree of all? */
	BC_PROBE_CACHING,	/* struct btrfs_caching_control: in the list? */
	BC_PROBE_TRANSACTION,	/* struct btrfs_transaction: in the list? */
	BC_PROBE_DELAYED_REF,	/* struct btrfs_delayed_ref_head, or a ref of it: in the tree? */
	BC_PROBE_DELAYED_NODE,	/* struct btrfs_delayed_node: in its root's table? */
	BC_PROBE_LOG_ITEM,   /* xfs: struct xfs_log_item: waits to be written to the log, or from there to its place? */
	BC_PROBE_LOG_VECTOR, /* struct xfs_log_vec: such an item's? */
	BC_PROBE_JOURNAL,    /* ext4: struct jbd2_inode: has a cached inode it? owner is that */
};
struct bc_probed {
	bool known;	    /* the object was understood */
	bool refused;	    /* ... and is nothing that a cache keeps */
	bc_s64 extra;	    /* references that nothing of the caches explains; 0: only cached */
	bc_u64 subject;	    /* what such a reference points to: the object, or the inode inside */
	bool nameless;	    /* a name that nobody can look up any more, an inode that no directory has */
	bool pinned;	    /* a name that its file system holds itself, as those that live in memory do */
	bool hashed;	    /* a user or ucounts that its hash table has, as one that lives is */
	bc_u32 aliases;	    /* of an inode: how many names */
	bc_u64 alias;	    /* an inode's first name, a struct dentry; 0 if it has none */
	bc_s64 alias_extra; /* references on its names that nothing of the caches explains */
	bc_u64 owner;  /* what it lives and goes with: a file system, a tree's root, a namespace; 0: nothing known */
	char text[48]; /* for the report: "uid=1000,count=1"; no blanks */
};
void bc_probe(enum bc_probe what, bc_u64 object, bc_u32 size, struct bc_probed *out);

/*
 * Who outside refers to what: calls found() with every pointer to an object that a living task has by its open files,
 * its directories, credentials and pending signals, and with those that the kernel has for itself. found() is "any";
 * the pointer may point into the object. NULL where each walk came to its end; else the name of the first that did not,
 * a constant without blanks. sleep
 */
enum bc_hold {
	BC_HOLDS,      /* it is in use */
	BC_KEEPS,      /* in use or not, it is kept for whoever is the next to need it, with what it points to */
	BC_KEEPS_ALONE /* ... without that: a pointer to something that may have gone, lists of its like */
};
struct bc_holder {
	bc_s32 pid;	/* 0: no task, the kernel itself */
	bc_s32 fd;	/* -1: not by a descriptor */
	const char *by; /* what it is by then: "cwd" */
	char comm[16];
	enum bc_hold how;
};
typedef void (*bc_holder_found)(void *context, bc_u64 pointer, const struct bc_holder *holder);
const char *bc_holders(bc_holder_found found, void *context);

/* The object that describes memory outside the direct map, a struct vm_struct, of what is pointed into; 0: there is
 * none. sleep */
bc_u64 bc_area_of(bc_u64 pointer);
/* What it describes, where that is the kernel's own: a device's memory is not to be read. False: nothing of the kind.
 * sleep */
bool bc_area(bc_u64 area, bc_u64 *start, bc_u64 *bytes);

/*
 * Who has the address of an object: calls found() for every word of the kernel's own memory that says where one of
 * `ranges` is, but for those in the object itself, in what is free, and those that only link it with its like, in
 * lists, hashes and trees. Ranges are in ascending order and do not overlap. False where not everything could be looked
 * at. It takes a second for some GiB of such memory. sleep
 *
 * What is kept of addresses is kept inverted (Hidden in core/types.h), or the search would find the searcher.
 */
enum bc_range_kind {
	BC_RANGE_DENTRY, /* struct dentry */
	BC_RANGE_INODE,	 /* an object with a struct inode inside */
	BC_RANGE_PLAIN	 /* whatever: each word that points into it */
};
struct bc_range {
	bc_u64 not_start, not_end;
	bc_u64 not_subject; /* the dentry, or the inode inside */
	enum bc_range_kind kind;
};
struct bc_place {
	bc_u64 object; /* the slab object that the word is in; 0: none, or not known */
	bc_s32 pid;    /* ... the stack of this task; 0: none */
	bool counted;  /* a child's parent, a name's inode: a reference that is not in question */
	char name[24]; /* the object's cache, or what the memory is: "stack", "data", "pages" */
};
typedef void (*bc_word_found)(void *context, bc_u32 range, const struct bc_place *place);
bool bc_words(const struct bc_range *ranges, bc_u32 count, bc_word_found found, void *context);

/*
 * Announces a container's face, /proc/beancounter/ID. Twice is once; that of nobody (bc_id_taken()) is none. False: not
 * now, for want of memory, or because the one that another had of that ID is still being removed. sleep
 */
bool bc_face_add(bc_u32 id);

bc_u32 bc_hooks_in_place(void); /* any: of those in the table; asked of the text itself, each time */

/* The log and trace events, from the worker only. */
void bc_log_stop(bc_u32 id, const char *name, const char *state, bc_u64 objects, bc_u64 bytes, const char *worst);

void bc_log_refused(bc_u32 id, const char *name, bc_u64 refusals, const char *task, bc_s32 pid, const char *resource,
		    const char *site);
void bc_log_overflow(bc_u32 rows);				 /* of so many: a container has none of its own */
void bc_log_torn(bc_u32 id, const char *name, const char *walk); /* nobody was found, by searches all torn */
void bc_trace_stop(bc_u32 id, const char *name, const char *state, bc_u64 objects, bc_u64 bytes);
void bc_trace_leak(bc_u32 id, const char *verdict, const char *cache, const char *site, bc_u64 objects, bc_u64 bytes);
/* any */
void bc_trace_refused(bc_u32 id, const char *resource, const char *cause, bc_u64 bytes, bc_u64 site);

/* Totals of the kernel's slab memory, in bytes: what a host's row is made of. any */
void bc_slab_totals(bc_u64 *unreclaimable, bc_u64 *reclaimable);

BC_END_C

#endif
