// SPDX-License-Identifier: GPL-2.0
// From a stop to a verdict, in simulated time.
#include "rig.h"

#include <cstring>

namespace rig
{
namespace
{

constexpr u64 kText = 0xffffffff81000000ull;

class Stop : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		host::add_symbol(kText, 0x1000, "alloc_pid");
		host::add_symbol(kText + 0x1000, 0x1000, "__d_alloc");
		host::add_symbol(kText + 0x2000, 0x1000, "copy_net_ns");
	}
	u64 make(const Cache &cache, u64 caller = kText + 0x2d, u64 n = 1)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(n), object, caller, cache.cache_key());
		return object;
	}
	void probe_says(s64 extra)
	{
		host::set_probe([extra](enum bc_probe, u64, u32, bc_probed &out) {
			out.known = true;
			out.extra = extra;
		});
	}
	// A dentry that is referenced once, and, unless it has a name, cannot be found by anybody who has not its
	// address.
	void dentries_are(bool nameless)
	{
		host::set_probe([nameless](enum bc_probe what, u64 object, u32, bc_probed &out) {
			out.known = what == BC_PROBE_DENTRY || what == BC_PROBE_MOUNTED;
			out.extra = 1;
			out.subject = object;
			out.owner = kFileSystem;
			out.nameless = nameless;
		});
	}
	static bc_place place(u64 object, const char *name, bool counted = false)
	{
		bc_place p{object, 0, counted, ""};
		snprintf(p.name, sizeof(p.name), "%s", name);
		return p;
	}
	std::string leak(const char *verdict, const char *column)
	{
		return row(render(BC_FILE_LEAKS, 1), verdict)[column];
	}
	static constexpr u64 kFileSystem = 0xffff888100aa0000;
	// When the state is reached, in milliseconds from now; the clock goes on in the worker's own steps.
	u64 time_to(const Container &c, State state, u64 most)
	{
		const u64 from = bc_now_ms();
		while (bc_now_ms() - from < most) {
			const bc_round round = work();
			if (c.current() == state)
				return bc_now_ms() - from;
			host::advance(round.next_ms == 0 ? 1000 : round.next_ms);
		}
		ADD_FAILURE() << "still " << kStateNames[static_cast<size_t>(c.current())];
		return most;
	}
	std::string waits(u32 id) { return row(render(BC_FILE_CONTAINERS), std::to_string(id))["waits"]; }

	Cache k64_{64, false, "kmalloc-64"}, dentry_{192, true, "dentry"}, net_{4800, false, "net_namespace"};
};

TEST_F(Stop, CleanAtOnce)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	freed(object);
	EXPECT_EQ(work().next_ms, 0u) << "nothing to do while it runs";
	EXPECT_EQ(c->current(), State::running);
	stop(ns(1));
	const bc_round round = work();
	EXPECT_EQ(c->current(), State::clean);
	EXPECT_EQ(round.drain, 0u) << "nothing is held: no drain of the whole system";
	EXPECT_EQ(round.next_ms, 0u);
	EXPECT_EQ(host::references(ns(1)), 0);
	ASSERT_EQ(host::stop_log().size(), 1u);
	EXPECT_EQ(host::stop_log()[0].state, "clean");
	work_for(100000);
	EXPECT_EQ(host::stop_log().size(), 1u) << "said once";
}

TEST_F(Stop, RunsUntilInitHasExited)
{
	Container *c = start(ns(1));
	no_tasks(ns(1));
	work_for(10000);
	EXPECT_EQ(c->current(), State::running);
	bc_init_exited(ns(2)); // somebody else's
	work();
	EXPECT_EQ(c->current(), State::running);
}

