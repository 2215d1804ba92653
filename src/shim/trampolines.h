/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all trampolines have in common: where a hooked function's fentry site calls to, by ftrace's direct calls. For assembly.
 */
#ifndef BC_TRAMPOLINES_H
#define BC_TRAMPOLINES_H

#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <generated/offsets.h>

#if BC_HAVE_PCPU_HOT
#define CURRENT %gs:(pcpu_hot + BC_HOT_CURRENT)
#define PREEMPT %gs:(pcpu_hot + BC_HOT_PREEMPT)
#else
#define CURRENT %gs:current_task
#define PREEMPT %gs:__preempt_count
#endif

/* Nobody calls one by a pointer: no ENDBR. */
.macro bc_begin name
SYM_START(\name, SYM_L_GLOBAL, SYM_A_ALIGN)
	ANNOTATE_NOENDBR
.endm

/* platform::PreemptOff: src/platform/kernel/platform/inline.h */
.macro bc_section_begin
#if BC_PREEMPT_COUNT
	incl	PREEMPT
#endif
.endm

/* Jumps to \due where a reschedule is due. */
.macro bc_section_end due
#if BC_PREEMPT_COUNT
	decl	PREEMPT
	je	\due
#endif
.endm

#endif
