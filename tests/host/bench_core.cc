// SPDX-License-Identifier: GPL-2.0
// Contention, which a virtual machine of one thread does not show: the core on the host's processors. One iteration is
// a charge of an object of 64 bytes and its free. The platform of the tests has costs of its own (sections and per-CPU
// words are atomics there), so what counts is how the rows of one run compare: with themselves at twice the threads,
// and with the counter that one would write first, a single atomic.
//
// Two threads that take turns on a processor contend for nothing, and look as if all were well. Each has a processor of
// its own, each row says what part of the time its threads ran ("ran"), and `baton` is what it takes to hand a word
// over and get it back: less than a microsecond between two that run, a turn of the scheduler between two that do not.
#include "admit.h"

#include <beancounter/core.h>
#include <host.h>

#include <benchmark/benchmark.h>

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>
#include <vector>

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

// The processors that we may use. Thread n has the nth, and a second one none to itself where there is only one.
const std::vector<int> &processors()
{
	static const std::vector<int> all = [] {
		std::vector<int> found;
		cpu_set_t set;
		if (sched_getaffinity(0, sizeof(set), &set) != 0)
			give_up("no affinity");
		for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
			if (CPU_ISSET(cpu, &set))
				found.push_back(cpu);
		}
		return found;
	}();
	return all;
}

void settle_down(u64 thread)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processors()[thread % processors().size()], &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		give_up("no processor for a thread");
}

// What part of the time between the first iteration and the last this thread ran; the mean of all threads is reported.
class Ran
{
      public:
	explicit Ran(benchmark::State &state) : state_(state) {}
	void begin()
	{
		wall_ = now(CLOCK_MONOTONIC);
		cpu_ = now(CLOCK_THREAD_CPUTIME_ID);
	}
	void end()
	{
		const double cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu_;
		state_.counters["ran"] =
		    benchmark::Counter(cpu / (now(CLOCK_MONOTONIC) - wall_), benchmark::Counter::kAvgThreads);
		state_.SetItemsProcessed(state_.iterations());
	}

      private:
	static double now(clockid_t clock)
	{
		timespec time{};
		clock_gettime(clock, &time);
		return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
	}
	benchmark::State &state_;
	double wall_ = 0;
	double cpu_ = 0;
};

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
	settle_down(thread);
	Ran ran{state};
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
			ran.begin();
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
	ran.end();
	if (refused)
		state.SkipWithError("a charge was refused");
}

// `step` again and again, as every thread does it.
template <class Step> void repeat(benchmark::State &state, Step &&step)
{
	settle_down(static_cast<u64>(state.thread_index()));
	Ran ran{state};
	bool begun = false;
	for (auto _ : state) {
		if (!begun)
			ran.begin();
		begun = true;
		step();
	}
	ran.end();
}

// What a counter costs that is one word for all.
void one_atomic(benchmark::State &state)
{
	static std::atomic<s64> held;
	repeat(state, [] {
		held.fetch_add(64, std::memory_order_relaxed);
		held.fetch_sub(64, std::memory_order_relaxed);
	});
}

void one_lock(benchmark::State &state)
{
	static std::mutex lock;
	static s64 held;
	repeat(state, [] {
		{
			std::lock_guard<std::mutex> guard{lock};
			held += 64;
		}
		std::lock_guard<std::mutex> guard{lock};
		held -= 64;
	});
	benchmark::DoNotOptimize(held);
}

// Each thread makes as many iterations as the other, and none before the other's last.
void baton(benchmark::State &state)
{
	static std::atomic<int> turn;
	const int own = state.thread_index();
	repeat(state, [own] {
		while (turn.load(std::memory_order_acquire) != own)
			benchmark::ClobberMemory();
		turn.store(1 - own, std::memory_order_release);
	});
}

BENCHMARK_CAPTURE(pairs, own_container, Share::nothing, false, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_container, Share::container, false, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_page, Share::container, false, 0)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, own_container_near, Share::nothing, true, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK_CAPTURE(pairs, one_container_near, Share::container, true, 64)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK(one_atomic)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK(one_lock)->ThreadRange(1, kThreads)->UseRealTime();
// So few that it ends, too, where each takes a turn of the scheduler.
BENCHMARK(baton)->Threads(kThreads)->Iterations(1000)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
