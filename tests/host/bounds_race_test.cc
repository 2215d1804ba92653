// SPDX-License-Identifier: GPL-2.0
// The promise of a limit: whatever CPUs do at once, held never passes it, and what is refused leaves nothing behind.
#include "bounds_rig.h"

#include <atomic>
#include <thread>

namespace rig
{
namespace
{

// The promise: whatever CPUs do at once, held never passes the limit, and what is refused leaves nothing behind.
TEST_F(Bound, ExactWithEveryCpuAtIt)
{
	for (int rounds = 0; rounds < kEffort; ++rounds) {
		const s64 limit = (s64{1} << 20) - 64 * 7;
		restart(machine());
		Container *c = start(ns(1));
		bound("kmemsize " + std::to_string(limit) + " " + std::to_string(limit));
		work();
		host::jitter(true);
		std::atomic<bool> over{false};
		std::atomic<u32> running{config_.cpus};
		std::vector<std::thread> threads;
		for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
			threads.emplace_back([&, cpu] {
				host::set_cpu(cpu);
				std::vector<u64> mine;
				u64 random = cpu + 1 + static_cast<u64>(rounds) * 16;
				for (int step = 0; step < 2500; ++step) {
					random = random * 6364136223846793005ull + 1442695040888963407ull;
					if (const u32 what = random >> 60; what < 10 || mine.empty()) {
						if (const u64 object = make(what < 4 ? k8k_ : k64_))
							mine.push_back(object);
					} else {
						gone(mine.back());
						mine.pop_back();
					}
				}
				for (u64 object : mine)
					gone(object);
				--running;
			});
		}
		threads.emplace_back([&] {
			while (running != 0) {
				if (c->mode.relaxed() == static_cast<u8>(Mode::near) && held(*c).bytes > limit)
					over = true;
				work(); // leaves near where it can
				bc_wait_for_frees(false);
			}
		});
		for (std::thread &t : threads)
			t.join();
		host::jitter(false);
		EXPECT_FALSE(over);
		EXPECT_EQ(raw_held(*c), Raw{});
		EXPECT_EQ(held(*c).objects, 0);
		EXPECT_LE(c->accounts[0].maxheld(), limit);
		EXPECT_EQ(c->accounts[0].forced(), 0);
	}
}

TEST_F(Bound, PiecesWithEveryCpuAtThem)
{
	Container *c = start(ns(1));
	bound("numfile 37 37");
	host::jitter(true);
	std::atomic<s64> alive{0};
	std::atomic<bool> over{false};
	std::vector<std::thread> threads;
	for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
		threads.emplace_back([&, cpu] {
			host::set_cpu(cpu);
			std::vector<u64> mine;
			for (int step = 0; step < 500 * kEffort; ++step) {
				if (step % 3 != 2 || mine.empty()) {
					const u64 object = make(k64_, kText + 0x3010);
					if (object != 0 && ++alive > 37)
						over = true;
					if (object != 0)
						mine.push_back(object);
				} else {
					--alive;
					gone(mine.back());
					mine.pop_back();
				}
			}
			for (u64 object : mine) {
				--alive;
				gone(object);
			}
		});
	}
	for (std::thread &t : threads)
		t.join();
	host::jitter(false);
	EXPECT_FALSE(over);
	EXPECT_EQ(resource("numfile")["held"], "0");
	EXPECT_EQ(resource("numfile")["maxheld"], "37");
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(Bound, WhatIsReadSurelyIsNeverLessThanThere)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	host::jitter(true);
	std::atomic<bool> over{false};
	std::thread flusher([&] {
		while (!over)
			flush();
	});
	u64 sure = 0;
	for (int step = 0; step < 60 * kEffort; ++step) {
		set(1, "kmemsize 1000 1000"); // switching
		do {
			Held sum{};
			if (!held_surely(*c, sum))
				continue;
			++sure;
			EXPECT_EQ(sum.objects, 1);
			EXPECT_EQ(sum.bytes, 64);
		} while (switching(*c));
		set(1, "kmemsize unlimited unlimited");
		leave_near(*c); // as the worker
		freed(object);	// and into a cell again
		ASSERT_TRUE(allocated(ns(1), object, kText, k64_.cache_key(), kGfpKernel));
	}
	over = true;
	flusher.join();
	host::jitter(false);
	EXPECT_GT(sure, 0u);
	gone(object);
}

} // namespace
} // namespace rig
