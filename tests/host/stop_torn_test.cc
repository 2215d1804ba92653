// SPDX-License-Identifier: GPL-2.0
// What a stop makes of a search for holders that did not come to its end: nobody is accused, and everybody is told.
#include "stop_rig.h"

namespace rig
{
namespace
{

s64 walks_torn() { return std::stoll(row(render(BC_FILE_HEALTH), "walks_torn")["value"]); }

TEST_F(Stop, AWalkThatDidNotComeToItsEndAccusesNobody)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::set_holders({}, "netns");
	stop(ns(1));
	work_for(30000);
	EXPECT_EQ(c->current(), State::settling);
	EXPECT_EQ(waits(1), "search");
	host::set_holders({});
	time_to(*c, State::leaked);
	host::set_holders({}, "netns");
	work_for(60000);
	EXPECT_EQ(c->current(), State::leaked) << "it was looked for to the end once";
	EXPECT_EQ(leak("leaked", "count"), "1");
	freed(object);
}

TEST_F(Stop, AWalkThatNeverComesToItsEndEndsAtTheCeiling)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::set_holders({}, "netns");
	stop(ns(1));
	time_to(*c, State::held, 300000);
	EXPECT_EQ(leak("held", "details"), "by=unknown,walk=netns");
	EXPECT_EQ(leak("held", "class"), "holder");
	EXPECT_EQ(leak("leaked", "count"), "");
	work_for(60000);
	EXPECT_EQ(c->current(), State::held);
	host::set_holders({}, "fib");
	EXPECT_EQ(leak("held", "details"), "by=unknown,walk=fib") << "the one of now";
	host::set_holders({});
	time_to(*c, State::leaked);
	EXPECT_EQ(leak("leaked", "details"), "-");
	freed(object);
}

// Each search that breaks off is counted. That is no loss: it is tried again.
TEST_F(Stop, ATornSearchIsCountedAndNoLoss)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::set_holders({}, "fib");
	stop(ns(1));
	work_for(4000);
	EXPECT_EQ(walks_torn(), 0) << "nobody has been looked for yet";
	work_for(6000);
	const s64 torn = walks_torn();
	EXPECT_GE(torn, 3);
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		EXPECT_EQ(health.of(static_cast<Loss>(i)), 0) << kLossNames[i];
	EXPECT_EQ(health.blind(), 0);
	host::set_holders({{object, {78, -1, "cwd", "sh", BC_HOLDS}}});
	time_to(*c, State::held);
	EXPECT_EQ(leak("held", "details"), "pid=78,comm=sh,by=cwd");
	EXPECT_EQ(walks_torn(), torn) << "that one came to its end";
	EXPECT_EQ(host::torn_log().size(), 0u) << "it was torn for some seconds only";
	freed(object);
}

TEST_F(Stop, AWalkThatHasNoEndIsSaidOnce)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::set_holders({}, "netns");
	stop(ns(1));
	work_for(10000);
	EXPECT_EQ(host::torn_log().size(), 0u);
	time_to(*c, State::held, 300000);
	ASSERT_EQ(host::torn_log().size(), 1u);
	EXPECT_EQ(host::torn_log()[0].id, 1u);
	EXPECT_EQ(host::torn_log()[0].walk, "netns");
	work_for(3600000);
	EXPECT_EQ(host::torn_log().size(), 1u);

	// One look that came to its end, and then none again.
	host::set_holders({{object, {78, -1, "cwd", "sh", BC_HOLDS}}});
	work_for(60000);
	EXPECT_EQ(leak("held", "details"), "pid=78,comm=sh,by=cwd");
	host::set_holders({}, "ksm");
	work_for(3600000);
	ASSERT_EQ(host::torn_log().size(), 2u);
	EXPECT_EQ(host::torn_log()[1].walk, "ksm");
	freed(object);
}

TEST_F(Stop, WhoseHolderIsKnownNeedsNoEnd)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::set_holders({{object, {78, -1, "cwd", "sh", BC_HOLDS}}}, "inode");
	stop_until(*c, State::held);
	EXPECT_EQ(leak("held", "details"), "pid=78,comm=sh,by=cwd");
	work_for(3600000);
	EXPECT_GT(walks_torn(), 0);
	EXPECT_EQ(host::torn_log().size(), 0u) << "nobody was to be called leaked";
	freed(object);
}

} // namespace
} // namespace rig
