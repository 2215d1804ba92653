// SPDX-License-Identifier: GPL-2.0
// What fuzzers that use the unit tests' assertions have in common: libFuzzer is told of a failure. Included once in
// each.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

namespace rig
{

class AbortAtFailure : public ::testing::EmptyTestEventListener
{
	void OnTestPartResult(const ::testing::TestPartResult &result) override
	{
		if (!result.failed())
			return;
		fprintf(stderr, "%s:%d: %s\n", result.file_name(), result.line_number(), result.message());
		abort();
	}
};

} // namespace rig

// What is freed stays out of use for a few inputs: more would be new pages for each.
extern "C" const char *__asan_default_options() { return "quarantine_size_mb=8"; }

extern "C" int LLVMFuzzerInitialize(int *, char ***)
{
	::testing::UnitTest::GetInstance()->listeners().Append(new rig::AbortAtFailure);
	return 0;
}
