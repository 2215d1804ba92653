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
	u64 cell = kMiddle;
	s64 bytes = 0, objects = 0;
	for (int i = 0; i < 100000; ++i) {
		const u32 stride = 8 + random() % 4096;
		const bool add = bytes <= -kBatch || (bytes < kBatch && random() % 2 != 0);
		cell += add ? pack(Stride{stride}) : u64{0} - pack(Stride{stride});
		bytes += add ? s64{stride} : -s64{stride};
		objects += add ? 1 : -1;
		ASSERT_EQ(unpack(cell).bytes, bytes);
		ASSERT_EQ(unpack(cell).objects, objects);
		// Of what is exactly kBatch away, the objects decide, which are the lower part of the same number.
		if (bytes != kBatch && bytes != -kBatch) {
			ASSERT_EQ(wants_fold(cell), bytes > kBatch || bytes < -kBatch) << bytes;
		}
	}
}

// A task, a softirq and an interrupt have added, none has emptied the cell yet: the sign is still there, and so is what
// was added. Above and below, and where there are no cells.
TEST(Counter, TheSignStaysUntilTheCellIsEmptied)
{
	const u64 most = pack(Stride{kMostInCell});
	for (u64 n = 1; n <= 3; ++n) {
		const u64 above = kMiddle + ((u64{kBatch} - 1) << kBytesAt) + n * most;
		EXPECT_TRUE(wants_fold(above));
		EXPECT_EQ(unpack(above).bytes, kBatch - 1 + static_cast<s64>(n) * kMostInCell);
		EXPECT_EQ(unpack(above).objects, static_cast<s64>(n));
		const u64 below = kMiddle - (u64{kBatch} << kBytesAt) - n * most;
		EXPECT_TRUE(wants_fold(below));
		EXPECT_EQ(unpack(below).objects, -static_cast<s64>(n));
		EXPECT_EQ(unpack(below).bytes, -kBatch - static_cast<s64>(n) * kMostInCell);
		EXPECT_TRUE(wants_fold(kNowhere - n * most));
		EXPECT_TRUE(wants_fold(kNowhere + n * most));
	}
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
	for (int i = 0; i < 4; ++i)
		count(*c, ByteKind::kmemsize, Stride{4095}, 1);
	EXPECT_EQ(account.held(), 0) << "within the batch: still in the cell";
	EXPECT_EQ(held(*c).bytes, 16380);
	count(*c, ByteKind::kmemsize, Stride{8}, 1);
	EXPECT_EQ(account.held(), 16388) << "past it: folded";
	EXPECT_EQ(unpack(platform::percpu_read(&c->cells.relaxed()->packed[0], 0)).bytes, 0);
	EXPECT_EQ(held(*c).bytes, 16388);
	EXPECT_EQ(held(*c).objects, 5);
	EXPECT_EQ(account.maxheld(), 16388);
	count(*c, ByteKind::kmemsize, Stride{4097}, 1);
	EXPECT_EQ(account.held(), 20485) << "too large for a cell";
	count(*c, ByteKind::kmemsize, Stride{100}, 40);
	EXPECT_EQ(account.held(), 20485) << "several at once, within the batch";
	EXPECT_EQ(held(*c).bytes, 24485);
	EXPECT_EQ(held(*c).objects, 46);
}

TEST_F(CounterCore, SumsAllCpusAndKindsApart)
{
	Container *c = start(ns(1));
	for (u32 cpu = 0; cpu < config_.cpus; ++cpu) {
		host::set_cpu(cpu);
		platform::PreemptOff section;
		count(*c, ByteKind::kmemsize, Stride{1000}, 1);
		count(*c, ByteKind::dcachesize, Stride{192}, 1);
	}
	// Freed where it was not allocated: that CPU's cell goes below zero.
	platform::PreemptOff section;
	for (u32 i = 0; i < config_.cpus; ++i)
		count(*c, ByteKind::kmemsize, Stride{1000}, -1);
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
	ASSERT_FALSE(c->has_cells());
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, Stride{64}, 1);
	EXPECT_EQ(c->accounts[0].held(), 64);
	EXPECT_EQ(held(*c).objects, 1);
	work(); // the worker makes up for it
	ASSERT_TRUE(c->has_cells());
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, Stride{64}, -1);
	EXPECT_EQ(raw_held(*c), Raw{});
}

TEST_F(CounterCore, MaxheldSeesWhatIsInTheCells)
{
	Container *c = start(ns(1));
	platform::PreemptOff{}, count(*c, ByteKind::kmemsize, Stride{4096}, 1);
	EXPECT_EQ(maxheld(*c, ByteKind::kmemsize), 4096);
}

} // namespace
} // namespace rig
