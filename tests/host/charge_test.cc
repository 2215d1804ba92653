// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

namespace rig
{
namespace
{

class ChargeTest : public Core
{
      protected:
	u64 make(const Cache &cache, u64 n = 1, u64 caller = 0x81000000)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(n), object, caller, cache.cache_key());
		return object;
	}
	void gone(u64 object)
	{
		freed(object);
		slabs_.free(object);
	}
	Cache kmalloc_{192, false, "kmalloc-192"};
	Cache dentry_{192, true, "dentry"};
};

TEST_F(ChargeTest, ChargesTheStrideToItsKind)
{
	Container *c = start(ns(1));
	const u64 a = make(kmalloc_);
	const u64 b = make(dentry_);
	EXPECT_EQ(held(*c, ByteKind::kmemsize).bytes, 192);
	EXPECT_EQ(held(*c, ByteKind::dcachesize).bytes, 192);
	EXPECT_EQ(held(*c).objects, 2);
	gone(a);
	EXPECT_EQ(held(*c, ByteKind::kmemsize).bytes, 0);
	EXPECT_EQ(held(*c, ByteKind::dcachesize).bytes, 192);
	gone(b);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(ChargeTest, AFreeUnchargesTheOwnerWhoeverFrees)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	const u64 object = make(kmalloc_, 1);
	host::set_cpu(2);
	host::set_namespace(ns(2));
	gone(object);
	EXPECT_EQ(raw_held(*a), Raw{});
	EXPECT_EQ(raw_held(*b), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

TEST_F(ChargeTest, FreesOfWhatNobodyChargedAreNoErrors)
{
	start(ns(1));
	freed(slabs_.make(kmalloc_.key, 192)); // the host's
	freed(0);
	freed(16);
	freed(platform::page_address(1u << 20));
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		EXPECT_EQ(health.of(static_cast<Loss>(i)), 0) << kLossNames[i];
}

// Objects of several pages, kinds and containers in one array, with what nobody charged between them.
TEST_F(ChargeTest, ManyAtOnce)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	const Cache large{8192, false, "kmalloc-8k"};
	std::vector<u64> all;
	const auto add = [&](u64 n, const Cache &cache, u32 count) {
		std::vector<u64> made;
		for (u32 i = 0; i < count; ++i)
			made.push_back(slabs_.make(cache.key, cache.stride));
		if (n != 0)
			charged_many(ns(n), made, 0x81000000 + n, cache.cache_key());
		all.insert(all.end(), made.begin(), made.end());
	};
	add(1, kmalloc_, 200);
	add(0, kmalloc_, 3);
	add(2, kmalloc_, 70);
	add(2, large, 5);
	add(1, dentry_, 30);
	all.push_back(0);
	all.push_back(16);
	EXPECT_EQ(raw_held(*a, ByteKind::kmemsize), (Raw{200 * 192, 200}));
	EXPECT_EQ(raw_held(*a, ByteKind::dcachesize), (Raw{30 * 192, 30}));
	EXPECT_EQ(raw_held(*b), (Raw{70 * 192 + 5 * 8192, 75}));
	EXPECT_EQ(ledger_sum(a->index, ByteKind::kmemsize), (Raw{200 * 192, 200}));
	EXPECT_EQ(ledger_sum(b->index, ByteKind::kmemsize), (Raw{70 * 192 + 5 * 8192, 75}));
	std::reverse(all.begin() + 100, all.end());
	freed_many(all);
	EXPECT_EQ(raw_held(*a), Raw{});
	EXPECT_EQ(raw_held(*b), Raw{});
	EXPECT_TRUE(recorded().empty());
	freed_many(all); // nothing any more
	EXPECT_EQ(raw_held(*a), Raw{});
	EXPECT_EQ(health.blind(), 0);
}

TEST_F(ChargeTest, PageBacked)
{
	Container *c = start(ns(1));
	const u64 object = slabs_.make_pages(8);
	charged(ns(1), object, 0x81000000, CacheKey{32768});
	EXPECT_EQ(held(*c).bytes, 32768);
	EXPECT_EQ(ledger_sum(c->index, ByteKind::kmemsize), (Raw{32768, 1}));
	gone(object);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(ChargeTest, WithoutMemoryNothingIsChargedAndItIsCounted)
{
	Container *c = start(ns(1));
	for (auto kind : {host::Kind::page, host::Kind::mem}) {
		host::fail(kind, 1);
		const u64 object = make(kmalloc_);
		EXPECT_EQ(raw_held(*c), Raw{});
		gone(object);
	}
	EXPECT_EQ(health.of(Loss::missed), 2);
	EXPECT_EQ(health.of(Loss::unknown), 0);
	EXPECT_EQ(health.blind(), 2);
}

TEST_F(ChargeTest, TheAllocatorsOwnIsNotCharged)
{
	Container *c = start(ns(1));
	host::add_symbol(0xffffffff81000000, 0x100, "alloc_slab_obj_exts");
	const u64 object = make(kmalloc_, 1, 0xffffffff81000010);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_TRUE(recorded().empty());
	EXPECT_EQ(health.of(Loss::missed), 0);
	gone(object);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(ChargeTest, AMissedFreeIsCountedStaleAndUncharged)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	const u64 object = make(kmalloc_, 1);
	slabs_.free(object); // unseen
	const u64 again = make(kmalloc_, 2);
	ASSERT_EQ(again, object);
	EXPECT_EQ(raw_held(*a), Raw{});
	EXPECT_EQ(held(*b).bytes, 192);
	EXPECT_EQ(health.of(Loss::stale), 1);
	gone(again);
	EXPECT_EQ(raw_held(*b), Raw{});
}

TEST_F(ChargeTest, ADestroyedCachesObjectsAreUnchargedAsTheyWereCharged)
{
	Container *c = start(ns(1));
	const u64 object = make(kmalloc_);
	bc_cache_gone(kmalloc_.key);
	host::remake_cache(kmalloc_.key, 512, true, "other");
	EXPECT_EQ(held(*c, ByteKind::kmemsize).bytes, 192);
	freed(object);
	EXPECT_EQ(raw_held(*c, ByteKind::kmemsize), Raw{});
	EXPECT_EQ(raw_held(*c, ByteKind::dcachesize), Raw{});
}

TEST_F(ChargeTest, TheCpusLastContainerIsACacheOnly)
{
	Container *a = start(ns(1));
	Container *b = start(ns(2));
	const u64 one = make(kmalloc_, 1), two = make(kmalloc_, 2), three = make(kmalloc_, 1);
	EXPECT_EQ(held(*a).bytes, 384);
	EXPECT_EQ(held(*b).bytes, 192);
	for (u64 object : {one, two, three})
		gone(object);
	EXPECT_EQ(raw_held(*a), Raw{});
	EXPECT_EQ(raw_held(*b), Raw{});
}

TEST_F(ChargeTest, AWalkTakesNothingFromAFree)
{
	Container *c = start(ns(1));
	std::vector<u64> objects;
	for (int i = 0; i < 200; ++i)
		objects.push_back(make(kmalloc_));
	// Half of them go while the walker is under way.
	size_t next = 0;
	bc_ledger.begin_exclusive();
	u64 claimed = 0;
	bc_ledger.walk([&](const Ledger::Found &f) {
		if (next < objects.size() && next % 2 == 0)
			freed(objects[objects.size() - 1 - next]);
		++next;
		if (bc_ledger.claim(f)) {
			uncharge(f.slot);
			++claimed;
		}
	});
	bc_ledger.end_exclusive();
	EXPECT_GT(claimed, 0u);
	for (u64 object : objects)
		freed(object);
	EXPECT_EQ(raw_held(*c), Raw{});
}

} // namespace
} // namespace rig
