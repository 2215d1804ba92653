/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fixed-width integers for the headers that C and C++ share. The kernel's own for its C, <stdint.h> for everybody else.
 */
#ifndef BEANCOUNTER_TYPES_H
#define BEANCOUNTER_TYPES_H

#if defined(__KERNEL__) && !defined(__cplusplus)
#include <linux/types.h>
typedef u64 bc_u64;
typedef s64 bc_s64;
typedef u32 bc_u32;
typedef s32 bc_s32;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint64_t bc_u64;
typedef int64_t bc_s64;
typedef uint32_t bc_u32;
typedef int32_t bc_s32;
#endif

#ifdef __cplusplus
#define BC_BEGIN_C extern "C" {
#define BC_END_C }
#else
#define BC_BEGIN_C
#define BC_END_C
#endif

#endif
