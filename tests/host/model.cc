// SPDX-License-Identifier: GPL-2.0
#include "model.h"

namespace rig
{

void Modelled::prepare()
{
	const char *functions[] = {"alloc_pid", "__d_alloc", "alloc_vmap_area", "copy_net_ns"};
	for (u64 i = 0; i < 4; ++i)
		host::add_symbol(kText + 0x1000 * i, 0x1000, functions[i]);
	for (u32 i = 0; i < sizeof(kStrides) / sizeof(*kStrides); ++i) {
		const bool reclaimable = i % 3 == 0;
		caches_.push_back({host::make_cache(kStrides[i], reclaimable, "cache"), kStrides[i], reclaimable});
	}
	host::set_probe([](enum bc_probe, u64 object, u32, bc_probed &out) {
		out.known = true;
		out.extra = (object - platform::page_address(0)) / 8 % 3 == 0; // alike in each run
	});
}

u64 Modelled::any_caller()
{
	if (one_in(4))
		return kModules + 0x1000 * pick(8) + 8;
	const u64 function = pick(4);
	return kText + 0x1000 * function + 8 * pick(3);
}

bool Modelled::excusable(u64 caller, bool reclaimable)
{
	return reclaimable || (caller < kModules && caller >= kText + 0x2000);
}

u16 Modelled::owner_of(const void *space)
{
	const Container *c = find(space);
	return (c == nullptr ? containers.overflow() : c)->index.value;
}

bool Modelled::make_scarce()
{
	if (!one_in(20) || interrupted_)
		return false;
	host::fail(host::Kind::mem, 1);
	host::fail(host::Kind::page, 1);
	return true;
}

void Modelled::end_scarcity()
{
	host::fail(host::Kind::mem, 0);
	host::fail(host::Kind::page, 0);
}

void Modelled::allocate()
{
	if (live_.size() > most_live_)
		return;
	const u64 caller = any_caller();
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
	object.excusable = excusable(caller, object.reclaimable);
	const bool scarce = make_scarce();
	if (!namespaces_.empty() && !one_in(8)) { // else the host's
		const void *space = namespaces_[pick(namespaces_.size())];
		const s64 missed = health.of(Loss::missed);
		const bool made = make_for(space, address, caller, key);
		const bool lost = health.of(Loss::missed) != missed;
		ASSERT_TRUE(!lost || scarce) << "missed for no reason";
		end_scarcity();
		if (!made)
			return;
		object.owner = lost ? 0 : owner_of(space);
	}
	end_scarcity();
	live_[address] = object;
}

// False: refused, and its memory given back.
bool Modelled::make_for(const void *space, u64 address, u64 caller, CacheKey key)
{
	const bool bounded = bounded_.contains(owner_of(space));
	// Who may wait, may wait only where no other one's step is.
	const u32 gfp = bounded && !interrupted_ && one_in(2) ? kGfpKernel : 0;
	if (allocated(space, address, caller, key, gfp))
		return true;
	EXPECT_TRUE(bounded) << "refused for no reason";
	slabs_.free(address);
	return false;
}

// Of one cache and for one container.
void Modelled::allocate_many()
{
	const u64 count = 1 + pick(kAtOnce + 8);
	if (live_.size() + count > most_live_ || namespaces_.empty())
		return;
	const u64 caller = any_caller();
	const TestCache &cache = caches_[pick(caches_.size())];
	const CacheKey key{reinterpret_cast<u64>(cache.key)};
	const void *space = namespaces_[pick(namespaces_.size())];
	std::vector<u64> objects;
	for (u64 i = 0; i < count; ++i)
		objects.push_back(slabs_.make(cache.key, cache.stride));
	const bool scarce = make_scarce();
	const s64 before = health.of(Loss::missed);
	std::map<u64, u64> zombies; // what lies where they come
	for (const u64 address : objects)
		zombies[address] = bc_ledger.peek(Address{address}).raw();
	if (bounded_.contains(owner_of(space))) { // each by itself: charged_many() is for where nothing is in the way
		std::erase_if(objects, [&](u64 address) { return !make_for(space, address, caller, key); });
	} else {
		charged_many(space, objects, caller, key);
	}
	end_scarcity();
	const s64 missed = health.of(Loss::missed) - before;
	ASSERT_TRUE(missed == 0 || scarce) << "missed for no reason";
	const u16 owner = owner_of(space);
	s64 lost = 0, doubtful = 0;
	for (const u64 address : objects) {
		Object object{owner, cache.stride, cache.reclaimable, excusable(caller, cache.reclaimable)};
		if (const Slot slot = bc_ledger.peek(Address{address}); slot.empty() || !is(slot, object)) {
			object.owner = 0;
			++lost;
		} else {
			doubtful += slot.raw() == zombies[address]; // it may be the one or the other, and is the same
		}
		live_[address] = object;
	}
	ASSERT_TRUE(missed >= lost && missed <= lost + doubtful) << missed << " missed, " << lost << " not recorded";
}

void Modelled::forget(u64 address, const Object &object, bool seen)
{
	if (!seen && object.owner != 0)
		zombies_.insert({address, object}); // the ledger keeps it until something else comes to its place
	slabs_.free(address);
}

void Modelled::release(bool seen)
{
	if (live_.empty())
		return;
	const auto node = live_.extract(any(live_)); // nobody else frees it meanwhile
	if (seen)
		freed(node.key());
	forget(node.key(), node.mapped(), seen);
}

// Neighbours, of whatever cache and whoever's.
void Modelled::release_many()
{
	const u64 count = 1 + pick(kAtOnce + 8);
	std::vector<Live::node_type> nodes;
	std::vector<u64> objects;
	for (auto it = live_.empty() ? live_.end() : any(live_); nodes.size() < count && it != live_.end();) {
		objects.push_back(it->first);
		nodes.push_back(live_.extract(it++));
	}
	freed_many(objects);
	for (const auto &node : nodes)
		forget(node.key(), node.mapped(), true);
}

void Modelled::start_one()
{
	const void *space = ns(++made_);
	bc_tasks tasks{};
	tasks.pids = 1;
	host::set_tasks(space, tasks);
	bc_task_forked(space, 100, "init", false); // with no room: the overflow container
	namespaces_.push_back(space);
}

void Modelled::stop_one()
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

void Modelled::stop_all()
{
	while (!namespaces_.empty())
		stop_one();
}

void Modelled::free_all()
{
	for (const auto &[address, object] : live_)
		freed(address);
	live_.clear();
}

void Modelled::destroy_cache()
{
	TestCache &cache = caches_[pick(caches_.size())];
	bc_cache_gone(cache.key);
	slabs_.forget(cache.key);
	cache.stride = kStrides[pick(sizeof(kStrides) / sizeof(*kStrides))];
	cache.reclaimable = one_in(3);
	host::remake_cache(cache.key, cache.stride, cache.reclaimable, "reborn");
}

void Modelled::module_goes() { bc_text_going(kModules + 0x1000 * pick(8), kModules + 0x8000); }

void Modelled::dismiss()
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

void Modelled::bound()
{
	if (namespaces_.empty())
		return;
	const Container *c = find(namespaces_[pick(namespaces_.size())]);
	if (c == nullptr)
		return;
	const bool none = one_in(3);
	const std::string values = (none ? "unlimited" : std::to_string(4096 * pick(256))) + " unlimited\n";
	const std::string text = "kmemsize " + values + "dcachesize " + values;
	ASSERT_EQ(bc_set_resources(c->id().value, text.data(), text.size()), 0);
	if (one_in(2)) {
		ASSERT_TRUE(bc_wait_for_frees(false));
	}
	bounded_.insert(c->index.value);
}

void Modelled::add(Sum &sum, bool reclaimable, u32 stride)
{
	Raw &raw = sum.kind[reclaimable ? 1 : 0];
	raw.bytes += stride;
	++raw.objects;
}

bool Modelled::is(Slot slot, const Object &o)
{
	const Site &site = sites[slot.site()];
	return slot.owner().value == o.owner && site.stride.value == o.stride &&
	       (site.kind == ByteKind::dcachesize) == o.reclaimable;
}

// Beyond half of the table the core itself dismisses rows, the oldest first (stop_listed_test.cc), and counts them. One
// of them may have gone meanwhile.
void Modelled::dismissed_by_core()
{
	const s64 given_up = health.of(Loss::rows_given_up);
	if (given_up == given_up_)
		return;
	given_up_ = given_up;
	std::set<u16> rows = stopped_;
	containers.each([&](Container &c) {
		if (c.dismissed.relaxed() == 0)
			rows.erase(c.index.value);
	});
	dismissed_.merge(rows);
}

void Modelled::compare()
{
	std::map<u16, Sum> sums;
	std::set<u64> seen_live, seen_zombies;
	for (const Recorded &r : recorded()) {
		auto live = live_.lower_bound(r.page + r.low);
		const auto [zombie, zombies_end] =
		    std::pair{zombies_.lower_bound(r.page + r.low), zombies_.lower_bound(r.page + r.high)};
		const bool is_live = live != live_.end() && live->first < r.page + r.high && is(r.slot, live->second);
		auto dead = zombie;
		while (dead != zombies_end && !is(r.slot, dead->second))
			++dead;
		const bool is_dead = !is_live && dead != zombies_end;
		ASSERT_TRUE(is_live || is_dead) << "the ledger has what the model has not, at page "
						<< platform::page_index(r.page) << "+" << r.low;
		const Object &object = is_live ? live->second : dead->second;
		(is_live ? seen_live : seen_zombies).insert(is_live ? live->first : dead->first);
		add(sums[object.owner], object.reclaimable, object.stride);
	}
	dismissed_by_core();
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
			ASSERT_EQ(raw_held(c, kind), sums[c.index.value].kind[k]) << "container " << c.id().value;
			ASSERT_EQ(held(c, kind).bytes, sums[c.index.value].kind[k].bytes);
			ASSERT_GE(maxheld(c, kind), held(c, kind).bytes);
		}
		ASSERT_TRUE(c.current() != State::clean || raw_held(c) == Raw{}) << "clean, and holds something";
	};
	containers.each(check);
	check(*containers.overflow());
	for (const auto &[owner, sum] : sums)
		ASSERT_TRUE(present.contains(owner)) << "owner " << owner << " is gone";
	// An index may come back as another container's.
	for (std::set<u16> *indexes : {&stopped_, &dismissed_, &bounded_})
		std::erase_if(*indexes, [&](u16 i) { return !present.contains(i); });
	ASSERT_EQ(health.of(Loss::unknown), 0);
}

} // namespace rig
