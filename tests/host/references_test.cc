// SPDX-License-Identifier: GPL-2.0
// The reference audit: what is watched, counted and dropped, and which get has no put.
#include "rig.h"

#include "references.h"

#include <atomic>
#include <thread>

// What trampolines count in, too.
namespace bc
{
struct ReferencesLayout {
	static constexpr u64 kGet = References::kGet;
	static Atomic<u64> &word(u64 object, u64 caller, u16 owner)
	{
		const References &r = references;
		return r.rows_[r.hints_[References::hint_of(object, caller, owner)].acquire()].counts;
	}
};
} // namespace bc

namespace rig
{
namespace
{

constexpr u64 kUser = 0xffff888300000000ull;

class Audit : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		for (const char *name : {"alloc_pipe_info", "free_pipe_info", "prepare_creds", "put_cred_rcu",
					 "__scm_send", "dec_ucount", "free_mnt_ns", "alloc_mnt_ns"}) {
			at_[name] = kText + 0x1000 * at_.size();
			host::add_symbol(at_[name], 0x1000, name);
		}
		container_ = start(ns(1));
	}
	bc_reference event(bool get, const char *function, u64 object = kUser, bc_s64 count = 5)
	{
		bc_reference e{};
		e.object = reinterpret_cast<const void *>(object);
		e.ns = ns(1);
		e.caller = at_.at(function) + 0x10;
		e.count = count;
		e.get = get;
		return e;
	}
	void get(const char *function, u64 object = kUser) { send(event(true, function, object)); }
	void put(const char *function, u64 object = kUser) { send(event(false, function, object)); }
	static void send(const bc_reference &e) { bc_reference_event(&e); }
	bool known(bool get, const char *function, u64 object = kUser) { return known(get, function, object, ns(1)); }
	bool known(bool get, const char *function, u64 object, const void *ns)
	{
		const bc_reference e = event(get, function, object);
		return bc_reference_known(e.object, e.caller, ns, get);
	}
	std::vector<ReferenceRow> rows(u64 object = kUser)
	{
		std::vector<ReferenceRow> all(64);
		all.resize(references.of_object(object, all.data(), 64));
		return all;
	}
	static std::string unmatched(u64 object = kUser)
	{
		char text[160];
		unmatched_text(object, text, sizeof(text));
		return text;
	}

	std::map<std::string, u64> at_;
	Container *container_ = nullptr;
};

// free_uid(NULL) is allowed, and no object: the hint of these two is the same.
TEST_F(Audit, WhatIsGoneIsNotTakenForNull)
{
	get("alloc_pipe_info");
	put("free_pipe_info");
	send(event(false, "free_pipe_info", kUser, 1)); // the last one
	ASSERT_FALSE(bc_reference_watched(reinterpret_cast<const void *>(kUser)));
	EXPECT_FALSE(known(false, "free_pipe_info", 0));
}

TEST_F(Audit, AHostsReferenceIsNotWatchedUntilAContainerTakesOne)
{
	bc_reference e = event(true, "prepare_creds");
	e.ns = nullptr;
	send(e);
	put("put_cred_rcu");
	EXPECT_EQ(rows().size(), 0u);
	EXPECT_FALSE(bc_reference_watched(e.object));
	get("prepare_creds");
	send(e);
	EXPECT_TRUE(bc_reference_watched(e.object));
	ASSERT_EQ(rows().size(), 2u);
	EXPECT_EQ(rows()[0].owner, 0);
	EXPECT_EQ(rows()[1].owner, container_->index.value);
	EXPECT_EQ(references.touched_by(container_->index.value, nullptr, 0), 2u);
	EXPECT_EQ(references.touched_by(container_->index.value + 1, nullptr, 0), 0u);
}

TEST_F(Audit, TheGetWithoutAPutIsNamed)
{
	get("prepare_creds");
	get("alloc_pipe_info");
	get("alloc_pipe_info");
	put("free_pipe_info");
	EXPECT_EQ(unmatched(), "cred:prepare_creds+0x10:1,pipe:alloc_pipe_info+0x10:1");
	put("put_cred_rcu");
	EXPECT_EQ(unmatched(), "pipe:alloc_pipe_info+0x10:1");
	put("free_pipe_info");
	EXPECT_EQ(unmatched(), "");
	put("free_pipe_info"); // of a pipe older than the watch
	EXPECT_EQ(unmatched(), "");
}

