/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every function that is hooked, in the order in which the hooks are attached: frees first, so that nothing is ever
 * charged whose free would not be seen. scripts/scan-hooks proves the table complete for a kernel image.
 *
 *   ALLOC	    replaced by bc_wrap_<function> (src/core/hooks.cc) for a container's task
 *   ALLOC_CACHE    the same in assembly (trampolines.S): f(cache, gfp, ...); _LRU: f(cache, lru, gfp);
 *		    _CALLER: f(cache, gfp, node, size, caller)
 *   ALLOC_SIZE	    likewise, where only the object's page tells the cache: f(size, gfp); _NODE: f(size, gfp, node), _CALLER:
 *		    f(size, gfp, node, caller), both with a bucket before gfp where the kernel has buckets
 *   FREE_FIRST	    void f(object)
 *   FREE_SECOND    void f(cache, object)
 *   FREE_BULK	    void f(cache, count, objects)
 *
 * No include guard: each user defines BC_HOOK its own way.
 */
BC_HOOK(kfree, FREE_FIRST)
BC_HOOK(kmem_cache_free, FREE_SECOND)
BC_HOOK(kmem_cache_free_bulk, FREE_BULK)
#if BC_KERNEL_6_12
BC_HOOK(kmem_cache_alloc_noprof, ALLOC_CACHE)
BC_HOOK(kmem_cache_alloc_lru_noprof, ALLOC_CACHE_LRU)
BC_HOOK(kmem_cache_alloc_node_noprof, ALLOC_CACHE)
BC_HOOK(kmem_cache_alloc_bulk_noprof, ALLOC)
#if BC_VMEMMAP
BC_HOOK(__kmalloc_noprof, ALLOC_SIZE)
BC_HOOK(__kmalloc_node_noprof, ALLOC_SIZE_NODE)
BC_HOOK(__kmalloc_node_track_caller_noprof, ALLOC_SIZE_CALLER)
#else
BC_HOOK(__kmalloc_noprof, ALLOC)
BC_HOOK(__kmalloc_node_noprof, ALLOC)
BC_HOOK(__kmalloc_node_track_caller_noprof, ALLOC)
#endif
BC_HOOK(__kmalloc_cache_noprof, ALLOC_CACHE)
BC_HOOK(__kmalloc_cache_node_noprof, ALLOC_CACHE)
BC_HOOK(___kmalloc_large_node, ALLOC)
#else
BC_HOOK(kmem_cache_alloc, ALLOC_CACHE)
BC_HOOK(kmem_cache_alloc_lru, ALLOC_CACHE_LRU)
BC_HOOK(kmem_cache_alloc_node, ALLOC_CACHE)
BC_HOOK(kmem_cache_alloc_bulk, ALLOC)
BC_HOOK(__kmem_cache_alloc_node, ALLOC_CACHE_CALLER)
BC_HOOK(__kmalloc_large_node, ALLOC)
#endif
