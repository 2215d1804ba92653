// SPDX-License-Identifier: GPL-2.0
// What the tests of giving back share: a ledger of either kind, and a section that is there meanwhile.
#pragma once

#include "ledger_rig.h"

#include <atomic>
#include <thread>

namespace rig
{

// In a flat ledger and in one of chunks.
class GiveBack : public LedgerByItself, public ::testing::WithParamInterface<bool>
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		again(machine());
		empty_ = bc_ledger.bytes();
	}
	void again(const bc_config &config) { restart(GetParam() ? flat(config) : config); }
	// The ledger's bytes, less what is never given back.
	s64 in_arrays() const { return bc_ledger.bytes() - empty_ - host::live(host::Kind::page) * s64{kPageSize}; }
	// Where the object at `address` is recorded, if it is in an array.
	static Atomic<u64> *place_of(u64 address)
	{
		Ledger::Run run;
		bool other;
		return bc_ledger.find_place(run, Address{address}, other);
	}

	// give_back() with an array marked, and not yet looked at again: a section that began before is still there, in
	// which meanwhile() is called on a CPU of its own. before() is called at its begin.
	template <class Before, class Meanwhile> u32 give_back_with(Before &&before, Meanwhile &&meanwhile)
	{
		std::atomic<bool> entered{false};
		std::atomic<bool> go{false};
		std::thread section([&] {
			host::set_cpu(1);
			platform::PreemptOff off;
			before();
			entered = true;
			while (!go)
				std::this_thread::yield();
			meanwhile();
		});
		while (!entered)
			std::this_thread::yield();
		const unsigned long waits = host::grace_periods();
		std::thread waiting([&] { // the marks are there once somebody waits for the section
			while (host::grace_periods() == waits)
				std::this_thread::yield();
			go = true;
		});
		const u32 given = bc_ledger.give_back();
		section.join();
		waiting.join();
		return given;
	}

	s64 empty_ = 0;
	Cache k8_{8, false, "kmalloc-8"}, k64_{64, false, "kmalloc-64"}, k1k_{1024, false, "kmalloc-1k"},
	    dentry_{192, true, "dentry"}, k4k_{4096, false, "kmalloc-4k"};
};

} // namespace rig
