// SPDX-License-Identifier: GPL-2.0
// The verdict on an object that survived its container: a leak, unless a row of this table explains it. Each row says by
// which function such objects are allocated, what they are, and what makes us believe it. What a row excuses is counted by
// row at every stop and shown; a row's bound turns the excess into leaks.
#pragma once

#include "container.h"
#include "site.h"

namespace bc {

enum class Verdict : u8 { leaked, held, deferred, reclaimable, cached };
inline constexpr const char *kVerdictNames[] = {"leaked", "held", "deferred", "reclaimable", "cached"};

// How a row is believed.
enum class Proof : u8 {
	bound,	    // by number: at most `bound` for each possible CPU (0: no bound) are kept back by the kernel
	once,	    // by number: at most `bound` a container
	dentry,	    // by state: nobody but the dentry cache refers to it
	inode,	    // by state: nobody but the inode cache and cached dentries refer to it
	tree,	    // by state: a living tree points to it
	with_inode, // by number: no more of them than inodes that were excused
	mm,	    // by state: no user, only the one reference of khugepaged's list
};

struct ClassRow {
	const char *name;
	const char *function; // allocating function, without gcc's suffixes; "": every reclaimable cache not told otherwise
	const char *cache;    // how the cache's name starts; "": any
	Verdict verdict;
	Proof proof;
	u32 bound;
	const char *why;
};

inline constexpr ClassRow kClasses[] = {
    {"dentry", "__d_alloc", "dentry", Verdict::reclaimable, Proof::dentry, 0,
     "the dentry cache keeps unused names of superblocks that the container shared with others"},
    {"dentry-name", "__d_alloc", "kmalloc-rcl", Verdict::reclaimable, Proof::bound, 0, "a long name lives with its dentry"},
    {"inode", "", "", Verdict::reclaimable, Proof::inode, 0, "the inode cache, and other caches that reclaim empties"},
    {"tree-node", "xas_alloc", "", Verdict::reclaimable, Proof::tree, 0,
     "a node of a shared file's page cache, or of another tree of the host's"},
    {"tree-node", "radix_tree_node_alloc", "", Verdict::reclaimable, Proof::tree, 0, "the same, for idr and radix trees"},
    {"inode-security", "security_inode_alloc", "", Verdict::reclaimable, Proof::with_inode, 0,
     "a security module's part of an inode lives with it, though its cache is not marked reclaimable"},
    {"inode-security", "lsm_inode_alloc", "", Verdict::reclaimable, Proof::with_inode, 0, "the same, where it is not inlined"},
    {"thread-stack", "alloc_vmap_area", "", Verdict::cached, Proof::bound, 6,
     "the kernel keeps two thread stacks a CPU, and unmaps areas lazily"},
    {"thread-stack", "__get_vm_area_node", "", Verdict::cached, Proof::bound, 6, "the same stacks' vm_struct"},
    {"thread-stack", "__vmalloc_node_range", "", Verdict::cached, Proof::bound, 3, "the same stacks' page array"},
    {"thread-stack", "__vmalloc_node_range_noprof", "", Verdict::cached, Proof::bound, 3, "the same, 6.12"},
    {"thread-stack", "__vmalloc_area_node", "", Verdict::cached, Proof::bound, 3, "the same, where it is not inlined"},
    {"netns-last", "copy_net_ns", "", Verdict::deferred, Proof::once, 1,
     "stable kernels free a network namespace's memory at the next one's cleanup"},
    {"sysfs-node", "__kernfs_new_node", "", Verdict::cached, Proof::once, 8,
     "a cache made lazily for a level of pid namespaces has a directory in sysfs"},
    {"khugepaged", "mm_alloc", "", Verdict::deferred, Proof::mm, 0, "khugepaged's list holds an address space for a while"},
    {"khugepaged", "dup_mm", "", Verdict::deferred, Proof::mm, 0, "the same after fork"},
};
inline constexpr u32 kClassRows = sizeof(kClasses) / sizeof(kClasses[0]);
inline constexpr u32 kInodeRow = 2;
static_assert(kClassRows <= kExcuses, "a container counts what each row excused");
static_assert(kClasses[kInodeRow].proof == Proof::inode);

inline constexpr u32 kNoRow = ~0u;

// The row for a site, kNoRow where none explains it.
u32 class_of(const Site &site);

// How many objects of a row may be excused for this container, given what already was.
bool within_bound(u32 row, const Container &c, u32 already);

// Looks at the object itself where its row asks for it. `text` gets what the report should say, at least 64 bytes. Preemption off.
Verdict judge(u32 row, const Container &c, Address object, u32 size, u32 already, char *text);

} // namespace bc
