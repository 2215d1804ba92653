// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include <random>

namespace rig
{
namespace
{

TEST(Counter, PackingIsLinear)
{
	std::mt19937_64 random{1};
	u64 packed = 0;
	s64 bytes = 0, objects = 0;
	for (int i = 0; i < 100000; ++i) {
		const u32 stride = 8 + random() % 4096;
		const bool add = bytes <= -kBatch || (bytes < kBatch && random() % 2 != 0);
		packed += add ? pack(Stride{stride}) : u64{0} - pack(Stride{stride});
		bytes += add ? s64{stride} : -s64{stride};
		objects += add ? 1 : -1;
		ASSERT_EQ(unpack(packed).bytes, bytes);
		ASSERT_EQ(unpack(packed).objects, objects);
		ASSERT_EQ(wants_fold(packed), bytes > kBatch || bytes < -kBatch) << bytes;
	}
}

TEST(Counter, LargestObjectFitsACell)
{
	const u64 most = pack(Stride{4u << 20}); // page-backed, the largest there is
	EXPECT_EQ(unpack(most + most).bytes, 8 << 20);
	EXPECT_EQ(unpack(u64{0} - most - most).bytes, -(8 << 20));
	EXPECT_EQ(unpack(u64{0} - most).objects, -1);
	EXPECT_TRUE(wants_fold(most) && wants_fold(u64{0} - most));
}

TEST(Counter, MaxheldOnlyRises)
{
	Account account;
	account.add(20000);
	account.add(-15000);
	account.add(9000);
	EXPECT_EQ(account.held(), 14000);
	EXPECT_EQ(account.maxheld(), 20000);
}

class CounterCore : public Core
{
};

TEST_F(CounterCore, FoldsPastTheBatchAndStaysExact)
{
	Container *c = start(ns(1));
	const Account &account = c->accounts[0];
	platform::PreemptOff section;
	count(*c, ByteKind::kmemsize, pack(Stride{16384}));
	EXPECT_EQ(account.held(), 0) << "within the batch: still in the cell";
	EXPECT_EQ(held(*c).bytes, 16384);
	count(*c, ByteKind::kmemsize, pack(Stride{8}));
	EXPECT_EQ(account.held(), 16392) << "past it: folded";
	EXPECT_EQ(unpack(platform::percpu_read(&c->cells.relaxed()->packed[0], 0)).bytes, 0);
	EXPECT_EQ(held(*c).bytes, 16392);
	EXPECT_EQ(held(*c).objects, 2);
	EXPECT_EQ(account.maxheld(), 16392);
}

TEST_F(CounterCore, SumsAllCpusAndKindsApart)
{
	Container *c = start(ns(1));
	for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
		host::set_cpu(cpu);
		platform::PreemptOff section;
		count(*c, ByteKind::kmemsize, pack(Stride{1000}));
		count(*c, ByteKind::dcachesize, pack(Stride{192}));
	}
	// Freed where it was not allocated: that CPU's cell goes below zero.
	platform::PreemptOff section;
	for (u32 i = 0; i < config_.cpus; ++i)
		count(*c, ByteKind::kmemsize, u64{0} - pack(Stride{1000}));
	EXPECT_EQ(held(*c, ByteKind::kmemsize).bytes, 0);
	EXPECT_EQ(held(*c, ByteKind::kmemsize).objects, 0);
	EXPECT_EQ(held(*c, ByteKind::dcachesize).bytes, 192 * config_.cpus);
	EXPECT_EQ(held(*c).objects, config_.cpus);
	EXPECT_EQ(c->accounts[0].held(), 0);
}

TEST_F(CounterCore, WithoutCellsTheSharedCountersDo)
{
	host::fail(host::Kind::percpu, 1);
	Container *c = start(ns(1));
	ASSERT_EQ(c->cells.relaxed(), nullptr);
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, pack(Stride{64}));
	EXPECT_EQ(c->accounts[0].held(), 64);
	EXPECT_EQ(held(*c).objects, 1);
	work(); // the worker makes up for it
	ASSERT_NE(c->cells.relaxed(), nullptr);
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, u64{0} - pack(Stride{64}));
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(CounterCore, MaxheldSeesWhatIsInTheCells)
{
	Container *c = start(ns(1));
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, pack(Stride{4096}));
	EXPECT_EQ(maxheld(*c, ByteKind::kmemsize), 4096);
}

} // namespace
} // namespace rig
