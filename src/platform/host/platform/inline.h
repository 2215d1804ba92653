// SPDX-License-Identifier: GPL-2.0
// What the hot path asks of the machine without a call: the host. platform/kernel has the other half of this pair.
//
// A CPU is a number that a thread gives itself (host::set_cpu()); a physical page is a page of an address range that
// nobody can read or write. Per-CPU words are read and written by relaxed atomics, which is what one instruction is in
// the kernel, so that a data race that ThreadSanitizer reports is one of the core's.
#pragma once

#include <beancounter/platform.h>

#include "../../../core/slot.h"
#include "../../../core/types.h"

namespace bc::platform
{

inline constexpr u32 kMostCpus = 16;
inline constexpr u64 kPerCpuUnit = 256; // the most that one CPU's copy of anything takes, and the way to the next copy
inline constexpr u64 kArenaBytes = u64{1} << 32;

// The thread's own state, and the arena's address: host.cc.
struct Thread {
	u32 cpu = 0;
	const void *ns = nullptr;
	bool must_succeed = false;
	bool io_scope = false;
	bool page_fault = false;
	bool audit = false;
	bool maple_retry = false;
	bool loads = false;
};
extern thread_local Thread this_thread;
extern u64 arena_base;
extern bc_cpu cpus[kMostCpus];

// A step: another thread may come first, if a test wants that. Each call of the platform is one, and each write to what
// CPUs share (core/atomic.h). host::jitter(), host::at_step().
extern bool jitter_wanted;
void jitter_now();
inline void jitter()
{
	if (__builtin_expect(__atomic_load_n(&jitter_wanted, __ATOMIC_RELAXED), false))
		jitter_now();
}

void section_enter();
void section_leave();
u64 clock_ms();
const void *cache_of(const void *object);

// A section in which this task stays on its CPU, and an RCU read section. They nest.
class PreemptOff
{
      public:
	PreemptOff() { section_enter(); }
	~PreemptOff() { section_leave(); }
	PreemptOff(const PreemptOff &) = delete;
	PreemptOff &operator=(const PreemptOff &) = delete;
};

inline void provide(u32) {}

inline void in_flight_enter() { __atomic_fetch_add(&cpus[this_thread.cpu].in_flight, 1, __ATOMIC_RELAXED); }
inline void in_flight_leave() { __atomic_fetch_sub(&cpus[this_thread.cpu].in_flight, 1, __ATOMIC_RELAXED); }

inline void *cpu_last() { return __atomic_load_n(&cpus[this_thread.cpu].last, __ATOMIC_RELAXED); }
inline void set_cpu_last(void *last) { __atomic_store_n(&cpus[this_thread.cpu].last, last, __ATOMIC_RELAXED); }

// A per-CPU pointer is the address of CPU 0's copy.
inline u64 *percpu_word(u64 *percpu, u32 cpu) { return percpu + cpu * (kPerCpuUnit / sizeof(u64)); }
inline bool percpu_add(u64 *percpu, u64 value)
{
	jitter();
	const u64 sum = __atomic_add_fetch(percpu_word(percpu, this_thread.cpu), value, __ATOMIC_RELAXED);
	jitter();
	return static_cast<s64>(sum) < 0;
}
inline u64 percpu_swap(u64 *percpu, u64 value)
{
	jitter();
	return __atomic_exchange_n(percpu_word(percpu, this_thread.cpu), value, __ATOMIC_RELAXED);
}
inline u64 percpu_read(const u64 *percpu, u32 cpu)
{
	return __atomic_load_n(percpu + cpu * (kPerCpuUnit / sizeof(u64)), __ATOMIC_ACQUIRE);
}

inline u64 percpu_replace(u64 *percpu, u32 cpu, u64 value)
{
	jitter();
	return __atomic_exchange_n(percpu_word(percpu, cpu), value, __ATOMIC_ACQ_REL);
}
u64 *no_cells(); // host.cc

// Numbers of this machine's own.
inline constexpr u32 kGfpHigh = 1;
inline constexpr u32 kGfpIo = 2;
inline constexpr u32 kGfpFs = 4;
inline constexpr u32 kGfpDirectReclaim = 8;
inline constexpr u32 kGfpNoFail = 16;
inline constexpr u32 kGfpReclaimable = 32;

inline bool current_must_succeed() { return this_thread.must_succeed; }
inline bool current_in_io_scope() { return this_thread.io_scope; }
inline const void *current_namespace() { return this_thread.ns; }

inline u64 page_index(u64 address) { return (address - arena_base) >> kPageShift; }
inline u64 page_address(u64 index) { return arena_base + (index << kPageShift); }

// Ledger::record_together(), take_together() are C++ here.
inline constexpr bool kTogether = false;
extern "C" u32 bc_record_together(void *const *objects, u32 count, u64 tag, u64 slot);
extern "C" u32 bc_take_together(void *const *objects, u32 count, u64 tag, u64 same);

// A pointer as a word whose bit 63 is set, and back. A user's address has it clear.
inline u64 word_of(const void *pointer) { return reinterpret_cast<u64>(pointer) | u64{1} << 63; }
inline void *pointer_of(u64 word) { return reinterpret_cast<void *>(word & ~(u64{1} << 63)); }

inline Birth birth_now() { return Birth{static_cast<u32>(clock_ms() / kBirthUnitMs)}; }

} // namespace bc::platform
