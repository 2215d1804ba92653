// SPDX-License-Identifier: GPL-2.0
// How long a stopped container is listed, and its face is there.
#include "stop_rig.h"

namespace rig
{
namespace
{

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
	time_to(*leaked, State::leaked);
	for (u64 n = 2; n <= 110; ++n) {
		start(ns(n));
		stop(ns(n));
		work_for(20);
	}
	EXPECT_EQ(leaked->current(), State::leaked);
	EXPECT_EQ(leaked->id().value, 1u);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "leaked");
	EXPECT_EQ(containers.count(), kStoppedKept + 1) << "the last 64 that are clean, and it";
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

// Otherwise whoever can provoke a leak could fill the table, and the next containers would share a row and its limits.
TEST_F(Stop, LeakedOnesHaveHalfOfTheRows)
{
	restart(machine(8));
	std::vector<u64> objects;
	for (u64 n = 1; n <= 6; ++n) {
		Container *c = start(ns(n));
		ASSERT_NE(c, containers.overflow()) << n;
		objects.push_back(make(k64_, kText + 0x2d, n));
		stop_until(*c, State::leaked, n);
	}
	work_for(100);
	EXPECT_EQ(health.of(Loss::rows_given_up), 2);
	EXPECT_EQ(health.of(Loss::containers_lost), 0);
	for (u32 id = 3; id <= 6; ++id)
		EXPECT_EQ(row(render(BC_FILE_CONTAINERS), std::to_string(id))["state"], "leaked") << id;
	for (u32 id = 1; id <= 2; ++id)
		EXPECT_NE(row(render(BC_FILE_CONTAINERS), std::to_string(id))["state"], "leaked") << id;
	EXPECT_EQ(held(*containers.handed()).objects, 0) << "the host's, and not watched";
	freed(objects[0]); // long after its row has gone
	EXPECT_EQ(health.of(Loss::unknown), 0);
	EXPECT_EQ(health.of(Loss::clamped), 0);
}

// What is worth most is given up last: a verdict of leaked, however old, after all that only hold something.
TEST_F(Stop, HeldOnesAreGivenUpBeforeLeakedOnes)
{
	restart(machine(16)); // eight of them are kept
	std::vector<u64> objects;
	std::vector<std::pair<u64, bc_holder>> holders;
	auto leave = [&](u64 n, State state) {
		Container *c = start(ns(n));
		ASSERT_NE(c, containers.overflow()) << n;
		objects.push_back(make(k64_, kText + 0x2d, n));
		if (state == State::held)
			holders.push_back({objects.back(), {78, -1, "cwd", "sh", BC_HOLDS}});
		host::set_holders(holders);
		stop_until(*c, state, n);
	};
	auto state_of = [](u32 id) { return row(render(BC_FILE_CONTAINERS), std::to_string(id))["state"]; };
	for (u64 n = 1; n <= 3; ++n)
		leave(n, State::leaked);
	for (u64 n = 4; n <= 10; ++n)
		leave(n, State::held);
	work_for(100);
	EXPECT_EQ(health.of(Loss::rows_given_up), 2);
	for (const u32 id : {1u, 2u, 3u})
		EXPECT_EQ(state_of(id), "leaked") << id;
	for (const u32 id : {4u, 5u})
		EXPECT_NE(state_of(id), "held") << id << ": the oldest of them first";
	// Only when none is left that holds something is it the leaked ones' turn, the oldest first.
	for (u64 n = 11; n <= 16; ++n)
		leave(n, State::leaked);
	work_for(100);
	EXPECT_EQ(health.of(Loss::rows_given_up), 8);
	for (u32 id = 4; id <= 10; ++id)
		EXPECT_NE(state_of(id), "held") << id;
	EXPECT_NE(state_of(1), "leaked");
	for (const u32 id : {2u, 3u, 11u, 12u, 13u, 14u, 15u, 16u})
		EXPECT_EQ(state_of(id), "leaked") << id;
	host::set_holders({});
	for (const u64 object : objects)
		freed(object);
}

// Anyone can make as many as he likes that hold something: whoever asks for a verdict finds his all the same.
TEST_F(Stop, HeldOnesPushNoCleanOneOut)
{
	restart(machine(400));
	std::vector<u64> objects;
	for (u64 n = 1; n <= 100; ++n) {
		start(ns(n));
		objects.push_back(make(k64_, kText + 0x2d, n));
		host::set_holders({});
		stop(ns(n));
	}
	work_for(60000);
	const Container *last = start(ns(101));
	const std::string id = std::to_string(last->id().value);
	stop_until(*last, State::clean, 101);
	work_for(1000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), id)["state"], "clean");
	for (const u64 object : objects)
		freed(object);
}

