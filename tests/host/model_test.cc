// SPDX-License-Identifier: GPL-2.0
// Random operations on the core, and beside it a model that is too simple to be wrong: a map of objects. After every
// step the ledger holds exactly the model's objects, and what each container holds is exactly their sum.
#include "rig.h"

#include <cstdlib>
#include <random>
#include <set>

namespace rig
{
namespace
{

constexpr u64 kModules = 0xffffffffc0000000ull;

class Model : public Core, public ::testing::WithParamInterface<u64>
{
      protected:
	struct Object {
		u16 owner = 0; // 0: not charged
		u32 stride = 0;
		bool reclaimable = false;
		bool excusable = false; // a row of the class table may take it from a stopped container
		auto operator<=>(const Object &) const = default;
	};
	struct TestCache {
		const void *key;
		u32 stride;
		bool reclaimable;
	};
	static constexpr u32 kStrides[] = {8, 16, 24, 64, 96, 192, 256, 600, 1024, 1096, 2048, 4096, 5000, 8192};

	void SetUp() override
	{
		Core::SetUp();
		bc_config config = machine(100);
		config.cpus = 8;
		restart(GetParam() % 2 == 0 ? config : flat(config));
		const char *functions[] = {"alloc_pid", "__d_alloc", "alloc_vmap_area", "copy_net_ns"};
		for (u64 i = 0; i < 4; ++i)
			host::add_symbol(kText + 0x1000 * i, 0x1000, functions[i]);
		for (u32 i = 0; i < sizeof(kStrides) / sizeof(*kStrides); ++i) {
			const bool reclaimable = i % 3 == 0;
			caches_.push_back(
			    {host::make_cache(kStrides[i], reclaimable, "cache"), kStrides[i], reclaimable});
		}
		host::set_probe([](enum bc_probe, u64 object, u32, bc_probed &out) {
			out.known = true;
			out.extra = object / 8 % 3 == 0;
		});
	}

	u64 pick(u64 n) { return random_() % n; }
	bool one_in(u64 n) { return pick(n) == 0; }
	template <class Map> typename Map::iterator any(Map &map)
	{
		auto it = map.lower_bound(platform::page_address(pick(700)));
		return it == map.end() ? map.begin() : it;
	}

	// ---- operations

	void allocate()
	{
		if (live_.size() > 3000)
			return;
		const u64 caller = one_in(4) ? kModules + 0x1000 * pick(8) + 8 : kText + 0x1000 * pick(4) + 8 * pick(3);
		Object object;
		u64 address;
		CacheKey key;
		if (one_in(20)) {
			const u64 pages = u64{1} << pick(4);
			address = slabs_.make_pages(pages);
			key = CacheKey{pages * kPageSize};
			object.stride = static_cast<u32>(key.value);
		} else {
			const TestCache &cache = caches_[pick(caches_.size())];
			address = slabs_.make(cache.key, cache.stride);
			key = CacheKey{reinterpret_cast<u64>(cache.key)};
			object.stride = cache.stride;
			object.reclaimable = cache.reclaimable;
		}
		object.excusable = object.reclaimable || (caller < kModules && caller >= kText + 0x2000);
		const bool scarce = one_in(20);
		if (scarce) {
			host::fail(host::Kind::mem, 1);
			host::fail(host::Kind::page, 1);
		}
		if (!namespaces_.empty() && !one_in(8)) { // else the host's
			const void *space = namespaces_[pick(namespaces_.size())];
			const s64 missed = health.of(Loss::missed);
			charged(space, address, caller, key);
			const bool lost = health.of(Loss::missed) != missed;
			ASSERT_TRUE(!lost || scarce) << "missed for no reason";
			const Container *c = find(space);
			object.owner = lost ? 0 : (c == nullptr ? containers.overflow() : c)->index.value;
		}
		host::fail(host::Kind::mem, 0);
		host::fail(host::Kind::page, 0);
		live_[address] = object;
	}

	void release(bool seen)
	{
		if (live_.empty())
			return;
		const auto it = any(live_);
		if (seen) {
			freed(it->first);
		} else if (it->second.owner != 0) {
			zombies_.insert(*it); // the ledger keeps it until something else comes to its place
		}
		slabs_.free(it->first);
		live_.erase(it);
	}

	void start_one()
	{
		const void *space = ns(++made_);
		bc_tasks tasks{};
		tasks.pids = 1;
		host::set_tasks(space, tasks);
		bc_task_forked(space, 100, "init", false); // with no room: the overflow container
		namespaces_.push_back(space);
	}

	void stop_one()
	{
		if (namespaces_.empty())
			return;
		const size_t i = pick(namespaces_.size());
		const Container *c = find(namespaces_[i]);
		if (c != nullptr)
			stopped_.insert(c->index.value);
		stop(namespaces_[i]);
		host::set_alive(namespaces_[i], false);
		namespaces_.erase(namespaces_.begin() + static_cast<long>(i));
	}

	void destroy_cache()
	{
		TestCache &cache = caches_[pick(caches_.size())];
		bc_cache_gone(cache.key);
		slabs_.forget(cache.key);
		cache.stride = kStrides[pick(sizeof(kStrides) / sizeof(*kStrides))];
		cache.reclaimable = one_in(3);
		host::remake_cache(cache.key, cache.stride, cache.reclaimable, "reborn");
	}

	void dismiss()
	{
		std::vector<Container *> all;
		containers.each([&](Container &c) {
			if (c.current() == State::leaked || c.current() == State::held)
				all.push_back(&c);
		});
		if (all.empty())
			return;
		const Container *c = all[pick(all.size())];
		const std::string line = "dismiss " + std::to_string(c->id().value);
		ASSERT_EQ(bc_control(line.data(), line.size()), 0);
		dismissed_.insert(c->index.value);
	}

