// SPDX-License-Identifier: GPL-2.0
// Verdicts and files. Part of unit.cc.
#include "rig.h"

namespace bc
{

namespace
{

const char *survivors_are_judged(Container &c)
{
	TestCache plain{"bct_plain", 64};
	TestCache cached{"bct_cached", 256, true};
	BCT_CHECK(plain.make(3) && cached.make(1));
	// A reclaimable object that points to the first of the plain ones; nothing points to the others.
	for (u32 i = 0; i < 3; ++i)
		charge_one(c, plain, plain[i], some_text(12));
	charge_one(c, cached, cached[0], some_text(13));
	auto *words = reinterpret_cast<u64 *>(cached[0].value);
	for (u32 i = 0; i < 256 / sizeof(u64); ++i)
		words[i] = 0;
	words[9] = plain[0].value;
	for (u32 i = 0; i < 3; ++i) {
		for (u32 w = 0; w < 8; ++w)
			reinterpret_cast<u64 *>(plain[i].value)[w] = 0;
	}
	{
		Survivors survivors;
		BCT_CHECK(survivors.run(c));
		BCT_CHECK(survivors.size() == 4);
		BCT_CHECK(survivors.at(cached[0].value) != nullptr && survivors.at(plain[0].value) != nullptr);
		BCT_CHECK(survivors.at(cached[0].value)->judgement.verdict == Verdict::reclaimable);
		BCT_CHECK(survivors.at(plain[0].value)->judgement.verdict == Verdict::reclaimable);
		BCT_CHECK(survivors.at(plain[0].value)->judgement.part);
		BCT_CHECK(survivors.objects(Verdict::leaked) == 2);
		BCT_CHECK(survivors.at(plain[1].value)->judgement.verdict == Verdict::leaked);
		BCT_CHECK(hand_over(c, survivors, false) == 0); // early only where it is the whole explanation
		BCT_CHECK(hand_over(c, survivors, true) == 2);
	}
	BCT_CHECK(holds(c, 2, s64{2} * plain.stride().value));
	BCT_CHECK(c.excused[kInodeRow].objects == 1 && c.excused[kPartRow].objects == 1);
	BCT_CHECK(drop_all(c) == 2);
	BCT_CHECK(holds(c, 0, 0));
	return nullptr;
}

const char *text_golden_rows(Container &)
{
	OwnText rows;
	old_row(rows.out, "42:", "kmemsize", {123456, 234567, kUnlimited, kUnlimited, 0, 0, 0});
	old_row(rows.out, "", "numproc", {7, 9, 100, 120, 3, 0, 0});
	BCT_CHECK(rows.is("       42:  kmemsize                   123456               234567  9223372036854775807"
			  "  9223372036854775807                    0\n"
			  "            numproc                         7                    9                  100"
			  "                  120                    3\n"));
	OwnText fields;
	fields.out.field("a b\\c\td", 20)
	    .field("", 3)
	    .field(s64{-5}, 4)
	    .hex(0xffff888000001000)
	    .right("x", 3)
	    .end_line();
	BCT_CHECK(fields.is("a\\040b\\134c\\011d     -     -5 ffff888000001000  x\n"));
	return nullptr;
}

const char *text_objects_of_a_container(Container &c)
{
	TestCache cache{"bct_named", 320};
	BCT_CHECK(cache.make(3));
	for (u32 i = 0; i < 3; ++i)
		charge_one(c, cache, cache[i], some_text(14));
	OwnText objects;
	BCT_CHECK(render_objects(objects.out, c));
	BCT_CHECK(objects.has("\n        3 "));
	BCT_CHECK(objects.has(" kmemsize    bct_named            bct_cases+0xe[beancounter_kunit] "));
	OwnText all;
	BCT_CHECK(render_containers(all.out));
	BCT_CHECK(all.has(" kunit "));
	return nullptr;
}

} // namespace

} // namespace bc
