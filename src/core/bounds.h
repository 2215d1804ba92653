// SPDX-License-Identifier: GPL-2.0
// Bounds, and how they are exact.
//
// Which charges a bound can refuse (severity()):
//   hard	may sleep, or is GFP_NOWAIT: refused above the barrier
//   soft	GFP_ATOMIC: refused above limit + atomic_slack; above the limit it counts as forced
//   force	never refused: NOFS and NOIO (a file system aborts its transaction when it gets no memory there), page
//		faults (they would be repeated for ever), __GFP_NOFAIL, PF_MEMALLOC, exiting tasks, elements of reserves
//		(pieces.h)
// And what would be asked for again without an end: a step of a maple tree that has got one of its nodes is not refused
// the rest, when it has waited like others. Its first node can be refused, so that what passes a bound is the nodes of
// one step, a dozen, for each task; munmap() of many mappings at once keeps what one step has left for the next, and
// so passes it by the nodes of one tree of these mappings, until it is over.
//
// Pieces are counted in one atomic each, so a bound is exact by compare-and-exchange. Bytes are in per-CPU cells while
// the container is `far` from its bound. At `threshold` it switches: it loses its cells (one store: every charge and
// free that starts after it goes to the account), and after a grace period what the cells held is added to the account:
// it is `near`, and compare-and-exchange is exact there, too. Between the two, what the cells hold is unknown but at
// most slack(), each CPU's cell being folded past kBatch: a bound counts as that much lower then. The threshold is
// three slacks below the barrier, so that all that CPUs add before they see the switch stays below it. A large object
// never goes through a cell's back door: what is page-backed is always asked for before (hooks.cc).
//
// Small objects are made first, and asked for when they come to be counted: then their cache is known, and the answer
// is nearly always yes. If it is no, the object goes back to the allocator, and nobody has seen it. Below the barrier
// all charges are alike, whatever could refuse them: near, one compare-and-exchange is all that there is to ask
// (charge.h).
//
// Who changes the mode: far -> switching anybody, near -> far the worker, both under BC_LOCK_CONTAINERS; switching ->
// near flush() alone, after the grace period. A container with a switch under way is not evicted.
#pragma once

#include "container.h"
#include "site.h"

namespace bc
{

enum class Severity : u8 {
	hard,
	soft,
	force
};
Severity severity(u32 gfp, const Site &site);

inline constexpr u8 kGateNear = 1;    // mode is not far
inline constexpr u8 kGatePieces = 2;  // a counted resource has a bound
inline constexpr u8 kGateFailNth = 4; // fail_nth is armed
inline constexpr u8 kGateLarge = 8;   // bytes have a bound: large objects ask first
inline constexpr u8 kGateStacks = 16; // whole stacks are kept: nothing is asked for it
// What a small object passes before it is made. The bounds themselves are asked afterwards: who is not far has no
// cells, and a piece is none that a cell counts.
inline constexpr u8 kGatesSmall = kGateFailNth | kGateStacks;

// Containers with a gate, and those of them with one of kGatesSmall. The wrappers look at these.
struct Gates {
	Atomic<u32> any;
	Atomic<u32> small;
	Atomic<u32> loaders; // tasks of containers that load a module, which are in `small`, too
};
extern Gates gates asm("bc_gates");

// What is to be charged, before its object exists.
struct Request {
	SiteIndex site;
	ByteKind kind;
	Charged piece; // kmemsize: none
	s64 bytes;
	s64 objects;
	s64 pieces;
	u32 gfp;
	bool bulk = false;
};

// What was charged for it; given back by give_back() if there is no object in the end.
struct Admission {
	Container *c = nullptr; // nullptr: nothing was charged before, charge() does it all
	ByteKind kind = ByteKind::kmemsize;
	Charged piece = Charged::kmemsize;
	s64 bytes = 0;
	s64 objects = 0;
	s64 pieces = 0;
};

enum class Answer : u8 {
	yes,
	refused,   // counted, and written down
	wait_first // for what RCU still has to free: dead objects must not refuse living ones. Then ask again
};
inline constexpr u32 kWaits = 2;
// `attempt` counts from 0; from kWaits on the answer is never wait_first. Preemption off.
Answer ask(Container &c, const Request &request, u32 attempt, Admission &admission);
void give_back(const Admission &admission);
// Something has been added whatever the bounds say: if that passes the limit it is counted as forced.
void note_forced(Container &c, Charged what, s64 amount);

// A fold has raised an account: is its bound near? Any context.
BC_COLD void look_at_threshold(Container &c, ByteKind kind);
// Bounds of the account, in units of the resource. With the worker's mutex; exact after the next bc_wait_for_frees().
void set_bounds(Container &c, Charged what, Bounds bounds);
Bounds bounds_of(const Container &c, Charged what);
void reset_counts(Container &c);
void arm_fail_nth(Container &c, s64 n);
// Each allocation's whole stack from now on; false without memory. Sleeps.
bool keep_stacks(Container &c, bool on);

// A new container's, with the defaults unless it is older than the module, and one's whose last task is gone.
void begin_limits(Container &c, bool defaults);
void end_limits(Container &c);
bool switching(const Container &c);
// The worker's: back to cells where the bound is far again.
void leave_near(Container &c);
// bc_loading().
void loading(bool begins);
void give_cells(Container &c, Cells *cells);
// Makes containers that are switching near. Sleeps for a grace period. One caller at a time.
void flush();

void limits_init(u32 cpus, s64 atomic_slack, bool stacks);
bool set_default_bounds(const char *text); // "kmemsize=8M:9M,numproc=100": false where it is not understood

} // namespace bc
