// SPDX-License-Identifier: GPL-2.0
#include "units.h"

#include <fmt/core.h>

#include <charconv>

namespace beanctl
{

std::string human_size(long long bytes)
{
	constexpr char letters[] = "BKMGTPE";
	const bool negative = bytes < 0;
	const auto size =
	    negative ? 0ull - static_cast<unsigned long long>(bytes) : static_cast<unsigned long long>(bytes);
	unsigned power = 0;
	// The next letter as soon as one decimal would round up to 1024 of this one.
	while (power < 6 && static_cast<long double>(size) / static_cast<long double>(1ull << (10 * power)) >= 1023.95L)
		++power;
	const auto tenths = static_cast<unsigned long long>(
	    static_cast<long double>(size) * 10 / static_cast<long double>(1ull << (10 * power)) + 0.5L);
	std::string text = negative ? "-" : "";
	text += fmt::format("{}", tenths / 10);
	if (tenths % 10 != 0)
		text += fmt::format(".{}", tenths % 10);
	return text + letters[power];
}

std::optional<long long> parse_amount(std::string_view text)
{
	if (text == "unlimited")
		return kUnlimited;
	unsigned shift = 0;
	if (!text.empty()) {
		switch (text.back()) {
		case 'K':
		case 'k':
			shift = 10;
			break;
		case 'M':
		case 'm':
			shift = 20;
			break;
		case 'G':
		case 'g':
			shift = 30;
			break;
		default:
			break;
		}
	}
	if (shift != 0)
		text.remove_suffix(1);
	long long value = 0;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
	if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > kUnlimited >> shift)
		return std::nullopt;
	return value << shift;
}

bool counts_bytes(std::string_view resource)
{
	return resource == "kmemsize" || resource == "dcachesize" || resource == "tcpsndbuf" ||
	       resource == "tcprcvbuf" || resource == "othersockbuf" || resource == "dgramrcvbuf";
}

} // namespace beanctl
