// SPDX-License-Identifier: GPL-2.0
// What the administrator may write to /proc/beancounter/control. A whole write or nothing: every line is understood and
// checked before the first one is carried out.
#pragma once

#include "types.h"

namespace bc
{

struct Command {
	enum class Verb : u8 {
		name,
		dismiss,
		fail_nth,
		stacks,
		self_check
	} verb;
	ContainerId id;
	ContainerId new_id; // 0: keep
	char name[64];
	s64 n; // of fail-nth; of stacks 1: on
};

// One line without its newline; false where it is not understood.
bool parse_command(const char *line, u32 length, Command &command);

} // namespace bc
