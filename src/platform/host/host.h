// SPDX-License-Identifier: GPL-2.0
// The simulated machine that the unit tests drive: what a test sets, and what it may ask afterwards. Everything here
// may be called from any thread; nothing of it is known to the core.
#pragma once

#include <beancounter/platform.h>

#include <functional>
#include <string>
#include <vector>

namespace host
{

// Forgets everything that a test has set. What is still allocated stays counted.
void reset();

// ---- the thread
void set_cpu(bc_u32 cpu);
void set_namespace(const void *ns); // what current_namespace() says in this thread
// What the task of this thread is doing, for what a bound may refuse it.
void set_task(bool must_succeed, bool io_scope, bool page_fault);
void set_maple_retry(bool retry);
void set_audit(bool audit);
void set_loads(bool loads); // bc_loading() is the caller's
unsigned long sections();   // nesting depth of this thread's PreemptOff sections
unsigned long locks();	    // that this thread holds: one at most
// Threads give way to one another at random, so that races have a chance: at each step, i.e. where the core calls the
// platform or writes what CPUs share.
void jitter(bool on);
// `then` comes before the nth step from now on of this thread, once, as another CPU might. And has it come?
void at_step(unsigned long nth, std::function<void()> then);
bool step_came();
void set_true_caller(bc_u64 address);
void set_stack(bc_u32 stack); // what the depot gives for this thread's; 0: it is out of memory

// ---- time
void set_time(bc_u64 ms);
void advance(bc_u64 ms);

// ---- memory
enum class Kind {
	mem,
	page,
	big,
	percpu,
	any
};
// The nth allocation of the kind from now on fails, and the `times` - 1 after it; nth 0: none.
void fail(Kind kind, unsigned long nth, unsigned long times = 1);
long live(Kind kind); // allocated and not freed
unsigned long made(Kind kind);

// ---- caches. Their addresses are numbers with bit 63 set, like kernel addresses, and never read.
const void *make_cache(bc_u32 stride, bool reclaimable, const char *name);
// The same address again with another stride: the allocator reuses the memory of a destroyed cache.
void remake_cache(const void *cache, bc_u32 stride, bool reclaimable, const char *name);
void drop_cache(const void *cache); // bc_cache_describe() fails from now on

// ---- slabs: which cache's objects lie in the pages [first, first + pages), a stride apart
void set_slab(bc_u64 first, bc_u64 pages, const void *cache, bc_u32 stride);
void drop_slab(bc_u64 first);

// ---- contents of objects, for bc_read(). What was never written reads as zeros, where there is a slab.
void write_word(bc_u64 address, bc_u64 word);
void guard_page(bc_u64 index);				// nothing can be read there
void add_area(bc_u64 area, bc_u64 start, bc_u64 bytes); // memory outside the direct map, and what describes it

// ---- symbols
void add_symbol(bc_u64 start, bc_u64 size, const char *name, const char *module = "");
void drop_symbols(bc_u64 start, bc_u64 end);
void add_stack(bc_u32 stack, std::vector<bc_u64> frames); // what a number stands for, innermost first
void restrict_pointers(bool on);			  // kptr_restrict

// ---- namespaces. Addresses of the test's own choice.
void set_tasks(const void *ns, const bc_tasks &tasks);
void set_alive(const void *ns, bool alive); // does it take new pids? yes, unless told otherwise
void set_ending(const void *ns);	    // its pid 1 is exiting, which nobody was told
void set_face(bc_s32 host_pid, const char *comm, const char *cgroup);
long references(const void *ns); // by bc_pidns_get() less bc_pidns_put()
long references();		 // of all

// ---- the rest
using Probe = std::function<void(enum bc_probe what, bc_u64 object, bc_u32 size, bc_probed &out)>;
void set_probe(Probe probe);
// What living tasks refer to, and which walk over them breaks off; nullptr: none.
void set_holders(std::vector<std::pair<bc_u64, bc_holder>> holders, const char *torn = nullptr);
// What bc_words() finds, by the object that the word points to, and whether it has seen all.
struct Word {
	bc_u64 to; // where it points
	bc_place place;
};
void set_words(std::vector<Word> words, bool complete = true);
std::vector<bc_u32> overflows();  // what bc_log_overflow() was told
void set_of_user(const void *ns); // somebody has made it in a user namespace of his own
void set_holders_ms(bc_u64 ms);	  // how long it takes to look for them
void set_search_ms(bc_u64 ms);	  // how long it takes
unsigned long searches();	  // how often they were looked for
void set_slab_totals(bc_u64 unreclaimable, bc_u64 reclaimable);
void set_hooks(bc_u32 in_place); // as many as are expected, unless told otherwise
void refuse_faces(bool on);
std::vector<bc_u32> faces();			  // in the order they were announced
void on_cpu_forget(std::function<void()> called); // before bc_cpu_forget() does its work
unsigned long kicks();
bool take_flush_kick(); // since the last call: the kernel's work queue would have run bc_core_flush() by now
// Called in bc_wait_for_frees() after the flush: what RCU frees meanwhile.
void on_wait(std::function<void(bool batches)> called);
// bc_wait_for_frees() gives up without a flush.
void refuse_waits(bool on);
unsigned long grace_periods();

struct StopLog {
	bc_u32 id;
	std::string name, state;
	bc_u64 objects, bytes;
	std::string worst;
};
std::vector<StopLog> stop_log();

struct RefusalLog {
	bc_u32 id;
	bc_u64 refusals;
	std::string task, resource, site;
};
std::vector<RefusalLog> refusal_log();
struct TornLog {
	bc_u32 id;
	std::string walk;
};
std::vector<TornLog> torn_log();
unsigned long refusals_traced();
unsigned long leaks_traced();

} // namespace host
