// SPDX-License-Identifier: GPL-2.0
// What the tests of the ledger share.
#pragma once

#include "rig.h"

namespace rig
{

// The ledger by itself: slots of any content at addresses of our choice.
class LedgerByItself : public Core
{
      protected:
	bool record(u64 address, u32 stride, Slot slot)
	{
		platform::PreemptOff section;
		return bc_ledger.record(Address{address}, Stride{stride}, slot, 0,
					[&](Slot s) { stale_.push_back(s.raw()); });
	}
	Slot take(u64 address)
	{
		platform::PreemptOff section;
		return bc_ledger.take(Address{address});
	}
	static Slot slot(u32 n) { return Slot{OwnerIndex{1}, SiteIndex{n % 1000 + 1}, Birth{n}}; }
	static u64 at(u64 page, u64 offset = 0) { return platform::page_address(page) + offset; }

	std::vector<u64> stale_;
};

} // namespace rig