TEST_F(Stop, WaitsForTasksAndSaysForWhom)
{
	Container *c = start(ns(1));
	bc_tasks tasks{};
	tasks.pids = 3;
	host::set_tasks(ns(1), tasks);
	bc_init_exited(ns(1));
	const bc_round round = work();
	EXPECT_EQ(c->current(), State::settling);
	EXPECT_EQ(waits(1), "tasks:3");
	EXPECT_GT(round.next_ms, 0u);
	EXPECT_LE(round.next_ms, 50u) << "tasks die fast as a rule";
	tasks = {1, 1, 4711, 4700, "bad parent"};
	host::set_tasks(ns(1), tasks);
	work_for(2000);
	EXPECT_EQ(waits(1), "zombie:4711,parent:4700:bad\\040parent");
	tasks = {1, 1, 2147483647, 2147483647, "fifteen letters"};
	host::set_tasks(ns(1), tasks);
	work_for(2000);
	EXPECT_EQ(waits(1), "zombie:2147483647,parent:2147483647:fifteen\\040letters");
	work_for(300000);
	EXPECT_EQ(c->current(), State::settling) << "an init that nobody reaps holds the stop open";
	EXPECT_EQ(host::references(ns(1)), 1);
	stop(ns(1));
	work_for(1000);
	EXPECT_EQ(c->current(), State::clean);
	EXPECT_EQ(waits(1), "-");
}

TEST_F(Stop, LateByRcuIsClean)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	work();
	EXPECT_EQ(c->current(), State::settling);
	EXPECT_EQ(waits(1), "rcu");
	bc_round round = work();
	host::advance(10);
	round = work();
	EXPECT_EQ(round.drain, 1u) << "RCU first, and only that";
	freed(object);
	host::advance(10);
	work();
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, DrainsWhatStays)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	u64 drains = 0, waited = 0, first = 0;
	while (waited < 3000) {
		const bc_round round = work();
		if (round.drain == 2 && drains++ == 0)
			first = waited;
		ASSERT_GT(round.next_ms, 0u) << "it comes back by itself";
		host::advance(round.next_ms);
		waited += round.next_ms;
	}
	EXPECT_GE(first, 40u);
	EXPECT_LE(first, 200u);
	EXPECT_GE(drains, 3u);
	EXPECT_LE(drains, 60u);
	EXPECT_EQ(waits(1), "drain");
	EXPECT_EQ(c->current(), State::settling) << "work queues may take four seconds";
	freed(object);
	work_for(1000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, ALeakIsCalledOneInTime)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	const u64 took = time_to(*c, State::leaked, 60000);
	EXPECT_GE(took, 5000u);
	EXPECT_LE(took, 8000u);
	const auto log = host::stop_log();
	ASSERT_EQ(log.size(), 1u);
	EXPECT_EQ(log[0].state, "leaked");
	EXPECT_EQ(log[0].objects, 1u);
	EXPECT_EQ(log[0].bytes, 64u);
	EXPECT_EQ(log[0].worst, "alloc_pid+0x2d");
	EXPECT_EQ(c->waits[0], 0);
	work_for(60000);
	EXPECT_EQ(host::stop_log().size(), 1u) << "not said again while nothing changes";
	freed(object);
}

TEST_F(Stop, MovementPutsTheVerdictOff)
{
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (int i = 0; i < 20; ++i)
		objects.push_back(make(k64_));
	stop(ns(1));
	for (size_t i = 0; i < 15; ++i) { // a slow work queue: one a second
		work_for(1000);
		freed(objects[i]);
		EXPECT_EQ(c->current(), State::settling) << i;
	}
	EXPECT_LE(time_to(*c, State::leaked, 10000), 4000u);
	EXPECT_EQ(host::stop_log().back().objects, 5u);
}

TEST_F(Stop, TheCeilingEndsIt)
{
	restart(machine(128, 7000));
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (int i = 0; i < 100; ++i)
		objects.push_back(make(k64_));
	stop(ns(1));
	const u64 from = bc_now_ms();
	do {
		work_for(500);
		freed(objects.back());
		objects.pop_back();
	} while (c->current() == State::settling && bc_now_ms() - from < 20000);
	EXPECT_EQ(c->current(), State::leaked);
	EXPECT_GE(bc_now_ms() - from, 7000u);
	EXPECT_LE(bc_now_ms() - from, 8500u);
}

