// SPDX-License-Identifier: GPL-2.0
// The pairs of the core's lock-free protocols, each by real threads: ThreadSanitizer is told of every access, and the
// sums have to be exact in the end. Every thread is a CPU.
#include "rig.h"

#include <atomic>
#include <barrier>
#include <thread>

namespace rig
{
namespace
{

constexpr u64 kText = 0xffffffff81000000ull;
constexpr u32 kThreads = 3;

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
	void free_against_a_walkers_claim();
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

TEST_F(Race, AGracePeriodIsOne)
{
	waits_for_readers([] { bc_synchronize_rcu(); });
}

// The waits that the protocols are built on, each by itself: no race is needed to see one missing.
TEST_F(Race, AWalkerThatClaimsWaitsForFreesUnderWay)
{
	waits_for_readers([] { bc_ledger.begin_exclusive(); });
	bc_ledger.end_exclusive();
}

TEST_F(Race, AReplacedArrayIsFreedAfterItsReaders)
{
	start(ns(1));
	const u64 object = platform::page_address(7);
	charged(ns(1), object, kText, k64_.cache_key());
	freed(object);
	charged(ns(1), object, kText, k1k_.cache_key());
	ASSERT_EQ(bc_ledger.arrays(), 2);
	waits_for_readers([] { bc_ledger.reclaim(); });
	EXPECT_EQ(bc_ledger.arrays(), 1);
	freed(object);
}

TEST_F(Race, AnEvictedContainerIsFreedAfterItsReaders)
{
	for (u64 n = 1; n <= kStoppedKept; ++n) {
		start(ns(n));
		stop(ns(n));
	}
	work();
	ASSERT_EQ(containers.count(), kStoppedKept);
	Container *c = start(ns(1000));
	const u64 object = slabs_.make(k64_.key, 64);
	charged(ns(1000), object, kText, k64_.cache_key());
	stop(ns(1000));
	work(); // its namespace is forgotten; it settles, since it holds something
	ASSERT_EQ(c->current(), State::settling);
	freed(object);
	host::advance(20);
	waits_for_readers([this] { work(); }); // clean, and the oldest goes
	EXPECT_EQ(containers.count(), kStoppedKept);
}

TEST_F(Race, AForgottenNamespaceIsPutAfterItsReaders)
{
	Container *c = start(ns(1));
	waits_for_readers([&] { containers.forget_namespace(*c); });
}

TEST_F(Race, FreeAgainstAWalkersClaim) { free_against_a_walkers_claim(); }

// take() against claim(): of every object of a stopped container either the free or the walker uncharges.
void Race::free_against_a_walkers_claim()
{
	Container *c = start(ns(1));
	for (int round = 0; round < 8 * kEffort; ++round) {
		std::vector<std::vector<u64>> mine(kThreads);
		for (int i = 0; i < 600; ++i) {
			const Cache &cache = i % 7 == 0 ? k8k_ : i % 2 == 0 ? k64_ : dentry_;
			const u64 object = slabs_.make(cache.key, cache.stride);
			charged(ns(1), object, kText + 8, cache.cache_key());
			mine[static_cast<size_t>(i) % kThreads].push_back(object);
		}
		u64 taken = 0;
		together(
		    kThreads,
		    [&](u32 cpu) {
			    for (u64 object : mine[cpu])
				    freed(object);
		    },
		    [&] { taken = drop_all(*c); });
		ASSERT_EQ(raw_held(*c), Raw{}) << "round " << round << ", the walker took " << taken;
		ASSERT_TRUE(recorded().empty());
		for (const auto &objects : mine)
			for (u64 object : objects)
				slabs_.free(object);
	}
	nothing_lost();
}

// The same for objects that come and go many at a time.
TEST_F(Race, ManyFreesAgainstAWalkersClaim)
{
	Container *c = start(ns(1));
	for (int round = 0; round < 4 * kEffort; ++round) {
		std::vector<std::vector<u64>> mine(kThreads);
		for (u32 cpu = 0; cpu < kThreads; ++cpu) {
			for (const Cache *cache : {&k64_, &k8k_, &dentry_}) {
				std::vector<u64> made;
				for (int i = 0; i < 70; ++i)
					made.push_back(slabs_.make(cache->key, cache->stride));
				host::set_cpu(cpu);
				charged_many(ns(1), made, kText + 8, cache->cache_key());
				mine[cpu].insert(mine[cpu].end(), made.begin(), made.end());
			}
		}
		ASSERT_EQ(held(*c).objects, 70 * 3 * kThreads);
		exact(*c);
		u64 taken = 0;
		together(
		    kThreads, [&](u32 cpu) { freed_many(mine[cpu]); }, [&] { taken = drop_all(*c); });
		ASSERT_EQ(raw_held(*c), Raw{}) << "round " << round << ", the walker took " << taken;
		ASSERT_TRUE(recorded().empty());
		for (const auto &objects : mine)
			for (u64 object : objects)
				slabs_.free(object);
	}
	nothing_lost();
}

TEST_F(Race, AFlatLedgersFreesAgainstAWalkersClaim)
{
	restart(flat(machine()));
	free_against_a_walkers_claim();
}

// The same with somebody else allocating and freeing all the while, and pages changing hands below the walker.
TEST_F(Race, TheNeighboursNeverNotice)
{
	Container *victim = start(ns(1));
	Container *neighbour = start(ns(2));
	std::atomic<bool> done{false};
	std::vector<u64> objects;
	together(
	    kThreads,
	    [&](u32 cpu) {
		    std::vector<u64> own;
		    for (u32 i = cpu; !done; ++i) {
			    const Cache &cache = i % 5 == 0 ? k8k_ : i % 3 == 0 ? k1k_ : i % 2 == 0 ? k64_ : dentry_;
			    const u64 object = slabs_.make(cache.key, cache.stride);
			    charged(ns(2), object, kText + i % 50 * 8, cache.cache_key());
			    own.push_back(object);
			    if (own.size() > 40 + cpu * 10) {
				    for (u64 o : own) {
					    freed(o);
					    slabs_.free(o);
				    }
				    own.clear();
			    }
		    }
		    for (u64 o : own) {
			    freed(o);
			    slabs_.free(o);
		    }
	    },
	    [&] {
		    for (int round = 0; round < 30 * kEffort; ++round) {
			    for (int i = 0; i < 40; ++i) {
				    const Cache &cache = i % 3 == 0 ? k8k_ : i % 2 == 0 ? k1k_ : dentry_;
				    const u64 object = slabs_.make(cache.key, cache.stride);
				    charged(ns(1), object, kText, cache.cache_key());
				    objects.push_back(object);
			    }
			    EXPECT_EQ(drop_all(*victim), 40u);
			    EXPECT_EQ(raw_held(*victim), Raw{});
			    for (u64 object : objects) {
				    freed(object); // the host's by now
				    slabs_.free(object);
			    }
			    objects.clear();
			    Survey survey;
			    EXPECT_TRUE(survey.live(*neighbour));
			    bc_ledger.reclaim();
		    }
		    done = true;
	    });
	EXPECT_EQ(raw_held(*victim), Raw{});
	EXPECT_EQ(raw_held(*neighbour), Raw{});
	nothing_lost();
}

// record() against the replacement of its page's array, by CPUs that meet in one page, and against walk() and
// reclaim().
TEST_F(Race, RecordAgainstArrayReplacement)
{
	Container *c = start(ns(1));
	std::atomic<u64> next{0};
	std::atomic<bool> walking{true};
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u32 round = 0; round < 200; ++round) {
			    // All of them allocate in the same page, which has just come from a cache of another
			    // stride.
			    const Cache &cache = round % 3 == 0 ? k1k_ : round % 3 == 1 ? k64_ : dentry_;
			    const u64 object = platform::page_address(77) + cpu * cache.stride;
			    in_step.arrive_and_wait();
			    charged(ns(1), object, kText, cache.cache_key());
			    if (round % 2 == 0)
				    in_step.arrive_and_wait();
			    freed(object);
			    in_step.arrive_and_wait();
			    ++next;
		    }
		    walking = false;
	    },
	    [&] {
		    while (walking) {
			    bc_ledger.walk([](const Ledger::Found &f) { EXPECT_FALSE(f.slot.empty()); });
			    bc_ledger.reclaim();
		    }
	    });
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_TRUE(recorded().empty());
	bc_ledger.reclaim();
	EXPECT_EQ(bc_ledger.arrays(), 1);
	nothing_lost();
}

