// SPDX-License-Identifier: GPL-2.0
// What is true of every file below /proc whatever the module's state is: the form that Documentation/files.md gives
// them, and that they agree with one another and with the counters.
#pragma once

#include "rig.h"

namespace rig
{

// Renders every file of every container and checks it. `unseen`: objects may have been freed unseen, so that what is
// charged may lie in pages that are no slabs any more, which no list of survivors has.
void check_every_file(bool unseen);
// The same file with the nth allocation failing: it is whole, or there is none, and nothing is left behind.
void check_without_memory(bc_file file, u32 id, unsigned long nth);

} // namespace rig
