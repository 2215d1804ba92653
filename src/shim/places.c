// SPDX-License-Identifier: GPL-2.0
/*
 * What is this word of memory in, and is that alive? Freed objects keep what was in them, and so do stacks: a word there says
 * nothing. Only what is certainly dead is called so. What is changed while we look is taken to live.
 */
#include <linux/kasan.h>
#include <linux/kfence.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/vmalloc.h>

#include "nofault.h"
#include "shim.h"

#define MOST_OBJECTS 32768 /* in one slab: mm/slub.c, MAX_OBJS_PER_PAGE */
#define STACKS_PER_CPU 2   /* kernel/fork.c, NR_CACHED_STACKS */
#define STACK_PAGES (THREAD_SIZE / PAGE_SIZE)

static u32 slab_freelist_at, cpu_freelist_at, cpu_slab_at, random_at;
static bool lists_known;
static struct vm_struct *__percpu *cached_stacks;

void bc_places_init(void)
{
#ifndef CONFIG_SLUB_TINY
	lists_known = bc_layout_offset("slab", "freelist", &slab_freelist_at) &&
		      bc_layout_offset("kmem_cache_cpu", "freelist", &cpu_freelist_at) &&
		      bc_layout_offset("kmem_cache_cpu", "slab", &cpu_slab_at) &&
		      (!IS_ENABLED(CONFIG_SLAB_FREELIST_HARDENED) || bc_layout_offset("kmem_cache", "random", &random_at));
#endif
	cached_stacks = (void __percpu *)bc_lookup("cached_stacks");
}

bool bc_places_known(void)
{
	return lists_known && cached_stacks;
}

/* ---- slab objects */

struct slab_copy {
	struct bc_kmem_cache cache;
	unsigned long random;
	u64 first, end; /* where its objects are */
};

/* mm/slub.c, freelist_ptr_decode() */
static bool is_on_list(const struct slab_copy *slab, u64 at, u64 object)
{
	int steps;

	for (steps = 0; at && steps < MOST_OBJECTS; steps++) {
		u64 place = at + slab->cache.offset, word;

		if (at < slab->first || at >= slab->end || (at - slab->first) % slab->cache.size)
			return false;
		if (at == object)
			return true;
		if (!GET(word, (const u64 *)place))
			return false;
		at = IS_ENABLED(CONFIG_SLAB_FREELIST_HARDENED) ? word ^ slab->random ^ swab64(place) : word;
	}
	return false;
}

/*
 * KASAN keeps what is freed from being used again, in no list, and marks it: a negative byte of shadow. Behind an object is its own, a link
 * of that quarantine among it, which is still there when the object lives again (mm/kasan/quarantine.c; kasan.h, struct kasan_free_meta).
 */
static bool is_kasans(const struct slab_copy *slab, u64 object, u64 address)
{
#ifdef CONFIG_KASAN_GENERIC
	s8 shadow;

	return address - object >= slab->cache.object_size ||
	       (GET(shadow, (const s8 *)kasan_mem_to_shadow((const void *)object)) && shadow < 0);
#else
	return false;
#endif
}

/* Lockdep leaves in a task what it held: locks are where they are by lockdep_depth alone (kernel/locking/lockdep.c, __lock_release()). */
static bool is_lock_let_go(const char *cache, u64 object, u64 address)
{
#ifdef CONFIG_LOCKDEP
	const struct task_struct *task = (const struct task_struct *)object;
	u64 at = address - object - offsetof(struct task_struct, held_locks);
	int depth;

	return !strcmp(cache, "task_struct") && at < sizeof(task->held_locks) && GET(depth, &task->lockdep_depth) &&
	       at / sizeof(task->held_locks[0]) >= depth;
#else
	return false;
#endif
}

/* Free objects are in the slab's list, or in that of the CPU which allocates from it. */
static bool is_free(const struct slab_copy *slab, const struct page *head, u64 object)
{
#ifndef CONFIG_SLUB_TINY
	u64 list;
	int cpu;

	if (!lists_known)
		return false;
	if (GET(list, (const u64 *)((const char *)head + slab_freelist_at)) && is_on_list(slab, list, object))
		return true;
	for_each_possible_cpu(cpu) {
		const char *own = per_cpu_ptr((const char __percpu *)slab->cache.cpu_slab, cpu);
		const struct page *page;

		if (GET(page, (const struct page *const *)(own + cpu_slab_at)) && page == head &&
		    GET(list, (const u64 *)(own + cpu_freelist_at)) && is_on_list(slab, list, object))
			return true;
	}
#endif
	return false;
}

