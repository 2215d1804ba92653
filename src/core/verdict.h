// SPDX-License-Identifier: GPL-2.0
// The verdict on an object that survived its container: a leak, unless a row of this table explains it. Each row says
// by which function such objects are allocated, what they are, and what makes us believe it. What a row excuses is
// counted by row at every stop and shown; a row's bound turns the excess into leaks.
#pragma once

#include "container.h"
#include "proofs.h"
#include "site.h"

namespace bc
{

enum class Verdict : u8 {
	leaked,
	held,
	deferred,
	reclaimable,
	cached
};
inline constexpr const char *kVerdictNames[] = {"leaked", "held", "deferred", "reclaimable", "cached"};

// A function that ends with a star is all that begin so ("xfrm_pol*"); a module's name is all of that ("[ip_set*").
struct ClassRow {
	const char *name;
	const char
	    *function; // allocating function, without gcc's suffixes; "": every reclaimable cache not told otherwise
	const char *cache; // how the cache's name starts; "": any
	Verdict verdict;
	Proof proof;
	u32 bound;
	const char *why;
};

inline constexpr ClassRow kClasses[] = {
    {"dentry", "__d_alloc", "dentry", Verdict::reclaimable, Proof::dentry, 0,
     "the dentry cache keeps unused names of superblocks that the container shared with others"},
    {"inode", "", "", Verdict::reclaimable, Proof::inode, 0, "the inode cache, and other caches that reclaim empties"},
    {"tree-node", "xas_alloc", "", Verdict::reclaimable, Proof::tree, 0,
     "a node of a shared file's page cache, or of another tree of the host's"},
    {"tree-node", "radix_tree_node_alloc", "", Verdict::reclaimable, Proof::tree, 0,
     "the same, for idr and radix trees"},
    {"tree-node", "mas_alloc_nodes", "", Verdict::reclaimable, Proof::maple, 0,
     "of a maple tree of the host's: the names in a tmpfs directory, 6.12"},
    {"vmap-area", "alloc_vmap_area", "", Verdict::cached, Proof::vmap_area, 0,
     "a vmap_area goes on as the description of free address space, and then of the next mapping, whoever makes that"},
    {"vmap-area", "pcpu_get_vm_areas", "vmap_area", Verdict::cached, Proof::vmap_area, 0,
     "the same, of per-CPU memory"},
    {"thread-stack", "__get_vm_area_node", "", Verdict::cached, Proof::stack, 0,
     "the kernel keeps two thread stacks a CPU for the next fork, anybody's: their vm_struct, which points to their "
     "pages"},
    {"netns-last", "copy_net_ns", "", Verdict::deferred, Proof::net, 0,
     "stable kernels free a network namespace's memory at the next one's cleanup"},
    {"sysfs-node", "__kernfs_new_node", "", Verdict::reclaimable, Proof::kernfs, 0,
     "in the tree of sysfs or cgroupfs: a cache made lazily for a level of pid namespaces has a directory there"},
    {"flock-context", "locks_get_lock_context", "", Verdict::reclaimable, Proof::locks, 0,
     "the lists of locks of a shared file's inode, made by the first lock and freed with the inode"},
    {"id-bitmap", "ida_alloc_range", "", Verdict::cached, Proof::once, 8,
     "a bitmap of a host-wide ID allocator (device numbers, mount ids) that this container happened to start"},
    {"mountpoint", "get_mountpoint", "", Verdict::deferred, Proof::mountpoint, 0,
     "what all mounts on one directory share, whoever made the first of them"},
    {"superblock", "alloc_workqueue", "", Verdict::reclaimable, Proof::superblock, 0,
     "a file system makes a work queue for its first direct write, and keeps it"},
    {"superblock", "fsnotify_add_mark_locked", "", Verdict::reclaimable, Proof::superblock, 0,
     "what is watched in a file system, made by the first watch (6.12)"},
    {"kthread-name", "__kthread_create_on_node", "", Verdict::cached, Proof::kthread, 0,
     "the long name of a kernel thread, a work queue's rescuer"},
    {"mount", "alloc_vfsmnt", "", Verdict::held, Proof::mount, 0,
     "a mount in a namespace that others live in: made there by propagation"},
    {"console", "vc_allocate", "", Verdict::cached, Proof::console, 0,
     "a virtual console stays when it has been opened once"},
    {"swap-area", "__do_sys_swapon", "", Verdict::cached, Proof::swap, 0,
     "the table of swap areas keeps one that is off for the next"},
    {"swap-area", "alloc_swap_info", "", Verdict::cached, Proof::swap, 0, "the same, where it is not inlined"},
    {"fib-hash", "fib_create_info", "", Verdict::cached, Proof::fib_hash, 0,
     "all network namespaces share two tables of next hops, and who makes one too many makes them larger"},
    {"fib-hash", "fib_info_hash_alloc", "", Verdict::cached, Proof::fib_hash, 0, "the same, where it is not inlined"},
    {"skb-cache", "__alloc_skb", "", Verdict::cached, Proof::skb, 0,
     "each CPU keeps skbs that its softirqs freed, for the next packet; their data is gone"},
    {"skb-cache", "skb_clone", "", Verdict::cached, Proof::skb, 0, "the same"},
    {"loop-worker", "loop_queue_work", "", Verdict::deferred, Proof::loop, 0,
     "a loop device keeps a worker for each cgroup, idle ones for a minute"},
    {"loop-worker", "loop_queue_rq", "", Verdict::deferred, Proof::loop, 0, "the same, where it is inlined"},
    {"writeback", "cgwb_create", "", Verdict::cached, Proof::writeback, 0,
     "what a cgroup has to write to a device: until the cgroup's inodes have been given to another"},
    {"writeback", "wb_get_create", "", Verdict::cached, Proof::writeback, 0, "the same, where it is inlined"},
    {"blkcg", "blkg_alloc", "", Verdict::cached, Proof::blkcg, 0,
     "what a cgroup has for a block device, made by the first to read or write there in it or in one below"},
    {"policy", "aa_alloc_profile", "", Verdict::held, Proof::policy, 0,
     "an AppArmor profile that was loaded is the machine's, until somebody removes it"},
    {"free-space", "__btrfs_add_free_space", "", Verdict::cached, Proof::rb, 0,
     "what btrfs knows of free space on a mounted file system"},
    {"free-space", "btrfs_create_block_group_cache", "", Verdict::cached, Proof::block_group, 0,
     "a block group of a mounted btrfs"},
    {"free-space", "btrfs_cache_block_group", "", Verdict::deferred, Proof::caching, 0,
     "btrfs has looked for free space, and forgets how far it was at its next commit"},
    {"free-space", "btrfs_alloc_chunk_map", "", Verdict::cached, Proof::rb, 0, "where a chunk of a mounted btrfs lies"},
    {"extent", "alloc_extent_map", "", Verdict::cached, Proof::rb, 0, "where a part of a file on a mounted btrfs lies"},
    {"extent", "alloc_extent_state", "", Verdict::deferred, Proof::extent_state, 0,
     "in a tree of ranges of a mounted btrfs: what is to be written at its next commit"},
    {"tree-block", "alloc_extent_buffer", "", Verdict::reclaimable, Proof::extent_buffer, 0,
     "a block of a mounted btrfs's trees, which lives with its pages"},
    {"tree-block", "__alloc_extent_buffer", "", Verdict::reclaimable, Proof::extent_buffer, 0,
     "the same, where it is not inlined"},
    {"btrfs-commit", "join_transaction", "", Verdict::deferred, Proof::transaction, 0,
     "a btrfs's transaction, until it is committed, half a minute later"},
    {"btrfs-commit", "add_delayed_ref", "", Verdict::deferred, Proof::delayed_ref, 0,
     "a block that was taken or freed, until the commit"},
    {"btrfs-commit", "btrfs_add_delayed_tree_ref", "", Verdict::deferred, Proof::delayed_ref, 0, "the same, 6.1"},
    {"btrfs-commit", "btrfs_add_delayed_data_ref", "", Verdict::deferred, Proof::delayed_ref, 0, "the same, 6.1"},
    {"btrfs-commit", "btrfs_alloc_delayed_item", "", Verdict::deferred, Proof::rb, 0,
     "a name that was made or deleted, until the commit"},
    {"btrfs-commit", "btrfs_get_or_create_delayed_node", "", Verdict::deferred, Proof::delayed_node, 0,
     "what an inode has to be written, as long as that is cached"},
    {"xfs-log", "xlog_cil_commit", "", Verdict::deferred, Proof::log_vector, 0,
     "what xfs has to write to its log, or the room for it, as long as its item is"},
    {"xfs-log", "xlog_cil_alloc_shadow_bufs", "", Verdict::deferred, Proof::log_vector, 0,
     "the same, where it is not inlined"},
    {"xfs-log", "xfs_buf_item_init", "", Verdict::deferred, Proof::log_item, 0,
     "a block that xfs has to write, until it has been written"},
    {"xfs-log", "xfs_efi_init", "", Verdict::deferred, Proof::log_item, 0,
     "extents that xfs is going to free, until its log says that it has"},
    {"xfs-log", "xfs_extent_free_create_done", "", Verdict::deferred, Proof::log_item, 0, "that xfs has freed them"},
    {"xfs-log", "xfs_trans_get_efd", "", Verdict::deferred, Proof::log_item, 0, "the same, 6.1"},
    {"xfs-log", "xfs_icreate_log", "", Verdict::deferred, Proof::log_item, 0, "that xfs has made room for inodes"},
    {"xfs-log", "xfs_iunlink_log_inode", "", Verdict::deferred, Proof::log_item, 0, "that an inode has no name"},
    {"xfs-log", "xfs_bui_init", "", Verdict::deferred, Proof::log_item, 0,
     "extents that are going to change their file"},
    {"xfs-log", "xfs_bmap_update_create_done", "", Verdict::deferred, Proof::log_item, 0, "that they have"},
    {"xfs-log", "xfs_trans_get_bud", "", Verdict::deferred, Proof::log_item, 0, "the same, 6.1"},
    {"xfs-log", "xfs_cui_init", "", Verdict::deferred, Proof::log_item, 0, "extents that are going to be shared"},
    {"xfs-log", "xfs_refcount_update_create_done", "", Verdict::deferred, Proof::log_item, 0, "that they are"},
    {"xfs-log", "xfs_trans_get_cud", "", Verdict::deferred, Proof::log_item, 0, "the same, 6.1"},
    {"xfs-log", "xfs_inode_item_init", "", Verdict::deferred, Proof::log_item, 0,
     "the same, an inode; of one that is cached"},
    {"ext4-journal", "ext4_inode_attach_jinode", "", Verdict::reclaimable, Proof::journal, 0,
     "what ext4's journal has to know of a cached inode, made when that is first opened for writing"},
    {"busy-extent", "xfs_extent_busy_insert_list", "", Verdict::deferred, Proof::rb, 0,
     "xfs remembers freed blocks until its log says so, which may take half a minute"},
    {"busy-extent", "xfs_extent_busy_insert", "", Verdict::deferred, Proof::rb, 0, "the same, where it is not inlined"},
    {"busy-extent", "kmem_alloc", "kmalloc-64", Verdict::deferred, Proof::rb, 0, "the same, 6.1"},
    {"khugepaged", "mm_alloc", "", Verdict::deferred, Proof::mm, 0,
     "khugepaged's list holds an address space for a while"},
    {"khugepaged", "dup_mm", "", Verdict::deferred, Proof::mm, 0, "the same after fork"},
    {"khugepaged", "copy_process", "mm_struct", Verdict::deferred, Proof::mm, 0, "the same, where dup_mm is inlined"},
    {"khugepaged", "__khugepaged_enter", "", Verdict::deferred, Proof::once, 64, "its entry in that list"},
    {"signal", "__sigqueue_alloc", "", Verdict::held, Proof::queued, 0,
     "a signal that waits for a task outside to take it: a dying init's SIGCHLD"},
    {"tcp-port", "inet_bind_bucket_create", "", Verdict::deferred, Proof::bind, 0,
     "the port of a connection in a network namespace that lives on: TIME_WAIT holds it for a minute"},
    {"tcp-port", "inet_bind2_bucket_create", "", Verdict::deferred, Proof::bind, 0, "the same, by address"},
    {"tcp-port", "__inet_hash_connect", "", Verdict::deferred, Proof::bind, 0, "the same, where it is inlined"},
    {"time-wait", "inet_twsk_alloc", "", Verdict::deferred, Proof::timewait, 0,
     "the rest of a closed connection in a network namespace that lives on, for a minute"},
    {"tcp-orphan", "sk_prot_alloc", "TCP", Verdict::deferred, Proof::orphan, 0,
     "a connection that its owner has closed, in a network namespace that lives on: it has still to send what was "
     "written, and the kernel gives it up after minutes"},
    {"neighbour", "___neigh_create", "", Verdict::cached, Proof::neighbour, 0,
     "in the table of neighbours of a network namespace that lives on, until it is collected"},
    {"tree-node", "tnode_new", "", Verdict::reclaimable, Proof::trie, 0,
     "a node of the tree of routes of a network namespace that lives on, made anew by whoever adds one too many"},
    {"conntrack", "__nf_conntrack_alloc", "", Verdict::deferred, Proof::conntrack, 0,
     "what conntrack knows of a connection in a network namespace that lives on, until its time is over"},
    {"route", "dst_alloc", "", Verdict::cached, Proof::bound, 4,
     "a next hop in a network namespace that lives on caches a route a CPU and direction"},
    {"reserve", "mempool_alloc", "", Verdict::cached, Proof::address, 0,
     "whoever gives back an element of a reserve that is not full fills it up; a CPU keeps bios of io_uring's "
     "direct reads"},
    {"reserve", "mempool_alloc_noprof", "", Verdict::cached, Proof::address, 0, "the same, 6.12"},
    {"nftables", "[nf_tables]", "", Verdict::held, Proof::linked, 0,
     "in nftables of a network namespace that lives on: an element of a set, until it is removed"},
    {"ipset", "[ip_set*", "", Verdict::held, Proof::linked, 0, "an ipset, or in one, likewise"},
    {"ipvs", "[ip_vs*", "", Verdict::held, Proof::linked, 0, "a service of IPVS, or a server of one, likewise"},
    {"ipsec", "xfrm_state_alloc", "", Verdict::held, Proof::linked, 0, "a state of IPsec, likewise"},
    {"ipsec", "xfrm_pol*", "", Verdict::held, Proof::linked, 0, "a policy, or what its tables need for it"},
    {"ipsec", "[xfrm_user]", "", Verdict::held, Proof::linked, 0, "a part of one"},
    {"bpf-element", "bpf_map_kmalloc_node", "", Verdict::held, Proof::linked, 0,
     "in a map of BPF that has a name, or is in use"},
    {"bpf-element", "alloc_bulk", "", Verdict::held, Proof::linked, 0, "the same, or kept for one"},
    {"bpf-element", "__alloc", "", Verdict::held, Proof::linked, 0, "the same, where it is not inlined"},
    {"hash-table", "bucket_table_alloc", "", Verdict::held, Proof::linked, 0,
     "of the host's: made larger by whoever added one too many"},
    {"kept", "-", "", Verdict::cached, Proof::kept, 0,
     "something of the kernel's own points to it and keeps it for whoever is the next to need it"},
    {"holder", "-", "", Verdict::held, Proof::holder, 0, "a living task outside refers to it: details names it"},
    {"part", "-", "", Verdict::reclaimable, Proof::part, 0,
     "belongs to a cached dentry or inode: its long name, its security part, a file system's private part"},
};
inline constexpr u32 kClassRows = sizeof(kClasses) / sizeof(kClasses[0]);
inline constexpr u32 kInodeRow = 1;
inline constexpr u32 kPartRow = kClassRows - 1;
inline constexpr u32 kHolderRow = kClassRows - 2;
inline constexpr u32 kKeptRow = kClassRows - 3;
static_assert(kClassRows <= kExcuses, "a container counts what each row excused");
static_assert(kClasses[kInodeRow].proof == Proof::inode && kClasses[kPartRow].proof == Proof::part &&
	      kClasses[kHolderRow].proof == Proof::holder && kClasses[kKeptRow].proof == Proof::kept);

inline constexpr u32 kNoRow = ~0u;

struct Judgement {
	Verdict verdict = Verdict::leaked;
	bool anchor = false;	      // excused, but something held is explained by it in part
	bool holder = false;	      // a living task refers to it: text names it
	bool alone = false;	      // kept, and not what it points to
	bool found = false;	      // a search of the memory has found who has it, or none was possible
	bool part = false;	      // excused since something excused points to it
	bool with_owner = false;      // leaked, since its owner is
	bool waits_for_alias = false; // an inode whose name is not excused (yet)
	u32 row = kNoRow;
	s64 extra = 0;	       // references that nothing explains
	bool nameless = false; // a deleted name, an inode that no directory has
	bool pinned = false;   // one of the references is its file system's, as long as the name is there
	u32 aliases = 0;
	Hidden subject{};    // what such a reference would point to: the dentry, or the inode within its object
	Hidden owner{};	     // what it lives and goes with, as far as its state tells
	Hidden alias{};	     // an inode's name
	s64 alias_extra = 0; // references on its names
	char text[48] = {};  // for the report
};

// The row for a site, kNoRow where none explains it.
u32 class_of(const Site &site);

// One object by itself; `already` objects of its row are excused. Preemption off.
Judgement judge(u32 row, Address object, u32 size, u32 already);

} // namespace bc
