// SPDX-License-Identifier: GPL-2.0
// The text of every file, from the counters, the containers and a survey. Only text is made here. Columns:
// Documentation/files.md; the old file's bytes: resource.h.
#pragma once

#include "text.h"

namespace bc
{

struct Container;

bool render_beancounters(Text &out, Container *only); // nullptr: the host's view; false: no memory
bool render_containers(Text &out);
void render_health(Text &out, u32 hooks, u32 hooks_expected);
void render_resources(Text &out, Container &c);
bool render_objects(Text &out, const Container &c);
bool render_leaks(Text &out, const Container &c);
void render_refusals(Text &out, const Container &c);
bool render_references(Text &out, const Container &c);

} // namespace bc
