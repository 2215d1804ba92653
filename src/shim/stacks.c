// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at stacks: who called the allocator, and all of it for a report; and who sleeps below a wrapper of ours.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>

#include <asm/unwind.h>

#include "shim.h"

/*
 * The allocator's own functions between a caller and a page-backed object, and helpers that allocate for somebody.
 */
static const char *const slab_functions[] = {
#if BC_KERNEL_6_12
	"___kmalloc_large_node", "__kmalloc_large_noprof", "__kmalloc_large_node_noprof", "__kmalloc_noprof",
	"__kmalloc_node_noprof", "__kmalloc_node_track_caller_noprof", "__kvmalloc_node_noprof", "krealloc_noprof",
	"kvrealloc_noprof", "kmemdup_noprof", "__kmalloc_cache_noprof", "__kmalloc_cache_node_noprof",
#else
	"__kmalloc_large_node", "kmalloc_large", "kmalloc_large_node", "__kmalloc", "__kmalloc_node",
	"__kmalloc_node_track_caller", "kvmalloc_node", "krealloc", "kvrealloc", "kmemdup", "kmalloc_trace",
	"kmalloc_node_trace",
#endif
	"kmem_cache_alloc_bulk",
};

static struct bc_text_range slab_ranges[BC_PARTS][ARRAY_SIZE(slab_functions)];
static struct bc_text_range slab_all[BC_PARTS] = { { ~0ul }, { ~0ul } }; /* they lie in few files */
static unsigned long own_start, own_end;

/* Of another task: exported by 6.12 only. */
static unsigned int no_stack(struct task_struct *task, unsigned long *store, unsigned int size, unsigned int skip)
{
	return 0;
}
DEFINE_STATIC_CALL(bc_stack_of_task, no_stack);
static unsigned long rethook_trampoline;

void bc_slab_ranges_init(void)
{
	unsigned long stack_of_task;
	enum bc_part part;
	int i;

	for (part = BC_HOT; part < BC_PARTS; part++) {
		for (i = 0; i < ARRAY_SIZE(slab_functions); i++) {
			struct bc_text_range *range = &slab_ranges[part][i];

			if (!bc_lookup_part(slab_functions[i], part, range))
				continue;
			slab_all[part].start = min(slab_all[part].start, range->start);
			slab_all[part].end = max(slab_all[part].end, range->end);
		}
	}
	own_start = bc_text_start(THIS_MODULE);
	own_end = bc_text_end(THIS_MODULE);
	rethook_trampoline = bc_lookup("arch_rethook_trampoline");
	stack_of_task = bc_lookup("stack_trace_save_tsk");
	if (stack_of_task)
		static_call_update(bc_stack_of_task, (void *)stack_of_task);
}

static bool in_allocator(unsigned long address)
{
	enum bc_part part;
	unsigned int r;

	for (part = BC_HOT; part < BC_PARTS; part++) {
		if (!bc_is_in(&slab_all[part], address))
			continue;
		for (r = 0; r < ARRAY_SIZE(slab_functions); r++) {
			if (bc_is_in(&slab_ranges[part][r], address))
				return true;
		}
	}
	return false;
}

static bool is_ours(unsigned long address)
{
	return address >= own_start && address < own_end;
}

/* The allocator's, or a wrapper of ours around it: __kmalloc() is hooked and calls a function that is hooked, too. */
static bool in_between(unsigned long address)
{
	return in_allocator(address) || is_ours(address);
}

/* The allocator's functions and ours lie between its caller and us: the frame of the first one who is neither. */
static unsigned int first_outside(const unsigned long *entries, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!in_between(entries[i]))
			return i;
	}
	return n;
}

u64 bc_true_caller(void)
{
	unsigned long entries[16];
	/* Each frame is some 500 instructions. Our wrapper, kmalloc() and kvmalloc() are mostly all that there is in between. */
	unsigned int n = stack_trace_save(entries, 6, 1), first = first_outside(entries, n);

	if (first == n && n == 6) {
		n = stack_trace_save(entries, ARRAY_SIZE(entries), 1);
		first = first_outside(entries, n);
	}
	return first < n ? entries[first] : n ? entries[n - 1] : 0;
}

#define MOST_SLEEPERS 8

/*
 * Says in the log whose stacks have a return address of ours, but the current task's: by the time rmmod waits nobody else is in this
 * module's text but below a wrapper. A task that runs meanwhile is not asked (arch_stack_walk() of another's stack, kernel/stacktrace.c).
 */
void bc_name_sleepers(void)
{
	static unsigned long entries[64]; /* rmmod alone comes here */
	unsigned int left = MOST_SLEEPERS, n, i;
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (task == current || !left)
			continue;
		n = static_call(bc_stack_of_task)(task, entries, ARRAY_SIZE(entries), 0);
		for (i = 0; i < n && !is_ours(entries[i]); i++)
			;
		if (i == n)
			continue;
		pr_info("rmmod waits for %s, pid %d: /proc/%d/stack has where it sleeps\n", task->comm, task_pid_nr(task),
			task_pid_nr(task));
		left--;
	}
	rcu_read_unlock();
}

/*
 * How far above a return address into one of the allocator's functions that function's own return address lies. Where in its frame a
 * function makes a call is the compiler's choice, once and for all; so the unwinder, which knows, is asked once. A step is the
 * address, less the 16 bits that all of them have in common, and the distance in words.
 *
 * A function that aligns its stack (6.12's __kmalloc_noprof(), for the sake of a 16-byte cmpxchg) lies a word further from its caller or
 * not, as that one comes. It copies its return address to below the gap, and keeps a pointer to above the true one: of these two the
 * distance is learnt.
 */
