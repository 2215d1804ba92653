// SPDX-License-Identifier: GPL-2.0
#include "verdict.h"

#include "text.h"

namespace bc {

namespace {

// Is `symbol` ("copy_net_ns.part.0+0x1d") in the function `name`?
bool in_function(const char *symbol, const char *name)
{
	const u32 n = length_of(name);
	return starts_with(symbol, name) && (symbol[n] == '+' || symbol[n] == '.' || symbol[n] == 0);
}

} // namespace

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

bool within_bound(u32 row, const Container &c, u32 already)
{
	const ClassRow &r = kClasses[row];
	switch (r.proof) {
	case Proof::bound:
		return r.bound == 0 || already < r.bound * containers.cpus();
	case Proof::once:
		return already < r.bound;
	case Proof::with_inode:
		return already < c.excused[kInodeRow].objects;
	default:
		return true;
	}
}

Verdict judge(u32 row, const Container &c, Address object, u32 size, u32 already, char *text)
{
	*text = 0;
	if (row == kNoRow)
		return Verdict::leaked;
	const ClassRow &r = kClasses[row];
	bc_probed probed{};
	switch (r.proof) {
	case Proof::dentry:
		bc_probe(BC_PROBE_DENTRY, object.value, size, &probed);
		break;
	case Proof::inode:
		bc_probe(BC_PROBE_INODE, object.value, size, &probed);
		break;
	case Proof::tree:
		bc_probe(BC_PROBE_TREE_NODE, object.value, size, &probed);
		break;
	case Proof::mm:
		bc_probe(BC_PROBE_MM, object.value, size, &probed);
		break;
	default:
		return within_bound(row, c, already) ? r.verdict : Verdict::leaked;
	}
	copy_text(text, sizeof(probed.text), probed.text);
	if (!probed.known) // a reclaimable object without an inode inside is some other cache's: what reclaim empties anyhow
		return r.proof == Proof::inode ? r.verdict : Verdict::leaked;
	// Somebody refers to it who is not a cache: whoever that is lives on, as far as we can tell today (CAVEATS.md).
	return probed.extra == 0 ? r.verdict : Verdict::held;
}

} // namespace bc
