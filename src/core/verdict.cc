// SPDX-License-Identifier: GPL-2.0
#include "verdict.h"

#include "classes.h"
#include "text.h"

namespace bc
{

namespace
{

// Is it allocated there? By the function's name, or by how that begins ("xfrm_pol*") or the name of its module
// ("[ip_set*").
bool is_made_by(const char *symbol, const char *where)
{
	const u32 length = length_of(where);
	if (where[0] == '[') {
		while (*symbol != 0 && *symbol != '[')
			++symbol;
	}
	if (length == 0 || where[length - 1] != '*')
		return where[0] == '[' ? same_text(symbol, where) : in_function(symbol, where);
	for (u32 i = 0; i + 1 < length; ++i) {
		if (symbol[i] != where[i])
			return false;
	}
	return true;
}

} // namespace

u32 class_of(const Site &site)
{
	char symbol[192];
	sites.symbol(site, symbol, sizeof(symbol));
	for (u32 row = 0; row < kClassRows; ++row) {
		if (kClasses[row].function[0] != 0 && is_made_by(symbol, kClasses[row].function) &&
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
	const u32 times = row_of(row.proof).by == By::number_each_cpu ? containers.cpus() : 1;
	return !classes.grows(index) && already < row.bound * times;
}

} // namespace

Judgement judge(u32 row, Address object, u32 size, u32 already)
{
	Judgement j{};
	j.row = row;
	if (row == kNoRow)
		return j;
	const ClassRow &r = kClasses[row];
	const ProofRow &proof = row_of(r.proof);
	bc_probed probed{};
	if (proof.probe != BC_PROBE_NONE)
		bc_probe(proof.probe, object.value, size, &probed);
	copy_text(j.text, sizeof(j.text), probed.text);
	switch (proof.by) {
	case By::number:
	case By::number_each_cpu:
		if (within_bound(row, already))
			j.verdict = r.verdict;
		return j;
	case By::pointer:
		return j;
	case By::search:
		j.verdict = Verdict::held;
		return j;
	case By::state:
		j.owner = probed.owner;
		j.subject = probed.subject;
		if (probed.known)
			j.verdict = r.verdict;
		return j;
	case By::inode:
		if (!probed.known && !probed.refused) {
			j.verdict = r.verdict;
			return j;
		}
		break;
	case By::references:
		break;
	}
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