// chunk_for(): many CPUs record the first object of the same chunk at once.
TEST_F(Race, ChunkPublication)
{
	Container *c = start(ns(1));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u64 chunk = 0; chunk < 16; ++chunk) {
			    in_step.arrive_and_wait();
			    for (u64 i = 0; i < 20; ++i)
				    charged(ns(1), platform::page_address(chunk * 512 + i) + cpu * 64, kText,
					    k64_.cache_key());
		    }
	    },
	    [] {});
	EXPECT_EQ(held(*c).objects, 16 * 20 * kThreads);
	EXPECT_EQ(bc_ledger.arrays(), 16 * 20);
	EXPECT_EQ(host::live(host::Kind::page), 16);
	exact(*c);
	nothing_lost();
}

// fold() against held(): while only frees run, a sum of zero is the end, never a moment between two.
TEST_F(Race, ZeroOfAStoppedContainerIsTheEnd)
{
	Container *c = start(ns(1));
	for (int round = 0; round < 3 * kEffort; ++round) {
		std::vector<std::vector<u64>> mine(kThreads);
		for (u32 i = 0; i < 300; ++i) {
			host::set_cpu(i % config_.cpus); // so that cells are above zero when the frees begin
			const Cache &cache = i / config_.cpus % 4 == 0 ? k8k_ : k1k_;
			const u64 object = slabs_.make(cache.key, cache.stride);
			charged(ns(1), object, kText, cache.cache_key());
			mine[i % kThreads].push_back(object);
		}
		std::atomic<u32> begun{0};
		u32 when_zero = 0;
		s64 before = held(*c).objects;
		together(
		    kThreads,
		    [&](u32 cpu) {
			    for (u64 object : mine[cpu]) {
				    begun.fetch_add(1, std::memory_order_seq_cst);
				    freed(object);
			    }
		    },
		    [&] {
			    for (Held h = held(*c);; h = held(*c)) {
				    EXPECT_LE(h.objects, 300);
				    before = h.objects;
				    if (h.objects == 0 && h.bytes == 0)
					    break;
			    }
			    when_zero = begun;
		    });
		ASSERT_EQ(when_zero, 300u) << "held() said zero too early";
		ASSERT_EQ(before, 0);
		ASSERT_EQ(raw_held(*c), Raw{});
		for (const auto &objects : mine)
			for (u64 object : objects)
				slabs_.free(object);
	}
}

