// SPDX-License-Identifier: GPL-2.0
// What the slab allocator makes for itself, inside somebody's allocation, and what belongs to a file of the host's that
// somebody is the first to open: not the container's, so it gets no owner when it is charged, instead of an excuse when
// the container stops. Told by the allocating function.
#pragma once

namespace bc
{

struct Unowned {
	const char *function;
	const char *why;
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
    {"debugfs_file_get", "debugfs counts the users of a file from its first opening until the file goes"},
};
inline constexpr unsigned kUnownedCount = sizeof(kUnowned) / sizeof(kUnowned[0]);

} // namespace bc
