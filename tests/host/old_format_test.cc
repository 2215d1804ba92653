// SPDX-License-Identifier: GPL-2.0
// /proc/user_beancounters to the byte. golden/*.txt were made by hand (golden/make), not by this code.
#include "rig.h"

#include <fstream>
#include <sstream>

namespace rig
{
namespace
{

std::string golden(const char *name)
{
	std::string path = BC_GOLDEN "/";
	path += name;
	std::ifstream in(path);
	EXPECT_TRUE(in.good()) << name;
	std::ostringstream all;
	all << in.rdbuf();
	return all.str();
}

class OldFormat : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		host::set_slab_totals(100000000, 50000000);
	}
	u64 make(u64 n, const Cache &cache)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(n), object, 0x81000000, cache.cache_key());
		return object;
	}
	Cache k192_{192, false, "kmalloc-192"}, dentry_{200, true, "dentry"}, k8k_{8192, false, "kmalloc-8k"};
};

TEST_F(OldFormat, NothingButTheHost) { EXPECT_EQ(render(BC_FILE_BEANCOUNTERS), golden("host.txt")); }

TEST_F(OldFormat, TwoContainersNewestFirstTheHostLast)
{
	start(ns(1));
	start(ns(2));
	ASSERT_EQ(bc_control("name 2 web 101", 14), 0);
	const u64 big = make(1, k8k_);
	freed(make(1, k8k_));
	make(1, k192_);
	make(1, dentry_);
	for (int i = 0; i < 3; ++i)
		make(2, dentry_);
	render(BC_FILE_BEANCOUNTERS); // a peak that is seen stays
	freed(big);
	EXPECT_EQ(render(BC_FILE_BEANCOUNTERS), golden("two.txt"));
	EXPECT_EQ(render(BC_FILE_BEANCOUNTERS, 101), golden("own.txt")) << "a container sees itself, and no 0: row";
}

TEST_F(OldFormat, EveryRowIsAsWideAsTheOther)
{
	start(ns(1));
	ASSERT_EQ(bc_control("name 1 x 99999999", 17), 0);
	const auto all = lines(render(BC_FILE_BEANCOUNTERS));
	ASSERT_EQ(all.size(), 2u + 24 + 24);
	EXPECT_EQ(all[0], "Version: 2.5");
	for (size_t i = 1; i < all.size(); ++i)
		EXPECT_EQ(all[i].size(), 129u) << all[i];
	EXPECT_EQ(all[2].substr(0, 20), " 99999999:  kmemsize");
	EXPECT_EQ(words(all[2]).size(), 7u);
	EXPECT_EQ(words(all[3]).size(), 6u);
}

TEST_F(OldFormat, AStoppedRowStaysWhileItHoldsAnything)
{
	start(ns(1));
	start(ns(2));
	const u64 lost = make(2, k192_);
	stop(ns(1));
	stop(ns(2));
	work_for(60000);
	auto all = lines(render(BC_FILE_BEANCOUNTERS));
	ASSERT_EQ(all.size(), 2u + 24 + 24);
	EXPECT_EQ(words(all[2])[0], "2:");
	freed(lost);
	EXPECT_EQ(lines(render(BC_FILE_BEANCOUNTERS)).size(), 2u + 24);
}

TEST_F(OldFormat, TheHostsRowIsWhatIsLeft)
{
	start(ns(1));
	make(1, k8k_);
	host::set_slab_totals(10000, 100);
	auto all = lines(render(BC_FILE_BEANCOUNTERS));
	EXPECT_EQ(words(all[26])[0], "0:");
	EXPECT_EQ(words(all[26])[2], "1808");
	host::set_slab_totals(1, 100);
	all = lines(render(BC_FILE_BEANCOUNTERS));
	EXPECT_EQ(words(all[26])[2], "0") << "never negative";
}

TEST_F(OldFormat, UnknownIdAndNoMemory)
{
	EXPECT_EQ(render(BC_FILE_BEANCOUNTERS, 5), "error -2");
	start(ns(1));
	const std::string whole = render(BC_FILE_BEANCOUNTERS);
	std::string got;
	for (unsigned long nth = 1; got != whole; ++nth) {
		host::fail(host::Kind::big, nth);
		got = render(BC_FILE_BEANCOUNTERS);
		host::fail(host::Kind::big, 0);
		ASSERT_TRUE(got == whole || got == "error -12") << "half a file";
		ASSERT_LT(nth, 10u);
	}
}

} // namespace
} // namespace rig