// While charges run, a sum is off by what moves: bounded, and exact as soon as they have ended.
TEST_F(Race, SumsWhileChargesRun)
{
	Container *c = start(ns(1));
	std::atomic<u32> running{kThreads};
	s64 most = 0;
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (int i = 0; i < 100 * kEffort; ++i) {
			    const u64 object = platform::page_address(cpu * 600) + static_cast<u64>(i % 50) * 8192;
			    charged(ns(1), object, kText, k8k_.cache_key());
			    freed(object);
		    }
		    --running;
	    },
	    [&] {
		    while (running != 0) {
			    const Held h = held(*c);
			    most = std::max(most, h.bytes);
			    maxheld(*c, ByteKind::kmemsize);
			    std::this_thread::yield();
		    }
	    });
	EXPECT_LE(most, s64{kThreads} * (kBatch + 2 * 8192) * 2);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_LE(maxheld(*c, ByteKind::kmemsize), s64{kThreads} * (kBatch + 2 * 8192) * 2);
	nothing_lost();
}

// Sites::intern() by many: a pair has one place, whoever comes first, and what is read through it is complete.
TEST_F(Race, SiteInterning)
{
	constexpr u64 kPairs = 400;
	std::vector<std::vector<u32>> got(kThreads, std::vector<u32>(kPairs * 2));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    in_step.arrive_and_wait();
		    for (u64 i = 0; i < kPairs * 2; ++i) {
			    platform::PreemptOff section;
			    const Cache &cache = i % 2 == 0 ? k64_ : dentry_;
			    const SiteIndex index = sites.intern(Address{kText + i / 2 * 16}, cache.cache_key());
			    const Site &site = sites[index];
			    EXPECT_EQ(site.stride.value, cache.stride);
			    EXPECT_EQ(site.kind, i % 2 == 0 ? ByteKind::kmemsize : ByteKind::dcachesize);
			    EXPECT_STREQ(sites.cache_name(site), i % 2 == 0 ? "kmalloc-64" : "dentry");
			    got[cpu][i] = index.value;
		    }
	    },
	    [&] { // caches and modules that go meanwhile are others
		    for (int i = 0; i < 3; ++i) {
			    bc_cache_gone(k8k_.key);
			    bc_text_going(kText + 0x100000, kText + 0x200000);
		    }
	    });
	for (u32 cpu = 1; cpu < kThreads; ++cpu)
		EXPECT_EQ(got[cpu], got[0]);
	EXPECT_EQ(sites.count(), kPairs * 2);
	nothing_lost();
}

