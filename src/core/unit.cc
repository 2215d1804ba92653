// SPDX-License-Identifier: GPL-2.0
// The kernel build of the core: one translation unit, so that the hot path is inlined across files, and no two objects
// carry the same COMDAT group, which the kernel's per-object sections do not survive.
#include "btf.cc"
#include "charge.cc"
#include "container.cc"
#include "control.cc"
#include "core.cc"
#include "hooks.cc"
#include "ledger.cc"
#include "render_counters.cc"
#include "render_objects.cc"
#include "site.cc"
#include "stop.cc"
#include "survey.cc"
#include "survivors.cc"
#include "text.cc"
#include "verdict.cc"
