// SPDX-License-Identifier: GPL-2.0
// Sizes as people write and read them. Powers of 1024, as the module has them.
#pragma once

#include <climits>
#include <optional>
#include <string>
#include <string_view>

namespace beanctl
{

inline constexpr long long kUnlimited = LLONG_MAX; // LONG_MAX of a 64-bit kernel

std::string human_size(long long bytes); // 78B, 1.5K, 9M

// 4096, 8M, unlimited; nullopt where it is none of these or too large.
std::optional<long long> parse_amount(std::string_view text);

// Of a resource's numbers: bytes (else pieces or pages).
bool counts_bytes(std::string_view resource);

} // namespace beanctl