TEST_F(Audit, ATailCallIsNamedByTheFunctionThatMadeItOrItsCaller)
{
	bc_reference e = event(true, "alloc_mnt_ns");
	e.kind = BC_REFERENCE_UCOUNTS;
	send(e);
	EXPECT_EQ(unmatched(), "mnt-ns:alloc_mnt_ns+0x10:1");
	bc_reference p = event(false, "free_mnt_ns");
	p.kind = BC_REFERENCE_UCOUNTS;
	p.callee = at_.at("dec_ucount");
	send(p);
	EXPECT_EQ(unmatched(), "");
	EXPECT_EQ(family_of(BC_REFERENCE_UCOUNTS, false, "user_shm_unlock+0x0"),
		  family_of(BC_REFERENCE_UCOUNTS, true, "user_shm_lock+0x7a"));
	EXPECT_EQ(family_of(BC_REFERENCE_USER, false, "user_shm_unlock+0x0"), kNoFamily);
}

// What puts the references of inotify's and fanotify's groups and marks jumps to their functions, and is the one that
// is seen.
TEST_F(Audit, AWatchIsPutByWhateverFreesItsMark)
{
	const u32 family = family_of(BC_REFERENCE_UCOUNTS, true, "inotify_update_watch+0x23a");
	ASSERT_NE(family, kNoFamily);
	for (const char *get : {"do_inotify_init+0xf2", "do_fanotify_mark+0xdc7", "__do_sys_fanotify_init+0x124"})
		EXPECT_EQ(family_of(BC_REFERENCE_UCOUNTS, true, get), family) << get;
	for (const char *put :
	     {"fsnotify_put_group+0x35", "fsnotify_free_mark+0x0", "fsnotify_destroy_mark+0x0",
	      "fsnotify_destroy_marks+0xce", "fanotify_free_group_priv+0x2b", "inotify_update_watch+0x2db"})
		EXPECT_EQ(family_of(BC_REFERENCE_UCOUNTS, false, put), family) << put;
}

TEST_F(Audit, TheLastPutEndsTheWatch)
{
	get("alloc_pipe_info");
	send(event(false, "free_pipe_info", kUser, 1));
	EXPECT_EQ(rows().size(), 0u);
	EXPECT_EQ(references.objects(), 0u);
}

TEST_F(Audit, WhatWasMadeAnewOwesNothingForItsAddress)
{
	get("alloc_pipe_info"); // its last put was not seen as such
	bc_reference e = event(true, "prepare_creds", kUser, 1);
	e.made = true;
	send(e);
	EXPECT_EQ(unmatched(), "cred:prepare_creds+0x10:1");
}

TEST_F(Audit, AFullTableIsSaidAndDoesNoHarm)
{
	for (u32 i = 0; i < References::kObjects; ++i)
		get("alloc_pipe_info", kUser + 64 * u64{i});
	EXPECT_EQ(references.objects(), References::kObjects / 8 * 7);
	EXPECT_EQ(health.of(Loss::references_lost), s64{References::kObjects / 8});
	// Rows run out before objects do where each has many.
	for (u32 i = 0; i < References::kObjects; ++i)
		for (const char *function : {"prepare_creds", "__scm_send", "alloc_mnt_ns", "free_pipe_info"})
			get(function, kUser + 64 * u64{i});
	EXPECT_GT(health.of(Loss::references_lost), s64{References::kObjects / 8 * 5});
	for (u32 i = 0; i < References::kObjects; ++i)
		send(event(false, "free_pipe_info", kUser + 64 * u64{i}, 1));
	EXPECT_EQ(references.objects(), 0u);
	get("alloc_pipe_info"); // all is free again
	EXPECT_EQ(rows().size(), 1u);
}

TEST_F(Audit, AFormerPlaceDoesNotSlowSearchesForEver)
{
	for (u32 i = 0; i < 20 * References::kObjects; ++i) {
		get("alloc_pipe_info", kUser + 192 * u64{i});
		send(event(false, "free_pipe_info", kUser + 192 * u64{i}, 1));
	}
	EXPECT_EQ(references.objects(), 0u);
	EXPECT_EQ(health.of(Loss::references_lost), 0);
	EXPECT_EQ(references.marks(), 0u);
}