	void step()
	{
		host::set_cpu(static_cast<u32>(pick(config_.cpus)));
		const u64 what = pick(1000);
		if (what < 480)
			allocate();
		else if (what < 880)
			release(true);
		else if (what < 885)
			release(false);
		else if (what < 900)
			start_one();
		else if (what < 913)
			stop_one();
		else if (what < 918)
			destroy_cache();
		else if (what < 922)
			bc_text_going(kModules + 0x1000 * pick(8), kModules + 0x8000);
		else if (what < 925)
			dismiss();
		else
			work_for(pick(400));
	}

	// ---- the comparison

	struct Sum {
		Raw kind[kByteKinds];
	};
	static void add(Sum &sum, bool reclaimable, u32 stride)
	{
		Raw &raw = sum.kind[reclaimable ? 1 : 0];
		raw.bytes += stride;
		++raw.objects;
	}
	static bool is(const Recorded &r, const Object &o)
	{
		const Site &site = sites[r.slot.site()];
		return r.slot.owner().value == o.owner && site.stride.value == o.stride &&
		       (site.kind == ByteKind::dcachesize) == o.reclaimable;
	}

	void compare()
	{
		std::map<u16, Sum> sums;
		std::set<u64> seen_live, seen_zombies;
		for (const Recorded &r : recorded()) {
			auto live = live_.lower_bound(r.page + r.low);
			const auto [zombie, zombies_end] =
			    std::pair{zombies_.lower_bound(r.page + r.low), zombies_.lower_bound(r.page + r.high)};
			const bool is_live =
			    live != live_.end() && live->first < r.page + r.high && is(r, live->second);
			auto dead = zombie;
			while (dead != zombies_end && !is(r, dead->second))
				++dead;
			const bool is_dead = !is_live && dead != zombies_end;
			ASSERT_TRUE(is_live || is_dead) << "the ledger has what the model has not, at page "
							<< platform::page_index(r.page) << "+" << r.low;
			const Object &object = is_live ? live->second : dead->second;
			(is_live ? seen_live : seen_zombies).insert(is_live ? live->first : dead->first);
			add(sums[object.owner], object.reclaimable, object.stride);
		}
		for (auto &[address, object] : live_) {
			if (object.owner == 0 || seen_live.contains(address))
				continue;
			const bool may =
			    dismissed_.contains(object.owner) || (stopped_.contains(object.owner) && object.excusable);
			ASSERT_TRUE(may) << "the ledger lost an object of owner " << object.owner << ", stride "
					 << object.stride;
			object.owner = 0; // handed over: the host's from now on
		}
		std::erase_if(zombies_, [&](const auto &z) { return !seen_zombies.contains(z.first); });

		std::set<u16> present;
		auto check = [&](Container &c) {
			present.insert(c.index.value);
			for (size_t k = 0; k < kByteKinds; ++k) {
				const auto kind = static_cast<ByteKind>(k);
				ASSERT_EQ(raw_held(c, kind), sums[c.index.value].kind[k])
				    << "container " << c.id().value;
				ASSERT_EQ(held(c, kind).bytes, sums[c.index.value].kind[k].bytes);
				ASSERT_GE(maxheld(c, kind), held(c, kind).bytes);
			}
			ASSERT_TRUE(c.current() != State::clean || raw_held(c) == Raw{})
			    << "clean, and holds something";
		};
		containers.each(check);
		check(*containers.overflow());
		for (const auto &[owner, sum] : sums)
			ASSERT_TRUE(present.contains(owner)) << "owner " << owner << " is gone";
		// An index may come back as another container's.
		std::erase_if(stopped_, [&](u16 i) { return !present.contains(i); });
		std::erase_if(dismissed_, [&](u16 i) { return !present.contains(i); });
		ASSERT_EQ(health.of(Loss::unknown), 0);
	}

	std::mt19937_64 random_{GetParam()};
	std::vector<TestCache> caches_;
	std::vector<const void *> namespaces_;
	std::map<u64, Object> live_;
	std::multimap<u64, Object> zombies_;
	std::set<u16> stopped_, dismissed_;
	u64 made_ = 0;
};

TEST_P(Model, SumOfTheLedgerIsHeld)
{
	SCOPED_TRACE("seed " + std::to_string(GetParam()) + " (BC_SEED repeats it)");
	printf("seed %lu\n", static_cast<unsigned long>(GetParam()));
	for (int i = 0; i < 800 * kEffort; ++i) {
		step();
		compare();
		ASSERT_FALSE(HasFailure()) << "step " << i;
	}
	EXPECT_GT(sites.count(), 20u);

	// The end of it: everything is freed, everything stops.
	while (!namespaces_.empty())
		stop_one();
	for (const auto &[address, object] : live_)
		freed(address);
	live_.clear();
	compare();
	work_for(60000);
	for (u16 i : stopped_)
		dismissed_.insert(i);
	containers.each([](Container &c) { c.dismissed.set_relaxed(1); }); // what is left is zombies
	work_for(60000);
	compare();
	containers.each([](Container &c) {
		EXPECT_EQ(c.current(), State::clean);
		EXPECT_EQ(raw_held(c), Raw{});
	});
}

std::vector<u64> seeds()
{
	if (const char *seed = getenv("BC_SEED"))
		return {strtoull(seed, nullptr, 0)};
	return {1, 2, std::random_device{}()};
}
INSTANTIATE_TEST_SUITE_P(Random, Model, ::testing::ValuesIn(seeds()),
			 [](const auto &info) { return "seed" + std::to_string(info.index); });

} // namespace
} // namespace rig
