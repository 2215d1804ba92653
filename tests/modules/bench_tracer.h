/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations and frees of containers' objects that bench_tracer.ko has seen. */
#pragma once

#include <linux/types.h>

void bench_tracer_saw(u64 *allocations, u64 *frees);