TEST_F(Audit, AContainersPlaceIsGivenUp)
{
	get("alloc_pipe_info");
	references.forget(container_->index.value);
	EXPECT_EQ(rows()[0].owner, 0);
	EXPECT_EQ(references.touched_by(container_->index.value, nullptr, 0), 0u);
}

// Root's user is every container's, and never goes: what those leave that have gone is a row a call site.
TEST_F(Audit, ContainersThatComeAndGoLeaveARowACallSite)
{
	constexpr u16 kContainers = 5000;
	for (u16 owner = 1; owner <= kContainers; ++owner) {
		for (const char *function : {"alloc_pipe_info", "prepare_creds", "__scm_send"})
			references.event(event(true, function), owner);
		bc_reference tail = event(false, "free_mnt_ns");
		tail.callee = at_.at("dec_ucount");
		references.event(tail, owner);
		EXPECT_TRUE(references.count_known(kUser, at_.at("__scm_send") + 0x10, owner, true));
		references.event(event(false, "free_pipe_info"), 0);
		if (owner > 64)
			references.forget(static_cast<u16>(owner - 64));
	}
	EXPECT_EQ(health.of(Loss::references_lost), 0);
	EXPECT_EQ(references.rows(), 64u * 4 + 5);
	for (u16 owner = kContainers - 63; owner <= kContainers; ++owner)
		references.forget(owner);
	std::vector<ReferenceRow> left = rows();
	EXPECT_EQ(left.size(), 5u);
	EXPECT_EQ(references.rows(), 5u);
	for (const ReferenceRow &row : left) {
		EXPECT_EQ(row.owner, 0);
		const bool put =
		    row.caller == at_.at("free_mnt_ns") + 0x10 || row.caller == at_.at("free_pipe_info") + 0x10;
		const s64 twice = row.caller == at_.at("__scm_send") + 0x10 ? 2 : 1;
		EXPECT_EQ(row.gets, put ? 0 : twice * kContainers);
		EXPECT_EQ(row.puts, put ? kContainers : 0);
		EXPECT_EQ(row.callee != 0, row.caller == at_.at("free_mnt_ns") + 0x10);
	}
	// The lists are whole: all of them go, and can be had again.
	send(event(false, "free_pipe_info", kUser, 1));
	EXPECT_EQ(references.rows(), 0u);
	for (u32 i = 0; i < References::kRows; ++i)
		references.event(event(true, "alloc_pipe_info"), static_cast<u16>(1 + i));
	EXPECT_EQ(references.rows(), References::kRows);
	EXPECT_EQ(health.of(Loss::references_lost), 0);
	references.event(event(true, "prepare_creds"), 1);
	EXPECT_EQ(health.of(Loss::references_lost), 1);
}

// A container is forgotten while another CPU counts in its rows: each is counted once, in its row or in nobody's.
TEST_F(Audit, WhatIsCountedWhileAContainerIsForgottenIsCountedOnce)
{
	std::atomic<bool> over{false};
	std::atomic<s64> counted{0};
	const u64 caller = at_.at("alloc_pipe_info") + 0x10;
	std::thread other([&] {
		host::set_cpu(1);
		for (u16 owner = 1; !over.load(std::memory_order_relaxed); owner = owner % 8 + 1)
			counted.fetch_add(references.count_known(kUser, caller, owner, true),
					  std::memory_order_relaxed);
	});
	s64 made = 0;
	for (; made < 2000 * kEffort || counted.load(std::memory_order_relaxed) == 0; ++made) {
		const u16 owner = static_cast<u16>(made % 8 + 1);
		references.event(event(true, "alloc_pipe_info"), owner);
		references.forget(owner);
	}
	over.store(true);
	other.join();
	std::vector<ReferenceRow> left = rows();
	ASSERT_EQ(left.size(), 1u);
	EXPECT_EQ(left[0].owner, 0);
	EXPECT_EQ(left[0].gets, made + counted.load());
}

