// SPDX-License-Identifier: GPL-2.0
// Elements of reserves (mm/mempool.c): never refused, since a refusal would empty the reserve of the whole machine; and
// cached, once a search has found who has them.
#include "rig.h"

namespace rig
{
namespace
{

class Reserve : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		host::add_symbol(kText, 0x1000, "mempool_alloc");
		host::add_symbol(kText + 0x1000, 0x1000, "mempool_alloc_noprof");
		host::add_symbol(kText + 0x2000, 0x1000, "mempool_alloc_pages");
		container_ = start(ns(1));
	}
	u64 make(u64 caller = kText + 0x10, u32 gfp = 0)
	{
		const u64 object = slabs_.make(bio_.key, bio_.stride);
		if (allocated(ns(1), object, caller, bio_.cache_key(), gfp))
			return object;
		slabs_.free(object);
		return 0;
	}
	// What the first search finds, and when there was one.
	void stopped_with(std::vector<host::Word> words, bool complete = true)
	{
		host::set_words(std::move(words), complete);
		stop(ns(1));
		work_for(60000);
	}
	std::string leaks(const char *key, const char *column, size_t in = 0)
	{
		return row(render(BC_FILE_LEAKS, 1), key, in)[column];
	}
	static bc_place array() { return bc_place{0xffff888001230000, 0, false, "kmalloc-16"}; }

	Container *container_ = nullptr;
	Cache bio_{192, false, "bio-184"};
};

TEST_F(Reserve, WhatSomebodyHasTheAddressOfIsHandedOver)
{
	const u64 object = make();
	stopped_with({{object, array()}});
	EXPECT_EQ(container_->current(), State::clean);
	EXPECT_EQ(leaks("reserve", "count", 7), "1");
	EXPECT_EQ(leaks("reserve", "verdict", 7), "cached");
	EXPECT_EQ(raw_held(*container_), Raw{});
	EXPECT_EQ(host::searches(), 1u);
	freed(object);
	EXPECT_EQ(raw_held(*container_), Raw{}) << "nobody's any more";
}

TEST_F(Reserve, APointerIntoItIsEnough)
{
	const u64 object = make(kText + 0x1010); // 6.12's
	stopped_with({{object + 64, array()}});
	EXPECT_EQ(container_->current(), State::clean);
	freed(object);
}

TEST_F(Reserve, InAListOfThoseThatAreKept)
{
	const u64 first = make(), second = make();
	stopped_with({{first, bc_place{0, 0, false, "pages"}}, {second, bc_place{first, 0, false, "bio-184"}}});
	EXPECT_EQ(container_->current(), State::clean);
	EXPECT_EQ(leaks("reserve", "count", 7), "2");
	freed(first);
	freed(second);
}

TEST_F(Reserve, WhoseAddressNobodyHasIsLost)
{
	const u64 object = make();
	stopped_with({});
	EXPECT_EQ(container_->current(), State::leaked);
	EXPECT_EQ(leaks("leaked", "site"), "mempool_alloc+0x10");
	EXPECT_EQ(host::searches(), 2u);
	freed(object);
}

TEST_F(Reserve, WhichOnlyLostOnesPointToIsLost)
{
	host::add_symbol(kText + 0x5000, 0x1000, "alloc_pid");
	const Cache pid{128, false, "pid"};
	const u64 lost = slabs_.make(pid.key, pid.stride);
	charged(ns(1), lost, kText + 0x5010, pid.cache_key());
	const u64 object = make();
	stopped_with({{object, bc_place{lost, 0, false, "pid"}}});
	EXPECT_EQ(container_->current(), State::leaked);
	EXPECT_EQ(leaks("mempool_alloc+0x10", "verdict", 5), "leaked");
	freed(object);
	freed(lost);
}

TEST_F(Reserve, ASearchThatHasNotSeenAllProvesNothing)
{
	const u64 object = make();
	stopped_with({}, false);
	EXPECT_EQ(container_->current(), State::held);
	freed(object);
}

TEST_F(Reserve, HeldWhereNothingMayBeSearched)
{
	bc_config config = config_;
	config.no_search = true;
	restart(config);
	container_ = start(ns(1));
	const u64 object = make();
	stopped_with({{object, array()}});
	EXPECT_EQ(container_->current(), State::held);
	EXPECT_EQ(host::searches(), 0u);
	freed(object);
}

TEST_F(Reserve, IsNeverRefused)
{
	make();
	set_bounds(*container_, Charged::kmemsize, {192 * 2, 192 * 2});
	work_for(1000);
	std::vector<u64> made;
	for (int i = 0; i < 4; ++i) // mempool_alloc() asks without waiting first
		made.push_back(make());
	EXPECT_EQ(std::count(made.begin(), made.end(), 0u), 0);
	EXPECT_EQ(raw_held(*container_).objects, 5);
	EXPECT_EQ(row(render(BC_FILE_RESOURCES, 1), "kmemsize")["failcnt"], "0");
	EXPECT_NE(row(render(BC_FILE_RESOURCES, 1), "kmemsize")["forced"], "0");
	EXPECT_EQ(make(kText + 0x2010), 0u) << "another function's is";
}

TEST_F(Reserve, IsCountedInCells)
{
	make();
	platform::PreemptOff section;
	const Site &site = sites[sites.intern(Address{kText + 0x10}, bio_.cache_key())];
	EXPECT_TRUE(site.plain());
	EXPECT_TRUE(site.special.is_reserved());
}

} // namespace
} // namespace rig
