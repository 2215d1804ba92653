// SPDX-License-Identifier: GPL-2.0
// Contention, which a virtual machine of one thread does not show: the core on the host's processors. One iteration is
// a charge of an object of 64 bytes and its free. The platform of the tests has costs of its own (sections and per-CPU
// words are atomics there), so what counts is how the rows of one run compare: with themselves at twice the threads,
// and with the counter that one would write first, a single atomic.
#include "admit.h"

#include <beancounter/core.h>
#include <host.h>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

using namespace bc;

namespace
{

constexpr u64 kText = 0xffffffff81000000ull;
constexpr u32 kThreads = 2;
constexpr u64 kObjects = 64; // a thread's, which it goes round

const void *ns_of(u64 n) { return reinterpret_cast<const void *>(0xffff888200000000ul + n * 512); }

[[noreturn]] void give_up(const char *why)
{
	(void)std::fprintf(stderr, "bench_core: %s\n", why);
	std::exit(1);
}

// The core as after insmod, with a container for each thread. Started once: every benchmark ends with nothing charged.
struct Machine {
	const void *cache;
	Machine()
	{
		host::reset();
		cache = host::make_cache(64, false, "kmalloc-64");
		host::add_symbol(kText, 0x1000, "somebody");
		bc_config config{};
		config.pages = 8192;
		config.cpus = kThreads;
		config.max_containers = 16;
		config.settle_ms = 1000;
		config.hooks = 20;
		if (bc_core_init(&config) != 0)
			give_up("the core does not start");
		for (u64 n = 0; n <= kThreads; ++n) {
			bc_tasks tasks{};
			tasks.pids = 1;
			host::set_tasks(ns_of(n), tasks);
			bc_task_forked(ns_of(n), 100, "init", false);
		}
		bc_round round{};
		bc_core_work(&round); // their cells
	}
};

Machine &machine()
{
	static Machine m;
	return m;
}

u32 id_of(u64 n) { return bc_container_id(ns_of(n)); }

void set_limits(u64 n, const std::string &text)
{
	if (bc_set_resources(id_of(n), text.data(), text.size()) != 0 || !bc_wait_for_frees(false))
		give_up("a limit is refused");
}

CacheKey cache_key() { return CacheKey{reinterpret_cast<u64>(machine().cache)}; }

// As the wrapper in hooks.cc does it.
bool allocate(u64 address)
{
	void *object = reinterpret_cast<void *>(address);
	if (gates.small.relaxed() != 0) {
		Admission admission;
		if (!admit({Address{kText}, cache_key(), 0, 1, ByteKind::kmemsize, 0, false}, admission))
			return false;
		if (admission.c != nullptr) {
			settle(admission, &object, 1, Address{kText}, cache_key(), 0);
			return true;
		}
	}
	platform::PreemptOff section;
	Container *c = current_container();
	return c != nullptr && charge(*c, Address{address}, Address{kText}, cache_key(), 0);
}

void release(u64 address)
{
	platform::PreemptOff section;
	free_object(Address{address});
}

enum class Share {
	nothing,  // each thread in a container of its own
	container // all in one
};

void pairs(benchmark::State &state, Share share, bool near, u64 pages_apart)
{
	const auto thread = static_cast<u64>(state.thread_index());
	if (thread == 0) {
		machine();
		for (u64 n = 0; n <= kThreads; ++n)
			set_limits(n, near ? "kmemsize 64K 64K\n" : "kmemsize unlimited unlimited\n");
		bc_round round{};
		host::advance(10000);
		bc_core_work(&round);
	}
	bool refused = false;
	u64 at = 0;
	for (auto _ : state) { // every thread begins when all are here
		if (at == 0) {
			host::set_cpu(static_cast<u32>(thread));
			host::set_namespace(ns_of(share == Share::nothing ? 1 + thread : 0));
		}
		// Pages apart 0: neighbours in one page, slots in one cache line.
		const u64 page = 16 + thread * pages_apart;
		const u64 place = pages_apart == 0 ? (at * kThreads + thread) % kObjects : at % kObjects;
		const u64 address = platform::page_address(page) + place * 64;
		refused |= !allocate(address);
		release(address);
		++at;
	}
	if (refused)
		state.SkipWithError("a charge was refused");
	state.SetItemsProcessed(state.iterations());
}

// What a counter costs that is one word for all.
void one_atomic(benchmark::State &state)
{
	static std::atomic<s64> held;
	for (auto _ : state) {
		held.fetch_add(64, std::memory_order_relaxed);
		held.fetch_sub(64, std::memory_order_relaxed);
	}
	state.SetItemsProcessed(state.iterations());
}

void one_lock(benchmark::State &state)
{
	static std::mutex lock;
	static s64 held;
	for (auto _ : state) {
		{
			std::lock_guard<std::mutex> guard{lock};
			held += 64;
		}
		std::lock_guard<std::mutex> guard{lock};
		held -= 64;
	}
	benchmark::DoNotOptimize(held);
	state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(pairs, own_container, Share::nothing, false, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_container, Share::container, false, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_page, Share::container, false, 0)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, own_container_near, Share::nothing, true, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_container_near, Share::container, true, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK(one_atomic)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK(one_lock)->ThreadRange(1, kThreads)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