// A module's text goes while its objects are freed and shown.
TEST_F(Race, TextGoesWhileItsSymbolsAreRead)
{
	host::add_symbol(kText, 0x10000, "leaky_function", "leaky");
	start(ns(1));
	std::vector<u64> objects;
	for (u64 i = 0; i < 200; ++i) {
		objects.push_back(slabs_.make(k64_.key, 64));
		charged(ns(1), objects.back(), kText + i * 16, k64_.cache_key());
	}
	together(
	    2,
	    [&](u32 cpu) {
		    if (cpu == 0) {
			    for (u64 object : objects)
				    freed(object);
		    } else {
			    bc_text_going(kText, kText + 0x10000);
		    }
	    },
	    [&] {
		    for (int i = 0; i < 5; ++i)
			    render(BC_FILE_OBJECTS, 1);
	    });
	EXPECT_EQ(raw_held(*find(ns(1))), Raw{});
}

// find_or_make() by many for one namespace: one is made, everybody gets it, and one reference is taken.
TEST_F(Race, ContainerCreation)
{
	constexpr u64 kSpaces = 60;
	std::atomic<u32> made{0};
	std::vector<std::vector<Container *>> got(kThreads, std::vector<Container *>(kSpaces));
	std::barrier in_step{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u64 n = 0; n < kSpaces; ++n) {
			    in_step.arrive_and_wait();
			    if (n % 2 == 0) {
				    made += bc_task_forked(ns(n), 100, "init", false) != 0;
				    platform::PreemptOff section;
				    got[cpu][n] = containers.find(ns(n));
			    } else { // by a charge
				    const u64 object = slabs_.make(k64_.key, 64);
				    charged(ns(n), object, kText, k64_.cache_key());
				    platform::PreemptOff section;
				    got[cpu][n] = containers.find(ns(n));
			    }
		    }
	    },
	    [&] {
		    for (int i = 0; i < 20; ++i) {
			    bc_task_forked(ns(1), 55, "late", false);
			    render(BC_FILE_CONTAINERS);
			    work();
		    }
	    });
	EXPECT_EQ(made, kSpaces / 2);
	EXPECT_EQ(containers.count(), kSpaces);
	for (u64 n = 0; n < kSpaces; ++n) {
		ASSERT_NE(got[0][n], nullptr);
		for (u32 cpu = 1; cpu < kThreads; ++cpu)
			EXPECT_EQ(got[cpu][n], got[0][n]);
		EXPECT_EQ(host::references(ns(n)), 1);
		EXPECT_EQ(held(*got[0][n]).objects, n % 2 == 0 ? 0 : kThreads);
	}
	nothing_lost();
}

