// SPDX-License-Identifier: GPL-2.0
// Random operations on the core, compared with the model after every step.
#include "model.h"

#include <cstdlib>
#include <random>

namespace rig
{
namespace
{

class Model : public Modelled, public ::testing::WithParamInterface<u64>
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		bc_config config = machine(small_ ? 20 : 100);
		config.cpus = 8;
		restart(GetParam() % 2 == 0 ? config : flat(config));
		prepare();
	}

	u64 pick(u64 n) override { return random_() % n; }

	void step()
	{
		host::set_cpu(static_cast<u32>(pick(config_.cpus)));
		const u64 what = pick(1000);
		if (what < 480)
			allocate();
		else if (what < 880)
			release(true);
		else if (what < 885)
			release(false);
		else if (what < 900)
			start_one();
		else if (what < 913)
			stop_one();
		else if (what < 918)
			destroy_cache();
		else if (what < 922)
			module_goes();
		else if (what < 925)
			dismiss();
		else
			work_for(pick(400));
	}

	std::mt19937_64 random_{GetParam()};
	const bool small_ = GetParam() % 3 == 0; // soon full of rows that stay
};

TEST_P(Model, SumOfTheLedgerIsHeld)
{
	SCOPED_TRACE("seed " + std::to_string(GetParam()) + " (BC_SEED repeats it)");
	printf("seed %lu\n", static_cast<unsigned long>(GetParam()));
	for (int i = 0; i < 800 * kEffort; ++i) {
		step();
		compare();
		ASSERT_FALSE(HasFailure()) << "step " << i;
	}
	EXPECT_GT(sites.count(), 20u);
	if (GetParam() == 3 && kEffort > 1) { // others may not come to that
		EXPECT_GT(health.of(Loss::rows_given_up), 0);
	}

	// The end of it: everything is freed, everything stops.
	stop_all();
	free_all();
	compare();
	work_for(60000);
	for (u16 i : stopped_)
		dismissed_.insert(i);
	containers.each([](Container &c) { c.dismissed.set_relaxed(1); }); // what is left is zombies
	work_for(60000);
	compare();
	containers.each([](Container &c) {
		EXPECT_EQ(c.current(), State::clean);
		EXPECT_EQ(raw_held(c), Raw{});
	});
}

std::vector<u64> seeds()
{
	if (const char *seed = getenv("BC_SEED"))
		return {strtoull(seed, nullptr, 0)};
	return {1, 2, 3, std::random_device{}()};
}
INSTANTIATE_TEST_SUITE_P(Random, Model, ::testing::ValuesIn(seeds()),
			 [](const auto &info) { return "seed" + std::to_string(info.index); });

} // namespace
} // namespace rig
