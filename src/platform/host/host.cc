// SPDX-License-Identifier: GPL-2.0
// The neck over the C library: CPUs, sections and their grace periods, locks, the clock.
#include "host.h"
#include "inside.h"

#include <beancounter/core.h>

#include <platform/inline.h>

#include "../../core/counter.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <utility>

namespace bc::platform
{

thread_local Thread this_thread;
bc_cpu cpus[kMostCpus];
bool jitter_wanted = false;

namespace
{
struct NoCells {
	u64 words[kMostCpus * kPerCpuUnit / sizeof(u64)];
	NoCells() { std::fill(std::begin(words), std::end(words), kNowhere); }
};
NoCells g_no_cells;
} // namespace
u64 *no_cells() { return g_no_cells.words; }

namespace
{
struct Step {
	unsigned long left = 0; // 0: none is waited for
	std::function<void()> then;
};
thread_local Step t_step;
} // namespace

void jitter_now()
{
	if (t_step.left != 0) {
		if (--t_step.left == 0)
			std::exchange(t_step.then, {})();
		return;
	}
	thread_local u64 random = reinterpret_cast<u64>(&random) | 1;
	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	if (random % 4 == 0)
		std::this_thread::yield();
}

namespace
{
u64 reserve_arena()
{
	void *arena = mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		host::die("no room for the arena");
	return reinterpret_cast<u64>(arena);
}
} // namespace
u64 arena_base = reserve_arena();

namespace
{

// One reader: its count is odd while its thread is in a section. Every step is a read-modify-write of that one word, so
// one of the two comes first: either the writer sees the section and waits for its end, or the section begins after
// the writer's look, and sees all that the writer did before. No fence, which ThreadSanitizer does not understand.
constexpr unsigned kMostThreads = 256;
struct alignas(64) Reader {
	std::atomic<bool> taken{false};
	std::atomic<u64> count{0};
};
Reader g_readers[kMostThreads];
std::atomic<unsigned> g_readers_used{0};
std::atomic<unsigned long> g_grace_periods{0};

struct Seat {
	Reader *reader = nullptr;
	unsigned long depth = 0;
	unsigned long locks = 0;

	Reader &take()
	{
		for (unsigned i = 0; reader == nullptr && i < kMostThreads; ++i) {
			if (g_readers[i].taken.exchange(true))
				continue;
			reader = &g_readers[i];
			unsigned used = g_readers_used.load();
			while (used < i + 1 && !g_readers_used.compare_exchange_weak(used, i + 1)) {
			}
		}
		if (reader == nullptr)
			host::die("too many threads");
		return *reader;
	}
	~Seat()
	{
		if (depth != 0 || locks != 0)
			host::die("a thread ends inside a section or with a lock held");
		if (reader != nullptr)
			reader->taken.store(false);
	}
};
thread_local Seat t_seat;

} // namespace

void section_enter()
{
	if (t_seat.depth++ != 0)
		return;
	Reader &reader = t_seat.reader != nullptr ? *t_seat.reader : t_seat.take();
	reader.count.fetch_add(1, std::memory_order_acq_rel);
}

void section_leave()
{
	if (--t_seat.depth == 0)
		t_seat.reader->count.fetch_add(1, std::memory_order_acq_rel);
}

} // namespace bc::platform

