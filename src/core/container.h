// SPDX-License-Identifier: GPL-2.0
// A container: a pid namespace right below the host's, from its first task on.
//
// Life of one, and who makes each move:
//
//   running --(init's thread group has exited: task tracepoint)--> settling
//   settling --(the namespace has no pid any more: worker)--> draining, the namespace pointer is given up
//   settling --(verdict: worker)--> clean | held | leaked
//   held, leaked --(the last object was freed after all: worker)--> clean
//   clean --(more than kStoppedKept stopped ones: worker)--> gone
//
// Memory: looked up under preemption off (by namespace, or by the owner index of a slot); unpublished by the worker
// only, when nothing is charged, and freed after a grace period, since the free that brought a counter to zero may
// still be folding.
#pragma once

#include "atomic.h"
#include "counter.h"
#include "ids.h"
#include "refusals.h"
#include "slot.h"
#include "types.h"

#include <beancounter/fast_path.h>
#include <platform/inline.h>

namespace bc
{

enum class State : u8 {
	running,
	settling,
	clean,
	held,
	leaked
};
inline constexpr const char *kStateNames[] = {"running", "settling", "clean", "held", "leaked"};
constexpr bool stopped(State s) { return s >= State::clean; }
constexpr bool may_become(State from, State to)
{
	switch (from) {
	case State::running:
		return to == State::settling;
	case State::settling:
	case State::held:
	case State::leaked:
		return stopped(to);
	case State::clean:
		break;
	}
	return false;
}
static_assert(!may_become(State::running, State::clean), "a verdict comes after settling");
static_assert(may_become(State::leaked, State::clean), "a late free turns a verdict around");

inline constexpr u32 kStoppedKept = 64;
inline constexpr u32 kExcuses = 104; // rows of the class table, verdict.h

// What a self-check found: selfcheck.h.
enum class Books : u8 {
	unknown, // not looked at
	equal,
	wrong,
	moved // while it was looked at
};
inline constexpr const char *kBooksNames[] = {"-", "equal", "wrong", "moved"};

struct CensusResult; // census.h

struct Excused {
	u32 objects;
	u64 bytes;
};

// Where its bytes are counted: bounds.h.
enum class Mode : u8 {
	far,	   // in cells
	switching, // in the accounts, with cells of which nobody knows what is in them
	near,	   // in the accounts alone
};

// What a container counts in that has no memory for cells, or that is near a bound: counter.h.
inline Cells *no_cells() { return reinterpret_cast<Cells *>(platform::no_cells()); }
inline bool is_nowhere(const u64 *cell)
{
	return reinterpret_cast<u64>(cell) - reinterpret_cast<u64>(no_cells()) < sizeof(Cells);
}
Cells *make_cells(); // nullptr without memory

struct Container {
	// The fast path's line. Its head is known to trampolines.S.
	Atomic<const void *> ns; // level-1 pid namespace; nullptr once its last task is gone
	Atomic<Cells *> cells;	 // where a charge counts, or no_cells(): in the accounts. Containers::set_cells()
	u64 owner;		 // what all its slots have in common
	OwnerIndex index;
	Atomic<u8> mode; // Mode; written under BC_LOCK_CONTAINERS
	Atomic<u8> gate; // kGate*: what is in the way of its charges
	Account accounts[kChargedRows];
	Atomic<s64> objects[kByteKinds]; // the shared part, like the accounts' bytes
	Atomic<Cells *> own_cells;	 // per-CPU, for its life; nullptr until there is memory
	Container *next_switching;	 // bounds.cc
	Atomic<s64> fail_nth;		 // charges until the one that is refused; 0: none
	Refusals refusals;

	Container *next_in_hash; // written under BC_LOCK_CONTAINERS, read with preemption off
	Atomic<u32> id_;	 // id(); renumber() changes it while charges may be told it
	u32 pidns;		 // inode number
	Atomic<s32> init;	 // host pid of the first task; 0 where a charge was faster than its fork
	bool since_load;
	bool of_user;  // bc_pidns_of_user()
	bool has_face; // /proc/beancounter/ID exists: the worker's
	char name[64];
	char command[20];
	char cgroup[192];

	Atomic<u8> state;
	Atomic<u8> init_exited; // set by the tracepoint, read by the worker
	Atomic<u8> dismissed;
	Books books; // the last self-check's: its own, with the worker's mutex
	u64 born_ms;
	u64 settled_ms; // of the last change of state

	// The worker's own, while settling.
	bool tasks_gone;
	u64 gone_ms; // when they were
	u64 next_look_ms;
	u32 drains;	   // complete drains since then
	s64 last_objects;  // at the last look, to see movement
	u64 unchanged_ms;  // since when
	u64 judged_ms;	   // the last verdict on what survived
	bool suspected;	   // ... was a leak, for the first time
	u32 torn;	   // looks in a row that leave what they found in doubt: searches for holders, all torn
	bool census_waits; // for its first search, since it is others' turn
	char waits[64];
	CensusResult *census; // who has the addresses of what is held: census.h
	u32 census_count;
	u64 census_due_ms;
	u64 census_pause_ms;
	Excused excused[kExcuses]; // what was handed over, by row of the class table

	// Charges that a bound is asked for before their objects are recorded (admit.cc): begun, and done with. Between
	// the two the counters are ahead of the ledger, for as long as the original sleeps.
	Atomic<u64> admissions_begun;
	Atomic<u64> admissions_ended;

