// SPDX-License-Identifier: GPL-2.0
// The unit of a birth (src/core/slot.h): what it is in a kernel with 250 ticks a second.
#pragma once

namespace bc
{

inline constexpr unsigned int kBirthUnitMs = 1024;

} // namespace bc