TEST_F(Stop, ALateFreeTurnsAVerdictAround)
{
	Container *c = start(ns(1));
	const u64 one = make(k64_), two = make(k64_);
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	freed(one);
	work_for(10000);
	EXPECT_EQ(c->current(), State::leaked);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["objects"], "1");
	EXPECT_EQ(host::stop_log().size(), 1u);
	freed(two);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
	EXPECT_EQ(host::stop_log().back().state, "clean");
	EXPECT_EQ(host::stop_log().size(), 2u) << "each change of state is said once";
}

TEST_F(Stop, HeldByALivingOne)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	probe_says(1);
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(host::stop_log().back().state, "held");
	EXPECT_EQ(host::stop_log().back().worst, "__d_alloc+0x10");
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, WhoseAddressNobodyHasIsLost)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(host::searches(), 2u) << "two looks, with a drain between";
	EXPECT_EQ(leak("leaked", "holders"), "unexplained:1");
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, WhoHasItsAddressHoldsIt)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	host::set_words({{object, place(0, "filp")}});
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(host::searches(), 1u);
	EXPECT_EQ(leak("held", "holders"), "filp:1");
	host::set_words({{object, place(0, "dentry", true)}}); // a child's parent: alive, and of another reference
	work_for(90000);
	EXPECT_EQ(c->current(), State::held);
	EXPECT_EQ(leak("held", "holders"), "unexplained:1,children:1");
	host::set_words({});
	time_to(*c, State::leaked, 300000);
	freed(object);
}

TEST_F(Stop, WhatHasANameMayBeFound)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(false);
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(leak("held", "holders"), "unexplained:1");
	freed(object);
}

TEST_F(Stop, ANameThatItsFileSystemKeepsIsNotUnexplained)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	host::set_probe([](enum bc_probe, u64 probed, u32, bc_probed &out) {
		out.known = out.pinned = true;
		out.extra = 1;
		out.subject = probed;
	});
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(leak("held", "holders"), "file_system:1");
	freed(object);
}

TEST_F(Stop, ASearchThatHasNotSeenAllProvesNothing)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	host::set_words({}, false);
	stop(ns(1));
	time_to(*c, State::held, 60000);
	work_for(120000);
	EXPECT_EQ(c->current(), State::held);
	freed(object);
}

TEST_F(Stop, WhatTurnsUpInTheSecondSearchIsHeld)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	stop(ns(1));
	while (host::searches() == 0)
		host::advance(work().next_ms);
	host::set_words({{object, place(0, "stack")}});
	time_to(*c, State::held, 60000);
	EXPECT_EQ(leak("held", "holders"), "stack:1");
	freed(object);
}

TEST_F(Stop, LostWithWhatIsLost)
{
	Container *c = start(ns(1));
	const u64 first = make(dentry_, kText + 0x1010);
	const u64 second = make(dentry_, kText + 0x1010);
	const u64 behind = make(k64_); // that the second one has to itself
	host::write_word(second + 16, behind);
	dentries_are(true);
	host::set_words({{second, place(first, "dentry")}, {behind + 8, place(second, "dentry")}});
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(leak("held", "count"), "") << "all of them";
	freed(first);
	freed(second);
	freed(behind);
}

// Its file system is charged to the container, and held; with a name it is no more lost than any other.
TEST_F(Stop, ANameInAFileSystemThatIsHeldMayBeFound)
{
	host::add_symbol(kText + 0x5000, 0x1000, "alloc_vfsmnt");
	Container *c = start(ns(1));
	const u64 mount = make(k64_, kText + 0x5010), sb = make(k64_);
	const u64 named = make(dentry_, kText + 0x1010), other = make(dentry_, kText + 0x1010);
	host::write_word(mount + 16, sb);
	host::write_word(mount + 24, named);
	host::set_probe([named, sb](enum bc_probe what, u64 object, u32, bc_probed &out) {
		out.known = what == BC_PROBE_DENTRY || what == BC_PROBE_MOUNTED || what == BC_PROBE_MOUNT;
		out.extra = 1;
		out.subject = object;
		out.owner = what == BC_PROBE_MOUNT ? 0 : object == named ? sb : kFileSystem;
	});
	host::set_words({{other, place(0, "filp")}, {sb, place(mount, "mnt_cache")}});
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(host::searches(), 1u);
	EXPECT_EQ(leak("leaked", "count"), "");
	for (const u64 object : {mount, sb, named, other})
		freed(object);
}

