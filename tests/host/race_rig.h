// SPDX-License-Identifier: GPL-2.0
// What the tests of races share: threads that begin together, each a CPU of its own.
#pragma once

#include "rig.h"

#include <atomic>
#include <barrier>
#include <thread>

namespace rig
{

inline constexpr u32 kThreads = 3;

class Race : public Core
{
      protected:
	Race() { host::jitter(true); }
	// Does the action wait for a section that was there before it? Its end must come, and not before the section's.
	template <class Action> void waits_for_readers(Action &&action)
	{
		std::atomic<int> step{0};
		std::atomic<bool> left{false};
		std::thread reader([&] {
			platform::PreemptOff outer;
			{
				platform::PreemptOff inner; // they nest: this end is none
			}
			step = 1;
			while (step == 1)
				std::this_thread::yield();
			std::this_thread::sleep_for(std::chrono::milliseconds(20));
			left = true;
		});
		while (step == 0)
			std::this_thread::yield();
		step = 2;
		action();
		EXPECT_TRUE(left) << "a reader was still there";
		reader.join();
	}
	// Runs body(cpu) on each of n threads, which begin together, with main() beside them.
	template <class Body, class Main> void together(u32 n, Body &&body, Main &&main)
	{
		std::barrier begin{n + 1};
		std::vector<std::thread> threads;
		for (u32 cpu = 0; cpu < n; ++cpu) {
			threads.emplace_back([&, cpu] {
				host::set_cpu(cpu);
				begin.arrive_and_wait();
				body(cpu);
			});
		}
		host::set_cpu(n);
		begin.arrive_and_wait();
		main();
		for (auto &thread : threads)
			thread.join();
	}
	static void freed_singly(const std::vector<u64> &objects)
	{
		for (u64 object : objects)
			freed(object);
	}
	void give_back(const std::vector<u64> &objects)
	{
		for (u64 object : objects)
			slabs_.free(object);
	}
	// Each thread frees its own objects, while a walker takes what it gets.
	template <class Free> void one_uncharges(Container &c, const std::vector<std::vector<u64>> &mine, Free &&free)
	{
		u64 taken = 0;
		together(
		    kThreads, [&](u32 cpu) { free(mine[cpu]); }, [&] { taken = drop_all(c); });
		ASSERT_EQ(raw_held(c), Raw{}) << "the walker took " << taken;
		ASSERT_TRUE(recorded().empty());
		for (const auto &objects : mine)
			give_back(objects);
	}
	void free_against_a_walkers_claim()
	{
		Container *c = start(ns(1));
		for (int round = 0; round < 8 * kEffort && !HasFatalFailure(); ++round) {
			std::vector<std::vector<u64>> mine(kThreads);
			for (int i = 0; i < 600; ++i) {
				const Cache &cache = i % 7 == 0 ? k8k_ : i % 2 == 0 ? k64_ : dentry_;
				const u64 object = slabs_.make(cache.key, cache.stride);
				charged(ns(1), object, kText + 8, cache.cache_key());
				mine[static_cast<size_t>(i) % kThreads].push_back(object);
			}
			one_uncharges(*c, mine, freed_singly);
		}
		nothing_lost();
	}
	// The same without luck: at each step of the frees, one after the other, a walker claims all that it has found.
	template <class Free> void claim_at_each_step(Free &&free)
	{
		for (const bc_config &config : {machine(), flat(machine())}) {
			restart(config);
			Container *c = start(ns(1));
			unsigned long step = 0;
			for (bool came = true; came;) {
				std::vector<u64> objects;
				for (const Cache *cache : {&k64_, &dentry_, &k8k_}) {
					std::vector<u64> made;
					for (int i = 0; i < 9; ++i)
						made.push_back(slabs_.make(cache->key, cache->stride));
					charged_many(ns(1), made, kText + 8, cache->cache_key());
					objects.insert(objects.end(), made.begin(), made.end());
				}
				std::vector<Ledger::Found> found;
				bc_ledger.begin_exclusive();
				bc_ledger.walk([&](const Ledger::Found &f) { found.push_back(f); });
				ASSERT_EQ(found.size(), objects.size());
				host::at_step(++step, [&] {
					for (const Ledger::Found &f : found)
						if (bc_ledger.claim(f))
							uncharge(f.slot);
				});
				free(objects);
				came = host::step_came();
				bc_ledger.end_exclusive();
				ASSERT_EQ(raw_held(*c), Raw{}) << "claimed before step " << step;
				ASSERT_TRUE(recorded().empty());
				give_back(objects);
			}
			EXPECT_GE(step, 2 * 27u) << "each object has its step, and its owner's cell another one";
		}
		nothing_lost();
	}
	void nothing_lost()
	{
		for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
			EXPECT_EQ(health.of(static_cast<Loss>(i)), 0) << kLossNames[i];
	}
	void exact(const Container &c)
	{
		for (ByteKind kind : {ByteKind::kmemsize, ByteKind::dcachesize})
			EXPECT_EQ(raw_held(c, kind), ledger_sum(c.index, kind));
	}
	Cache k64_{64, false, "kmalloc-64"}, k1k_{1024, false, "kmalloc-1k"}, dentry_{192, true, "dentry"},
	    k8k_{8192, false, "kmalloc-8k"};
};

} // namespace rig
