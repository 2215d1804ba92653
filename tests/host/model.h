// SPDX-License-Identifier: GPL-2.0
// Operations on the core, and beside it a model that is too simple to be wrong: a map of objects. Whenever they are
// compared the ledger holds exactly the model's objects, and what each container holds is exactly their sum. What is
// done is up to who derives from it: pick() is asked for every choice.
#pragma once

#include "rig.h"

#include <set>

namespace rig
{

class Modelled : public Core
{
      protected:
	static constexpr u64 kModules = 0xffffffffc0000000ull;
	static constexpr u32 kStrides[] = {8, 16, 24, 64, 96, 192, 256, 600, 1024, 1096, 2048, 4096, 5000, 8192};

	virtual u64 pick(u64 n) = 0; // below n
	bool one_in(u64 n) { return pick(n) == 0; }

	void prepare(); // caches and symbols: once the core is there

	// ---- operations. None of them compares anything.
	void allocate();
	void release(bool seen);
	void allocate_many();
	void release_many();
	void start_one();
	void stop_one();
	void destroy_cache();
	void module_goes();
	void dismiss();
	// Barriers for kmemsize and dcachesize of one container, or none any more: above one it counts in its accounts.
	void bound();
	void stop_all();
	void free_all();

	// Other CPUs, and interrupts: what they do at the `nth` step of what operation() does, as far as no lock is in
	// the way. `others` is asked only then.
	template <class Others, class Operation>
	void interrupted(unsigned long nth, Others &&others, Operation &&operation)
	{
		interrupted_ = true;
		host::at_step(nth, [&] { come(others); });
		operation();
		host::step_came();
		host::jitter(false);
		interrupted_ = false;
	}

	void compare();

	size_t most_live_ = 3000;
	bool zombies() const { return !zombies_.empty(); } // some have been freed unseen, and may still be recorded
	bool all_stopped() const { return namespaces_.empty(); }

      private:
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
	struct Sum {
		Raw kind[kByteKinds];
	};
	using Live = std::map<u64, Object>;

	template <class Map> typename Map::iterator any(Map &map)
	{
		auto it = map.lower_bound(platform::page_address(pick(700)));
		return it == map.end() ? map.begin() : it;
	}
	u64 any_caller();
	static bool excusable(u64 caller, bool reclaimable);
	static u16 owner_of(const void *space);
	bool make_scarce();
	bool make_for(const void *space, u64 address, u64 caller, CacheKey key);
	static void end_scarcity();
	void forget(u64 address, const Object &object, bool seen);
	void dismissed_by_core();
	static void add(Sum &sum, bool reclaimable, u32 stride);
	static bool is(Slot slot, const Object &o);

	// As another CPU; the thread's own state is as it was afterwards.
	template <class Others> void come(Others &others)
	{
		if (host::locks() != 0) { // who wants it has to wait
			host::at_step(1, [&] { come(others); });
			return;
		}
		const u32 cpu = platform::this_thread.cpu;
		const void *space = platform::this_thread.ns;
		others();
		host::set_cpu(cpu);
		host::set_namespace(space);
	}

	std::vector<TestCache> caches_;
	std::vector<const void *> namespaces_;
	Live live_;
	std::multimap<u64, Object> zombies_;
	std::set<u16> bounded_;
	u64 made_ = 0;
	s64 given_up_ = 0;	   // health's rows_given_up, when last compared
	bool interrupted_ = false; // what is missed then could be anybody's

      protected:
	std::set<u16> stopped_, dismissed_;
};

} // namespace rig
