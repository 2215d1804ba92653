// SPDX-License-Identifier: GPL-2.0
// Bounds as an administrator writes them.
#pragma once

#include "counter.h"

namespace bc
{

struct Setting {
	Charged what; // kCount: `reset`
	Bounds bounds;
};

// "1024", "8M", "unlimited": bytes or pieces; false where it is not understood, or too large.
bool parse_amount(const char *text, u32 length, s64 &amount);
// One line without its newline: `RESOURCE BARRIER LIMIT`, or `reset`.
bool parse_setting(const char *line, u32 length, Setting &setting);
// "RESOURCE=BARRIER:LIMIT,...", or RESOURCE=BOTH; each resource once. Empty: none.
bool parse_defaults(const char *text, Setting (&settings)[kChargedRows], u32 &count);

} // namespace bc
