// SPDX-License-Identifier: GPL-2.0
// Limits on how many: processes, files, sockets and the like, by the function that makes them.
#include "bounds_rig.h"

namespace rig
{
namespace
{

TEST_F(Bound, PiecesAreExact)
{
	Container *c = start(ns(1));
	bound("numproc 3 3\nnumfile 2 2");
	std::vector<u64> tasks;
	for (u64 object; (object = make(task_, kText + 0x1010)) != 0;)
		tasks.push_back(object);
	EXPECT_EQ(tasks.size(), 3u);
	EXPECT_EQ(resource("numproc")["held"], "3");
	EXPECT_EQ(resource("numproc")["failcnt"], "1");
	EXPECT_NE(make(k64_, kText + 0x1010), 0u) << "another object of the same function";
	EXPECT_EQ(held(*c).bytes, 3 * 9152 + 64) << "what was refused for its piece holds no bytes";
	gone(tasks[0]);
	EXPECT_EQ(resource("numproc")["held"], "2");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["failcnt"], "2");
	EXPECT_NE(make(k64_, kText + 0x3010), 0u) << "a file, whatever its cache is called";
	EXPECT_NE(make(k64_, kText + 0x3010), 0u);
	EXPECT_EQ(make(k64_, kText + 0x3010), 0u);
}

TEST_F(Bound, PiecesAreCountedWithoutABound)
{
	start(ns(1));
	const u64 tcp = make(tcp_, kText + 0x5010);
	EXPECT_NE(make(unix_, kText + 0x5010), 0u);
	EXPECT_EQ(resource("numtcpsock")["held"], "1");
	EXPECT_EQ(resource("numothersock")["held"], "1");
	gone(tcp);
	EXPECT_EQ(resource("numtcpsock")["held"], "0");
	EXPECT_EQ(resource("numtcpsock")["maxheld"], "1");
	EXPECT_EQ(gates.any.relaxed(), 0u);
}

TEST_F(Bound, APtyHasTwoObjects)
{
	start(ns(1));
	bound("numpty 2 2");
	for (u32 i = 0; i < 4; ++i)
		EXPECT_NE(make(k64_, kText + 0x4010), 0u);
	EXPECT_EQ(make(k64_, kText + 0x4010), 0u);
	EXPECT_EQ(resource("numpty")["held"], "2");
	EXPECT_EQ(resource("numpty")["barrier"], "2");
}

TEST_F(Bound, ASignalIsRefusedThoughItIsAtomic)
{
	start(ns(1));
	bound("numsiginfo 1 1");
	EXPECT_NE(make(k64_, kText + 0x2010, platform::kGfpHigh), 0u);
	EXPECT_EQ(make(k64_, kText + 0x2010, platform::kGfpHigh), 0u);
	EXPECT_NE(make(k64_, kText, platform::kGfpHigh), 0u);
}

TEST_F(Bound, TheOthersPieceIsGivenBack)
{
	start(ns(1));
	bound("numproc 9 9\nkmemsize 9152 9152");
	EXPECT_NE(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(make(task_, kText + 0x1010), 0u);
	EXPECT_EQ(resource("numproc")["held"], "1");
	EXPECT_EQ(resource("numproc")["failcnt"], "0");
	EXPECT_EQ(resource("kmemsize")["failcnt"], "1");
}

TEST_F(Bound, WhatItsParentMadeForIt)
{
	Container *c = start(ns(1));
	const u64 task = slabs_.make(task_.key, task_.stride);
	bc_object_given(ns(1), reinterpret_cast<void *>(task), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["held"], "1");
	bc_object_given(ns(1), reinterpret_cast<void *>(task), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["held"], "1") << "somebody's already";
	EXPECT_EQ(health.of(Loss::stale), 0);
	EXPECT_EQ(resource("numproc")["forced"], "0");
	gone(task);
	EXPECT_EQ(raw_held(*c), Raw{});
	EXPECT_EQ(resource("numproc")["held"], "0");
	bound("numproc 0 0\nkmemsize 1000 1000");
	bc_object_given(ns(1), reinterpret_cast<void *>(slabs_.make(task_.key, task_.stride)), kText + 0x1000);
	EXPECT_EQ(resource("numproc")["forced"], "1");
	EXPECT_EQ(resource("kmemsize")["forced"], std::to_string(9152 - 1000));
}

TEST_F(Bound, WhatIsMadeForAListener)
{
	Container *c = start(ns(1));
	const u64 listener = make(tcp_, kText + 0x5010);
	const u64 accepted = slabs_.make(tcp_.key, tcp_.stride);
	EXPECT_TRUE(bc_object_charged(reinterpret_cast<void *>(listener)));
	bc_object_like(reinterpret_cast<void *>(accepted), reinterpret_cast<void *>(listener), kText + 0x5000);
	EXPECT_EQ(resource("numtcpsock")["held"], "2");
	const u64 hosts = slabs_.make(tcp_.key, tcp_.stride);
	EXPECT_FALSE(bc_object_charged(reinterpret_cast<void *>(hosts)));
	bc_object_like(reinterpret_cast<void *>(slabs_.make(tcp_.key, tcp_.stride)), reinterpret_cast<void *>(hosts),
		       kText);
	EXPECT_EQ(held(*c).objects, 2);
}

} // namespace
} // namespace rig