static bool is_in_slab(u64 address, struct page *head, struct bc_place *place, const void **cache)
{
	const struct bc_kmem_cache *s;
	struct slab_copy slab;
	u64 start = (u64)page_address(head);

	strscpy(place->name, "slab", sizeof(place->name));
	if (!GET(s, (const struct bc_kmem_cache *const *)((const char *)head + BC_SLAB_CACHE_OFFSET)) ||
	    !GET(slab.cache, s) || !slab.cache.size)
		return true;
	*cache = s;
	if (!GET(place->name, slab.cache.name)) /* which may be short, and end where its page does */
		strscpy(place->name, "slab", sizeof(place->name));
	place->name[sizeof(place->name) - 1] = 0;
	if (is_kfence_address((void *)address)) {
		/* A freed one's page is not mapped (mm/kfence/core.c, kfence_guarded_free()): we would not have read it. */
		place->object = bc_kfence_object(address);
		return true;
	}
	slab.random = 0;
	if (IS_ENABLED(CONFIG_SLAB_FREELIST_HARDENED) && lists_known &&
	    !GET(slab.random, (const unsigned long *)((const char *)s + random_at)))
		return true;
	slab.first = start + slab.cache.red_left_pad;
	slab.end = start + page_size(head);
	place->object = start + (address - start) / slab.cache.size * slab.cache.size + slab.cache.red_left_pad;
	return !is_kasans(&slab, place->object, address) && !is_free(&slab, head, place->object) &&
	       !is_lock_let_go(place->name, place->object, address);
}

/* ---- stacks */

/* Of a dead task, for the next one, which gets it zeroed: kernel/fork.c */
static bool is_cached_stack(const struct page *page)
{
	const struct vm_struct *stack;
	struct page *const *pages, *one;
	int cpu, i, j;

	if (!cached_stacks)
		return false;
	for_each_possible_cpu(cpu) {
		for (i = 0; i < STACKS_PER_CPU; i++) {
			if (!GET(stack, per_cpu_ptr(cached_stacks, cpu) + i) || !stack || !GET(pages, &stack->pages))
				continue;
			for (j = 0; j < STACK_PAGES; j++) {
				if (GET(one, pages + j) && one == page)
					return true;
			}
		}
	}
	return false;
}

static int page_of_stack(const struct task_struct *task, const struct page *page)
{
	const char *stack = READ_ONCE(task->stack);
	int i;

	if (!is_vmalloc_addr(stack))
		return -1;
	for (i = 0; i < STACK_PAGES; i++) {
		if (vmalloc_to_page(stack + i * PAGE_SIZE) == page)
			return i;
	}
	return -1;
}

/* Below its stack pointer a task that sleeps has nothing; our own says what we know. */
static bool is_in_use(const struct task_struct *task, int page, u64 address)
{
	u64 at = (u64)READ_ONCE(task->stack) + page * PAGE_SIZE + offset_in_page(address);
	u64 sp = READ_ONCE(task->thread.sp);

	if (task == current)
		return false;
	if (READ_ONCE(task->on_cpu))
		return true;
	smp_rmb();
	return at >= sp || READ_ONCE(task->on_cpu) || READ_ONCE(task->thread.sp) != sp;
}

static bool is_in_pages(u64 address, struct page *page, struct bc_place *place)
{
	const struct task_struct *process, *task;
	bool alive = true;

	strscpy(place->name, "pages", sizeof(place->name));
	if (is_cached_stack(page))
		return false;
	rcu_read_lock();
	for_each_process_thread(process, task) { /* two loops, that a break would not leave */
		int i = page_of_stack(task, page);

		if (i < 0)
			continue;
		strscpy(place->name, "stack", sizeof(place->name));
		place->pid = task_pid_nr((struct task_struct *)task);
		alive = is_in_use(task, i, address);
		goto unlock;
	}
unlock:
	rcu_read_unlock();
	return alive;
}

bool bc_place_of(u64 address, struct page *page, struct bc_place *place, const void **cache)
{
	struct page *head;

	memset(place, 0, sizeof(*place));
	*cache = NULL;
	if (!page) {
		strscpy(place->name, "data", sizeof(place->name));
		return true;
	}
	head = compound_head(page);
	return PageSlab(head) ? is_in_slab(address, head, place, cache) : is_in_pages(address, page, place);
}
