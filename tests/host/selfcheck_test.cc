// SPDX-License-Identifier: GPL-2.0
// The self-check: what is wrong is found, of whoever runs and whoever has stopped; what moves is never called wrong.
#include "bounds_rig.h"
#include "race_rig.h"

#include "selfcheck.h"

namespace rig
{
namespace
{

std::string health_of(const char *key) { return row(render(BC_FILE_HEALTH), key)["value"]; }
std::string books(u32 id = 1) { return row(render(BC_FILE_CONTAINERS), std::to_string(id))["books"]; }
// What this run has found wrong.
s64 check()
{
	const s64 before = self_checked.bad.relaxed();
	EXPECT_EQ(bc_control("self-check", 10), 0);
	return self_checked.bad.relaxed() - before;
}

class SelfChecked : public Bound
{
      protected:
	static constexpr u64 kFile = kText + 0x3010, kTty = kText + 0x4010;
	// One of each kind that a container counts in.
	void make_some()
	{
		for (const auto &[cache, caller] : {std::pair{&k64_, kText},
						    {&k64_, kFile},
						    {&dentry_, kText},
						    {&k8k_, kText},
						    {&k64_, kTty},
						    {&k64_, kTty},
						    {&task_, kText + 0x1010}})
			objects_.push_back(make(*cache, caller));
	}
	// Off by something, a container is wrong, and only then.
	void planted(Container &c)
	{
		const auto wrong = [&](const char *what, auto &&add, s64 amount) {
			add(amount);
			EXPECT_EQ(check(), 1) << what;
			EXPECT_EQ(books(), "wrong") << what;
			EXPECT_EQ(health_of("self_check_compared"), "1") << what;
			add(-amount);
			EXPECT_EQ(check(), 0) << what;
			EXPECT_EQ(books(), "equal") << what;
		};
		for (size_t i = 0; i < kChargedRows; ++i) {
			for (s64 amount : {64, 1, -1})
				wrong(
				    name_of(static_cast<Charged>(i)), [&](s64 n) { c.accounts[i].add(n); }, amount);
		}
		for (size_t i = 0; i < kByteKinds; ++i)
			wrong(
			    "objects", [&](s64 n) { c.objects[i].add(n); }, 1);
		const auto both = [&](s64 n) { // the same sum
			c.accounts[0].add(n);
			c.accounts[1].add(-n);
		};
		wrong("one kind for the other", both, 192);
	}
	std::vector<u64> objects_;
};

TEST_F(SelfChecked, OneThatRunsIsCompared)
{
	Container *c = start(ns(1));
	EXPECT_EQ(books(), "-");
	make_some();
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
	EXPECT_EQ(health_of("self_check_compared"), "1");
	EXPECT_EQ(health_of("self_check_moved"), "0");
	EXPECT_EQ(health_of("self_check_slots"), "7");
	planted(*c);
	// Gone from the ledger, and not given back.
	Slot slot;
	{
		platform::PreemptOff section;
		slot = bc_ledger.take(Address{objects_[1]});
	}
	EXPECT_EQ(check(), 1);
	EXPECT_EQ(books(), "wrong");
	uncharge(slot);
	EXPECT_EQ(check(), 0);
}

TEST_F(SelfChecked, NearABoundToo)
{
	Container *c = start(ns(1));
	bound("kmemsize 1M 1M\nnumfile 10 10");
	make_some();
	ASSERT_EQ(c->mode.relaxed(), static_cast<u8>(Mode::near));
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
	planted(*c);
}

TEST_F(SelfChecked, OneThatStoppedIsCompared)
{
	Container *c = start(ns(1));
	make_some();
	stop(ns(1));
	work_for(40000);
	ASSERT_TRUE(stopped(c->current())) << row(render(BC_FILE_CONTAINERS), "1")["state"];
	ASSERT_NE(held(*c).objects, 0);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
	planted(*c);
}

TEST_F(SelfChecked, EachByItself)
{
	Container *other = start(ns(2), 200);
	start(ns(1));
	make_some();
	make(k64_, kText, kGfpKernel, 2);
	other->accounts[at(Charged::numproc)].add(1);
	EXPECT_EQ(check(), 1);
	EXPECT_EQ(books(1), "wrong") << "made second";
	EXPECT_EQ(books(2), "equal");
	other->accounts[at(Charged::numproc)].add(-1);
}

// Charged, and its object not there yet, for as long as the original sleeps.
TEST_F(SelfChecked, AnAdmissionIsAMovement)
{
	start(ns(1));
	bound("kmemsize 1M 1M");
	const u64 object = slabs_.make(k8k_.key, k8k_.stride);
	host::set_namespace(ns(1));
	const Wanted wanted{Address{kText}, k8k_.cache_key(), 0, 1, ByteKind::kmemsize, kGfpKernel, true};
	Admission admission;
	ASSERT_TRUE(admit(wanted, admission));
	ASSERT_NE(admission.c, nullptr);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "moved");
	EXPECT_EQ(health_of("self_check_compared"), "0");
	EXPECT_EQ(health_of("self_check_moved"), "1");
	void *const objects[] = {reinterpret_cast<void *>(object)};
	settle(admission, objects, 1, wanted.caller, wanted.cache, wanted.gfp);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
	// Refused, or without an object in the end: nothing stays open.
	ASSERT_TRUE(admit(wanted, admission));
	settle(admission, nullptr, 0, wanted.caller, wanted.cache, wanted.gfp);
	bound("kmemsize 0 0");
	EXPECT_FALSE(admit(wanted, admission));
	bound("kmemsize 1M 1M");
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
	host::set_namespace(nullptr);
	gone(object);
}

// Between a cell that was emptied and the account that has not got it yet; and while flush() moves the cells.
TEST_F(SelfChecked, WhatIsHiddenIsAMovement)
{
	Container *c = start(ns(1));
	make_some();
	c->mode.release(static_cast<u8>(Mode::switching));
	c->accounts[0].add(-64);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "moved");
	c->accounts[0].add(64);
	c->mode.release(static_cast<u8>(Mode::far));
	const u64 seen = platform::percpu_read(&c->own_cells.relaxed()->packed[0], 1);
	platform::percpu_replace(&c->own_cells.relaxed()->packed[0], 1, seen + (u64{kBatch} << kBytesAt));
	EXPECT_EQ(check(), 0) << "an add that its task has not taken back, or emptied";
	EXPECT_EQ(books(), "moved");
	platform::percpu_replace(&c->own_cells.relaxed()->packed[0], 1, seen);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(), "equal");
}

