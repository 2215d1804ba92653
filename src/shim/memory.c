// SPDX-License-Identifier: GPL-2.0
/*
 * The core's memory, locks and grace periods; and what it asks about the allocator's objects.
 *
 * Everything here that runs in a hook enters the allocator past the hooks, by the same static calls as the wrappers: our own
 * memory belongs to no container and never recurses.
 */
#include <linux/gfp.h>
#include <linux/kfence.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "nofault.h"
#include "shim.h"

#ifndef CONFIG_DYNAMIC_MEMORY_LAYOUT
/*
 * Where the linear map and the array of struct page start are constants of such a kernel (neither RANDOMIZE_MEMORY nor 5-level page
 * tables), which then has no variables of these names. The trampolines and the core read them: here they are.
 */
unsigned long page_offset_base __ro_after_init = __PAGE_OFFSET_BASE_L4;
unsigned long vmemmap_base __ro_after_init = __VMEMMAP_BASE_L4;
#endif

/* Waking kswapd takes locks: only where the caller of the hooked function allows it. */
static gfp_t own_gfp(u32 gfp)
{
	return ((__force gfp_t)gfp & __GFP_KSWAPD_RECLAIM) | __GFP_NOWARN | __GFP_ZERO;
}

/* With preemption off PREEMPT_RT's allocators, whose locks sleep, cannot be asked: pool.c */
static bool may_allocate(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/* A block of that size is aligned to it, and the pool has those only. */
void *bc_page_alloc(u32 gfp)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return bc_mem_alloc(PAGE_SIZE, gfp);
	return (void *)__get_free_page(own_gfp(gfp));
}

void bc_page_free(void *page)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		bc_mem_free(page);
	else
		free_page((unsigned long)page);
}

/* The one body that our own memory comes from. */
#if BC_KERNEL_6_12
static void *no_body(size_t size, gfp_t gfp)
{
	return NULL;
}
#define OWN_BODY "__kmalloc_noprof"
#define own_body(size, gfp) static_call(bc_own_body)(size, gfp)
#else
static void *no_body(struct kmem_cache *s, gfp_t gfp, int node, size_t size, unsigned long caller)
{
	return NULL;
}
#define OWN_BODY "__kmem_cache_alloc_node"
#define own_body(size, gfp)                                                                                            \
	static_call(bc_own_body)(kmalloc_caches[KMALLOC_NORMAL][__kmalloc_index(size, false)], gfp, NUMA_NO_NODE,      \
				 size, _RET_IP_)
#endif
DEFINE_STATIC_CALL(bc_own_body, no_body);

void bc_memory_offer_body(const char *name, void *body)
{
	if (!strcmp(name, OWN_BODY))
		static_call_update(bc_own_body, body);
}

void *bc_mem_alloc(unsigned long size, u32 gfp)
{
	/* a power of two is aligned to itself, also with slub_debug: mm/slab_common.c */
	size = roundup_pow_of_two(max(size, 64UL));
	if (size > KMALLOC_MAX_CACHE_SIZE) /* 6.1's body takes a slab cache, and there is none */
		return NULL;
	if (!may_allocate())
		return bc_pool_take(size);
	return own_body(size, own_gfp(gfp));
}

void bc_mem_free(void *mem)
{
	if (may_allocate())
		kfree(mem);
	else if (mem)
		bc_pool_give_back(mem);
}

void *bc_big_alloc(unsigned long size)
{
	return vzalloc(size);
}

void bc_big_free(void *mem)
{
	vfree(mem);
}

void *bc_percpu_alloc(unsigned long size)
{
	if (!may_allocate())
		return NULL; /* the worker makes up for it */
	return (void __force *)__alloc_percpu_gfp(size, 16, GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO);
}

void bc_percpu_free(void *percpu)
{
	free_percpu((void __percpu __force *)percpu);
}

u64 bc_percpu_read(const u64 *percpu, u32 cpu);
u64 bc_percpu_read(const u64 *percpu, u32 cpu)
{
	/* a container's cells are made for every possible CPU; numbers of CPUs may have gaps */
	return cpu_possible(cpu) ? smp_load_acquire(per_cpu_ptr((const u64 __percpu __force *)percpu, cpu)) : 0;
}

u64 bc_percpu_replace(u64 *percpu, u32 cpu, u64 to);
u64 bc_percpu_replace(u64 *percpu, u32 cpu, u64 to)
{
	u64 *word, value;

	if (!cpu_possible(cpu))
		return 0;
	word = per_cpu_ptr((u64 __percpu __force *)percpu, cpu);
	value = READ_ONCE(*word);
	smp_store_release(word, to); /* who reads this sees what came before: held_surely() */
	return value;
}

