// SPDX-License-Identifier: GPL-2.0
#include "bounds.h"

#include "health.h"
#include "bounds_text.h"
#include "lock.h"
#include "text.h"

namespace bc
{

constinit Gates gates{};

namespace
{

s64 g_slack;	    // what the cells of all CPUs can hold, and hide
s64 g_atomic_slack; // parameter
Bounds g_defaults[kChargedRows];
bool g_stacks;			 // parameter
Atomic<Container *> g_switching; // list, linked by next_switching

Account &account_of(Container &c, Charged what) { return c.accounts[at(what)]; }
Mode mode_of(const Container &c) { return static_cast<Mode>(c.mode.acquire()); }
bool is_bytes(Charged what) { return at(what) < kByteKinds; }

// Saturating: kUnlimited stays what it is.
s64 more(s64 bound, s64 by) { return bound > kUnlimited - by ? kUnlimited : bound + by; }

// Under BC_LOCK_CONTAINERS.
void set_gate(Container &c, u8 bits)
{
	const u8 before = c.gate.relaxed();
	c.gate.set_relaxed(bits);
	gates.any.add(static_cast<u32>((bits != 0) - (before != 0)));
	gates.small.add(static_cast<u32>(((bits & kGatesSmall) != 0) - ((before & kGatesSmall) != 0)));
}

void enter_near(Container &c)
{
	{
		Lock lock{BC_LOCK_CONTAINERS};
		if (mode_of(c) != Mode::far)
			return;
		// Pairs with the acquire in charge(): who sees no cells sees the mode, too.
		c.mode.release(static_cast<u8>(Mode::switching));
		containers.set_cells(c, nullptr);
		set_gate(c, c.gate.relaxed() | kGateNear);
		Container *head = g_switching.relaxed();
		do {
			c.next_switching = head;
		} while (!g_switching.compare_exchange(head, &c));
	}
	bc_kick_flush();
}

// How much lower a bound of bytes counts, for what is in cells that cannot be seen.
s64 unseen(const Container &c, Charged what) { return is_bytes(what) && mode_of(c) != Mode::near ? g_slack : 0; }

s64 bound_for(const Account &account, Charged what, Severity severity)
{
	const Bounds b = account.bounds();
	if (severity == Severity::hard)
		return b.barrier;
	return is_bytes(what) ? more(b.limit, g_atomic_slack) : b.limit;
}

void note_if_forced(Account &account, s64 now, s64 amount)
{
	const s64 over = now - account.bounds().limit;
	if (__builtin_expect(over <= 0, true))
		return;
	account.let_through(over < amount ? over : amount);
	health.count(Loss::forced);
}

bool charge_account(Container &c, Charged what, s64 amount, Severity severity)
{
	Account &account = account_of(c, what);
	if (severity == Severity::force) {
		note_if_forced(account, account.add(amount), amount);
		return true;
	}
	const s64 bound = bound_for(account, what, severity);
	if (bound == kUnlimited) {
		account.add(amount);
		return true;
	}
	if (!account.reserve(amount, bound - unseen(c, what)))
		return false;
	if (severity == Severity::soft)
		note_if_forced(account, account.held(), amount);
	return true;
}

void write_down(Container &c, const Request &request, Charged what, Cause cause)
{
	account_of(c, what).refused();
	Refusal r{};
	r.at_ms = bc_now_ms();
	r.bytes = request.bytes;
	r.site = request.site;
	r.resource = what;
	r.cause = cause;
	bc_current_task(&r.pid, r.task);
	{
		Lock lock{BC_LOCK_REFUSALS};
		RefusalRing &ring = c.refusals.ring;
		ring.last[ring.count++ % RefusalRing::kKept] = r;
	}
	bc_trace_refused(c.id().value, name_of(what), kCauseNames[static_cast<size_t>(cause)],
			 static_cast<u64>(request.bytes), Sites::address_of(sites[request.site].caller.relaxed()));
	if (c.refusals.pending.relaxed() == 0 && c.refusals.pending.exchange(1) == 0)
		bc_kick_worker();
}

Cause cause_of(Severity severity) { return severity == Severity::hard ? Cause::barrier : Cause::limit; }

// True for the one charge that an armed fail-nth means.
bool is_nth(Container &c)
{
	s64 left = c.fail_nth.relaxed();
	do {
		if (left <= 0)
			return false;
		// Those are not to be refused: the next charge takes its place.
		if (left == 1 && (bc_must_have() & ~u32{BC_MUST_MAPLE}) != 0)
			return false;
	} while (!c.fail_nth.compare_exchange(left, left - 1));
	return left == 1;
}

// Charges both of a request or nothing; `failed` is the one that did not fit.
bool charge_both(Container &c, const Request &request, Severity severity, Charged &failed)
{
	if (request.pieces != 0 && !charge_account(c, request.piece, request.pieces, severity)) {
		failed = request.piece;
		return false;
	}
	if (charge_account(c, charged_as(request.kind), request.bytes, severity))
		return true;
	if (request.pieces != 0)
		account_of(c, request.piece).add(-request.pieces);
	failed = charged_as(request.kind);
	return false;
}

} // namespace

void note_forced(Container &c, Charged what, s64 amount)
{
	note_if_forced(account_of(c, what), account_of(c, what).held(), amount);
}

Severity severity(u32 gfp, const Site &site)
{
	if ((gfp & platform::kGfpNoFail) != 0 || site.special.is_reserved() || platform::current_must_succeed())
		return Severity::force;
	if ((gfp & platform::kGfpDirectReclaim) != 0) {
		constexpr u32 kAnything = platform::kGfpIo | platform::kGfpFs;
		return (gfp & kAnything) == kAnything && !platform::current_in_io_scope() ? Severity::hard
											  : Severity::force;
	}
	if ((gfp & platform::kGfpHigh) == 0)
		return Severity::hard;
	return site.special.atomic_too() ? Severity::hard : Severity::soft;
}

Answer ask(Container &c, const Request &request, u32 attempt, Admission &admission)
{
	Severity how = severity(request.gfp, sites[request.site]);
	if (__builtin_expect(c.fail_nth.relaxed() > 0, false) && attempt == 0 && how != Severity::force && is_nth(c)) {
		write_down(c, request, charged_as(request.kind), Cause::fail_nth);
		return Answer::refused;
	}
	Charged failed{};
	if (!charge_both(c, request, how, failed)) {
		// Far from every bound this is a large object, or a bound so low that it lies below what cells hide:
		// exact only without cells.
		if (is_bytes(failed) && mode_of(c) == Mode::far)
			enter_near(c);
		const u32 must = health.switched_off() ? ~0u : bc_must_have();
		if ((must & ~u32{BC_MUST_MAPLE}) == 0) {
			if (attempt < kWaits && how == Severity::hard &&
			    (request.gfp & platform::kGfpDirectReclaim) != 0) {
				account_of(c, failed).wait();
				return Answer::wait_first;
			}
			if (!request.bulk || (must & BC_MUST_MAPLE) == 0) {
				// What cannot wait and comes while the container is switching may be refused a slack
				// too early: never passing the bound comes first.
				write_down(c, request, failed, cause_of(how));
				return Answer::refused;
			}
		}
		how = Severity::force;
		charge_both(c, request, how, failed);
	}
	c.objects[static_cast<size_t>(request.kind)].add(request.objects);
	admission = {&c, request.kind, request.piece, request.bytes, request.objects, request.pieces};
	return Answer::yes;
}

void give_back(const Admission &admission)
{
	Container &c = *admission.c;
	account_of(c, charged_as(admission.kind)).add(-admission.bytes);
	c.objects[static_cast<size_t>(admission.kind)].add(-admission.objects);
	if (admission.pieces != 0)
		account_of(c, admission.piece).add(-admission.pieces);
}

void look_at_threshold(Container &c, ByteKind kind)
{
	const Account &account = account_of(c, charged_as(kind));
	const s64 barrier = account.bounds().barrier;
	if (barrier != kUnlimited && account.held() > barrier - 3 * g_slack)
		enter_near(c);
}

void set_bounds(Container &c, Charged what, Bounds bounds)
{
	const s64 times = objects_for_one(what);
	auto scaled = [&](s64 bound) { return bound > kUnlimited / times ? kUnlimited : bound * times; };
	account_of(c, what).set({scaled(bounds.barrier), scaled(bounds.limit)});
	if (stopped(c.current()) || c.tasks_gone)
		return;
	u8 bits = 0;
	for (size_t i = 0; i < kChargedRows; ++i) {
		if (c.accounts[i].bounds().finite())
			bits |= i < kByteKinds ? kGateLarge : kGatePieces;
	}
	{
		Lock lock{BC_LOCK_CONTAINERS};
		set_gate(c, (c.gate.relaxed() & (kGateNear | kGateFailNth | kGateStacks)) | bits);
	}
	if (is_bytes(what) && bounds.finite())
		enter_near(c); // the worker leaves again where the bound is far
}

Bounds bounds_of(const Container &c, Charged what)
{
	const s64 times = objects_for_one(what);
	const Bounds b = c.accounts[at(what)].bounds();
	auto scaled = [&](s64 bound) { return bound == kUnlimited ? kUnlimited : bound / times; };
	return {scaled(b.barrier), scaled(b.limit)};
}

void reset_counts(Container &c)
{
	for (size_t i = 0; i < kChargedRows; ++i) {
		const bool bytes = i < kByteKinds;
		c.accounts[i].reset(bytes ? held(c, static_cast<ByteKind>(i)).bytes : c.accounts[i].held());
	}
}

void arm_fail_nth(Container &c, s64 n)
{
	c.fail_nth.set_relaxed(n);
	Lock lock{BC_LOCK_CONTAINERS};
	const u8 others = static_cast<u8>(c.gate.relaxed() & ~kGateFailNth);
	set_gate(c, n != 0 ? others | kGateFailNth : others);
}

bool keep_stacks(Container &c, bool on)
{
	if (on && !bc_stacks_init())
		return false;
	Lock lock{BC_LOCK_CONTAINERS};
	const u8 others = static_cast<u8>(c.gate.relaxed() & ~kGateStacks);
	set_gate(c, on ? others | kGateStacks : others);
	return true;
}

void begin_limits(Container &c, bool defaults)
{
	u8 bits = defaults && g_stacks ? kGateStacks : 0;
	for (size_t i = 0; i < kChargedRows; ++i) {
		const Bounds bounds = defaults ? g_defaults[i] : Bounds{kUnlimited, kUnlimited};
		c.accounts[i].set(bounds);
		if (bounds.finite())
			bits |= i < kByteKinds ? kGateLarge : kGatePieces;
	}
	// Nobody has charged anything yet, so that near is reached by saying so.
	for (size_t i = 0; i < kByteKinds; ++i) {
		if (c.accounts[i].bounds().barrier <= 3 * g_slack) {
			c.mode.set_relaxed(static_cast<u8>(Mode::near));
			containers.set_cells(c, nullptr);
			bits |= kGateNear;
		}
	}
	set_gate(c, bits);
}

void end_limits(Container &c)
{
	Lock lock{BC_LOCK_CONTAINERS};
	set_gate(c, 0);
}

void loading(bool begins)
{
	const u32 one = begins ? 1 : static_cast<u32>(-1);
	gates.loaders.add(one);
	gates.small.add(one); // nothing is charged by the trampolines alone
}

bool switching(const Container &c) { return mode_of(c) == Mode::switching; }

void leave_near(Container &c)
{
	if (mode_of(c) != Mode::near)
		return;
	for (size_t i = 0; i < kByteKinds; ++i) {
		const s64 barrier = c.accounts[i].bounds().barrier;
		// Two slacks more than where it came in: no to and fro.
		if (barrier != kUnlimited && c.accounts[i].held() > barrier - 5 * g_slack)
			return;
	}
	{
		Lock lock{BC_LOCK_CONTAINERS};
		c.mode.release(static_cast<u8>(Mode::far));
		set_gate(c, static_cast<u8>(c.gate.relaxed() & ~kGateNear));
	}
	// Who still took it for near, and asked without the slack, has left his section then: cells may hide something
	// again.
	bc_synchronize_rcu();
	give_cells(c, c.own_cells.relaxed());
}

void give_cells(Container &c, Cells *cells)
{
	Lock lock{BC_LOCK_CONTAINERS};
	c.own_cells.release(cells);
	if (mode_of(c) == Mode::far)
		containers.set_cells(c, cells);
}

void flush()
{
	Container *c = g_switching.exchange(nullptr);
	// Who still had the cells has left his section then.
	bc_synchronize_rcu();
	if (c != nullptr)
		bc_kick_worker(); // which leaves again, where the bound is far
	while (c != nullptr) {
		Container *next = c->next_switching;
		if (Cells *cells = c->own_cells.acquire(); cells != nullptr) {
			for (size_t kind = 0; kind < kByteKinds; ++kind) {
				for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
					// Taken first: a reader sees it late, never twice.
					const Unpacked part =
					    unpack(platform::percpu_replace(&cells->packed[kind], cpu, kMiddle));
					c->objects[kind].add(part.objects);
					c->accounts[kind].add(part.bytes);
				}
			}
		}
		c->mode.release(static_cast<u8>(Mode::near));
		c = next;
	}
}

void limits_init(u32 cpus, s64 atomic_slack, bool stacks)
{
	g_stacks = stacks && bc_stacks_init();
	g_slack = s64{cpus} * 2 * kBatch;
	g_atomic_slack = atomic_slack;
	gates.any.set_relaxed(0);
	gates.small.set_relaxed(0);
	gates.loaders.set_relaxed(0);
	g_switching.set_relaxed(nullptr);
	for (Bounds &bounds : g_defaults)
		bounds = {kUnlimited, kUnlimited};
}

bool set_default_bounds(const char *text)
{
	Setting settings[kChargedRows];
	u32 count = 0;
	if (!parse_defaults(text, settings, count))
		return false;
	for (u32 i = 0; i < count; ++i) {
		const s64 times = objects_for_one(settings[i].what);
		auto scaled = [&](s64 bound) { return bound > kUnlimited / times ? kUnlimited : bound * times; };
		g_defaults[at(settings[i].what)] = {scaled(settings[i].bounds.barrier),
						    scaled(settings[i].bounds.limit)};
	}
	return true;
}

} // namespace bc
