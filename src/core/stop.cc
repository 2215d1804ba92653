// SPDX-License-Identifier: GPL-2.0
// The waiting times below, and why: after the last task is gone, what is still charged is on its way through RCU
// (milliseconds), kfree_rcu batches (seconds on 6.1), or work queues such as cleanup_net (0.5-4 s, measured on 6.1
// and 6.12). Most containers are at zero after one rcu_barrier(). A leak is only called one when nothing has moved for
// kStillMs over several complete drains, and not before kSoonestMs.
#include "stop.h"

#include "census.h"
#include "bounds.h"
#include "charge.h"
#include "hand_over.h"
#include "lock.h"
#include "references.h"
#include "survey.h"
#include "survivors.h"
#include "sweep.h"
#include "text.h"

namespace bc
{

constinit Stopper stopper{};

namespace
{

constexpr u64 kNever = ~u64{0};
constexpr u64 kFirstLooksMs = 10; // while tasks die, and for the first looks after
constexpr u64 kSlowLookMs = 500;
constexpr u64 kDrainAfterMs = 40; // most containers are at zero by then, and a drain is felt by the whole system
constexpr u64 kSoonestMs = 5000;  // cleanup_net took up to 4 s
constexpr u64 kStillMs = 2000;
constexpr u32 kDrains = 3;
constexpr u64 kSearchWaitMs = 60000; // others' searches of the memory come first
constexpr u32 kTornLooks = 20;	     // in a row, half a second between them: whatever is torn is no change
constexpr u64 kWatchMs = 2000;
constexpr u64 kJudgeAgainMs = 30000;
constexpr u64 kLookAgainMs = 2000; // is a container far from its bound again?
constexpr u64 kLogEveryMs = 5000;  // a line about a container's refusals
constexpr u64 kLongRoundMs = 200;  // of holding the mutex that every reader waits for
constexpr u64 kLongestTasksMs = 5000;

} // namespace

namespace
{

// A walk that never comes to its end makes every leak a thing that somebody holds: that is said once.
void note_torn(Container &c, const char *torn)
{
	c.torn = torn == nullptr ? 0 : c.torn + 1;
	if (c.torn == kTornLooks)
		bc_log_torn(c.id().value, c.name, torn);
}

// One event for each group of what leaked. Without memory for the groups the reader of the trace has the file.
void trace_leaks(const Container &c, const Survivors &survivors)
{
	Survey survey;
	if (!survey.judged(survivors))
		return;
	for (u32 i = 0; i < survey.size(); ++i) {
		const Group &g = survey[i];
		if (g.verdict != Verdict::leaked)
			continue;
		char site[192];
		sites.symbol(sites[g.site], site, sizeof(site));
		bc_trace_leak(c.id().value, kVerdictNames[static_cast<size_t>(g.verdict)],
			      sites.cache_name(sites[g.site]), site, g.objects, g.bytes);
	}
}

// A line for the refusals since the last one. When to come again.
u64 log_refusals(Container &c, u64 now)
{
	Refusals &refusals = c.refusals;
	if (refusals.pending.acquire() == 0)
		return kNever;
	if (refusals.logged_count != 0 && now - refusals.logged_ms < kLogEveryMs)
		return refusals.logged_ms + kLogEveryMs;
	refusals.pending.exchange(0);
	Refusal newest{};
	u64 count = 0;
	{
		Lock lock{BC_LOCK_REFUSALS};
		count = refusals.ring.count;
		if (count != 0)
			newest = refusals.ring.last[(count - 1) % RefusalRing::kKept];
	}
	if (count == refusals.logged_count)
		return kNever;
	char site[192];
	sites.symbol(sites[newest.site], site, sizeof(site));
	bc_log_refused(c.id().value, c.name, count - refusals.logged_count, newest.task, newest.pid,
		       name_of(newest.resource), site);
	refusals.logged_count = count;
	refusals.logged_ms = now;
	return kNever;
}

} // namespace

Stopper::Plan Stopper::wait_for_tasks(Container &c, u64 now)
{
	bc_tasks tasks{};
	const bool search = now - c.settled_ms > kSlowLookMs;
	bc_pidns_tasks(c.ns.relaxed(), &tasks, search);
	if (tasks.pids != 0) {
		bc_text text{c.waits, 0, sizeof(c.waits) - 1, false};
		Text out{text};
		if (tasks.zombie != 0) {
			out.put("zombie:").number(tasks.zombie).put(",parent:").number(tasks.parent).put(':');
			out.put(tasks.parent_comm);
		} else {
			out.put("tasks:").number(tasks.pids);
		}
		c.waits[text.length] = 0;
		const u64 waited = now - c.settled_ms;
		const u64 pause = min(max(kSlowLookMs, waited / 10), kLongestTasksMs);
		return {now + (waited < kSlowLookMs ? kFirstLooksMs : pause), Wants::nothing};
	}
	containers.forget_namespace(c);
	end_limits(c);
	c.tasks_gone = true;
	c.gone_ms = now;
	c.unchanged_ms = now;
	c.drains = 0;
	copy_text(c.waits, sizeof(c.waits), "rcu");
	return settle(c, now);
}

void Stopper::conclude(Container &c, State state, u64 now, const char *worst)
{
	const Held rest = held(c);
	if (may_become(c.current(), state))
		c.state.set_relaxed(static_cast<u8>(state));
	c.settled_ms = now;
	c.waits[0] = 0;
	concluded_ = true;
	if (state == State::clean)
		Census::forget(c);
	const char *name = kStateNames[static_cast<size_t>(state)];
	bc_log_stop(c.id().value, c.name, name, static_cast<u64>(rest.objects), static_cast<u64>(rest.bytes), worst);
	bc_trace_stop(c.id().value, c.name, name, static_cast<u64>(rest.objects), static_cast<u64>(rest.bytes));
}

// False: there is nothing more to ask, and `plan` says when to come again.
bool Stopper::something_left(Container &c, u64 now, Held &rest, Plan &plan)
{
	if (!held_surely(c, rest)) {
		plan = {now + kFirstLooksMs, Wants::nothing};
		return false;
	}
	if (rest.objects != 0 || rest.bytes != 0)
		return true;
	conclude(c, State::clean, now, "");
	plan = {kNever, Wants::nothing};
	return false;
}

Stopper::Plan Stopper::settle(Container &c, u64 now)
{
	const u64 waited = now - c.gone_ms;
	Held rest;
	Plan plan;
	if (!something_left(c, now, rest, plan))
		return plan;
	if (waited < kDrainAfterMs)
		return {now + kFirstLooksMs, waited == 0 ? Wants::nothing : Wants::rcu};
	if (rest.objects != c.last_objects) {
		c.last_objects = rest.objects;
		c.unchanged_ms = now;
	}
	copy_text(c.waits, sizeof(c.waits), "drain");
	if (c.drains == 0)
		return {now + kFirstLooksMs, Wants::everything};

	const u64 still = now - c.unchanged_ms;
	Survivors survivors;
	bool looked = survivors.run(c);
	if (looked && hand_over(c, survivors, waited >= kSoonestMs && still >= kStillMs) != 0) {
		looked = false;
		if (!something_left(c, now, rest, plan))
			return plan;
		c.last_objects = rest.objects;
	}
	if ((waited >= kSoonestMs && still >= kStillMs && c.drains >= kDrains) || waited >= settle_ms_)
		return looked ? judge_survivors(c, now, survivors) : watch_survivors(c, now);
	return {now + min(kSlowLookMs, 50 + waited / 4), Wants::everything};
}

Stopper::Plan Stopper::watch_survivors(Container &c, u64 now)
{
	// Nothing was freed: a leak stays one. What was held may have been let go without being freed, and is looked at
	// again.
	if (stopped(c.current()) && !c.suspected && held(c).objects == c.last_objects &&
	    (c.current() == State::leaked || now - c.judged_ms < kJudgeAgainMs))
		return {now + kWatchMs, Wants::nothing};
	Survivors survivors;
	if (!survivors.run(c)) {
		c.judged_ms = now;
		return {now + kWatchMs, Wants::nothing};
	}
	return judge_survivors(c, now, survivors);
}

Stopper::Plan Stopper::judge_survivors(Container &c, u64 now, Survivors &survivors)
{
	c.judged_ms = now;
	// Who is settling waits for a walk that came to its end, up to the ceiling.
	const char *torn = survivors.find_holders();
	if (torn != nullptr && (c.current() == State::leaked || !survivors.doubt(torn)))
		torn = nullptr;
	note_torn(c, torn);
	if (torn != nullptr && !stopped(c.current()) && now - c.gone_ms < settle_ms_ + kSearchWaitMs) {
		copy_text(c.waits, sizeof(c.waits), "search");
		return {now + kSlowLookMs, Wants::nothing};
	}
	if (!census.take(c, survivors, now) && !stopped(c.current()) && now - c.gone_ms < settle_ms_ + kSearchWaitMs) {
		copy_text(c.waits, sizeof(c.waits), "search");
		return {census.next_ms(), Wants::nothing};
	}
	hand_over(c, survivors, true);
	Held rest;
	Plan plan;
	if (!something_left(c, now, rest, plan))
		return plan;
	c.last_objects = rest.objects;
	char worst[192] = "";
	bool leaked = survivors.size() == 0; // charged, but not in the ledger: never to be called anything else
	for (u32 i = 0; i < survivors.size() && !leaked; ++i) {
		const Verdict v = survivors[i].judgement.verdict;
		leaked = v == Verdict::leaked;
		if (leaked || (v == Verdict::held && worst[0] == 0))
			sites.symbol(sites[survivors[i].slot.site()], worst, sizeof(worst));
	}
	// What is on its way from one table to the next may be in none just now: a leak is one when two looks with a
	// drain between them say so.
	if (leaked && c.current() != State::leaked && !c.suspected) {
		c.suspected = true;
		return {now + kFirstLooksMs, Wants::everything};
	}
	c.suspected = false;
	const State state = leaked ? State::leaked : State::held;
	if (c.current() != state) {
		conclude(c, state, now, worst);
		trace_leaks(c, survivors);
	}
	return {now + kWatchMs, Wants::nothing};
}

// What has leaked, or holds something, keeps its row, and anyone can make such ones. They have half of the table:
// without a row those that run would share one, have its limits and no verdict. Of those that hold something the oldest
// goes first, dismissed as the administrator would; then the oldest that leaked: a verdict is what the module is for.
void Stopper::give_up_oldest()
{
	const auto keeps_row = [](const Container &c) {
		return (c.current() == State::leaked || c.current() == State::held) && c.dismissed.relaxed() == 0;
	};
	const auto rather = [](const Container &a, const Container &b) {
		return a.current() == b.current() ? a.settled_ms < b.settled_ms : a.current() == State::held;
	};
	u32 kept = 0;
	containers.each([&](Container &c) { kept += keeps_row(c); });
	for (; kept > max(containers.most() / 2, 1u); --kept) {
		Container *oldest = nullptr;
		containers.each([&](Container &c) {
			if (keeps_row(c) && (oldest == nullptr || rather(c, *oldest)))
				oldest = &c;
		});
		if (oldest == nullptr)
			break;
		oldest->dismissed.set_relaxed(1);
		oldest->next_look_ms = 0;
		health.count(Loss::rows_given_up);
	}
}

// True where there is more to do than fits into one round.
bool Stopper::evict(bc_round &round)
{
	for (u32 i = 0; i < faces_gone_; ++i)
		round.face_gone[round.faces_gone++] = face_gone_[i];
	faces_gone_ = 0;

	// Clean ones only, the oldest first. A leaked one stays until its objects are freed or it is dismissed; neither
	// do those count, of which anyone can make many: who asks for a verdict is to find it.
	constexpr u32 kMost = sizeof(round.face_gone) / sizeof(round.face_gone[0]);
	Container *gone[kMost];
	u32 count = 0;
	const u32 listed = min(kStoppedKept, max(containers.most() / 2, 1u));
	u32 kept = 0;
	containers.each([&](Container &c) { kept += c.current() == State::clean; });
	while (kept > listed && round.faces_gone < kMost) {
		Container *oldest = nullptr;
		containers.each([&](Container &c) {
			if (c.current() == State::clean && !switching(c) &&
			    (oldest == nullptr || c.settled_ms < oldest->settled_ms))
				oldest = &c;
		});
		if (oldest == nullptr)
			break;
		containers.unpublish(*oldest);
		references.forget(oldest->index.value);
		round.face_gone[round.faces_gone++] = oldest->id().value;
		gone[count++] = oldest;
		--kept;
	}
	if (count == 0)
		return false;
	bc_synchronize_rcu();
	while (count != 0)
		containers.destroy(gone[--count]);
	return kept > listed;
}

void Stopper::round(bc_round &round)
{
	const u64 now = bc_now_ms();
	u64 next = kNever;
	Wants drain = Wants::nothing;
	const bool drained = drained_;
	drained_ = false;

	bc_ledger.reclaim();
	give_up_oldest();
	if (containers.overflow_used() && !overflow_said_) {
		overflow_said_ = true;
		bc_log_overflow(containers.count());
	}
	const u32 first = go_on_at_;
	go_on_at_ = ~0u;
	auto look = [&](Container &c) {
		bc_cond_resched();
		if (!c.has_face && (c.has_face = bc_face_add(c.id().value)) == false)
			next = min(next, now + kSlowLookMs);
		// No memory when it was made: charges went to the accounts until now.
		if (c.own_cells.relaxed() == nullptr)
			give_cells(c, make_cells());
		next = min(next, log_refusals(c, now));
		if (c.mode.relaxed() != static_cast<u8>(Mode::far)) {
			leave_near(c);
			if (c.current() == State::running)
				next = min(next, now + kLookAgainMs);
		}
		if (c.current() == State::running && c.init_exited.acquire() != 0) {
			c.state.set_relaxed(static_cast<u8>(State::settling));
			c.settled_ms = now;
			c.next_look_ms = now;
		}
		if (c.current() == State::running || c.current() == State::clean)
			return;
		if (drained)
			++c.drains;
		// Looks at memory and at all tasks, of as many as somebody has made. The next round goes on with this
		// one.
		if (go_on_at_ != ~0u || bc_now_ms() - now > kLongRoundMs) {
			go_on_at_ = go_on_at_ == ~0u ? c.index.value : go_on_at_;
			c.next_look_ms = drained ? now : c.next_look_ms;
			return;
		}
		if (c.next_look_ms > now && !(drained && c.drains == 1)) {
			next = min(next, c.next_look_ms);
			return;
		}
		if (c.dismissed.relaxed() != 0 && stopped(c.current()))
			drop_all(c);
		const Plan plan = stopped(c.current()) ? watch_survivors(c, now)
				  : c.tasks_gone       ? settle(c, now)
						       : wait_for_tasks(c, now);
		c.next_look_ms = plan.next_ms;
		next = min(next, plan.next_ms);
		if (plan.drain > drain)
			drain = plan.drain;
	};
	containers.each(look, first);
	if (evict(round))
		next = min(next, now + kFirstLooksMs);
	next = min(next, sweeper.round(now, concluded_));
	concluded_ = false;

	drained_ = drain == Wants::everything;
	round.drain = static_cast<u32>(drain);
	const u64 after = bc_now_ms();
	if (go_on_at_ != ~0u) // others have the mutex as long as it has been taken
		next = after + (after - now);
	round.next_ms = next == kNever ? 0 : next <= after ? 1 : static_cast<u32>(next - after);
}

} // namespace bc