/* Raw: hooks run under locks that are raw. A class each, so that lockdep knows them apart. */
static raw_spinlock_t locks[BC_LOCKS] = {
	[BC_LOCK_SITES] = __RAW_SPIN_LOCK_UNLOCKED(bc_sites),
	[BC_LOCK_CONTAINERS] = __RAW_SPIN_LOCK_UNLOCKED(bc_containers),
	[BC_LOCK_REFUSALS] = __RAW_SPIN_LOCK_UNLOCKED(bc_refusals),
	[BC_LOCK_REFERENCES] = __RAW_SPIN_LOCK_UNLOCKED(bc_references),
};

unsigned long bc_lock(enum bc_lock_id lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&locks[lock], flags);
	return flags;
}

void bc_unlock(enum bc_lock_id lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(&locks[lock], flags);
}

void bc_synchronize_rcu(void)
{
	synchronize_rcu();
}

void bc_cond_resched(void)
{
	cond_resched();
}

/* The count was already zero when the core saw that a reschedule is due: take it again and give it back properly. */
void bc_resched(void)
{
	preempt_disable_notrace();
	preempt_enable_notrace();
}

u64 bc_now_ms(void)
{
	return jiffies64_to_msecs(get_jiffies_64());
}

bool bc_read(void *to, const void *from, unsigned long size)
{
	return copy_from_kernel_nofault(to, from, size) == 0;
}

/* ---- objects and caches */

static const struct bc_kmem_cache *slab_cache_of(struct page *page)
{
	struct page *head = compound_head(page);

	if (!PageSlab(head))
		return NULL;
	return *(const struct bc_kmem_cache *const *)((const char *)head + BC_SLAB_CACHE_OFFSET);
}

const void *bc_cache_of(const void *object);
const void *bc_cache_of(const void *object)
{
	return slab_cache_of(virt_to_page(object));
}

/* All kmalloc caches of an index have the same size, whatever their type. */
u32 bc_kmalloc_stride(unsigned long size)
{
	const struct bc_kmem_cache *s;

	if (!size || size > KMALLOC_MAX_CACHE_SIZE)
		return 0;
	s = (const void *)kmalloc_caches[KMALLOC_NORMAL][__kmalloc_index(size, false)];
	return s ? s->size : 0;
}

bool bc_cache_describe(const void *cache, u32 *stride, bool *reclaimable, char *name, unsigned long len)
{
	const struct bc_kmem_cache *s = cache;

	*stride = s->size;
	*reclaimable = s->flags & SLAB_RECLAIM_ACCOUNT;
	strscpy(name, s->name ?: "?", len);
	return true;
}

static void *no_start(const void *address)
{
	return NULL;
}
DEFINE_STATIC_CALL(bc_kfence_object_start, no_start);

void bc_memory_init(void)
{
	unsigned long start = bc_lookup("kfence_object_start");

	if (start)
		static_call_update(bc_kfence_object_start, (void *)start);
}

/* KFENCE's objects lie one a page, at either end of it, as it likes (mm/kfence/core.c, kfence_guarded_alloc()). */
u64 bc_kfence_object(u64 address)
{
	return (u64)static_call(bc_kfence_object_start)((void *)address);
}

u64 bc_object_address(u64 page, u32 low, u32 high, u32 stride)
{
	struct page *head = compound_head(virt_to_page((void *)page));
	const struct bc_kmem_cache *s;
	u64 first, at = page + low;
	unsigned int size, pad;

	if (is_kfence_address((void *)page)) {
		at = bc_kfence_object(page);
		return at >= page + low && at < page + high ? at : page + low;
	}
	/* The object may be freed meanwhile, and its page be another's: what is in the cache's place then may be no address at all. */
	if (!PageSlab(head) || !GET(s, (const struct bc_kmem_cache *const *)((const char *)head + BC_SLAB_CACHE_OFFSET)) ||
	    !GET(size, &s->size) || size != stride || !GET(pad, &s->red_left_pad))
		return at;
	first = (u64)page_address(head) + pad;
	at = at <= first ? first : first + roundup(at - first, stride);
	return at < page + high ? at : page + low;
}

void bc_slab_totals(u64 *unreclaimable, u64 *reclaimable)
{
	*unreclaimable = (u64)global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) << PAGE_SHIFT;
	*reclaimable = (u64)global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) << PAGE_SHIFT;
}
