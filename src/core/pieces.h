// SPDX-License-Identifier: GPL-2.0
// Which objects are one of a counted resource. Told by the function that allocates them, since caches of one size are
// merged: of a merged cache nobody can say whose objects it holds. A cache's name only refines that where its kind is
// never merged.
//
// Function names are those of 6.1 and 6.12 (kallsyms of both), with the functions that they are inlined into:
// dup_task_struct is part of copy_process on both.
#pragma once

#include "resource.h"

namespace bc
{

struct PieceRow {
	Charged what;
	bool atomic_too; // refused though it is allocated with GFP_ATOMIC: the caller copes
	const char *function;
	const char *cache; // how its name starts; "": any
	const char *why;
};

inline constexpr PieceRow kPieces[] = {
    {Charged::numproc, false, "copy_process", "task_struct",
     "kernel/fork.c; the same function makes signal_structs and others. task_struct has a usercopy region: not merged"},
    {Charged::numproc, false, "dup_task_struct", "task_struct", "where it is not inlined"},
    {Charged::numfile, false, "__alloc_file", "", "fs/file_table.c, 6.1"},
    {Charged::numfile, false, "alloc_empty_file", "", "6.12, and where 6.1 has it inlined"},
    {Charged::numfile, false, "alloc_empty_file_noaccount", "", "opened by the kernel for a task: overlayfs"},
    {Charged::numfile, false, "alloc_empty_backing_file", "", "overlayfs' real file, 6.12"},
    {Charged::numflock, false, "locks_alloc_lock", "",
     "fs/locks.c. A POSIX lock takes three while it is being set, of which one stays"},
    {Charged::numflock, false, "locks_alloc_lease", "", "6.12"},
    // Debian's 6.1 has locks_alloc_lock() inlined everywhere; none of these allocates anything else.
    {Charged::numflock, false, "flock_lock_inode", "", "6.1: flock()"},
    {Charged::numflock, false, "posix_lock_inode", "", "6.1: fcntl()"},
    {Charged::numflock, false, "fcntl_setlk", "", "6.1: fcntl()"},
    {Charged::numflock, false, "fcntl_getlk", "", "6.1: fcntl()"},
    {Charged::numflock, false, "lease_alloc", "", "6.1: leases"},
    {Charged::numsiginfo, true, "__sigqueue_alloc", "",
     "kernel/signal.c: GFP_ATOMIC only; rt signals get EAGAIN, others go without their siginfo"},
    {Charged::numtcpsock, false, "sk_prot_alloc", "TCP",
     "net/core/sock.c; TCP and TCPv6 are SLAB_TYPESAFE_BY_RCU: not merged"},
    {Charged::numtcpsock, false, "sk_clone_lock", "TCP", "an accepted one (shim/events.c)"},
    {Charged::numothersock, false, "sk_prot_alloc", "", "of every other protocol, with a cache or without"},
    {Charged::numothersock, false, "sk_clone_lock", "", "an accepted one"},
    {Charged::numpty, false, "alloc_tty_struct", "",
     "drivers/tty/tty_io.c: the two ends of a pair. A serial line has one"},
};

// Whose allocations a limit does not refuse, since whoever asks cannot bear it.
struct NeverRefused {
	const char *function;
	const char *why;
	const char *module = nullptr; // the kernel's own where there is none
};

inline constexpr NeverRefused kNeverRefused[] = {
    // A refusal would not bound anybody: it would take the elements that the whole machine keeps for when memory is
    // short, and put the container's own in their place.
    {"mempool_alloc", "falls back on a reserve, and waits for it when it is empty (mm/mempool.c)"},
    {"mempool_alloc_noprof", "the same on 6.12"},
    {"ulist_add_merge", "GFP_ATOMIC, and BUG() without (fs/btrfs/extent-io-tree.c, set_state_bits(), with quotas)",
     "btrfs"},
    {"ulist_add", "the same, where it is inlined", "btrfs"},
    {"ulist_prealloc", "the same, before it (6.12)", "btrfs"},
    {"alloc_extent_state", "GFP_ATOMIC, and BUG() or again without (6.1, 6.12)", "btrfs"},
    {"alloc_tree_mod_elem", "GFP_ATOMIC, and BUG() without (fs/btrfs/ctree.c, fixup_low_keys())", "btrfs"},
    {"btrfs_tree_mod_log_insert_key", "the same, where it is inlined", "btrfs"},
    {"kmem_alloc", "again and again, whoever wants to kill it meanwhile (fs/xfs/kmem.c, 6.1)", "xfs"},
};

} // namespace bc