TEST_F(Audit, TheFileHasALineACallSite)
{
	host::set_probe([&](enum bc_probe what, u64 address, u32, bc_probed &out) {
		EXPECT_EQ(what, BC_PROBE_USER);
		EXPECT_EQ(address, kUser);
		out.known = true;
		out.extra = 2;
		out.hashed = true;
		strcpy(out.text, "uid=1000,count=2,hashed");
	});
	get("alloc_pipe_info");
	get("prepare_creds");
	bc_reference e = event(false, "put_cred_rcu");
	e.ns = nullptr;
	send(e);
	const std::string text = render(BC_FILE_REFERENCES, 1);
	EXPECT_EQ(lines(text).size(), 4u);
	auto pipe = row(text, "alloc_pipe_info+0x10", 5);
	EXPECT_EQ(pipe["kind"], "user");
	EXPECT_EQ(pipe["uid"], "1000");
	EXPECT_EQ(pipe["count"], "2");
	EXPECT_EQ(pipe["charged"], "0");
	EXPECT_EQ(pipe["family"], "pipe");
	EXPECT_EQ(pipe["gets"] + pipe["puts"] + pipe["own_gets"] + pipe["own_puts"], "1010");
	EXPECT_EQ(pipe["unmatched"], "1");
	auto cred = row(text, "put_cred_rcu+0x10", 5);
	EXPECT_EQ(cred["gets"] + cred["puts"] + cred["own_gets"] + cred["own_puts"], "0100");
	EXPECT_EQ(cred["unmatched"], "0");
}

// Freed by two puts of which neither was seen to be the last: another object's words are no uid and no count.
TEST_F(Audit, WhatHasBeenFreedHasNoCount)
{
	static const char *text;
	static s64 count;
	static bool hashed;
	host::set_probe([](enum bc_probe, u64, u32, bc_probed &out) {
		out.known = true;
		out.extra = count;
		out.hashed = hashed;
		strcpy(out.text, text);
	});
	get("alloc_pipe_info");
	auto shown = [&](const char *is, s64 n, bool in_its_table) {
		text = is;
		count = n;
		hashed = in_its_table;
		auto pipe = row(render(BC_FILE_REFERENCES, 1), "alloc_pipe_info+0x10", 5);
		return pipe["uid"] + " " + pipe["count"];
	};
	EXPECT_EQ(shown("uid=1000,count=2,hashed,userns=4026531837", 2, true), "1000 2");
	EXPECT_EQ(shown("uid=3223383232,count=7", 7, false), "- 0");
	EXPECT_EQ(shown("uid=3223383232,count=-4101,hashed", -4101, true), "- 0");
}

TEST_F(Audit, WhatWasSeenBeforeIsCountedWithoutAsking)
{
	EXPECT_FALSE(known(true, "alloc_pipe_info"));
	EXPECT_TRUE(rows().empty());
	get("alloc_pipe_info");
	EXPECT_TRUE(known(true, "alloc_pipe_info"));
	EXPECT_FALSE(known(true, "prepare_creds"));		    // another caller
	EXPECT_FALSE(known(true, "alloc_pipe_info", kUser + 64));   // another object
	EXPECT_FALSE(known(true, "alloc_pipe_info", kUser, ns(2))); // another container, or nobody
	EXPECT_FALSE(known(true, "alloc_pipe_info", kUser, nullptr));
	EXPECT_FALSE(known(false, "free_pipe_info"));
	put("free_pipe_info");
	EXPECT_TRUE(known(false, "free_pipe_info"));
	EXPECT_EQ(unmatched(), "");
	EXPECT_TRUE(known(true, "alloc_pipe_info"));
	EXPECT_EQ(unmatched(), "pipe:alloc_pipe_info+0x10:1");
	send(event(false, "free_pipe_info", kUser, 1));
	EXPECT_FALSE(known(true, "alloc_pipe_info")); // the last one has been put
	EXPECT_TRUE(rows().empty());
}

