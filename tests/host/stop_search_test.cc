// SPDX-License-Identifier: GPL-2.0
// What a stop makes of a search for addresses: held by whoever has one, lost where nobody has.
#include "stop_rig.h"

namespace rig
{
namespace
{

TEST_F(Stop, WhoseAddressNobodyHasIsLost)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(true);
	stop_until(*c, State::leaked);
	EXPECT_EQ(host::searches(), 2u) << "two looks, with a drain between";
	EXPECT_EQ(leak("leaked", "holders"), "unexplained:1");
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
}

TEST_F(Stop, WhoHasItsAddressHoldsIt)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(true);
	host::set_words({{object, place(0, "filp")}});
	stop_until(*c, State::held);
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
	const u64 object = make_dentry();
	dentries_are(false);
	stop_until(*c, State::held);
	EXPECT_EQ(leak("held", "holders"), "unexplained:1");
	freed(object);
}

TEST_F(Stop, ANameThatItsFileSystemKeepsIsNotUnexplained)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	host::set_probe([](enum bc_probe, u64 probed, u32, bc_probed &out) {
		out.known = out.pinned = true;
		out.extra = 1;
		out.subject = probed;
	});
	stop_until(*c, State::held);
	EXPECT_EQ(leak("held", "holders"), "file_system:1");
	freed(object);
}

TEST_F(Stop, ASearchThatHasNotSeenAllProvesNothing)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(true);
	host::set_words({}, false);
	stop_until(*c, State::held);
	work_for(120000);
	EXPECT_EQ(c->current(), State::held);
	freed(object);
}

TEST_F(Stop, WhatTurnsUpInTheSecondSearchIsHeld)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(true);
	stop(ns(1));
	while (host::searches() == 0)
		host::advance(work().next_ms);
	host::set_words({{object, place(0, "stack")}});
	time_to(*c, State::held);
	EXPECT_EQ(leak("held", "holders"), "stack:1");
	freed(object);
}

TEST_F(Stop, LostWithWhatIsLost)
{
	Container *c = start(ns(1));
	const u64 first = make_dentry();
	const u64 second = make_dentry();
	const u64 behind = make(k64_); // that the second one has to itself
	host::write_word(second + 16, behind);
	dentries_are(true);
	host::set_words({{second, place(first, "dentry")}, {behind + 8, place(second, "dentry")}});
	stop_until(*c, State::leaked);
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
	const u64 named = make_dentry(), other = make_dentry();
	host::write_word(mount + 16, sb);
	host::write_word(mount + 24, named);
	host::set_probe([named, sb](enum bc_probe what, u64 object, u32, bc_probed &out) {
		out.known = what == BC_PROBE_DENTRY || what == BC_PROBE_MOUNTED || what == BC_PROBE_MOUNT;
		out.extra = 1;
		out.subject = object;
		out.owner = what == BC_PROBE_MOUNT ? 0 : object == named ? sb : kFileSystem;
	});
	host::set_words({{other, place(0, "filp")}, {sb, place(mount, "mnt_cache")}});
	stop_until(*c, State::held);
	EXPECT_EQ(host::searches(), 1u);
	EXPECT_EQ(leak("leaked", "count"), "");
	for (const u64 object : {mount, sb, named, other})
		freed(object);
}

TEST_F(Stop, WhatLivesKeepsWhatItHasTheAddressOf)
{
	Container *c = start(ns(1));
	const u64 first = make_dentry();
	const u64 second = make_dentry();
	const u64 behind = make(k64_);
	host::write_word(second + 16, behind);
	dentries_are(true);
	host::set_words(
	    {{first, place(0, "mnt_cache")}, {second, place(first, "dentry")}, {behind, place(second, "dentry")}});
	stop_until(*c, State::held);
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
	const u64 name = make_dentry(), object = make(inode, kText + 0x4010);
	host::set_probe([name, object](enum bc_probe what, u64, u32, bc_probed &out) {
		out.known = true;
		out.extra = what == BC_PROBE_INODE ? 0 : 1;
		out.nameless = what == BC_PROBE_DENTRY;
		out.subject = what == BC_PROBE_INODE ? object : name;
		out.alias = what == BC_PROBE_INODE ? name : 0;
		out.aliases = what == BC_PROBE_INODE;
	});
	host::set_words({{object, place(name, "dentry", true)}});
	stop_until(*c, State::leaked);
	EXPECT_EQ(leak("held", "count"), "");
	freed(name);
	freed(object);
}

TEST_F(Stop, WhoseFileSystemIsGoneIsLostWhoeverHasIt)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	host::set_probe([](enum bc_probe what, u64 probed, u32, bc_probed &out) {
		out.known = true;
		out.extra = what == BC_PROBE_MOUNTED ? 0 : 1;
		out.subject = probed;
		out.owner = kFileSystem;
	});
	host::set_words({{object, place(0, "filp")}});
	stop_until(*c, State::leaked);
	freed(object);
}

TEST_F(Stop, SearchesBecomeSeldom)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(false);
	stop_until(*c, State::held);
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
	const u64 object = make_dentry();
	dentries_are(true);
	stop_until(*c, State::held);
	work_for(120000);
	EXPECT_EQ(host::searches(), 0u);
	EXPECT_EQ(c->current(), State::held);
	freed(object);
}

TEST_F(Stop, OneWaitsForTheOthersSearch)
{
	Container *one = start(ns(1)), *two = start(ns(2));
	const u64 object = make_dentry(), other = make_dentry(2);
	dentries_are(false);
	host::set_search_ms(300);
	stop(ns(1));
	stop(ns(2));
	time_to(*two, State::held); // the newest first
	EXPECT_EQ(host::searches(), 1u);
	EXPECT_EQ(one->current(), State::settling);
	work_for(400); // that round was a long one: the next goes on after as long a rest
	EXPECT_EQ(waits(1), "search");
	EXPECT_GE(time_to(*one, State::held), 1000u) << "a sixth of one CPU at most";
	EXPECT_EQ(host::searches(), 2u);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "search_ms")["value"], "300");
	freed(object);
	freed(other);
}

TEST_F(Stop, WhoWaitsForASearchIsNotOvertaken)
{
	Container *one = start(ns(1)), *two = start(ns(2)), *three = start(ns(3));
	const u64 objects[] = {make_dentry(), make_dentry(2), make_dentry(3)};
	dentries_are(false);
	host::set_search_ms(2000); // another one ten seconds later
	stop(ns(1));
	stop(ns(2));
	time_to(*two, State::held);
	work_for(2100);
	EXPECT_EQ(waits(1), "search");
	stop(ns(3)); // due before that, and newer
	time_to(*one, State::held);
	EXPECT_EQ(host::searches(), 2u);
	EXPECT_EQ(three->current(), State::settling);
	time_to(*three, State::held);
	EXPECT_EQ(host::searches(), 3u);
	for (const u64 object : objects)
		freed(object);
}

TEST_F(Stop, NoSearchWhereATaskIsNamed)
{
	Container *c = start(ns(1));
	const u64 object = make_dentry();
	dentries_are(true);
	host::set_holders({{object, {78, 3, "", "sh", BC_HOLDS}}});
	stop_until(*c, State::held);
	EXPECT_EQ(host::searches(), 0u);
	freed(object);
}

} // namespace
} // namespace rig
