// SPDX-License-Identifier: GPL-2.0
// Limits as an administrator sees them: how they are set, what is written down of refusals, fail-nth, self-check.
#include "bounds_rig.h"

namespace rig
{
namespace
{

TEST_F(Bound, FailNthIsThatOneOnly)
{
	start(ns(1));
	const std::string arm = "fail-nth 1 3\n";
	ASSERT_EQ(bc_control(arm.data(), arm.size()), 0);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_NE(make(k64_, kText, kGfpKernel | platform::kGfpNoFail), 0u) << "does not count: it cannot be refused";
	EXPECT_NE(make(k64_), 0u);
	host::set_task(false, false, true);
	EXPECT_NE(make(k64_), 0u) << "nor does a page fault";
	host::set_task(false, false, false);
	EXPECT_EQ(make(k64_), 0u);
	for (u32 i = 0; i < 10; ++i)
		EXPECT_NE(make(k64_), 0u);
	const auto refusals = lines(render(BC_FILE_REFUSALS, 1));
	ASSERT_EQ(refusals.size(), 2u);
	EXPECT_EQ(words(refusals[1])[5], "fail-nth");
	EXPECT_EQ(words(refusals[1])[6], "somebody+0x0");
	const std::string disarm = "fail-nth 1 1\nfail-nth 1 0\n";
	ASSERT_EQ(bc_control(disarm.data(), disarm.size()), 0);
	EXPECT_NE(make(k64_), 0u);
	EXPECT_EQ(gates.any.relaxed(), 0u);
}

TEST_F(Bound, RefusalsAreWrittenDownLoggedAndTraced)
{
	start(ns(1));
	bound("kmemsize 0 0");
	for (u32 i = 0; i < 20; ++i)
		EXPECT_EQ(make(k64_), 0u);
	const auto refusals = lines(render(BC_FILE_REFUSALS, 1));
	ASSERT_EQ(refusals.size(), 17u);
	EXPECT_EQ(words(refusals[0]),
		  (std::vector<std::string>{"age", "pid", "task", "resource", "bytes", "cause", "site"}));
	EXPECT_EQ(words(refusals[1]),
		  (std::vector<std::string>{"0", "1000", "cpu-0", "kmemsize", "64", "barrier", "somebody+0x0"}));
	EXPECT_EQ(host::refusals_traced(), 20u);
	work();
	ASSERT_EQ(host::refusal_log().size(), 1u);
	EXPECT_EQ(host::refusal_log()[0].refusals, 20u);
	EXPECT_EQ(make(k64_), 0u);
	work();
	EXPECT_EQ(host::refusal_log().size(), 1u) << "one line in five seconds";
	work_for(6000);
	ASSERT_EQ(host::refusal_log().size(), 2u);
	EXPECT_EQ(host::refusal_log()[1].refusals, 1u);
}

TEST_F(Bound, ResetClearsWhatWasCounted)
{
	start(ns(1));
	const u64 a = make(k8k_);
	make(k64_);
	gone(a);
	bound("kmemsize 0 0");
	EXPECT_EQ(make(k64_), 0u);
	bound("reset");
	auto k = resource("kmemsize");
	EXPECT_EQ(k["maxheld"], "64");
	EXPECT_EQ(k["failcnt"], "0");
	EXPECT_EQ(k["waited"], "0");
	EXPECT_EQ(k["barrier"], "0");
}

TEST_F(Bound, AWriteIsAppliedWholeOrNotAtAll)
{
	start(ns(1));
	for (const char *bad : {"",
				"\n",
				"kmemsize",
				"kmemsize 1",
				"kmemsize 2 1",
				"kmemsize 1 2 3",
				"kmemsize -1 2",
				"kmemsize 1 2x",
				"kmemsize 1k 2k",
				"kmemsize 9223372036854775808 unlimited",
				"kmemsize 8589934592G unlimited",
				"dummy 1 2",
				"privvmpages 1 2",
				"nonsense 1 2",
				"reset now",
				"kmemsize 1 2\nnumproc 3",
				"kmemsize 1 2\n\nnumproc 3 3",
				"KMEMSIZE 1 2",
				"kmemsizex 1 2",
				"kmem 1 2",
				"kmemsize 0x1 2",
				"kmemsize unlimited 5"}) {
		EXPECT_EQ(set(1, bad), -22) << bad;
		EXPECT_EQ(resource("kmemsize")["limit"], "unlimited") << bad;
		EXPECT_EQ(resource("numproc")["limit"], "unlimited") << bad;
	}
	EXPECT_EQ(set(7, "kmemsize 1 2"), -2);
	bound(" kmemsize\t8M 9M \nnumproc 5 unlimited\nkmemsize 1G unlimited");
	EXPECT_EQ(resource("kmemsize")["barrier"], "1073741824");
	EXPECT_EQ(resource("kmemsize")["limit"], "unlimited");
	EXPECT_EQ(resource("numproc")["barrier"], "5");
	bound("numproc unlimited unlimited\nkmemsize 9223372036854775807 unlimited");
	work();
	EXPECT_EQ(gates.any.relaxed(), 0u);
	bound("kmemsize 4096 8192");
	const auto old = words(lines(render(BC_FILE_BEANCOUNTERS))[2]);
	EXPECT_EQ(old, (std::vector<std::string>{"1:", "kmemsize", "0", "0", "4096", "8192", "0"}));
}

TEST_F(Bound, Defaults)
{
	bc_config config = machine();
	for (const char *bad : {"kmemsize", "kmemsize=", "kmemsize=1:", "kmemsize=2:1", "kmemsize=1:2,", ",", "x=1:2",
				"kmemsize=1:2,kmemsize=1:2", "dummy=1:2", "kmemsize=1:2 numproc=1:2"}) {
		bc_core_exit();
		config.default_limits = bad;
		EXPECT_EQ(bc_core_init(&config), -22) << bad;
	}
	config.default_limits = "kmemsize=8M:9M,numproc=2";
	ASSERT_EQ(bc_core_init(&config), 0);
	start(ns(1));
	EXPECT_EQ(resource("kmemsize")["barrier"], "8388608");
	EXPECT_EQ(resource("kmemsize")["limit"], "9437184");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u) << "before its first instruction";
	bc_task_forked(ns(2), 1, "older", true);
	EXPECT_EQ(resource("numproc", 2)["limit"], "unlimited") << "it did not know when it started";
}

TEST_F(Bound, SelfCheckFindsWhatDoesNotAgree)
{
	Container *c = start(ns(1));
	const u64 object = make(k64_);
	stop(ns(1));
	work_for(20000);
	ASSERT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "leaked");
	const std::string check = "self-check\n";
	ASSERT_EQ(bc_control(check.data(), check.size()), 0);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_bad")["value"], "0");
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_slots")["value"], "1");
	c->accounts[0].add(64);
	ASSERT_EQ(bc_control(check.data(), check.size()), 0);
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_check_bad")["value"], "1");
	EXPECT_EQ(row(render(BC_FILE_HEALTH), "self_checks")["value"], "2");
	c->accounts[0].add(-64);
	gone(object);
}

} // namespace
} // namespace rig
