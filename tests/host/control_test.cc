// SPDX-License-Identifier: GPL-2.0
#include "control.h"
#include "rig.h"

#include <cstring>

namespace rig
{
namespace
{

bool parse(const std::string &line, Command &command)
{
	return parse_command(line.data(), static_cast<u32>(line.size()), command);
}

TEST(Parse, Name)
{
	Command c;
	ASSERT_TRUE(parse("name 12 web-1.A_z", c));
	EXPECT_EQ(c.verb, Command::Verb::name);
	EXPECT_EQ(c.id.value, 12u);
	EXPECT_EQ(c.new_id.value, 0u);
	EXPECT_STREQ(c.name, "web-1.A_z");
	ASSERT_TRUE(parse(" name\t999999999  x   101 ", c));
	EXPECT_EQ(c.id.value, 999999999u);
	EXPECT_EQ(c.new_id.value, 101u);
	EXPECT_TRUE(parse("name 1 " + std::string(63, 'n'), c));
	EXPECT_EQ(strlen(c.name), 63u);
}

TEST(Parse, OtherVerbs)
{
	Command c;
	ASSERT_TRUE(parse("dismiss 7", c));
	EXPECT_EQ(c.verb, Command::Verb::dismiss);
	EXPECT_EQ(c.id.value, 7u);
	ASSERT_TRUE(parse("self-check", c));
	EXPECT_EQ(c.verb, Command::Verb::self_check);
}

TEST(Parse, RefusesTheRest)
{
	Command c;
	for (const std::string &line : {std::string(),
					std::string(" "),
					std::string("nam 1 x"),
					std::string("names 1 x"),
					std::string("name"),
					std::string("name 1"),
					std::string("name x 1"),
					std::string("name 0 x"),
					std::string("name 1000000000 x"),
					std::string("name -1 x"),
					std::string("name +1 x"),
					std::string("name 1x y"),
					std::string("name 1 a:b"),
					std::string("name 1 a/b"),
					std::string("name 1 \xc3\xbc"),
					std::string("name 1 ") + std::string(64, 'n'),
					std::string("name 1 x 0"),
					std::string("name 1 x y"),
					std::string("name 1 x 2 3"),
					std::string("dismiss"),
					std::string("dismiss 1 2"),
					std::string("dismiss 0"),
					std::string("self-check 1"),
					std::string("stacks 1"),
					std::string("stacks on"),
					std::string("stacks 1 yes"),
					std::string("stacks 1 on now"),
					std::string("Name 1 x"),
					std::string("name\0001 x", 9),
					std::string("name 1 x\0", 9),
					std::string("dismiss 1\r"),
					std::string("name 1 x\n"),
					std::string("name 4294967297 x")})
		EXPECT_FALSE(parse(line, c)) << line;
}

class Control : public Core
{
      protected:
	static int write(const std::string &text) { return bc_control(text.data(), text.size()); }
	enum {
		kInvalid = -22,
		kNoEntry = -2,
		kBusy = -16,
		kExists = -17
	};
};

TEST_F(Control, NamesAContainer)
{
	Container *c = start(ns(1));
	EXPECT_EQ(write("name 1 web\n"), 0);
	EXPECT_STREQ(c->name, "web");
	EXPECT_EQ(write("name 1 db"), 0) << "the last newline may be missing";
	EXPECT_STREQ(c->name, "db");
	EXPECT_EQ(write("name 1 db\n"), 0) << "its own name is not taken";
}

TEST_F(Control, GivesANewId)
{
	Container *c = start(ns(1));
	start(ns(2));
	EXPECT_EQ(write("name 1 web 101\n"), 0);
	EXPECT_EQ(c->id().value, 101u);
	EXPECT_EQ(bc_container_id(ns(1)), 101u);
	EXPECT_EQ(write("name 1 web\n"), kNoEntry);
	EXPECT_EQ(write("name 2 db 101\n"), kExists);
	EXPECT_EQ(write("name 101 web 101\n"), 0);
}

TEST_F(Control, WholeWriteOrNothing)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	EXPECT_EQ(write("name 1 x\nnonsense\n"), kInvalid);
	EXPECT_EQ(write("name 1 x\nname 9 y\n"), kNoEntry);
	EXPECT_EQ(write("name 1 x\ndismiss 2\n"), kInvalid) << "2 is running";
	EXPECT_EQ(write("name 1 x\n\n"), kInvalid);
	EXPECT_EQ(write(""), kInvalid);
	EXPECT_EQ(write("\n"), kInvalid);
	EXPECT_STREQ(a->name, "");
	EXPECT_EQ(write("name 1 x\nname 2 y\nself-check\n"), 0);
	EXPECT_STREQ(a->name, "x");
	EXPECT_STREQ(b->name, "y");
	EXPECT_EQ(write("name 1 y\n"), kExists);
}

TEST_F(Control, TwoLinesOfOneWriteMayNotCollide)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	EXPECT_EQ(write("name 1 same\nname 2 same\n"), kExists);
	EXPECT_EQ(write("name 1 a 50\nname 2 b 50\n"), kExists);
	EXPECT_STREQ(a->name, "");
	EXPECT_STREQ(b->name, "");
}

