/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a hooked function's fentry site calls to, by ftrace's direct calls. On entry
 *
 *   0(%rsp)  returns into the function's body
 *   8(%rsp)  returns to the function's caller
 *
 * with the function's arguments in their registers. %rax, %r10 and %r11 are free: kernels with -mfentry are built without
 * -fipa-ra, and no hooked function takes arguments in them.
 *
 * Allocation: a task of the host goes on into the body; so does everything in interrupt context, which charges nobody. For a
 * container's task the wrapper takes the function's place. It is entered by RET over the word that returned into the body,
 * not by dropping that word with add and a jump: each call before has pushed an entry on the return stack predictor, and one
 * too many there makes every return up to the system call's end miss (218 cycles for a pair of calls instead of 55, EPYC).
 *
 * Free: %rax is the page's index; if nothing is recorded in the page (ledger.h), into the body. Two loads.
 */
#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <generated/offsets.h>

#if BC_HAVE_PCPU_HOT
#define CURRENT %gs:(pcpu_hot + BC_HOT_CURRENT)
#define PREEMPT %gs:(pcpu_hot + BC_HOT_PREEMPT)
#else
#define CURRENT %gs:current_task
#define PREEMPT %gs:__preempt_count
#endif

#define LEDGER_TOP 0
#define LEDGER_LIMIT 8
#define CHUNK_SHIFT 9

.macro bc_alloc fn
SYM_FUNC_START(bc_tramp_\fn)
	mov	CURRENT, %rax
	mov	BC_TASK_THREAD_PID(%rax), %rax
	test	%rax, %rax		/* an exiting task has none any more */
	jz	.Lbody_\@
	cmpl	$0, BC_PID_LEVEL(%rax)
	jne	.Lcontainer_\@
.Lbody_\@:
	RET
.Lcontainer_\@:
	testl	$BC_NOT_TASK_MASK, PREEMPT
	jnz	.Lbody_\@
	lea	bc_wrap_\fn(%rip), %rax
	mov	%rax, (%rsp)
	RET
SYM_FUNC_END(bc_tramp_\fn)
.endm

/* Is anything recorded in the page of the object in \object? Jumps to \no if not. */
.macro bc_look object, no
	mov	\object, %rax
	sub	page_offset_base(%rip), %rax
	shr	$12, %rax
	cmp	bc_ledger + LEDGER_LIMIT(%rip), %rax
	jae	\no
	mov	%eax, %r10d
	shr	$CHUNK_SHIFT, %rax
	mov	bc_ledger + LEDGER_TOP(%rip), %r11
	mov	(%r11, %rax, 8), %rax
	and	$((1 << CHUNK_SHIFT) - 1), %r10d
	cmpq	$0, (%rax, %r10, 8)
	je	\no
.endm

.macro bc_free_first fn
SYM_FUNC_START(bc_tramp_\fn)
	bc_look	%rdi, .Lbody_\@
	push	%rdi
	call	bc_free_object
	pop	%rdi
.Lbody_\@:
	RET
SYM_FUNC_END(bc_tramp_\fn)
.endm

.macro bc_free_second fn
SYM_FUNC_START(bc_tramp_\fn)
	bc_look	%rsi, .Lbody_\@
	push	%rdi
	push	%rsi
	mov	%rsi, %rdi
	call	bc_free_object
	pop	%rsi
	pop	%rdi
.Lbody_\@:
	RET
SYM_FUNC_END(bc_tramp_\fn)
.endm

.macro bc_free_bulk fn
SYM_FUNC_START(bc_tramp_\fn)
	push	%rdi
	push	%rsi
	push	%rdx
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	call	bc_free_bulk
	pop	%rdx
	pop	%rsi
	pop	%rdi
	RET
SYM_FUNC_END(bc_tramp_\fn)
.endm

#define BC_HOOK_ALLOC(fn) bc_alloc fn
#define BC_HOOK_FREE_FIRST(fn) bc_free_first fn
#define BC_HOOK_FREE_SECOND(fn) bc_free_second fn
#define BC_HOOK_FREE_BULK(fn) bc_free_bulk fn
#define BC_HOOK(fn, kind) BC_HOOK_##kind(fn);

	.text
#include "hook_table.h"