// Readers wait for the mutex, and so do limits: a round leaves the rest to the next, and comes to each.
TEST_F(Stop, ARoundEndsHoweverManyThereAreToLookAt)
{
	constexpr u64 kMany = 60, kLookMs = 90;
	restart(machine(400));
	std::vector<u64> objects;
	for (u64 n = 1; n <= kMany; ++n) {
		start(ns(n));
		objects.push_back(make(k64_, kText + 0x2d, n));
		stop(ns(n));
	}
	host::set_holders_ms(kLookMs);
	u64 longest = 0, worked = 0, rested = 0;
	const u64 end = bc_now_ms() + 120000;
	while (bc_now_ms() < end) {
		const u64 from = bc_now_ms();
		const bc_round round = work();
		const u64 took = bc_now_ms() - from;
		longest = std::max(longest, took);
		worked += took;
		rested += took != 0 ? round.next_ms : 0;
		ASSERT_NE(round.next_ms, 0u);
		host::advance(round.next_ms);
	}
	EXPECT_LE(longest, 200 + kLookMs);
	EXPECT_GE(rested, worked);
	for (u32 id = 1; id <= kMany; ++id)
		EXPECT_EQ(row(render(BC_FILE_CONTAINERS), std::to_string(id))["state"], "leaked") << id;
	host::set_holders_ms(0);
	for (const u64 object : objects)
		freed(object);
}

TEST_F(Stop, CleanOnesLeaveRoom)
{
	restart(machine(8));
	for (u64 n = 1; n <= 40; ++n) {
		ASSERT_NE(start(ns(n)), containers.overflow()) << n;
		stop(ns(n));
		work_for(200);
	}
	EXPECT_EQ(health.of(Loss::containers_lost), 0);
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
	EXPECT_FALSE(bc_id_taken(1));
	EXPECT_TRUE(bc_id_taken(77));
}

// The caller asks before it removes a face: by then somebody may have the ID again.
TEST_F(Stop, AnIdThatIsGivenBackMeanwhileIsTaken)
{
	start(ns(1));
	work();
	ASSERT_EQ(bc_control("name 1 web 77\n", 14), 0);
	ASSERT_EQ(bc_control("name 77 web 1\n", 14), 0);
	const bc_round round = work();
	ASSERT_EQ(round.faces_gone, 2u);
	EXPECT_EQ(round.face_gone[0], 1u);
	EXPECT_TRUE(bc_id_taken(1));
	EXPECT_EQ(round.face_gone[1], 77u);
	EXPECT_FALSE(bc_id_taken(77));
}

TEST_F(Stop, NobodyHasTheIdOfWhoWasEvicted)
{
	const u32 id = start(ns(1))->id().value;
	stop(ns(1));
	work_for(20000);
	EXPECT_TRUE(bc_id_taken(id)) << "it is listed";
	for (u64 n = 2; n <= kStoppedKept + 1; ++n) {
		start(ns(n));
		stop(ns(n));
	}
	work_for(20000);
	EXPECT_FALSE(bc_id_taken(id));
}

} // namespace
} // namespace rig