// A task of the container is at it while the check is: makes an object, and some steps later frees it, and so on. Where
// the steps of both turns together are those of a look, the counters are the same at each, and the object is in the
// ledger at none, or is there and not counted: in look after look.
class Moving : public SelfChecked
{
      protected:
	static constexpr unsigned long kMost = 9; // steps: a look has fewer
	Moving() { host::jitter(true); }
	void turn()
	{
		if (object_ == 0) {
			object_ = slabs_.make(cache_->key, cache_->stride);
			charged(ns(1), object_, caller_, cache_->cache_key());
		} else {
			freed(object_);
			slabs_.free(object_);
			object_ = 0;
		}
		++turns_;
		host::at_step(object_ != 0 ? lives_ : pause_, [this] { turn(); });
	}
	void one(unsigned long first, const Cache &cache, u64 caller)
	{
		cache_ = &cache;
		caller_ = caller;
		turns_ = 0;
		host::at_step(first, [this] { turn(); });
		EXPECT_EQ(check(), 0) << cache.stride << " bytes, from step " << first << " on for " << lives_
				      << ", then not for " << pause_;
		host::at_step(~0ul, [] {});
		EXPECT_GT(turns_, 0u);
		EXPECT_EQ(books(2), "equal") << "it is another one that moves";
	}
	u64 object_ = 0, caller_ = 0, turns_ = 0;
	unsigned long lives_ = 1, pause_ = 1;
	const Cache *cache_ = nullptr;
};

TEST_F(Moving, IsNeverCalledWrong)
{
	// No threads are in it: nothing for ThreadSanitizer, which takes a hundred times as long.
	constexpr unsigned long kStep = kEffort == 1 ? 9 : 1;
	start(ns(1));
	start(ns(2), 200);
	make_some();
	make(k64_, kText, kGfpKernel, 2);
	for (lives_ = 1; lives_ <= kMost; ++lives_) {
		for (pause_ = 1; pause_ <= kMost; ++pause_) {
			for (unsigned long first = 1; first <= 2 * kMost; first += kStep) {
				one(first, k64_, kText);
				one(first, k64_, kFile);
				one(first, k8k_, kText);
			}
		}
	}
	if (object_ != 0)
		gone(object_);
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(1), "equal");
}

// The same under threads, with bounds that come and go.
class Checked : public Race
{
      protected:
	static constexpr u64 kFile = kText + 0x3010;
	Checked() { host::add_symbol(kText + 0x3000, 0x100, "alloc_empty_file"); }
	void work_one(u32 cpu, u32 i)
	{
		const Cache &cache = i % 5 == 0 ? k8k_ : i % 2 == 0 ? k64_ : dentry_;
		const u64 object = slabs_.make(cache.key, cache.stride);
		if (allocated(ns(1), object, i % 3 == 0 ? kFile : kText + cpu * 16, cache.cache_key()))
			freed(object);
		slabs_.free(object);
	}
};

TEST_F(Checked, UnderWay)
{
	start(ns(1));
	start(ns(2), 200);
	const u64 other = slabs_.make(k64_.key, 64);
	charged(ns(2), other, kText, k64_.cache_key());
	std::atomic<bool> done{false};
	together(
	    kThreads,
	    [&](u32 cpu) {
		    for (u32 i = 0; !done; ++i)
			    work_one(cpu, i);
	    },
	    [&] {
		    for (int i = 0; i < 20 * kEffort; ++i) {
			    if (i % 4 == 1)
				    set(1, "kmemsize 64K 64K\nnumfile 2 2");
			    if (i % 4 == 3)
				    set(1, "kmemsize unlimited unlimited\nnumfile unlimited unlimited");
			    if (i % 2 == 0)
				    bc_core_flush();
			    work();
			    EXPECT_EQ(check(), 0);
			    EXPECT_EQ(books(2), "equal");
		    }
		    done = true;
	    });
	bc_core_flush();
	set(1, "kmemsize unlimited unlimited\nnumfile unlimited unlimited");
	bc_core_flush();
	work();
	EXPECT_EQ(check(), 0);
	EXPECT_EQ(books(1), "equal");
	exact(*find(ns(1)));
	freed(other);
	slabs_.free(other);
}

} // namespace
} // namespace rig
