// SPDX-License-Identifier: GPL-2.0
// Errors as the neck carries them: the kernel's numbers, include/uapi/asm-generic/errno-base.h.
#pragma once

namespace bc
{

inline constexpr int kNoEntry = -2;   // -ENOENT
inline constexpr int kNoMemory = -12; // -ENOMEM
inline constexpr int kBusy = -16;     // -EBUSY
inline constexpr int kExists = -17;   // -EEXIST
inline constexpr int kInvalid = -22;  // -EINVAL

} // namespace bc