// A count has 24 bits in the word that is counted in without the lock.
TEST_F(Audit, ACountThatIsFullIsCarried)
{
	constexpr s64 kHalf = s64{1} << 23;
	get("alloc_pipe_info");
	ReferencesLayout::word(kUser, at_.at("alloc_pipe_info") + 0x10, container_->index.value)
	    .add(ReferencesLayout::kGet * (kHalf - 2));
	EXPECT_TRUE(known(true, "alloc_pipe_info"));
	EXPECT_FALSE(known(true, "alloc_pipe_info"));
	EXPECT_EQ(rows()[0].gets, kHalf);
	get("alloc_pipe_info");
	EXPECT_TRUE(known(true, "alloc_pipe_info"));
	ASSERT_EQ(rows().size(), 1u);
	EXPECT_EQ(rows()[0].gets, kHalf + 2);
	EXPECT_EQ(rows()[0].puts, 0);
}

// Who has read a row's word, and found the row to be the one meant, exchanges nothing once it is another's, though it
// looks the same.
TEST_F(Audit, TheWordOfARowThatBecameAnothersIsAnother)
{
	const u64 caller = at_.at("alloc_pipe_info") + 0x10;
	const u64 other = kUser + 64 * u64{4099};
	get("alloc_pipe_info");
	Atomic<u64> &word = ReferencesLayout::word(kUser, caller, container_->index.value);
	u64 seen = word.acquire();
	send(event(false, "free_pipe_info", kUser, 1));
	get("alloc_pipe_info", other);
	ASSERT_EQ(&ReferencesLayout::word(other, caller, container_->index.value), &word)
	    << "the row is not used again";
	EXPECT_FALSE(word.compare_exchange(seen, seen + ReferencesLayout::kGet));
	EXPECT_EQ(rows(other)[0].gets, 1);
}

// While one CPU counts an object's references without the lock, that one goes and its row becomes another's, again and
// again: nothing of the first is found in the second.
TEST_F(Audit, ARowThatBecomesAnothersHasNothingOfTheFirst)
{
	const u64 first = kUser;
	const u64 second = kUser + 64 * u64{4099};
	std::atomic<bool> over{false};
	std::atomic<u64> counted{0};
	std::thread other([&] {
		host::set_cpu(1);
		while (!over.load(std::memory_order_relaxed))
			counted.fetch_add(known(true, "alloc_pipe_info", first), std::memory_order_relaxed);
	});
	int wrong = 0;
	for (int i = 0; i < 2000 * kEffort || counted.load(std::memory_order_relaxed) == 0; ++i) {
		get("alloc_pipe_info", first);
		send(event(false, "free_pipe_info", first, 1));
		get("alloc_pipe_info", second);
		std::vector<ReferenceRow> all = rows(second);
		wrong += all.size() != 1 || all[0].gets != 1;
		send(event(false, "free_pipe_info", second, 1));
	}
	over.store(true);
	other.join();
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(references.objects(), 0u);
}

// Four CPUs take and put references of eight objects; every one is counted, whoever drops what meanwhile.
TEST_F(Audit, EveryEventCountsOnce)
{
	const int rounds = 2000 * kEffort;
	for (u64 i = 0; i < 8; ++i)
		get("__scm_send", kUser + 64 * i);
	std::vector<std::thread> threads;
	for (u32 cpu = 0; cpu < 4; ++cpu)
		threads.emplace_back([&, cpu] {
			host::set_cpu(cpu);
			for (int i = 0; i < rounds; ++i) {
				const u64 shared = kUser + 64 * (static_cast<u64>(i) % 8);
				if (!known(true, "alloc_pipe_info", shared))
					get("alloc_pipe_info", shared);
				const u64 own = kUser + 4096 * (cpu + 1) + 64 * (static_cast<u64>(i) % 16);
				get("prepare_creds", own);
				send(event(false, "put_cred_rcu", own, 1));
				if (!known(false, "free_pipe_info", shared))
					put("free_pipe_info", shared);
			}
		});
	for (auto &thread : threads)
		thread.join();
	s64 gets = 0;
	s64 puts = 0;
	for (u64 i = 0; i < 8; ++i) {
		for (const ReferenceRow &row : rows(kUser + 64 * i)) {
			gets += row.gets;
			puts += row.puts;
		}
	}
	EXPECT_EQ(gets, 4 * s64{rounds} + 8);
	EXPECT_EQ(puts, 4 * s64{rounds});
	EXPECT_EQ(references.objects(), 8u);
	EXPECT_EQ(health.of(Loss::references_lost), 0);
}

} // namespace
} // namespace rig