namespace host
{

using namespace bc::platform;

void die(const char *why)
{
	fprintf(stderr, "host platform: %s\n", why);
	abort();
}

void may_sleep(const char *function)
{
	if (t_seat.depth == 0 && t_seat.locks == 0)
		return;
	fprintf(stderr, "host platform: %s() sleeps, and was called in a section or with a lock held\n", function);
	abort();
}

void set_cpu(bc_u32 cpu)
{
	if (cpu >= kMostCpus)
		die("no such CPU");
	this_thread.cpu = cpu;
}
void set_namespace(const void *ns) { this_thread.ns = ns; }
void set_loads(bool loads) { this_thread.loads = loads; }

void set_maple_retry(bool retry) { this_thread.maple_retry = retry; }
void set_audit(bool audit) { this_thread.audit = audit; }
void set_task(bool must_succeed, bool io_scope, bool page_fault)
{
	this_thread.must_succeed = must_succeed;
	this_thread.io_scope = io_scope;
	this_thread.page_fault = page_fault;
}
unsigned long sections() { return t_seat.depth; }
unsigned long locks() { return t_seat.locks; }
unsigned long grace_periods() { return g_grace_periods.load(); }

namespace
{

std::atomic<bc_u64> g_now{0};
std::atomic<unsigned long> g_kicks{0};
std::atomic<bool> g_flush_kicked{false};
std::atomic<bool> g_refuse_waits{false};
std::mutex g_flush;
std::mutex g_locks[BC_LOCKS];
thread_local bc_u64 t_true_caller = 0;
thread_local bc_u32 t_stack = 0;
Guarded<std::function<void()>> g_cpu_forget;
Guarded<std::function<void(bool)>> g_waited;

} // namespace

void at_step(unsigned long nth, std::function<void()> then)
{
	jitter(true);
	bc::platform::t_step = {nth, std::move(then)};
}
bool step_came() { return std::exchange(bc::platform::t_step, {}).left == 0; }
void jitter(bool on) { __atomic_store_n(&jitter_wanted, on, __ATOMIC_RELAXED); }
void set_time(bc_u64 ms) { g_now = ms; }
void advance(bc_u64 ms) { g_now += ms; }
void set_true_caller(bc_u64 address) { t_true_caller = address; }
void set_stack(bc_u32 stack) { t_stack = stack; }
unsigned long kicks() { return g_kicks.load(); }
bool take_flush_kick() { return g_flush_kicked.exchange(false); }
void on_wait(std::function<void(bool)> called)
{
	g_waited.with([&](auto &f) { f = std::move(called); });
}
void refuse_waits(bool on) { g_refuse_waits = on; }
void on_cpu_forget(std::function<void()> called)
{
	g_cpu_forget.with([&](auto &f) { f = std::move(called); });
}

void reset()
{
	g_now = 1000000; // an uptime, so that differences can go below
	g_kicks = 0;
	g_grace_periods = 0;
	g_flush_kicked = false;
	g_refuse_waits = false;
	on_wait({});
	set_task(false, false, false);
	on_cpu_forget({});
	step_came();
	jitter(false);
	for (auto &cpu : cpus) {
		if (__atomic_load_n(&cpu.in_flight, __ATOMIC_RELAXED) != 0)
			die("a wrapper was left in flight");
		__atomic_store_n(&cpu.last, nullptr, __ATOMIC_RELAXED);
	}
	for (const bc::u64 &word : bc::platform::g_no_cells.words) {
		if (__atomic_load_n(&word, __ATOMIC_RELAXED) != bc::kNowhere)
			die("what was added to no_cells() was not taken back");
	}
	this_thread = Thread{};
	t_true_caller = 0;
	reset_memory();
	reset_objects();
	reset_world();
}

} // namespace host

bc::u64 bc::platform::clock_ms() { return host::g_now.load(std::memory_order_relaxed); }

using namespace host;

extern "C" {

unsigned long bc_lock(enum bc_lock_id lock)
{
	if (t_seat.locks++ != 0)
		die("a lock was taken inside another one: all are leaves");
	bc::platform::jitter();
	g_locks[lock].lock();
	return 0x246; // what Linux hands out: to be given back unchanged
}

void bc_unlock(enum bc_lock_id lock, unsigned long flags)
{
	if (flags != 0x246)
		die("bc_unlock() got other flags than bc_lock() gave");
	g_locks[lock].unlock();
	--t_seat.locks;
}

void bc_synchronize_rcu(void)
{
	may_sleep(__func__);
	bc::platform::jitter();
	++g_grace_periods;
	const unsigned used = g_readers_used.load();
	for (unsigned i = 0; i < used; ++i) {
		auto &count = g_readers[i].count;
		const bc_u64 seen = count.fetch_add(0, std::memory_order_acq_rel);
		if (seen % 2 == 0)
			continue;
		while (count.load(std::memory_order_acquire) == seen)
			std::this_thread::yield();
	}
}

void bc_cond_resched(void)
{
	may_sleep(__func__);
	bc::platform::jitter();
}
void bc_resched(void) {}
void bc_kick_worker(void) { g_kicks.fetch_add(1, std::memory_order_relaxed); }
void bc_kick_flush(void) { g_flush_kicked.store(true, std::memory_order_relaxed); }

bool bc_wait_for_frees(bool batches)
{
	may_sleep(__func__);
	if (g_refuse_waits)
		return false;
	{
		std::lock_guard<std::mutex> one{g_flush};
		bc_core_flush();
	}
	std::function<void(bool)> called;
	g_waited.with([&](auto &f) { called = f; });
	if (called)
		called(batches);
	return true;
}

bool bc_current_loads(void) { return this_thread.loads; }
bc_u32 bc_must_have(void)
{
	bc_u32 must = 0;
	must |= this_thread.page_fault ? BC_MUST_FAULT : 0;
	must |= this_thread.maple_retry ? BC_MUST_MAPLE : 0;
	must |= this_thread.audit ? BC_MUST_AUDIT : 0;
	return must;
}

void bc_current_task(bc_s32 *host_pid, char *comm)
{
	*host_pid = 1000 + static_cast<bc_s32>(this_thread.cpu);
	snprintf(comm, 16, "cpu-%u", this_thread.cpu);
}

bc_u64 bc_now_ms(void) { return clock_ms(); }
bc_u64 bc_true_caller(void) { return t_true_caller; }
bc_u64 bc_caller_above(const void *) { return t_true_caller; }
bc_u32 bc_stack_save(bc_u32) { return t_stack; }

void bc_cpu_forget(const void *container)
{
	may_sleep(__func__);
	std::function<void()> called;
	g_cpu_forget.with([&](auto &f) { called = f; });
	if (called)
		called();
	for (auto &cpu : cpus) {
		void *expected = const_cast<void *>(container);
		__atomic_compare_exchange_n(&cpu.last, &expected, nullptr, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	}
}

} // extern "C"
