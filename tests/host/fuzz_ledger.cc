// SPDX-License-Identifier: GPL-2.0
// The ledger and its counters beside the model (model.h): any sequence of operations, on a ledger of either kind, with
// other CPUs coming at any step. The first byte says what machine it is, and each one after that the next choice.
#include "every_file.h"
#include "fuzz_rig.h"
#include "model.h"

namespace rig
{
namespace
{

class Bytes : public Modelled
{
      public:
	Bytes(const uint8_t *data, size_t size) : at_(data), end_(data + size) {}
	void run()
	{
		SetUp();
		TestBody();
		TearDown();
	}

      private:
	static constexpr u32 kCpus = 4;
	static constexpr size_t kMostLive = 200; // of a page or more each, and still all fit the machine
	static constexpr int kUnchecked = 16;	 // operations that may go without a comparison

	// Out of them the rest is 0.
	u64 byte() { return at_ == end_ ? 0 : *at_++; }
	u64 pick(u64 n) override { return (n <= 256 ? byte() : byte() << 8 | byte()) % n; }

	void SetUp() override
	{
		static constexpr u32 kContainers[] = {2, 6, 20, 100};
		const u64 kind = byte();
		config_ = machine(kContainers[kind / 2 % 4]);
		config_.cpus = kCpus;
		config_.pages = 2048;
		if (kind % 2 != 0)
			config_ = flat(config_);
		most_live_ = kMostLive;
		Core::SetUp();
		prepare();
	}

	// What may come in the middle of another one.
	void charge_or_free(u64 what)
	{
		switch (what % 4) {
		case 0:
			return allocate();
		case 1:
			return release(true);
		case 2:
			return allocate_many();
		case 3:
			return release_many();
		}
	}
	void of_the_worker(u64 what)
	{
		static constexpr u64 kLong[] = {50, 400, 6000, 40000};
		switch (what % 4) {
		case 0:
			bc_ledger.give_back();
			return;
		case 1: // in its own time
			bc_ledger.tell_at(bc_ledger.bytes());
			work();
			return;
		case 2:
			work_for(pick(100));
			return;
		case 3:
			work_for(kLong[pick(4)]);
			return;
		}
	}
	void meanwhile()
	{
		const unsigned long nth = 1 + pick(256);
		const u64 what = byte();
		interrupted(
		    nth,
		    [&] {
			    const u64 others = byte();
			    host::set_cpu(others % kCpus);
			    for (u64 i = 0; i <= others / kCpus % 4; ++i)
				    charge_or_free(byte());
		    },
		    [&] {
			    if (what % 2 == 0)
				    of_the_worker(what / 2);
			    else
				    charge_or_free(what / 2);
		    });
	}
	// True: to be compared at once, since it moves what the model knows of.
	bool step()
	{
		const u64 what = byte();
		host::set_cpu(static_cast<u32>(what / 64));
		switch (what % 64) {
		default:
			allocate();
			return false;
		case 16 ... 31:
			release(true);
			return false;
		case 32 ... 35:
			release(false);
			return false;
		case 36 ... 39:
			allocate_many();
			return false;
		case 40 ... 43:
			release_many();
			return false;
		case 44 ... 46:
			start_one();
			return false;
		case 47:
			stop_one();
			return true;
		case 48:
			destroy_cache();
			return false;
		case 49:
			module_goes();
			return false;
		case 50:
			dismiss();
			return true;
		case 51:
			bound();
			return true;
		case 52 ... 55:
			of_the_worker(what);
			return true;
		case 56 ... 62:
			meanwhile();
			return true;
		case 63:
			if (!rendered_) // it takes as long as all the rest
				check_every_file(zombies());
			rendered_ = true;
			return true;
		}
	}

	void TestBody() override
	{
		int unchecked = 0;
		while (at_ != end_) {
			if (step() || ++unchecked == kUnchecked) {
				compare();
				unchecked = 0;
			}
		}
		stop_all();
		free_all();
		compare();
		containers.each([](Container &c) { c.dismissed.set_relaxed(1); }); // what is left is zombies
		for (u64 waited = 0; !all_clean(); waited += 1000) {
			ASSERT_LT(waited, 120000u) << "no end";
			work_for(1000);
		}
		compare();
		if (zombies()) // nobody's but the overflow container's, which is not dismissed
			return;
		EXPECT_EQ(raw_held(*containers.overflow()), Raw{});
		bc_ledger.give_back();
		bc_ledger.reclaim(); // of an array that was replaced since the worker's last round
		EXPECT_EQ(bc_ledger.arrays(), 0);
		EXPECT_EQ(bc_ledger.bytes_of_arrays(), 0);
	}
	static bool all_clean()
	{
		bool all = true;
		containers.each([&](Container &c) { all = all && c.current() == State::clean; });
		return all;
	}

	const uint8_t *at_;
	const uint8_t *end_;
	bool rendered_ = false;
};

} // namespace
} // namespace rig

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rig::Bytes{data, size}.run();
	return 0;
}
