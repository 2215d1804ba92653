// SPDX-License-Identifier: GPL-2.0
// The waits that the lock-free protocols are built on, each by itself: no race is needed to see one missing.
#include "race_rig.h"

namespace rig
{
namespace
{

TEST_F(Race, AGracePeriodIsOne)
{
	waits_for_readers([] { bc_synchronize_rcu(); });
}

// The waits that the protocols are built on, each by itself: no race is needed to see one missing.
TEST_F(Race, AWalkerThatClaimsWaitsForFreesUnderWay)
{
	waits_for_readers([] { bc_ledger.begin_exclusive(); });
	bc_ledger.end_exclusive();
}

TEST_F(Race, AReplacedArrayIsFreedAfterItsReaders)
{
	start(ns(1));
	const u64 object = platform::page_address(7);
	charged(ns(1), object, kText, k64_.cache_key());
	freed(object);
	charged(ns(1), object, kText, k1k_.cache_key());
	ASSERT_EQ(bc_ledger.arrays(), 2);
	waits_for_readers([] { bc_ledger.reclaim(); });
	EXPECT_EQ(bc_ledger.arrays(), 1);
	freed(object);
}

TEST_F(Race, AnEvictedContainerIsFreedAfterItsReaders)
{
	for (u64 n = 1; n <= kStoppedKept; ++n) {
		start(ns(n));
		stop(ns(n));
	}
	work();
	ASSERT_EQ(containers.count(), kStoppedKept);
	Container *c = start(ns(1000));
	const u64 object = slabs_.make(k64_.key, 64);
	charged(ns(1000), object, kText, k64_.cache_key());
	stop(ns(1000));
	work(); // its namespace is forgotten; it settles, since it holds something
	ASSERT_EQ(c->current(), State::settling);
	freed(object);
	host::advance(20);
	waits_for_readers([this] { work(); }); // clean, and the oldest goes
	EXPECT_EQ(containers.count(), kStoppedKept);
}

TEST_F(Race, AForgottenNamespaceIsPutAfterItsReaders)
{
	Container *c = start(ns(1));
	waits_for_readers([&] { containers.forget_namespace(*c); });
}

} // namespace
} // namespace rig
