// SPDX-License-Identifier: GPL-2.0
// Beginning and end of it all.
#include "rig.h"

namespace rig
{
namespace
{

class Life : public ::testing::Test
{
      protected:
	void SetUp() override { host::reset(); }
	void TearDown() override { EXPECT_EQ(host::live(host::Kind::any), 0); }
	bc_config config_ = machine();
};

TEST_F(Life, EachAllocationOfInitMayFail)
{
	int failures = 0;
	for (unsigned long nth = 1; nth < 20; ++nth) {
		host::fail(host::Kind::any, nth);
		const int error = bc_core_init(&config_);
		host::fail(host::Kind::any, 0);
		if (error == 0) {
			bc_core_exit();
			break;
		}
		EXPECT_EQ(error, -12);
		EXPECT_EQ(host::live(host::Kind::any), 0) << "nothing left behind";
		++failures;
	}
	EXPECT_GE(failures, 5);
}

TEST_F(Life, LoadedTwiceInARow)
{
	for (int i = 0; i < 3; ++i) {
		ASSERT_EQ(bc_core_init(&config_), 0);
		EXPECT_EQ(bc_task_forked(ns(1), 1, "x", false), 1u);
		const Cache cache(64, false, "kmalloc-64");
		charged(ns(1), platform::page_address(7), 0x81000000, cache.cache_key());
		EXPECT_EQ(sites.count(), 1u);
		EXPECT_EQ(recorded().size(), 1u);
		bc_core_exit();
		EXPECT_EQ(host::references(), 0);
		host::reset(); // no CPU's last container, as bc_this_cpu is the module's own
	}
}

TEST_F(Life, ManyContainersAreAsked)
{
	config_.max_containers = 1000000; // an owner's index has 16 bits
	ASSERT_EQ(bc_core_init(&config_), 0);
	EXPECT_EQ(bc_task_forked(ns(1), 1, "x", false), 1u);
	bc_core_exit();
}

TEST_F(Life, NoContainersAreAsked)
{
	config_.max_containers = 0;
	ASSERT_EQ(bc_core_init(&config_), 0);
	EXPECT_EQ(bc_task_forked(ns(1), 1, "x", false), 0u);
	EXPECT_TRUE(containers.overflow_used());
	bc_core_exit();
}

} // namespace
} // namespace rig
