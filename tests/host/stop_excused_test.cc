// SPDX-License-Identifier: GPL-2.0
// What a stop does not call a leak: held by somebody outside, cached, or deferred.
#include "stop_rig.h"

namespace rig
{
namespace
{

TEST_F(Stop, HeldByALivingOne)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	probe_says(1);
	stop_until(*c, State::held);
	EXPECT_EQ(host::stop_log().back().state, "held");
	EXPECT_EQ(host::stop_log().back().worst, "__d_alloc+0x10");
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, WhatIsNoLongerHeldIsHandedOverSooner)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	probe_says(1);
	stop_until(*c, State::held);
	probe_says(0); // its holder has closed it; it stays cached
	work_for(120000);
	EXPECT_EQ(c->current(), State::clean);
	freed(object);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(Stop, HeldByADescriptorOutside)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	const u64 behind = make(k64_, kText + 0x2d, 1);
	host::write_word(object + 16, behind);
	stop(ns(1));
	host::set_holders({{object + 8, {77, 5, "", "con mon", BC_HOLDS}}, {object, {78, -1, "cwd", "sh", BC_HOLDS}}});
	time_to(*c, State::held);
	EXPECT_EQ(host::stop_log().back().state, "held");
	const auto held = row(render(BC_FILE_LEAKS, 1), "held");
	EXPECT_EQ(held.at("count"), "2") << "with what it points to";
	EXPECT_EQ(held.at("class"), "holder");
	EXPECT_EQ(held.at("details"), "pid=77,comm=con\\040mon,fd=5") << "the first one found";
	host::set_holders({});
	freed(object);
	freed(behind);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

// In KFENCE's pool an object is not as long as its stride, and nothing can be read behind its page.
TEST_F(Stop, WhatAGuardedObjectPointsToIsAPartOfIt)
{
	const Cache guarded{2200, true, "dentry"};
	Container *c = start(ns(1));
	make(guarded, kText + 0x1010);
	const u64 object = make(guarded, kText + 0x1010); // over the end of a page
	const u64 part = make(k64_);
	host::write_word(object + 200, part);
	host::guard_page(platform::page_index(object) + 1);
	probe_says(0);
	stop_until(*c, State::clean);
	EXPECT_EQ(c->excused[kPartRow].objects, 1u);
}

TEST_F(Stop, WhatTheKernelKeepsForTheNextIsNobodys)
{
	Container *c = start(ns(1));
	const u64 generator = make(k64_), its_state = make(k64_, kText + 0x2d, 1);
	host::write_word(generator + 16, its_state);
	stop(ns(1));
	host::set_holders({{generator, {0, -1, "crypto", "", BC_KEEPS}}});
	time_to(*c, State::clean);
	EXPECT_EQ(c->excused[kKeptRow].objects, 1u);
	EXPECT_EQ(c->excused[kPartRow].objects, 1u);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "cached").at("class"), "kept");
	EXPECT_EQ(raw_held(*c), Raw{});
	host::set_holders({});
	freed(generator); // the host's by now
	freed(its_state);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(Stop, WhatIsKeptAloneDoesNotExcuseWhatItPointsTo)
{
	Container *c = start(ns(1));
	const u64 flow = make(k64_), socket = make(k64_, kText + 0x2d, 1);
	host::write_word(flow + 16, socket);
	stop(ns(1));
	host::set_holders({{flow, {0, -1, "fq", "", BC_KEEPS_ALONE}}});
	time_to(*c, State::leaked);
	EXPECT_EQ(c->excused[kKeptRow].objects, 1u);
	EXPECT_EQ(held(*c).objects, 1);
	host::set_holders({});
	freed(flow);
	freed(socket);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, LostByItsHolderItIsALeak)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	host::set_holders({{object, {78, -1, "cwd", "sh", BC_HOLDS}}}, "netns");
	time_to(*c, State::held);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "held").at("details"), "pid=78,comm=sh,by=cwd");
	host::set_holders({});
	time_to(*c, State::leaked);
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, ATreesNodeLivesWithWhatTheTreeIsIn)
{
	const Cache node{256, false, "maple_node"}, k512{512, false, "kmalloc-512"};
	host::add_symbol(kText + 0x3000, 0x1000, "mas_alloc_nodes");
	u64 tree = 0;
	host::set_probe([&tree](enum bc_probe what, u64, u32, bc_probed &out) {
		out.known = what == BC_PROBE_MAPLE && tree != 0;
		out.owner = tree;
	});
	Container *c = start(ns(1));
	make(node, kText + 0x3010);
	tree = 0xffff888100000040; // in an object of the host's
	stop_until(*c, State::clean);

	c = start(ns(2));
	const u64 owner = make(k512, kText + 0x2d, 2);
	make(node, kText + 0x3010, 2);
	tree = owner + 64;
	stop_until(*c, State::leaked, 2);
	EXPECT_EQ(held(*c).objects, 2) << "an address space that is lost keeps its tree";

	c = start(ns(3));
	make(node, kText + 0x3010, 3);
	tree = 0; // in none
	stop_until(*c, State::leaked, 3);
}

TEST_F(Stop, OneLeakAmongTheHeldIsALeak)
{
	Container *c = start(ns(1));
	make_dentry();
	make(k64_);
	probe_says(1);
	stop_until(*c, State::leaked);
	EXPECT_EQ(host::stop_log().back().worst, "alloc_pid+0x2d");
}

TEST_F(Stop, CachedOnesAreHandedOverEarly)
{
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (int i = 0; i < 10; ++i)
		objects.push_back(make_dentry());
	probe_says(0);
	stop(ns(1));
	EXPECT_LE(time_to(*c, State::clean), 1000u);
	EXPECT_EQ(c->excused[0].objects, 10u);
	for (u64 object : objects) // much later, under memory pressure
		freed(object);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

TEST_F(Stop, WithALeakAmongThemThatMayMoveTheyWait)
{
	Container *c = start(ns(1));
	const u64 cached = make_dentry(), late = make(k64_);
	probe_says(0);
	stop(ns(1));
	work_for(2000);
	EXPECT_EQ(held(*c).objects, 2) << "what is under way may still need what points to it";
	freed(late);
	work_for(1000);
	EXPECT_EQ(c->current(), State::clean);
	EXPECT_EQ(c->excused[0].objects, 1u);
	freed(cached);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(Stop, DeferredOnesGetTheirTimeFirst)
{
	Container *c = start(ns(1));
	make(net_, kText + 0x2010);
	probe_says(0);
	stop(ns(1));
	EXPECT_GE(time_to(*c, State::clean), 5000u);
	u32 excused = 0;
	for (u32 r = 0; r < kClassRows; ++r)
		excused += std::string(kClasses[r].function) == "copy_net_ns" ? c->excused[r].objects : 0;
	EXPECT_EQ(excused, 1u);
}

} // namespace
} // namespace rig
