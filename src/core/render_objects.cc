// SPDX-License-Identifier: GPL-2.0
// ID/objects and ID/leaks: one line a group of a survey.
#include "render.h"

#include "census.h"
#include "counted.h"
#include "references.h"
#include "survey.h"

namespace bc
{

namespace
{

void site_field(Text &out, const Site &site)
{
	char symbol[192];
	sites.symbol(site, symbol, sizeof(symbol));
	out.field(symbol, 40);
}

void addresses_field(Text &out, const Group &g)
{
	char all[48] = "";
	u32 used = 0;
	for (u32 i = 0; i < g.addresses; ++i) {
		char one[24];
		bc_pointer_text(g.address[i], one, sizeof(one));
		if (i != 0)
			all[used++] = ',';
		copy_text(all + used, sizeof(all) - used, one);
		used += length_of(all + used);
	}
	out.field(all, 33);
}

// "alloc_uid+0x2d<set_user+0x1e<...": the innermost first. Where only call sites are kept there is none.
void stack_field(Text &out, const Site &site)
{
	constexpr u32 kMost = 32;
	u64 frames[kMost];
	const u64 caller = site.caller.relaxed();
	const u32 n = is_stack(caller) ? bc_stack_frames(static_cast<u32>(caller), frames, kMost) : 0;
	if (n == 0)
		out.put('-');
	for (u32 i = 0; i < n; ++i) {
		char symbol[192];
		bc_symbol(frames[i], symbol, sizeof(symbol));
		if (i != 0)
			out.put('<');
		out.part(symbol);
	}
}

s64 age_seconds(const Group &g)
{
	const u32 units = (platform::birth_now().value - g.oldest.value) & ((1u << Slot::kBirthBits) - 1);
	return static_cast<s64>(u64{units} * kBirthUnitMs / 1000);
}

const char *resource_name(const Site &site) { return name_of(charged_as(site.kind)); }

} // namespace

bool render_objects(Text &out, const Container &c)
{
	out.right("count", 9)
	    .put(' ')
	    .right("bytes", 12)
	    .put(' ')
	    .field("resource", 11)
	    .field("cache", 20)
	    .field("site", 40);
	out.right("age", 7).put(' ').field("addresses", 33).put("stack\n");
	Survey survey;
	if (!survey.live(c))
		return false;
	for (u32 i = 0; i < survey.size(); ++i) {
		const Group &g = survey[i];
		const Site &site = sites[g.site];
		out.field(static_cast<s64>(g.objects), 9).field(static_cast<s64>(g.bytes), 12);
		out.field(resource_name(site), 11).field(sites.cache_name(site), 20);
		site_field(out, site);
		out.field(age_seconds(g), 7);
		addresses_field(out, g);
		stack_field(out, site);
		out.end_line();
	}
	return true;
}

namespace
{

// What the object says of itself, where it is of a kind that counts its references.
bc_probed by_its_count(const Site &site, u64 address)
{
	bc_probed probed{};
	char symbol[192];
	sites.symbol(site, symbol, sizeof(symbol));
	for (const Counted &counted : kCounted) {
		if (!in_function(symbol, counted.function))
			continue;
		platform::PreemptOff section;
		bc_probe(counted.probe, address, site.stride.value, &probed);
	}
	return probed;
}

// Which other survivors point to the first object of the group, and how many of its references that leaves open.
void referrers_field(Text &out, const Group &g, const bc_probed &probed)
{
	if (g.census[0] != 0) {
		out.field(g.census, 1);
		return;
	}
	char all[224] = "";
	bc_text room{all, 0, sizeof(all) - 1, false};
	Text text{room};
	if (g.referrers != 0) {
		char symbol[192];
		sites.symbol(sites[g.referrer], symbol, sizeof(symbol));
		text.put(symbol).put(':').number(g.referrers);
	}
	if (probed.known && probed.extra > g.referrers) {
		if (room.length != 0)
			text.put(',');
		text.put("unexplained:").number(probed.extra - g.referrers);
	}
	all[room.length] = 0;
	out.field(all, 1);
}

void leak_row(Text &out, const Group &g)
{
	const Site &site = sites[g.site];
	out.field(kVerdictNames[static_cast<size_t>(g.verdict)], 11).field(static_cast<s64>(g.objects), 9);
	out.field(static_cast<s64>(g.bytes), 12).field(resource_name(site), 11).field(sites.cache_name(site), 20);
	site_field(out, site);
	const u32 row = g.row == kNoRow && g.part ? kPartRow : g.row;
	out.field(age_seconds(g), 7).field(row == kNoRow ? "" : kClasses[row].name, 14);
	addresses_field(out, g);
	bc_probed probed{};
	copy_text(probed.text, sizeof(probed.text), g.text);
	if (g.verdict == Verdict::leaked && g.text[0] == 0 && g.addresses != 0)
		probed = by_its_count(site, g.address[0]);
	out.field(probed.text, 1);
	referrers_field(out, g, probed);
	char unmatched[160] = "";
	if (g.verdict == Verdict::leaked && g.addresses != 0)
		unmatched_text(g.address[0], unmatched, sizeof(unmatched));
	out.field(unmatched, 1);
	stack_field(out, site);
	out.end_line();
}

void excused_row(Text &out, const ClassRow &row, const Excused &e)
{
	out.field(kVerdictNames[static_cast<size_t>(row.verdict)], 11).field(s64{e.objects}, 9);
	out.field(static_cast<s64>(e.bytes), 12).field("", 11).field("", 20).field(row.function, 40).field("", 7);
	out.field(row.name, 14).field("", 33).field("handed_over", 1).field("", 1).field("", 1).field("", 1).end_line();
}

} // namespace

bool render_leaks(Text &out, const Container &c)
{
	out.field("verdict", 11).right("count", 9).put(' ').right("bytes", 12).put(' ').field("resource", 11);
	out.field("cache", 20).field("site", 40).right("age", 7).put(' ').field("class", 14).field("addresses", 33);
	out.put("details holders unmatched stack\n");
	if (!stopped(c.current()))
		return true;
	if (c.current() != State::clean) {
		Survivors survivors;
		Survey survey;
		if (!survivors.run(c))
			return false;
		const char *torn = survivors.find_holders();
		if (torn != nullptr && c.current() != State::leaked)
			survivors.doubt(torn);
		Census::recall(c, survivors);
		survivors.find_referrers();
		if (!survey.judged(survivors))
			return false;
		for (u32 i = 0; i < survey.size(); ++i)
			leak_row(out, survey[i]);
	}
	for (u32 row = 0; row < kClassRows; ++row) {
		if (c.excused[row].objects != 0)
			excused_row(out, kClasses[row], c.excused[row]);
	}
	return true;
}

} // namespace bc
