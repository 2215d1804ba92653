// SPDX-License-Identifier: GPL-2.0
// What the hot path asks of the machine without a call: x86-64 Linux. platform/host has the other half of this pair.
//
// offsets.h is generated from the kernel's own headers by src/shim/offsets.c, so nothing here knows a layout.
#pragma once

#include <beancounter/platform.h>
#include <generated/offsets.h>

#include "../../../core/slot.h"
#include "../../../core/types.h"

extern "C" {
extern unsigned long page_offset_base; // start of the linear map, arch/x86/kernel/head64.c
extern volatile unsigned long jiffies;
}

#define BC_STRING2(x) #x
#define BC_STRING(x) BC_STRING2(x)
#if BC_HAVE_PCPU_HOT // 6.2 to 6.14 keep both in one cache line, arch/x86/include/asm/current.h
#define BC_CURRENT "%%gs:pcpu_hot+" BC_STRING(BC_HOT_CURRENT)
#define BC_PREEMPT "%%gs:pcpu_hot+" BC_STRING(BC_HOT_PREEMPT)
#else
#define BC_CURRENT "%%gs:current_task"
#define BC_PREEMPT "%%gs:__preempt_count"
#endif

namespace bc::platform
{

inline void jitter() {} // the host has one

// A section in which this task stays on its CPU. Doubles as an RCU read section: since 4.20 synchronize_rcu() waits for
// every region with preemption off (kernel/rcu/tree.c), so what a section looked up cannot be freed before it ends.
class PreemptOff
{
      public:
	PreemptOff()
	{
#if BC_PREEMPT_COUNT
		asm volatile("incl " BC_PREEMPT ::: "memory");
#else
		asm volatile("" ::: "memory");
#endif
	}
	~PreemptOff()
	{
#if BC_PREEMPT_COUNT
		// The need-resched flag is kept inverted in the count: zero means "allowed and due", asm/preempt.h
		bool due;
		asm volatile("decl " BC_PREEMPT : "=@ccz"(due)::"memory");
		if (__builtin_expect(due, false))
			bc_resched();
#else
		asm volatile("" ::: "memory");
#endif
	}
	PreemptOff(const PreemptOff &) = delete;
	PreemptOff &operator=(const PreemptOff &) = delete;
};

// What a section that is about to begin may need of our own memory: on PREEMPT_RT none can be had in there
// (shim/pool.c).
#if BC_PREEMPT_RT
extern "C" int bc_pool_low;
extern "C" bool bc_pool_fill(u32 gfp);
inline void provide(u32 gfp)
{
	if (__builtin_expect(__atomic_load_n(&bc_pool_low, __ATOMIC_RELAXED) != 0, false))
		bc_pool_fill(gfp);
}
#else
inline void provide(u32) {}
#endif

inline void in_flight_enter() { asm volatile("incq %%gs:bc_this_cpu+" BC_STRING(BC_CPU_IN_FLIGHT)::: "memory"); }
inline void in_flight_leave() { asm volatile("decq %%gs:bc_this_cpu+" BC_STRING(BC_CPU_IN_FLIGHT)::: "memory"); }

// With preemption off. Only a task's own context writes it: wrappers in interrupts charge nobody.
inline void *cpu_last()
{
	void *last;
	asm volatile("movq %%gs:bc_this_cpu+" BC_STRING(BC_CPU_LAST) ", %0" : "=r"(last)::"memory");
	return last;
}
inline void set_cpu_last(void *last)
{
	asm volatile("movq %0, %%gs:bc_this_cpu+" BC_STRING(BC_CPU_LAST)::"r"(last) : "memory");
}

// Adds to this CPU's copy of a per-CPU word, and tells its sign then. One instruction: an interrupt sees it before or
// after.
inline bool percpu_add(u64 *percpu, u64 value)
{
	bool negative;
	asm volatile("addq %2, %%gs:%1" : "=@ccs"(negative), "+m"(*percpu) : "r"(value) : "memory");
	return negative;
}
inline u64 percpu_swap(u64 *percpu, u64 value)
{
	asm volatile("xchgq %0, %%gs:%1" : "+r"(value), "+m"(*percpu)::"memory");
	return value;
}

// Another CPU's copy, for sums. Acquires.
extern "C" u64 bc_percpu_read(const u64 *percpu, u32 cpu);
inline u64 percpu_read(const u64 *percpu, u32 cpu) { return bc_percpu_read(percpu, cpu); }

inline const char *current_task()
{
	const char *task;
	asm("movq " BC_CURRENT ", %0" : "=r"(task));
	return task;
}

// The pid namespace at level 1 of the current task; nullptr where it has none. The trampoline saw one, but a dying task
// loses its pid while it still runs: its parent's wait4() releases it (kernel/exit.c, release_task()).
inline const void *current_namespace()
{
	const char *pid = *reinterpret_cast<const char *const volatile *>(current_task() + BC_TASK_THREAD_PID);
	if (__builtin_expect(pid == nullptr, false))
		return nullptr;
	return *reinterpret_cast<const void *const *>(pid + BC_PID_NS1);
}

// Replaces what is in another CPU's copy, when nobody adds to it.
extern "C" u64 bc_percpu_replace(u64 *percpu, u32 cpu, u64 value);
inline u64 percpu_replace(u64 *percpu, u32 cpu, u64 value) { return bc_percpu_replace(percpu, cpu, value); }

// Per-CPU words that hold kNowhere (src/core/counter.h): src/shim/hooks.c.
extern "C" u64 bc_no_cells[];
inline u64 *no_cells() { return bc_no_cells; }

// What an allocation may do for its memory: include/linux/gfp_types.h
inline constexpr u32 kGfpHigh = BC_GFP_HIGH;
inline constexpr u32 kGfpIo = BC_GFP_IO;
inline constexpr u32 kGfpFs = BC_GFP_FS;
inline constexpr u32 kGfpDirectReclaim = BC_GFP_DIRECT_RECLAIM;
inline constexpr u32 kGfpNoFail = BC_GFP_NOFAIL;
inline constexpr u32 kGfpReclaimable = BC_GFP_RECLAIMABLE;

inline u32 current_flags() { return *reinterpret_cast<const volatile u32 *>(current_task() + BC_TASK_FLAGS); }
// It frees memory, or is on its way out, and needs some for that.
inline bool current_must_succeed() { return (current_flags() & BC_PF_MUST_SUCCEED) != 0; }
// In a scope without IO or FS, or in a file system's transaction: btrfs marks its by the journal alone. A task may ask
// for the first for its life and its children's, prctl(PR_SET_IO_FLUSHER): that is none (kernel/sys.c, 6.1 and 6.12).
inline bool current_in_io_scope()
{
	const u32 flags = current_flags();
	return (flags & BC_PF_NOFS) != 0 || (flags & BC_PF_IO_FLUSHER) == BC_PF_NOIO ||
	       *reinterpret_cast<const void *const volatile *>(current_task() + BC_TASK_JOURNAL) != nullptr;
}

// Ledger::record_together(), take_together(): src/shim/together.S
inline constexpr bool kTogether = true;
extern "C" u32 bc_record_together(void *const *objects, u32 count, u64 tag, u64 slot);
extern "C" u32 bc_take_together(void *const *objects, u32 count, u64 tag, u64 same);

// A pointer as a word with bit 63 set, and back: of the kernel's pointers every one has it.
inline u64 word_of(const void *pointer) { return reinterpret_cast<u64>(pointer); }
inline void *pointer_of(u64 word) { return reinterpret_cast<void *>(word); }

inline u64 page_index(u64 address) { return (address - page_offset_base) >> kPageShift; }
inline u64 page_address(u64 index) { return page_offset_base + (index << kPageShift); }

inline Birth birth_now() { return Birth{static_cast<u32>(jiffies >> kBirthJiffiesShift)}; }

// The cache of a slab object, nullptr where its page belongs to no slab. Does what virt_to_slab() does.
extern "C" const void *bc_cache_of(const void *object);
inline const void *cache_of(const void *object) { return bc_cache_of(object); }

} // namespace bc::platform