TEST_F(Stop, WhatLivesKeepsWhatItHasTheAddressOf)
{
	Container *c = start(ns(1));
	const u64 first = make(dentry_, kText + 0x1010);
	const u64 second = make(dentry_, kText + 0x1010);
	const u64 behind = make(k64_);
	host::write_word(second + 16, behind);
	dentries_are(true);
	host::set_words(
	    {{first, place(0, "mnt_cache")}, {second, place(first, "dentry")}, {behind, place(second, "dentry")}});
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(leak("leaked", "count"), "");
	freed(first);
	freed(second);
	freed(behind);
}

TEST_F(Stop, AnInodeIsLostWithItsNames)
{
	const Cache inode{784, true, "inode_cache"};
	host::add_symbol(kText + 0x4000, 0x1000, "alloc_inode");
	Container *c = start(ns(1));
	const u64 name = make(dentry_, kText + 0x1010), object = make(inode, kText + 0x4010);
	host::set_probe([name, object](enum bc_probe what, u64, u32, bc_probed &out) {
		out.known = true;
		out.extra = what == BC_PROBE_INODE ? 0 : 1;
		out.nameless = what == BC_PROBE_DENTRY;
		out.subject = what == BC_PROBE_INODE ? object : name;
		out.alias = what == BC_PROBE_INODE ? name : 0;
		out.aliases = what == BC_PROBE_INODE;
	});
	host::set_words({{object, place(name, "dentry", true)}});
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(leak("held", "count"), "");
	freed(name);
	freed(object);
}

TEST_F(Stop, WhoseFileSystemIsGoneIsLostWhoeverHasIt)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	host::set_probe([](enum bc_probe what, u64 probed, u32, bc_probed &out) {
		out.known = true;
		out.extra = what == BC_PROBE_MOUNTED ? 0 : 1;
		out.subject = probed;
		out.owner = kFileSystem;
	});
	host::set_words({{object, place(0, "filp")}});
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	freed(object);
}

TEST_F(Stop, SearchesBecomeSeldom)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(false);
	stop(ns(1));
	time_to(*c, State::held, 60000);
	work_for(3600000);
	EXPECT_GE(host::searches(), 5u);
	EXPECT_LE(host::searches(), 9u);
	freed(object);
}

TEST_F(Stop, NoSearchWhereTheAdministratorWantsNone)
{
	bc_config config = machine();
	config.no_search = true;
	restart(config);
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	stop(ns(1));
	time_to(*c, State::held, 60000);
	work_for(120000);
	EXPECT_EQ(host::searches(), 0u);
	EXPECT_EQ(c->current(), State::held);
	freed(object);
}

TEST_F(Stop, OneWaitsForTheOthersSearch)
{
	Container *one = start(ns(1)), *two = start(ns(2));
	const u64 object = make(dentry_, kText + 0x1010), other = make(dentry_, kText + 0x1010, 2);
	dentries_are(false);
	host::set_search_ms(300);
	stop(ns(1));
	stop(ns(2));
	time_to(*two, State::held, 60000); // the newest first
	EXPECT_EQ(host::searches(), 1u);
	EXPECT_EQ(one->current(), State::settling);
	EXPECT_EQ(waits(1), "search");
	EXPECT_GE(time_to(*one, State::held, 60000), 1000u) << "a sixth of one CPU at most";
	EXPECT_EQ(host::searches(), 2u);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "search_ms")["value"], "300");
	freed(object);
	freed(other);
}

