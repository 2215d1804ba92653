// SPDX-License-Identifier: GPL-2.0
// From a stop to a verdict, in simulated time: when what is looked at, and when it is over.
#include "stop_rig.h"

namespace rig
{
namespace
{

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

TEST_F(Stop, AnInitThatWasExitingWhenTheModuleCame)
{
	host::set_ending(ns(1));
	Container *c = start(ns(1));
	work();
	EXPECT_EQ(c->current(), State::settling) << "nobody will say so any more";
	no_tasks(ns(1));
	work_for(1000);
	EXPECT_EQ(c->current(), State::clean);
}

// flush() has taken a part from its cell, and the account does not have it yet.
TEST_F(Stop, WhatIsOnItsWayToTheAccountIsNotGone)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	ASSERT_EQ(bc_set_resources(1, "kmemsize 1000 1000", 18), 0);
	ASSERT_TRUE(switching(*c));
	ASSERT_TRUE(host::take_flush_kick()); // which is late
	Cells *cells = c->own_cells.relaxed();
	const Unpacked part = unpack(platform::percpu_replace(&cells->packed[0], 0, kMiddle));
	ASSERT_EQ(part.bytes, 64);
	stop(ns(1));
	work_for(1000);
	EXPECT_EQ(c->current(), State::settling);
	c->objects[0].add(part.objects);
	c->accounts[0].add(part.bytes);
	flush();
	time_to(*c, State::leaked);
	freed(object);
	work_for(10000);
	EXPECT_EQ(c->current(), State::clean);
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
	tasks = {1, 4711, 4700, "bad parent"};
	host::set_tasks(ns(1), tasks);
	work_for(2000);
	EXPECT_EQ(waits(1), "zombie:4711,parent:4700:bad\\040parent");
	tasks = {1, 2147483647, 2147483647, "fifteen letters"};
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
	const u64 took = time_to(*c, State::leaked);
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
	stop_until(*c, State::leaked);
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
	time_to(*c, State::leaked);
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
