// SPDX-License-Identifier: GPL-2.0
// The ledger on real slabs and pages. Part of unit.cc.
#include "rig.h"

namespace bc
{

namespace
{

// On real slabs, whatever red zones and metadata the kernel puts around the objects.
const char *ledger_places_are_unique(Container &c)
{
	for (u32 size : {8u, 24u, 40u, 96u, 200u, 512u, 700u, 1000u, 2048u, 3000u, 4096u, 6000u}) {
		TestCache cache{"bct_places", size};
		BCT_CHECK(cache.make(48));
		const SiteIndex site = intern(some_text(size & 15), cache.key());
		BCT_CHECK(site && sites[site].stride == cache.stride());
		u32 stale = 0;
		for (u32 i = 0; i < cache.size(); ++i)
			BCT_CHECK(record(cache[i], cache.stride(), Slot{c.index, site, Birth{i}}, &stale));
		u32 found = 0;
		u32 at_its_start = 0;
		bc_ledger.walk([&](const Ledger::Found &f) {
			if (f.slot.owner() != c.index || f.slot.site() != site)
				return;
			++found;
			at_its_start += start_of(f) == cache[f.slot.birth().value].value;
		});
		u32 taken = 0;
		for (u32 i = 0; i < cache.size(); ++i) {
			taken += take(cache[i]).raw() == Slot{c.index, site, Birth{i}}.raw();
			taken += !take(cache[i]).empty();
		}
		BCT_CHECK(stale == 0);
		BCT_CHECK(found == cache.size());
		BCT_CHECK(at_its_start == cache.size());
		BCT_CHECK(taken == cache.size());
	}
	return nullptr;
}

const char *ledger_misses_strangers(Container &)
{
	TestCache cache{"bct_strangers", 100};
	BCT_CHECK(cache.make(1));
	BCT_CHECK(take(cache[0]).empty());
	BCT_CHECK(take(Address{0}).empty());
	BCT_CHECK(take(Address{16}).empty());
	BCT_CHECK(take(Address{~u64{0}}).empty());
	BCT_CHECK(take(Address{some_text(0)}).empty());
	BCT_CHECK(take(Address{platform::page_address(bc_ledger.limit())}).empty());
	void *far = bc_big_alloc(kPageSize); // vmalloc'ed: not in the linear map
	BCT_CHECK(far != nullptr);
	const bool missed = take(Address{reinterpret_cast<u64>(far)}).empty();
	const bool recorded = record(Address{reinterpret_cast<u64>(far)}, Stride{4096}, Slot{1});
	bc_big_free(far);
	BCT_CHECK(missed && !recorded);
	return nullptr;
}

const char *ledger_whole_pages(Container &c)
{
	Own pages{16384};
	BCT_CHECK(pages.memory != nullptr);
	const SiteIndex site = intern(some_text(1), CacheKey{16384});
	BCT_CHECK(site && sites[site].stride == Stride{16384});
	BCT_CHECK(same_text(sites.cache_name(sites[site]), "kmalloc-large"));
	const Slot slot{c.index, site, platform::birth_now()};
	BCT_CHECK(record(pages.address(), Stride{16384}, slot));
	const bct_sum sum = raw_recorded(c);
	const Slot taken = take(pages.address());
	BCT_CHECK(sum.objects == 1 && sum.bytes == 16384);
	BCT_CHECK(taken.raw() == slot.raw() && take(pages.address()).empty());
	return nullptr;
}

const char *ledger_reports_stale_slots(Container &c)
{
	Own page{kPageSize};
	BCT_CHECK(page.memory != nullptr);
	const u64 at = page.address().value;
	const SiteIndex site = intern(some_text(2), CacheKey{64});
	auto slot = [&](u32 n) { return Slot{c.index, site, Birth{n}}; };
	u32 stale = 0;
	bc_ledger.reclaim();
	const s64 arrays = bc_ledger.arrays();
	BCT_CHECK(record(Address{at + 64}, Stride{64}, slot(1), &stale));
	BCT_CHECK(record(Address{at + 128}, Stride{64}, slot(2), &stale) && stale == 0);
	BCT_CHECK(record(Address{at + 128}, Stride{64}, slot(3), &stale) && stale == 1);
	BCT_CHECK(record(Address{at + 1024}, Stride{1024}, slot(4), &stale) &&
		  stale == 3); // another cache has the page
	BCT_CHECK(record(Address{at}, Stride{8192}, slot(5), &stale) && stale == 4);
	BCT_CHECK(record(Address{at + 8}, Stride{8}, slot(6), &stale) && stale == 5);
	BCT_CHECK(take(Address{at}).empty());
	BCT_CHECK(take(Address{at + 8}).raw() == slot(6).raw());
	BCT_CHECK(raw_recorded(c).objects == 0);
	bc_ledger.reclaim();
	BCT_CHECK(bc_ledger.arrays() <= arrays + 1);
	return nullptr;
}

const char *ledger_claims_exclude_frees(Container &c)
{
	TestCache cache{"bct_claims", 120};
	BCT_CHECK(cache.make(3));
	const SiteIndex site = intern(some_text(3), cache.key());
	for (u32 i = 0; i < 3; ++i)
		BCT_CHECK(record(cache[i], cache.stride(), Slot{c.index, site, Birth{i}}));
	u32 claimed = 0;
	u32 wrong = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &f) {
		if (f.slot.owner() != c.index)
			return;
		if (f.slot.birth().value == 1) { // its free is first
			wrong += take(cache[1]).empty();
			wrong += bc_ledger.claim(f);
		} else {
			claimed += bc_ledger.claim(f);
			wrong += bc_ledger.claim(f);
			wrong += !take(cache[f.slot.birth().value]).empty();
		}
	});
	bc_ledger.end_exclusive();
	BCT_CHECK(claimed == 2 && wrong == 0);
	BCT_CHECK(raw_recorded(c).objects == 0);
	return nullptr;
}

// The pages of a slab with one object left, and what comes after that.
const char *ledger_gives_back_what_is_empty(Container &c)
{
	constexpr u32 kObjects = 48; // some five in a page
	TestCache cache{"bct_empty", 700};
	BCT_CHECK(cache.make(kObjects));
	const SiteIndex site = intern(some_text(4), cache.key());
	auto slot = [&](u32 n) { return Slot{c.index, site, Birth{n}}; };
	bc_ledger.give_back();
	const s64 arrays = bc_ledger.arrays();
	for (u32 round = 0; round < 3; ++round) {
		u32 stale = 0;
		for (u32 i = 0; i < kObjects; ++i)
			BCT_CHECK(record(cache[i], cache.stride(), slot(i), &stale));
		BCT_CHECK(stale == 0);
		const s64 full = bc_ledger.arrays();
		BCT_CHECK(full > arrays + 2);
		for (u32 i = 0; i < kObjects; ++i)
			BCT_CHECK(i == 7 || take(cache[i]).raw() == slot(i).raw());
		BCT_CHECK(bc_ledger.give_back() + 1 >= full - arrays);
		BCT_CHECK(take(cache[7]).raw() == slot(7).raw());
		BCT_CHECK(bc_ledger.give_back() >= 1);
		for (u32 i = 0; i < kObjects; ++i)
			BCT_CHECK(take(cache[i]).empty());
	}
	BCT_CHECK(raw_recorded(c).objects == 0);
	return nullptr;
}

} // namespace

} // namespace bc
