// SPDX-License-Identifier: GPL-2.0
// The core of beancounter_kunit.ko: the same translation unit as in beancounter.ko, and the cases that look into it.
#include "../../src/core/unit.cc"

#include "cases.cc"
#include "questions.cc"