TEST_F(Stop, NoSearchWhereATaskIsNamed)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	dentries_are(true);
	host::set_holders({{object, {78, 3, "", "sh"}}});
	stop(ns(1));
	time_to(*c, State::held, 60000);
	EXPECT_EQ(host::searches(), 0u);
	freed(object);
}

TEST_F(Stop, WhatIsNoLongerHeldIsHandedOverSooner)
{
	Container *c = start(ns(1));
	const u64 object = make(dentry_, kText + 0x1010);
	probe_says(1);
	stop(ns(1));
	time_to(*c, State::held, 60000);
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
	host::set_holders({{object + 8, {77, 5, "", "con mon"}}, {object, {78, -1, "cwd", "sh"}}});
	time_to(*c, State::held, 60000);
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

TEST_F(Stop, LostByItsHolderItIsALeak)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	host::set_holders({{object, {78, -1, "cwd", "sh"}}}, false);
	time_to(*c, State::held, 60000);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "held").at("details"), "pid=78,comm=sh,by=cwd");
	host::set_holders({});
	time_to(*c, State::leaked, 60000);
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
	stop(ns(1));
	time_to(*c, State::clean, 60000);

	c = start(ns(2));
	const u64 owner = make(k512, kText + 0x2d, 2);
	make(node, kText + 0x3010, 2);
	tree = owner + 64;
	stop(ns(2));
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(held(*c).objects, 2) << "an address space that is lost keeps its tree";

	c = start(ns(3));
	make(node, kText + 0x3010, 3);
	tree = 0; // in none
	stop(ns(3));
	time_to(*c, State::leaked, 60000);
}

TEST_F(Stop, OneLeakAmongTheHeldIsALeak)
{
	Container *c = start(ns(1));
	make(dentry_, kText + 0x1010);
	make(k64_);
	probe_says(1);
	stop(ns(1));
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(host::stop_log().back().worst, "alloc_pid+0x2d");
}

TEST_F(Stop, CachedOnesAreHandedOverEarly)
{
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (int i = 0; i < 10; ++i)
		objects.push_back(make(dentry_, kText + 0x1010));
	probe_says(0);
	stop(ns(1));
	EXPECT_LE(time_to(*c, State::clean, 60000), 1000u);
	EXPECT_EQ(c->excused[0].objects, 10u);
	for (u64 object : objects) // much later, under memory pressure
		freed(object);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

TEST_F(Stop, WithALeakAmongThemThatMayMoveTheyWait)
{
	Container *c = start(ns(1));
	const u64 cached = make(dentry_, kText + 0x1010), late = make(k64_);
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
	EXPECT_GE(time_to(*c, State::clean, 60000), 5000u);
	u32 excused = 0;
	for (u32 r = 0; r < kClassRows; ++r)
		excused += std::string(kClasses[r].function) == "copy_net_ns" ? c->excused[r].objects : 0;
	EXPECT_EQ(excused, 1u);
}

TEST_F(Stop, WithoutMemoryForAVerdictItWaits)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	host::fail(host::Kind::big, 1, 100000);
	work_for(40000);
	EXPECT_EQ(c->current(), State::settling);
	host::fail(host::Kind::big, 0);
	work_for(5000);
	EXPECT_EQ(c->current(), State::leaked);
	freed(object);
}

TEST_F(Stop, DismissedBecomesClean)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	EXPECT_EQ(bc_control("dismiss 1\n", 10), -22) << "not before its verdict";
	work();
	EXPECT_EQ(bc_control("dismiss 1\n", 10), -22);
	time_to(*c, State::leaked, 60000);
	EXPECT_EQ(bc_control("dismiss 1\n", 10), 0);
	work();
	EXPECT_EQ(c->current(), State::clean);
	EXPECT_EQ(raw_held(*c), Raw{});
	freed(object);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

