// SPDX-License-Identifier: GPL-2.0
// What the slab allocator makes for itself, inside somebody's allocation, and what belongs to a file of the host's that
// somebody is the first to open: not the container's, so it gets no owner when it is charged, instead of an excuse when
// the container stops. Told by the name of the allocating function.
#pragma once

namespace bc
{

struct Unowned {
	const char *function; // the kernel's own, without gcc's suffixes
	const char *why;
	const char *module = nullptr; // or that module's
};

inline constexpr Unowned kUnowned[] = {
    {"memcg_alloc_slab_cgroups", "memcg's vector of object owners (6.1): lives as long as its slab page"},
    {"alloc_slab_obj_exts", "the same on 6.12"},
    {"memcg_list_lru_alloc", "memcg's list heads for a shrinker: until the cgroup goes, or later"},
    {"alloc_shrinker_info", "memcg's map of shrinkers: the cgroup's"},
    {"mem_pool_alloc", "kmemleak's description of the object"},
    {"create_object", "kmemleak, 6.1"},
    {"__create_object", "kmemleak, 6.12"},
    {"__link_object", "kmemleak, 6.12"},
    {"__alloc_object", "kmemleak, 6.12"},
    {"kmemleak_scan_area", "kmemleak, for part of an object"},
    {"fill_pool", "debugobjects' reserve"},
    {"fill_pool_map", "debugobjects' reserve"},
    {"kmem_alloc_batch", "debugobjects' reserve"},
    {"kasan_save_stack", "KASAN's stacks"},
    {"__stack_depot_save", "the stack depot's pages (6.1)"},
    {"stack_depot_save_flags", "the same on 6.12"},
    {"random_seq_create", "free list shuffling"},
    {"cache_random_seq_create", "free list shuffling of a new cache"},
    {"zs_malloc", "the handle of a page that was swapped out to memory: the page's, whoever made room", "zsmalloc"},
    {"alloc_zspage", "where such pages are stored", "zsmalloc"},
    {"z3fold_alloc", "the same, of z3fold's", "z3fold"},
    {"init_z3fold_page", "the same", "z3fold"},
    {"zswap_frontswap_store", "zswap's entry of such a page (6.1)"},
    {"zswap_store", "the same on 6.12"},
    {"zswap_store_page", "the same"},
    {"__rb_allocate_pages", "tracing's buffer, which grows when the first event is switched on"},
    {"tracepoint_add_func", "the list of all who are called at a tracepoint, made anew by whoever comes or goes"},
    {"eventfs_set_attr", "whose a file of tracing's events is, once somebody has said so (6.12)"},
    {"alloc_retstack_tasklist", "function_graph's stacks, one for each task of the machine"},
    {"aa_get_buffer", "AppArmor's buffers for paths, which it keeps for the next"},
    {"alloc_iova", "a number on an IOMMU, which its domain keeps for the next request"},
    {"alloc_iova_fast", "the same, where it is inlined"},
    {"free_iova_fast", "where the domain keeps them"},
    {"iova_magazine_alloc", "the same, where it is not inlined"},
    {"dma_pool_alloc",
     "a page of a device's pool, which stays until that goes: whoever's request was the first (NVMe)"},
    {"debugfs_file_get", "debugfs counts the users of a file from its first opening until the file goes"},
};

} // namespace bc
