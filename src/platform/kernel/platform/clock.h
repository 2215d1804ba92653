// SPDX-License-Identifier: GPL-2.0
// The unit of a birth (src/core/slot.h): 256 jiffies, since a load at the second byte divides by that for nothing.
#pragma once

#include <generated/offsets.h>

namespace bc
{

inline constexpr unsigned int kBirthJiffiesShift = 8;
static_assert((1000u << kBirthJiffiesShift) % BC_HZ == 0, "a birth's unit is a whole number of milliseconds");
inline constexpr unsigned int kBirthUnitMs = (1000u << kBirthJiffiesShift) / BC_HZ;

} // namespace bc