TEST_F(Stop, ManyAtOnceShareTheDrains)
{
	std::vector<Container *> all;
	for (u64 n = 1; n <= 50; ++n) {
		all.push_back(start(ns(n)));
		make(k64_, kText + 0x2d, n);
		stop(ns(n));
	}
	u64 drains = 0;
	for (const u64 end = bc_now_ms() + 10000; bc_now_ms() < end;) {
		const bc_round round = work();
		drains += round.drain == 2;
		host::advance(round.next_ms == 0 ? 100 : round.next_ms);
	}
	EXPECT_LE(drains, 60u);
	for (Container *c : all)
		EXPECT_EQ(c->current(), State::leaked);
}

TEST_F(Stop, TheLast64StoppedOnesStay)
{
	std::vector<u32> gone;
	auto round = [&] {
		const bc_round r = work();
		gone.insert(gone.end(), r.face_gone, r.face_gone + r.faces_gone);
		host::advance(10);
	};
	for (u64 n = 1; n <= 100; ++n) {
		start(ns(n));
		stop(ns(n));
		round();
	}
	ASSERT_EQ(gone.size(), 100 - kStoppedKept);
	for (u32 i = 0; i < gone.size(); ++i)
		EXPECT_EQ(gone[i], i + 1) << "the oldest first";
	EXPECT_EQ(containers.count(), kStoppedKept);
	EXPECT_EQ(lines(render(BC_FILE_CONTAINERS)).size(), 1 + kStoppedKept);
	EXPECT_EQ(render(BC_FILE_LEAKS, 1), "error -2");
}

TEST_F(Stop, ALeakedOneIsNotEvicted)
{
	Container *leaked = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	time_to(*leaked, State::leaked, 60000);
	for (u64 n = 2; n <= 110; ++n) {
		start(ns(n));
		stop(ns(n));
		work_for(20);
	}
	EXPECT_EQ(leaked->current(), State::leaked);
	EXPECT_EQ(leaked->id.value, 1u);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "leaked");
	EXPECT_EQ(containers.count(), kStoppedKept) << "it is one of the last 64";
	freed(object);
	work_for(3000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "clean") << "listed as the last to become clean";
	for (u64 n = 200; n <= 270; ++n) {
		start(ns(n));
		stop(ns(n));
		work_for(20);
	}
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1").size(), 0u);
}

TEST_F(Stop, AllOfAnAvalancheAreEvictedInTheEnd)
{
	restart(machine(400));
	for (u64 n = 1; n <= 300; ++n)
		start(ns(n));
	for (u64 n = 1; n <= 300; ++n)
		stop(ns(n));
	u64 faces = 0;
	for (int i = 0; i < 100; ++i) {
		const bc_round round = work();
		faces += round.faces_gone;
		if (round.next_ms == 0)
			break; // "when kicked": nobody will
		host::advance(round.next_ms);
	}
	EXPECT_EQ(containers.count(), kStoppedKept);
	EXPECT_EQ(faces, 300 - kStoppedKept);
}

TEST_F(Stop, FacesAreAnnouncedOnceTheyCanBe)
{
	host::refuse_faces(true);
	start(ns(1));
	EXPECT_GT(work().next_ms, 0u) << "tries again";
	EXPECT_TRUE(host::faces().empty());
	host::refuse_faces(false);
	work();
	work();
	EXPECT_EQ(host::faces(), std::vector<u32>{1});
}

TEST_F(Stop, ARenamedIdsFaceGoes)
{
	start(ns(1));
	work();
	ASSERT_EQ(bc_control("name 1 web 77\n", 14), 0);
	const bc_round round = work();
	ASSERT_EQ(round.faces_gone, 1u);
	EXPECT_EQ(round.face_gone[0], 1u);
	EXPECT_EQ(host::faces(), (std::vector<u32>{1, 77}));
}

TEST(States, WhoMayMakeWhichMove)
{
	for (State to : {State::running, State::settling, State::clean, State::held, State::leaked}) {
		EXPECT_FALSE(may_become(State::clean, to)) << "clean is the end";
		EXPECT_EQ(may_become(State::running, to), to == State::settling);
		EXPECT_FALSE(to == State::running && may_become(State::settling, to));
		EXPECT_FALSE(to == State::settling && may_become(State::leaked, to));
	}
}

} // namespace
} // namespace rig