// A container's last object is freed while the worker stops, evicts and frees the container: the counter is still
// being folded when the sum is zero already.
TEST_F(Race, RetireAgainstALateFold)
{
	std::atomic<u64> handed{0}, taken{0}; // objects on their way to the threads that free them
	constexpr u64 kRing = 64;
	std::vector<std::atomic<u64>> ring(kRing);
	std::atomic<bool> done{false};
	together(
	    2,
	    [&](u32) {
		    while (!done || taken < handed) {
			    u64 n = taken;
			    const bool filled = n < handed;
			    // Read between the two looks: filled by then, and not yet filled anew.
			    const u64 object = ring[n % kRing];
			    if (!filled || !taken.compare_exchange_weak(n, n + 1)) {
				    std::this_thread::yield();
				    continue;
			    }
			    freed(object);
			    slabs_.free(object);
		    }
	    },
	    [&] {
		    const int last = 100 + 20 * kEffort;
		    for (int n = 1; n <= last; ++n) {
			    start(ns(static_cast<u64>(n)));
			    for (int i = 0; i < 4; ++i) {
				    const Cache &cache = i == 0 ? k8k_ : i == 1 ? dentry_ : k1k_;
				    const u64 object = slabs_.make(cache.key, cache.stride);
				    charged(ns(static_cast<u64>(n)), object, kText, cache.cache_key());
				    while (handed - taken >= kRing)
					    std::this_thread::yield();
				    ring[handed % kRing] = object;
				    ++handed;
			    }
			    stop(ns(static_cast<u64>(n)));
			    for (int i = 0; i < 3; ++i) {
				    work();
				    host::advance(1);
			    }
		    }
		    while (taken < handed)
			    std::this_thread::yield();
		    done = true;
	    });
	work_for(500);
	EXPECT_EQ(containers.count(), kStoppedKept);
	containers.each([](Container &c) {
		EXPECT_EQ(c.current(), State::clean);
		EXPECT_EQ(raw_held(c), Raw{});
	});
	EXPECT_TRUE(recorded().empty());
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

// A container that began without cells gets them from the worker while it is charged.
TEST_F(Race, CellsThatComeLate)
{
	for (int round = 0; round < 10 * kEffort; ++round) {
		const void *space = ns(static_cast<u64>(round) + 1);
		host::fail(host::Kind::percpu, 1);
		Container *c = start(space);
		ASSERT_FALSE(c->has_cells());
		together(
		    kThreads,
		    [&](u32 cpu) {
			    for (u64 i = 0; i < 50; ++i) {
				    const u64 object = platform::page_address(cpu * 64 + i) + 64 * cpu;
				    charged(space, object, kText, k64_.cache_key());
				    if (i % 2 == 0)
					    freed(object);
			    }
		    },
		    [&] { work(); });
		ASSERT_TRUE(c->has_cells());
		ASSERT_EQ(held(*c).objects, 25 * kThreads);
		drop_all(*c);
		ASSERT_EQ(raw_held(*c), Raw{});
		stop(space);
		work();
	}
}

// Everything at once, with the worker's rounds and every file read.
TEST_F(Race, AllOfIt)
{
	restart(machine(1000));
	std::atomic<u32> running{kThreads};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    u64 n = cpu * 1000 + 1;
		    for (int i = 0; i < 6 * kEffort; ++i, ++n) {
			    bc_tasks tasks{};
			    tasks.pids = 1;
			    host::set_tasks(ns(n), tasks);
			    bc_task_forked(ns(n), static_cast<s32>(n), "x", false);
			    std::vector<u64> objects;
			    for (u32 k = 0; k < 60; ++k) {
				    const Cache &cache = k % 9 == 0 ? k8k_ : k % 3 == 0 ? dentry_ : k64_;
				    objects.push_back(slabs_.make(cache.key, cache.stride));
				    charged(ns(n), objects.back(), kText + k % 20 * 8, cache.cache_key());
			    }
			    no_tasks(ns(n));
			    bc_init_exited(ns(n));
			    for (u64 object : objects) {
				    freed(object);
				    slabs_.free(object);
			    }
		    }
		    --running;
	    },
	    [&] {
		    while (running != 0) {
			    work();
			    host::advance(100);
			    render(BC_FILE_BEANCOUNTERS);
			    render(BC_FILE_CONTAINERS);
			    render(BC_FILE_HEALTH);
			    containers.each([](Container &c) {
				    render(BC_FILE_OBJECTS, c.id.value);
				    render(BC_FILE_LEAKS, c.id.value);
			    });
		    }
	    });
	work_for(60000);
	EXPECT_TRUE(recorded().empty());
	containers.each([](Container &c) { EXPECT_EQ(c.current(), State::clean); });
	nothing_lost();
}

} // namespace
} // namespace rig
