// SPDX-License-Identifier: GPL-2.0
// How a row of the class table (verdict.h) is believed: each proof, what is asked of the object for it, and what it is
// good for. Whatever the state says, what goes with a leaked file system, tree or namespace is a leak.
#pragma once

#include "types.h"

#include <beancounter/platform.h>

namespace bc
{

enum class Proof : u8 {
	bound,
	once,
	dentry,
	inode,
	tree,
	maple,
	mm,
	vmap_area,
	kernfs,
	locks,
	queued,
	bind,
	timewait,
	orphan,
	neighbour,
	trie,
	conntrack,
	stack,
	net,
	mountpoint,
	superblock,
	console,
	swap,
	fib_hash,
	skb,
	kthread,
	loop,
	writeback,
	blkcg,
	policy,
	rb,
	extent_state,
	extent_buffer,
	block_group,
	caching,
	transaction,
	delayed_ref,
	delayed_node,
	log_item,
	log_vector,
	journal,
	mount,
	address,
	linked,
	kept,
	holder,
	part,
	kCount
};

// How the answer is taken.
enum class By : u8 {
	number,		 // nothing is asked: at most `bound` a container are kept back by the kernel
	number_each_cpu, // likewise, for each possible CPU
	state,		 // it is known
	references,	 // it is known, and nobody but a cache refers to it; else it is held
	inode,		 // the same; what has no inode inside is some other cache's, which reclaim empties
	pointer,	 // who points to it decides: survivors.h
	search // held, until the census has found its address in something that lives, or in nothing: census.h
};

// Does what such an object points to live with it? Of others that are kept above the allocator we know no more; what is
// in a tree is as lost as before when nobody but the tree remembers it: an ID that was never given back.
enum class Owns : bool {
	no,
	yes
};

struct ProofRow {
	Proof proof;
	enum bc_probe probe : 8;
	By by = By::state;
	Owns owns = Owns::no;
};

inline constexpr ProofRow kProofs[] = {
    {Proof::bound, BC_PROBE_NONE, By::number_each_cpu},		 // at most that many are kept back by the kernel
    {Proof::once, BC_PROBE_NONE, By::number},			 // likewise
    {Proof::dentry, BC_PROBE_DENTRY, By::references, Owns::yes}, // nobody but the dentry cache refers to it
    {Proof::inode, BC_PROBE_INODE, By::inode, Owns::yes},	 // nobody but the inode cache and cached dentries
    {Proof::tree, BC_PROBE_TREE_NODE, By::references},		 // a tree points to it
    {Proof::maple, BC_PROBE_MAPLE},				 // the same, of a maple tree
    {Proof::mm, BC_PROBE_MM, By::references},			 // only khugepaged's list
    {Proof::vmap_area, BC_PROBE_VMAP_AREA},		    // it describes nothing, or nothing that is a leak itself
    {Proof::kernfs, BC_PROBE_KERNFS, By::state, Owns::yes}, // linked into its directory; a removed one is not
    {Proof::locks, BC_PROBE_LOCKS},			    // a living inode's
    {Proof::queued, BC_PROBE_QUEUED},			    // in a list of something that lives
    {Proof::bind, BC_PROBE_BIND},			    // in the table of ports, with a socket
    {Proof::timewait, BC_PROBE_TIMEWAIT},		    // in the table of connections
    {Proof::orphan, BC_PROBE_ORPHAN, By::state,
     Owns::yes},			    // the same, closed by its owner, with a timer; has what it sends
    {Proof::neighbour, BC_PROBE_NEIGHBOUR}, // in its table
    {Proof::trie, BC_PROBE_TRIE},	    // in its tree
    {Proof::conntrack, BC_PROBE_CONNTRACK, By::references, Owns::yes}, // in its table; has its extensions
    {Proof::stack, BC_PROBE_STACK, By::state, Owns::yes}, // one that the kernel keeps a CPU, or a living task's
    {Proof::net, BC_PROBE_NET},				  // no reference of any kind left
    {Proof::mountpoint, BC_PROBE_MOUNTPOINT},		  // hashed, with a mount
    {Proof::superblock, BC_PROBE_SUPERBLOCK, By::state, Owns::yes}, // a mounted file system points to it
    {Proof::console, BC_PROBE_CONSOLE, By::state, Owns::yes},	    // in the table of consoles
    {Proof::swap, BC_PROBE_SWAP, By::state, Owns::yes},		    // in the table of swap areas
    {Proof::fib_hash, BC_PROBE_FIB_HASH},			    // one of the two tables
    {Proof::skb, BC_PROBE_SKB},					    // one of those that a CPU keeps
    {Proof::kthread, BC_PROBE_KTHREAD},				    // a living kernel thread's
    {Proof::loop, BC_PROBE_LOOP_WORKER},			    // in its device's list of idle ones
    {Proof::writeback, BC_PROBE_WRITEBACK, By::state, Owns::yes}, // in its device's list; has its counter's other half
    {Proof::blkcg, BC_PROBE_BLKCG, By::state, Owns::yes},   // in both lists; has its count and its policies' parts
    {Proof::policy, BC_PROBE_POLICY, By::state, Owns::yes}, // in its name space's list
    {Proof::rb, BC_PROBE_RB},				    // its parent in a tree points to it
    {Proof::extent_state, BC_PROBE_EXTENT_STATE},	    // the same
    {Proof::extent_buffer, BC_PROBE_EXTENT_BUFFER, By::references},   // no reference but its pages'
    {Proof::block_group, BC_PROBE_BLOCK_GROUP},			      // in the tree of all
    {Proof::caching, BC_PROBE_CACHING},				      // in the list
    {Proof::transaction, BC_PROBE_TRANSACTION},			      // in the list
    {Proof::delayed_ref, BC_PROBE_DELAYED_REF, By::state, Owns::yes}, // in the tree; has what is to be changed
    {Proof::delayed_node, BC_PROBE_DELAYED_NODE},		      // in its root's table
    {Proof::log_item, BC_PROBE_LOG_ITEM},			      // in one of the two lists
    {Proof::log_vector, BC_PROBE_LOG_VECTOR},			      // such an item's
    {Proof::journal, BC_PROBE_JOURNAL},				      // a cached inode's
    {Proof::mount, BC_PROBE_MOUNT, By::state, Owns::yes},	      // in the mount namespace of a living task
    {Proof::address, BC_PROBE_NONE, By::search},		      // something that lives has its address
    {Proof::linked, BC_PROBE_NONE, By::search, Owns::yes},	      // the same; has what it points to
    {Proof::kept, BC_PROBE_NONE, By::pointer, Owns::yes},	      // something of the kernel's own that stays does
    {Proof::holder, BC_PROBE_NONE, By::pointer}, // a living task's descriptor refers to it (survivors.h)
    {Proof::part, BC_PROBE_NONE, By::pointer},	 // an excused dentry, inode or node does
};

namespace proofs
{

// Each proof has one row, in their order; and an object is asked where its state decides.
constexpr bool are_sound()
{
	u32 at = 0;
	for (const ProofRow &row : kProofs) {
		const bool asked = row.by == By::state || row.by == By::references || row.by == By::inode;
		if (row.proof != static_cast<Proof>(at++) || asked != (row.probe != BC_PROBE_NONE))
			return false;
	}
	return at == static_cast<u32>(Proof::kCount);
}
static_assert(are_sound());

} // namespace proofs

constexpr const ProofRow &row_of(Proof proof) { return kProofs[static_cast<u8>(proof)]; }

} // namespace bc
