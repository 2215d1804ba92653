// SPDX-License-Identifier: GPL-2.0
// What Text::field() wrote, read back: the escapes of Documentation/files.md.
#pragma once

#include <optional>
#include <string>

namespace rig
{

// Nothing where it is not what field() writes.
inline std::optional<std::string> read_back(const std::string &field)
{
	std::string s;
	for (size_t i = 0; i < field.size(); ++i) {
		if (field[i] != '\\') {
			s += field[i];
			continue;
		}
		const std::string digits = field.substr(i + 1, 3);
		if (digits.size() != 3 || digits.find_first_not_of("01234567") != std::string::npos)
			return {};
		const int c = std::stoi(digits, nullptr, 8);
		if (!((c != 0 && c <= ' ') || c == '\\' || c == 0x7f))
			return {};
		s += static_cast<char>(c);
		i += 3;
	}
	return s;
}

} // namespace rig