#define STEPS 64 /* of few: each function of the allocator has one or two such calls */
#define PROBES 4
#define ALIGNED 0x8000u
#define ALIGNED_COPY 7 /* bits of each distance */
#define MOST_GAP 8 /* words: a cache line */
static u64 steps[STEPS];

static unsigned int first_step(unsigned long address)
{
	return (address ^ address >> 6) % STEPS;
}

static unsigned int step_from(unsigned long address)
{
	unsigned int i, first = first_step(address);

	for (i = 0; i < PROBES; i++) {
		u64 step = READ_ONCE(steps[(first + i) % STEPS]);

		if ((step ^ (u64)address << 16) <= U16_MAX)
			return (u16)step;
		if (!step)
			break;
	}
	return 0;
}

static const unsigned long *take_step(const unsigned long *at, unsigned int step)
{
	const unsigned long *copy, *above;
	unsigned int mask = (1 << ALIGNED_COPY) - 1;

	if (!(step & ALIGNED))
		return at + step;
	copy = at + (step >> ALIGNED_COPY & mask);
	above = (const unsigned long *)READ_ONCE_NOCHECK(at[step & mask]) - 1;
	if (above <= copy || above > copy + MOST_GAP || READ_ONCE_NOCHECK(*above) != READ_ONCE_NOCHECK(*copy))
		return NULL;
	return above;
}

#ifdef CONFIG_UNWINDER_ORC
/* The lowest copy of a return address, or none: NULL. */
static const unsigned long *copy_of(const unsigned long *from, const unsigned long *to)
{
	const unsigned long *at;

	for (at = max(to - MOST_GAP, from + 1); at < to; at++) {
		if (READ_ONCE_NOCHECK(*at) == READ_ONCE_NOCHECK(*to))
			return at;
	}
	return NULL;
}

static void learn_step(unsigned long address, const unsigned long *from, const unsigned long *to)
{
	const unsigned long *copy = copy_of(from, to), *pointer = from + 1;
	unsigned int i, first = first_step(address), words = to - from;

	if (to - from >= (copy ? 1 << ALIGNED_COPY : ALIGNED))
		return;
	if (copy) {
		while (pointer < copy && READ_ONCE_NOCHECK(*pointer) != (unsigned long)(to + 1))
			pointer++;
		if (pointer == copy)
			return;
		words = ALIGNED | (copy - from) << ALIGNED_COPY | (pointer - from);
	}
	/* Two at the same time learn the same; where one is overwritten it is learnt again. */
	for (i = 0; i < PROBES; i++) {
		if (!READ_ONCE(steps[(first + i) % STEPS])) {
			WRITE_ONCE(steps[(first + i) % STEPS], (u64)address << 16 | words);
			break;
		}
	}
}

static void learn_steps(const unsigned long *place)
{
	const unsigned long *before = NULL;
	unsigned long address = 0;
	struct unwind_state state;

	for (unwind_start(&state, current, NULL, NULL); !unwind_done(&state) && !unwind_error(&state);
	     unwind_next_frame(&state)) {
		const unsigned long *at = (const unsigned long *)state.sp - 1;

		if (before && !state.regs && at > before && !step_from(address))
			learn_step(address, before, at);
		if (!before && at != place)
			continue;
		before = at;
		address = unwind_get_return_address(&state);
		/* a tracer's address in its place is no key */
		if (state.regs || READ_ONCE_NOCHECK(*at) != address || !in_between(address))
			break;
	}
}
#else
static void learn_steps(const unsigned long *place)
{
}
#endif

/*
 * What comes out is taken only where it can be text, which is in the topmost 2 GiB: load.sh has seen sizes here on 6.12, saved
 * arguments of a wrapper, that were then taken for handles of the stack depot.
 */
u64 bc_caller_above(const void *place)
{
	const unsigned long *at = place;
	unsigned long address = READ_ONCE_NOCHECK(*at);
	unsigned int step;

	while ((step = step_from(address)) != 0) {
		at = take_step(at, step);
		if (!at)
			return bc_true_caller();
		address = READ_ONCE_NOCHECK(*at);
	}
	if (in_between(address))
		learn_steps(place);
	else if (at != place && address >= __START_KERNEL_map && address != bc_return_to_handler && address != rethook_trampoline)
		return address;
	return bc_true_caller();
}

/* ---- whole stacks, kept in the kernel's stack depot: each once, and for ever */

#define MOST_FRAMES 32

bool bc_stacks_init(void)
{
	return stack_depot_init() == 0;
}

/* As KASAN does from within the allocator: pages without waiting, under a raw lock. */
u32 bc_stack_save(u32 gfp)
{
	unsigned long entries[MOST_FRAMES];
	unsigned int n = stack_trace_save(entries, ARRAY_SIZE(entries), 1), first = first_outside(entries, n);

	if (first == n)
		return 0;
	return stack_depot_save(entries + first, n - first, __GFP_NOWARN | (gfp & __GFP_KSWAPD_RECLAIM));
}

u32 bc_stack_frames(u32 stack, u64 *frames, u32 most)
{
	unsigned long *entries;
	unsigned int n = stack_depot_fetch(stack, &entries), i;

	for (i = 0; i < n && i < most; i++)
		frames[i] = entries[i];
	return i;
}
