// SPDX-License-Identifier: GPL-2.0
// A class that is excused by number, stop after stop: what comes and goes is none, what only comes is a leak.
#include "rig.h"

#include "classes.h"

namespace rig
{
namespace
{

class Growth : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		host::add_symbol(kText, 0x100, "ida_alloc_range");
	}
	// A container that starts, makes `n` bitmaps and stops; its state then.
	State one(u32 n)
	{
		const void *of = ns(++serial_);
		Container *c = start(of);
		std::vector<u64> made;
		for (u32 i = 0; i < n; ++i) {
			made.push_back(slabs_.make(bitmap_.key, bitmap_.stride));
			charged(of, made.back(), kText + 0x20, bitmap_.cache_key());
		}
		id_ = c->id().value;
		stop(of);
		work_for(20000);
		const State state = c->current();
		live_.insert(live_.end(), made.begin(), made.end());
		return state;
	}
	void free_oldest()
	{
		rig::freed(live_.front());
		slabs_.free(live_.front());
		live_.erase(live_.begin());
	}
	static s64 handed() { return held(*containers.handed()).objects; }
	static std::string key(const char *name) { return row(render(BC_FILE_HEALTH), name)["value"]; }

	Cache bitmap_{144, false, "kmalloc-192"};
	std::vector<u64> live_; // oldest first
	u64 serial_ = 0;
	u32 id_ = 0;
};

TEST_F(Growth, WhatIsHandedOverIsNobodysAndWatched)
{
	EXPECT_EQ(one(2), State::clean);
	EXPECT_EQ(handed(), 2);
	EXPECT_EQ(key("handed_over"), "2");
	EXPECT_EQ(lines(render(BC_FILE_BEANCOUNTERS)).size(), 2u + 24u) << "the host's rows alone";
	free_oldest();
	EXPECT_EQ(handed(), 1);
	free_oldest();
	EXPECT_EQ(handed(), 0);
	EXPECT_EQ(health.of(Loss::unknown), 0);
	EXPECT_EQ(bc_control("self-check", 10), 0);
	EXPECT_EQ(key("self_check_bad"), "0");
}

TEST_F(Growth, OneAStopForEverIsALeakOfItsClass)
{
	State state = State::clean;
	u32 stops = 0;
	u32 believed = 0;
	for (; state == State::clean && stops < 100; ++stops) {
		believed += key("growing_classes") == "0";
		state = one(1);
	}
	EXPECT_EQ(believed, stops - 1) << "the stop that showed it was the last one that was believed";
	EXPECT_EQ(state, State::leaked);
	// As many heights as it takes, of those that are old enough to be seen; a stop takes 20 s here.
	EXPECT_GE(stops, Classes::kHeights);
	EXPECT_LE(stops, Classes::kHeights + Classes::kOldMs / 20000 + 3);
	EXPECT_EQ(key("growing_classes"), "1");
	EXPECT_EQ(row(render(BC_FILE_LEAKS, id_), "leaked")["class"], "id-bitmap");
	// They were freed after all: the class is believed again at the next stop that has some.
	while (!live_.empty())
		free_oldest();
	work_for(5000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), std::to_string(id_))["state"], "clean");
	EXPECT_EQ(one(1), State::clean);
	EXPECT_EQ(key("growing_classes"), "0");
}

TEST_F(Growth, WhatComesAndGoesIsNone)
{
	for (u32 stops = 0; stops < 40; ++stops) {
		ASSERT_EQ(one(1), State::clean);
		if (live_.size() > 12)
			free_oldest();
	}
	EXPECT_EQ(key("growing_classes"), "0");
}

TEST(Classes, HeightsInARow)
{
	Classes c;
	for (u32 i = 1; i < Classes::kHeights; ++i)
		c.note(3, 10 * i);
	EXPECT_FALSE(c.grows(3));
	c.note(3, 10); // not one: the count begins anew
	for (u32 i = 1; i < Classes::kHeights; ++i)
		c.note(3, 100 * i);
	EXPECT_FALSE(c.grows(3));
	c.note(3, 100000);
	EXPECT_TRUE(c.grows(3));
	EXPECT_FALSE(c.grows(4));
	EXPECT_EQ(c.growing(), 1u);
	c.forgive(3, 60000);
	EXPECT_TRUE(c.grows(3));
	c.forgive(3, 40000);
	EXPECT_FALSE(c.grows(3));
}

} // namespace
} // namespace rig