// Every line is carried out, or none: not those before one that finds nobody there any more.
TEST_F(Control, NothingIsSaidOfAnIdThatHasMoved)
{
	Container *c = start(ns(1));
	for (const char *second : {"dismiss 1", "fail-nth 1 5", "stacks 1 on", "name 1 b"}) {
		EXPECT_EQ(write(std::string("name 1 a 7\n") + second), kInvalid) << second;
		EXPECT_EQ(c->id().value, 1u);
		EXPECT_STREQ(c->name, "");
	}
	EXPECT_EQ(write("fail-nth 1 5\nname 1 a 7\n"), 0);
	EXPECT_EQ(c->fail_nth.relaxed(), 5);
	EXPECT_EQ(c->id().value, 7u);
}

// The worker removes the folders of IDs that were given up, and has room for so many.
TEST_F(Control, MoreRenamingsThanTheWorkerKeepsUpWith)
{
	Container *c = start(ns(1));
	start(ns(2));
	for (u32 id = 100; id < 163; ++id)
		ASSERT_EQ(write("name " + std::to_string(c->id().value) + " x " + std::to_string(id)), 0);
	EXPECT_EQ(write("name 162 y 200\nname 2 z 201\n"), kBusy);
	EXPECT_EQ(c->id().value, 162u);
	EXPECT_STREQ(c->name, "x");
	EXPECT_EQ(write("name 162 y 200"), 0);
	EXPECT_EQ(write("name 2 z 201"), kBusy);
	EXPECT_EQ(write("name 2 z"), 0) << "its ID stays";
	work();
	EXPECT_EQ(write("name 2 z 201"), 0);
}

// Neither the one that an administrator has given, nor the one that the container had before.
TEST_F(Control, AnIdIsNotCountedThatWasGiven)
{
	start(ns(1));
	EXPECT_EQ(write("name 1 web 3"), 0);
	EXPECT_EQ(start(ns(2))->id().value, 2u);
	EXPECT_EQ(write("name 3 web 60"), 0);
	EXPECT_EQ(start(ns(3))->id().value, 4u);
	EXPECT_EQ(write("name 4 x 5\nnonsense"), kInvalid);
	EXPECT_EQ(start(ns(4))->id().value, 5u) << "nothing was given";
}

TEST_F(Control, ManyCommandsInAWrite)
{
	start(ns(1));
	std::string most;
	for (int i = 0; i < 63; ++i)
		most += "self-check\n";
	EXPECT_EQ(write(most + "name 1 last\n"), 0);
	EXPECT_STREQ(find(ns(1))->name, "last");
	EXPECT_EQ(write("name 1 x\n" + most + "self-check\n"), kInvalid);
	EXPECT_STREQ(find(ns(1))->name, "last");
}

TEST_F(Control, StacksAreKeptByWhoIsAskedTo)
{
	Container *c = start(ns(1));
	start(ns(2));
	EXPECT_EQ(c->gate.relaxed(), 0);
	ASSERT_EQ(write("stacks 1 on"), 0);
	EXPECT_EQ(c->gate.relaxed(), kGateStacks);
	EXPECT_EQ(find(ns(2))->gate.relaxed(), 0);
	EXPECT_EQ(gates.small.relaxed(), 1u); // what sends an allocation where stacks are saved
	const std::string limit = "numfile 100 100";
	ASSERT_EQ(bc_set_resources(1, limit.data(), limit.size()), 0);
	EXPECT_NE(c->gate.relaxed() & kGateStacks, 0);
	ASSERT_EQ(write("stacks 1 off"), 0);
	EXPECT_EQ(c->gate.relaxed() & kGateStacks, 0);
	stop(ns(1));
	work_for(20000);
	EXPECT_EQ(write("stacks 1 on"), -22);
	EXPECT_EQ(write("stacks 77 on"), -2);
	config_.stacks = true;
	restart(config_);
	EXPECT_EQ(start(ns(3))->gate.relaxed(), kGateStacks);
}

TEST_F(Control, WithoutMemory)
{
	start(ns(1));
	host::fail(host::Kind::big, 1);
	EXPECT_EQ(write("name 1 x\n"), -12);
	EXPECT_STREQ(find(ns(1))->name, "");
}

} // namespace
} // namespace rig
