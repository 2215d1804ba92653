// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

namespace rig
{
namespace
{

class SiteTest : public Core
{
      protected:
	SiteIndex intern(u64 caller, CacheKey cache)
	{
		platform::PreemptOff section;
		return sites.intern(Address{caller}, cache);
	}
	std::string symbol(SiteIndex index)
	{
		char text[192];
		sites.symbol(sites[index], text, sizeof(text));
		return text;
	}
	Cache dentry_{192, true, "dentry"};
	Cache filp_{256, false, "filp"};
};

TEST_F(SiteTest, OnePlaceForAPair)
{
	const SiteIndex a = intern(kText, dentry_.cache_key());
	const SiteIndex b = intern(kText, filp_.cache_key());
	const SiteIndex c = intern(kText + 5, dentry_.cache_key());
	EXPECT_TRUE(a && b && c);
	EXPECT_TRUE(a != b && b != c && a != c);
	EXPECT_EQ(intern(kText, dentry_.cache_key()), a);
	EXPECT_EQ(intern(kText, filp_.cache_key()), b);
	EXPECT_EQ(sites.count(), 3u);
	EXPECT_EQ(sites[a].stride.value, 192u);
	EXPECT_EQ(sites[a].kind, ByteKind::dcachesize);
	EXPECT_EQ(sites[b].kind, ByteKind::kmemsize);
	EXPECT_STREQ(sites.cache_name(sites[a]), "dentry");
	EXPECT_STREQ(sites.cache_name(sites[b]), "filp");
}

// Where the search for a place begins: site.h
u32 place_of(u64 caller, CacheKey cache)
{
	const u32 hash = static_cast<u32>(caller) * BC_SITE_HASH ^ static_cast<u32>(cache.value);
	return (hash >> BC_SITE_HASH_SHIFT & BC_SITE_MASK) >> BC_SITE_SHIFT;
}

TEST_F(SiteTest, TheSearchGoesOnAtTheBeginning)
{
	std::vector<SiteIndex> found;
	for (u64 caller = kText; found.size() < 3; ++caller) {
		if (place_of(caller, dentry_.cache_key()) == Sites::kPlaces - 1)
			found.push_back(intern(caller, dentry_.cache_key()));
	}
	EXPECT_EQ(found[0].value, Sites::kPlaces - 1);
	EXPECT_EQ(found[1].value, 1u) << "0 is none";
	EXPECT_EQ(found[2].value, 2u);
	EXPECT_EQ(health.of(Loss::sites_lost), 0);
}

TEST_F(SiteTest, ACallerThatNobodyKnowsIsOne)
{
	const SiteIndex a = intern(0, dentry_.cache_key());
	EXPECT_TRUE(a);
	EXPECT_EQ(intern(0, dentry_.cache_key()), a);
	EXPECT_NE(intern(kText, dentry_.cache_key()), a);
	EXPECT_EQ(sites.count(), 2u);
}

TEST_F(SiteTest, PageBacked)
{
	const SiteIndex a = intern(kText, CacheKey{16384});
	const SiteIndex b = intern(kText, CacheKey{32768});
	EXPECT_NE(a, b);
	EXPECT_EQ(sites[a].stride.value, 16384u);
	EXPECT_EQ(sites[b].stride.value, 32768u);
	EXPECT_EQ(sites[a].kind, ByteKind::kmemsize);
	EXPECT_STREQ(sites.cache_name(sites[a]), "kmalloc-large");
}

TEST_F(SiteTest, AStackIsASiteWithMoreToSay)
{
	host::add_symbol(kText, 0x100, "alloc_uid");
	host::add_symbol(kText + 0x100, 0x100, "sock_alloc_inode");
	host::add_stack(7, {kText + 0x2d, kText + 0x1000});
	host::add_stack(8, {kText + 0x2d, kText + 0x2000});
	host::add_stack(9, {kText + 0x12d});
	const SiteIndex a = intern(7, filp_.cache_key());
	const SiteIndex b = intern(8, filp_.cache_key());
	EXPECT_NE(a, b);
	EXPECT_NE(a, intern(kText + 0x2d, filp_.cache_key()));
	EXPECT_EQ(symbol(a), "alloc_uid+0x2d");
	EXPECT_EQ(symbol(b), "alloc_uid+0x2d");
	// What an object is, is told by the first frame, as by a call site.
	Cache socket{768, false, "sock_inode_cache"};
	EXPECT_EQ(sites[intern(9, socket.cache_key())].special.is_piece(),
		  sites[intern(kText + 0x12d, socket.cache_key())].special.is_piece());
	// A module that goes takes its frames along.
	sites.text_going(kText, kText + 0x100);
	host::drop_symbols(kText, kText + 0x100);
	EXPECT_EQ(symbol(b), "alloc_uid+0x2d");
}

TEST_F(SiteTest, StacksLeaveRoomForCallSites)
{
	u32 stack = 1;
	for (; sites.count() < Sites::kPlaces / 8 * 6; ++stack) {
		host::add_stack(stack, {kText + stack});
		ASSERT_TRUE(intern(stack, filp_.cache_key()));
	}
	host::add_stack(stack, {kText + 0x40});
	host::add_stack(stack + 1, {kText + 0x40});
	const SiteIndex a = intern(stack, filp_.cache_key());
	EXPECT_TRUE(a);
	EXPECT_EQ(intern(stack + 1, filp_.cache_key()), a);
	EXPECT_EQ(intern(kText + 0x40, filp_.cache_key()), a);
	EXPECT_EQ(health.of(Loss::sites_lost), 0);
}

TEST_F(SiteTest, UnknownCacheIsLost)
{
	host::drop_cache(filp_.key);
	EXPECT_FALSE(intern(kText, filp_.cache_key()));
	EXPECT_EQ(health.of(Loss::sites_lost), 1);
}

TEST_F(SiteTest, FullTableLosesAndGoesOnFinding)
{
	u64 n = 0;
	SiteIndex last, first = intern(kText, filp_.cache_key());
	for (; health.of(Loss::sites_lost) == 0 && n < 2 * Sites::kPlaces; ++n) {
		if (const SiteIndex index = intern(kText + 16 * n, filp_.cache_key()))
			last = index;
	}
	EXPECT_GE(sites.count(), Sites::kPlaces / 8 * 7 - 1);
	EXPECT_LT(sites.count(), Sites::kPlaces);
	EXPECT_EQ(intern(kText, filp_.cache_key()), first);
	EXPECT_EQ(intern(kText + 16 * (n - 2), filp_.cache_key()), last);
	EXPECT_FALSE(intern(kText + 1, filp_.cache_key())) << "and what is new ends its search";
}

TEST_F(SiteTest, ADestroyedCacheMatchesNoMore)
{
	const SiteIndex old = intern(kText, filp_.cache_key());
	bc_cache_gone(filp_.key);
	host::remake_cache(filp_.key, 512, true, "other");
	const SiteIndex fresh = intern(kText, filp_.cache_key());
	EXPECT_NE(fresh, old);
	EXPECT_EQ(sites[fresh].stride.value, 512u);
	EXPECT_STREQ(sites.cache_name(sites[fresh]), "other");
	EXPECT_EQ(sites[old].stride.value, 256u) << "explains the objects that still name it";
	EXPECT_STREQ(sites.cache_name(sites[old]), "filp");
	EXPECT_EQ(intern(kText, dentry_.cache_key()), intern(kText, dentry_.cache_key()));
}

TEST_F(SiteTest, AModulesTextKeepsItsNames)
{
	const u64 module = 0xffffffffc0100000ull;
	host::add_symbol(kText, 0x100, "alloc_pid");
	host::add_symbol(module, 0x100, "leak_one", "leaky");
	const SiteIndex core = intern(kText + 0x2d, filp_.cache_key());
	const SiteIndex gone = intern(module + 0x1d, filp_.cache_key());
	EXPECT_EQ(symbol(core), "alloc_pid+0x2d");
	EXPECT_EQ(symbol(gone), "leak_one+0x1d[leaky]");

	bc_text_going(module, module + 0x1000);
	host::drop_symbols(module, module + 0x1000);
	host::add_symbol(module, 0x100, "innocent", "newcomer");
	EXPECT_EQ(symbol(gone), "leak_one+0x1d[leaky]");
	EXPECT_EQ(symbol(core), "alloc_pid+0x2d");
	const SiteIndex fresh = intern(module + 0x1d, filp_.cache_key());
	EXPECT_NE(fresh, gone);
	EXPECT_EQ(symbol(fresh), "innocent+0x1d[newcomer]");

	bc_text_going(module, module + 0x1000); // the newcomer goes as well
	host::drop_symbols(module, module + 0x1000);
	EXPECT_EQ(symbol(fresh), "innocent+0x1d[newcomer]");
	EXPECT_EQ(symbol(gone), "leak_one+0x1d[leaky]");
}

TEST_F(SiteTest, TextGoesWithoutMemoryForItsName)
{
	const u64 module = 0xffffffffc0100000ull;
	host::add_symbol(module, 0x100, "leak_one", "leaky");
	const SiteIndex gone = intern(module + 0x1d, filp_.cache_key());
	host::fail(host::Kind::mem, 1);
	bc_text_going(module, module + 0x1000);
	host::drop_symbols(module, module + 0x1000);
	host::add_symbol(module, 0x100, "innocent", "newcomer");
	EXPECT_EQ(symbol(gone).find("innocent"), std::string::npos) << "never the name of somebody else";
}

TEST_F(SiteTest, TheAllocatorsOwnHasNoOwner)
{
	const u64 kernel = kText + 0x100000, module = 0xffffffffc0100000ull;
	host::add_symbol(kernel, 0x100, "fill_pool");
	host::add_symbol(kernel + 0x100, 0x100, "fill_pool_of_mine");
	host::add_symbol(kernel + 0x200, 0x100, "zs_malloc.isra.0");
	host::add_symbol(module, 0x100, "fill_pool", "innocent");
	host::add_symbol(module + 0x100, 0x100, "zs_malloc", "zsmalloc");
	host::add_symbol(module + 0x200, 0x100, "zs_malloc", "zsmalloc2");
	auto unowned = [&](u64 caller) { return sites[intern(caller, filp_.cache_key())].special.is_unowned(); };
	EXPECT_TRUE(unowned(kernel));
	EXPECT_TRUE(unowned(kernel + 0xff));
	EXPECT_FALSE(unowned(kernel + 0x101));
	EXPECT_TRUE(unowned(kernel + 0x210));
	EXPECT_FALSE(unowned(module + 0x10)) << "a module's that has the same name";
	EXPECT_TRUE(unowned(module + 0x110));
	EXPECT_FALSE(unowned(module + 0x210));
}

TEST_F(SiteTest, ManyCacheNames)
{
	SiteIndex last;
	for (u32 i = 0; i < 1100; ++i) {
		const Cache cache(64, false, ("cache-" + std::to_string(i)).c_str());
		last = intern(kText, cache.cache_key());
		if (i == 500) {
			EXPECT_STREQ(sites.cache_name(sites[last]), "cache-500");
		}
	}
	EXPECT_STREQ(sites.cache_name(sites[last]), "?");
	EXPECT_EQ(sites[last].stride.value, 64u) << "it counts all the same";
}

} // namespace
} // namespace rig
