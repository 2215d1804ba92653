// SPDX-License-Identifier: GPL-2.0
#include "verdict.h"

#include "classes.h"

#include "text.h"

namespace bc
{

u32 class_of(const Site &site)
{
	char symbol[192];
	sites.symbol(site, symbol, sizeof(symbol));
	for (u32 row = 0; row < kClassRows; ++row) {
		if (kClasses[row].function[0] != 0 && in_function(symbol, kClasses[row].function) &&
		    starts_with(sites.cache_name(site), kClasses[row].cache))
			return row;
	}
	// Whatever else comes from a reclaimable cache is taken for something with an inode inside, and looked at.
	return site.kind == ByteKind::dcachesize ? kInodeRow : kNoRow;
}

namespace
{

bool within_bound(u32 index, u32 already)
{
	const ClassRow &row = kClasses[index];
	if (classes.grows(index))
		return false;
	switch (row.proof) {
	case Proof::bound:
		return already < row.bound * containers.cpus();
	case Proof::once:
		return already < row.bound;
	default:
		return false;
	}
}

} // namespace

Judgement judge(u32 row, Address object, u32 size, u32 already)
{
	Judgement j{};
	j.row = row;
	if (row == kNoRow)
		return j;
	const ClassRow &r = kClasses[row];
	bc_probed probed{};
	auto by_state = [&](enum bc_probe what) {
		bc_probe(what, object.value, size, &probed);
		j.owner = probed.owner;
		if (probed.known)
			j.verdict = r.verdict;
		return j;
	};
	switch (r.proof) {
	case Proof::dentry:
		bc_probe(BC_PROBE_DENTRY, object.value, size, &probed);
		break;
	case Proof::inode:
		bc_probe(BC_PROBE_INODE, object.value, size, &probed);
		if (!probed.known) { // no inode inside: some other cache's, which reclaim empties
			if (!probed.refused)
				j.verdict = r.verdict;
			return j;
		}
		break;
	case Proof::tree:
		bc_probe(BC_PROBE_TREE_NODE, object.value, size, &probed);
		break;
	case Proof::vmap_area:
		bc_probe(BC_PROBE_VMAP_AREA, object.value, size, &probed);
		// A busy one is judged with the area it describes: survivors.cc
		j.subject = probed.subject;
		if (probed.known && probed.extra == 0)
			j.verdict = r.verdict;
		return j;
	case Proof::maple:
		return by_state(BC_PROBE_MAPLE);
	case Proof::superblock:
		return by_state(BC_PROBE_SUPERBLOCK);
	case Proof::locks:
		return by_state(BC_PROBE_LOCKS);
	case Proof::queued:
		return by_state(BC_PROBE_QUEUED);
	case Proof::kernfs:
		return by_state(BC_PROBE_KERNFS);
	case Proof::bind:
		return by_state(BC_PROBE_BIND);
	case Proof::timewait:
		return by_state(BC_PROBE_TIMEWAIT);
	case Proof::orphan:
		return by_state(BC_PROBE_ORPHAN);
	case Proof::neighbour:
		return by_state(BC_PROBE_NEIGHBOUR);
	case Proof::stack:
		return by_state(BC_PROBE_STACK);
	case Proof::net:
		return by_state(BC_PROBE_NET);
	case Proof::mountpoint:
		return by_state(BC_PROBE_MOUNTPOINT);
	case Proof::console:
		return by_state(BC_PROBE_CONSOLE);
	case Proof::swap:
		return by_state(BC_PROBE_SWAP);
	case Proof::fib_hash:
		return by_state(BC_PROBE_FIB_HASH);
	case Proof::skb:
		return by_state(BC_PROBE_SKB);
	case Proof::kthread:
		return by_state(BC_PROBE_KTHREAD);
	case Proof::loop:
		return by_state(BC_PROBE_LOOP_WORKER);
	case Proof::writeback:
		return by_state(BC_PROBE_WRITEBACK);
	case Proof::policy:
		return by_state(BC_PROBE_POLICY);
	case Proof::rb:
		return by_state(BC_PROBE_RB);
	case Proof::mount:
		by_state(BC_PROBE_MOUNT);
		copy_text(j.text, sizeof(j.text), probed.text);
		return j;
	case Proof::extent_state:
		return by_state(BC_PROBE_EXTENT_STATE);
	case Proof::block_group:
		return by_state(BC_PROBE_BLOCK_GROUP);
	case Proof::caching:
		return by_state(BC_PROBE_CACHING);
	case Proof::transaction:
		return by_state(BC_PROBE_TRANSACTION);
	case Proof::delayed_ref:
		return by_state(BC_PROBE_DELAYED_REF);
	case Proof::delayed_node:
		return by_state(BC_PROBE_DELAYED_NODE);
	case Proof::log_item:
		return by_state(BC_PROBE_LOG_ITEM);
	case Proof::log_vector:
		return by_state(BC_PROBE_LOG_VECTOR);
	case Proof::extent_buffer:
		bc_probe(BC_PROBE_EXTENT_BUFFER, object.value, size, &probed);
		break;
	case Proof::mm:
		bc_probe(BC_PROBE_MM, object.value, size, &probed);
		break;
	default:
		if (within_bound(row, already))
			j.verdict = r.verdict;
		return j;
	}
	copy_text(j.text, sizeof(j.text), probed.text);
	if (!probed.known)
		return j;
	j.extra = probed.extra;
	j.subject = probed.subject;
	j.alias = probed.alias;
	j.alias_extra = probed.alias_extra;
	j.aliases = probed.aliases;
	j.nameless = probed.nameless;
	j.pinned = probed.pinned;
	j.owner = probed.owner;
	// Somebody refers to it who is not a cache: whoever that is lives on, as far as we can tell today (CAVEATS.md).
	j.verdict = probed.extra == 0 ? r.verdict : Verdict::held;
	return j;
}

} // namespace bc