	ContainerId id() const { return ContainerId{id_.relaxed()}; }
	void set_id(ContainerId id) { id_.set_relaxed(id.value); }
	State current() const { return static_cast<State>(state.relaxed()); }
	bool has_cells() const { return cells.relaxed() != no_cells(); }
};

// Where in a Container the account is.
constexpr u64 account_offset(Charged what) { return offsetof(Container, accounts) + at(what) * sizeof(Account); }

struct Held {
	s64 bytes;
	s64 objects;
};
// Atomic + cells. Not below zero: what moves while we look can make the sum look so.
Held held(const Container &c, ByteKind kind);
Held held(const Container &c);
// The same, for who concludes from it. False: it cannot be told just now, because flush() is moving what the cells hold
// to the accounts, and a part is in neither. The worker's, who alone leaves `near`: so that the same mode before and
// after says that flush() was not there between.
bool held_surely(const Container &c, Held &sum);
s64 maxheld(Container &c, ByteKind kind);
// In units of the resource.
s64 failcnt(const Container &c);

} // namespace bc

extern "C" bc::Atomic<bc::Atomic<bc::u64 *> *> bc_free_cells; // Containers::cell_of()

namespace bc
{

class Containers
{
	using Row = Atomic<u64 *>;

      public:
	bool init(u32 most, u32 cpus);
	void exit();

	// The container of a namespace, nullptr where it is not known (yet). Preemption off.
	Container *find(const void *ns) const;
	// ... made where it is not there; the shared overflow container where there is no room or memory for it;
	// nullptr where the namespace is at its end. Any context, preemption off.
	Container *find_or_make(const void *ns, s32 init, const char *comm, bool at_load, bool &made);
	Container *find_id(ContainerId id) const; // an RCU section, or the worker's mutex
	Container *find_name(const char *name) const;
	Container *at(OwnerIndex index) const { return by_index_[index.value].acquire(); }

	// With the worker's mutex held, which keeps every container in place. From the one with that index on,
	// downwards, and then those above it.
	template <class Visit> void each(Visit &&visit, u32 first = ~0u) const
	{
		const u32 top = min(first, most_ - 1);
		for (u32 n = 0; n < most_ - 1; ++n) {
			const u32 i = n < top ? top - n : top + most_ - 1 - n;
			if (Container *c = by_index_[i].acquire(); c != nullptr && c != overflow_ && c != handed_)
				visit(*c);
		}
	}
	// The same for frees, which know the container by a slot: the word that a slot's account counts in, which is
	// one of no_cells() for what is special, or has no container any more. A table for the fast path, and one that
	// sends every free the long way (Ledger::begin_exclusive()).
	u64 *cell_of(Slot slot) const { return bc_free_cells.acquire()[slot.account()].acquire(); }
	void divert_frees(bool on) { bc_free_cells.release(on ? none_ : rows_); }
	void set_cells(Container &c, Cells *cells); // nullptr: none
	Container *overflow() const { return overflow_; }
	// Nobody's: what was handed over to the host and is still watched (classes.h).
	Container *handed() const { return handed_; }
	// What is made from here on is younger than the module.
	void all_are_seen() { seen_all_.set_relaxed(1); }
	bool seen_all() const { return seen_all_.relaxed() != 0; }
	bool overflow_used() const { return overflow_used_.relaxed() != 0; }

	// The namespace pointer is given up: nothing finds the container by it any more. Sleeps.
	void forget_namespace(Container &c);
	// Unpublishes; the caller frees after a grace period with destroy().
	void unpublish(Container &c);
	void destroy(Container *c);
	bool reserve(ContainerId id); // false: taken. Nobody but renumber() gives it from then on
	void renumber(Container &c, ContainerId id);

	u32 cpus() const { return cpus_; }
	u32 most() const { return most_ - kFirstIndex; }
	u32 count() const { return count_.relaxed(); }

      private:
	Container *use_overflow();
	static constexpr u32 kBuckets = 256;
	static u32 bucket(const void *ns)
	{
		return static_cast<u32>(reinterpret_cast<u64>(ns) * 0x9e3779b97f4a7c15ull >> 56);
	}
	void unhash(Container &c);
	void set_rows(Container &c, Cells *cells);

	friend struct ContainersLayout;
	// Slot::kKinds for each owner. No slot is of the last kind: there is the container itself, where it has cells,
	// for the frees that lower an account, too (trampolines.S).
	static constexpr u32 kItself = Slot::kKinds - 1;
	static_assert(kItself > Slot::kSpecial && kItself == BC_ACCOUNT_ITSELF);
	Row *rows_ = nullptr;
	Row *none_ = nullptr;
	Atomic<Container *> *by_index_ = nullptr;
	Atomic<Container *> hash_[kBuckets];
	Container *overflow_ = nullptr;
	Container *handed_ = nullptr;
	Atomic<u32> overflow_used_;
	Atomic<u32> seen_all_;
	u32 most_ = 0;
	u32 cpus_ = 0;
	Ids ids_;
	static constexpr u32 kFirstIndex = 3;
	u32 next_index_ = kFirstIndex;
	Atomic<u32> count_;
	Atomic<u32> of_users_; // of those
};

extern Containers containers asm("bc_containers");

} // namespace bc
