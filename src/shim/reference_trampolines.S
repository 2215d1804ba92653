/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the fentry sites of reference_hooks.h call to: back into the body at once where the reference is none of ours, which is said
 * by its object's place in the table of those that are watched, and by whose task it is. Else it is counted, in the usual case here. The
 * entry conditions are those of trampolines.S; nothing here takes a function's place, and the functions have one argument or none.
 *
 * References::watches() and count_known() in src/core/references.h are the same in C++.
 */
#include <beancounter/fast_path.h>

#include "trampolines.h"

/* Jumps to \maybe where the place of the object is not empty, be it by another one. \low: its lower half. */
.macro bc_look_for low, maybe
	imul	$BC_REFERENCE_HASH, \low, %eax
	shr	$BC_REFERENCE_HASH_SHIFT, %eax
	and	$BC_REFERENCE_MASK, %eax
	add	bc_references + BC_REFERENCES_OBJECTS(%rip), %rax
	cmpq	$0, BC_REFERENCE_ADDRESS(%rax)
	jne	\maybe
.endm

/* The task's pid is in %rcx afterwards; jumps to \none where it is the host's, or has none any more. Current is in %rax then. */
.macro bc_in_container none
	mov	CURRENT, %rax
	mov	BC_TASK_THREAD_PID(%rax), %rcx
	test	%rcx, %rcx
	jz	\none
	cmpl	$0, BC_PID_LEVEL(%rcx)
	je	\none
.endm

/* Not in_task(). */
.macro bc_in_interrupt yes
	testl	$BC_NOT_TASK_MASK, PREEMPT
	jnz	\yes
#if BC_PREEMPT_RT
	mov	CURRENT, %rax
	testl	$BC_IN_SOFTIRQ, BC_TASK_SOFTIRQS(%rax)
	jnz	\yes
#endif
.endm

.macro bc_own_user to
	mov	BC_TASK_CRED(%rax), \to
	mov	BC_CRED_USER(\to), \to
.endm

/*
 * count_known() of the object in %rdi for the caller in %rsi: returns into the body, or jumps to \no with both as they were. \way is PUT,
 * with \count as the place of the object's count, of which the last put is another matter; or GET.
 */
.macro bc_count way, count, no
	/* owner_of(): the container, if it is the one that this CPU charged last */
	xor	%r8d, %r8d
	bc_in_interrupt .Lowner_\@
	bc_in_container .Lowner_\@
	bc_section_begin
	mov	%gs:(bc_this_cpu + BC_CPU_LAST), %rdx
	mov	BC_PID_NS1(%rcx), %rcx
	cmp	%rcx, BC_CONTAINER_NS(%rdx)
	jne	.Lother_\@
	movzwl	BC_CONTAINER_INDEX(%rdx), %r8d
	bc_section_end .Ldue_\@
.Lowner_\@:
	/* the row */
	lea	(%rsi, %r8, 8), %eax
	xor	%edi, %eax
	imul	$BC_REFERENCE_HASH, %eax, %eax
	shr	$(32 - BC_REFERENCE_HINT_BITS), %eax
	mov	bc_references + BC_REFERENCES_HINTS(%rip), %rdx
	movzwl	(%rdx, %rax, 2), %edx
	shl	$BC_ROW_SHIFT, %edx
	add	bc_references + BC_REFERENCES_ROWS(%rip), %rdx
	mov	BC_ROW_COUNTS(%rdx), %rax
	cmp	%rdi, BC_ROW_OBJECT(%rdx)
	jne	\no
	cmp	%rsi, BC_ROW_CALLER(%rdx)
	jne	\no
	cmp	%r8w, BC_ROW_OWNER(%rdx)
	jne	\no
	/* counted in the generation that was read first */
	.ifc	\way, PUT
	cmpl	$1, \count(%rdi)
	je	\no
	test	$(1 << BC_ROW_PUTS_FULL), %eax
	jnz	\no
	lea	BC_ROW_PUT(%rax), %rcx
	.else
	bt	$BC_ROW_GETS_FULL, %rax
	jc	\no
	lea	BC_ROW_GET(%rax), %rcx
	.endif
	lock cmpxchg %rcx, BC_ROW_COUNTS(%rdx)
	jne	\no
	RET
.Lother_\@:
	bc_section_end .Ldue_\@
	jmp	\no
.Ldue_\@:
	push	%rdi
	push	%rsi
	call	bc_resched
	pop	%rsi
	pop	%rdi
	jmp	\no
.endm

/* bc_reference_hooked(object, caller, number, namespace): the object, which may be the function's argument, is in %rdi, the caller in %rsi. */
.macro bc_tell number
	push	%rdi
	mov	$\number, %edx
	xor	%r8d, %r8d
	bc_in_interrupt .Lnobody_\@
	bc_in_container .Lnobody_\@
	mov	BC_PID_NS1(%rcx), %r8
.Lnobody_\@:
	mov	%r8, %rcx
	call	bc_reference_hooked
	pop	%rdi
	RET
.endm

/* A put of what is not watched is nobody's, whoever puts. */
.macro bc_reference_PUT number, fn, count
bc_begin bc_tramp_\fn
	bc_look_for %edi, .Lwatched_\@
	RET
.Lwatched_\@:
	mov	8(%rsp), %rsi
	bc_count PUT, \count, .Ltell_\@
.Ltell_\@:
	bc_tell \number
SYM_FUNC_END(bc_tramp_\fn)
.endm

/* The function has no argument that would have to be saved. The caller is the place where it takes the reference. */
.macro bc_reference_GET_OWN number, fn, unused
bc_begin bc_tramp_\fn
	bc_in_container .Lhost_\@
	bc_own_user %rdi
	jmp	.Lwatched_\@
.Lhost_\@:
	bc_own_user %rdi
	bc_look_for %edi, .Lwatched_\@
	RET
.Lwatched_\@:
	mov	bc_own_get(%rip), %rsi
	bc_count GET, 0, .Ltell_\@
.Ltell_\@:
	bc_tell \number
SYM_FUNC_END(bc_tramp_\fn)
.endm

/* Two references, and so a call. */
.macro bc_reference_GET_BOTH number, fn, unused
bc_begin bc_tramp_\fn
	bc_in_container .Lhost_\@
	jmp	.Ltell_\@
.Lhost_\@:
	bc_own_user %rcx
	bc_look_for %edi, .Ltell_\@
	bc_look_for %ecx, .Ltell_\@
	RET
.Ltell_\@:
	mov	8(%rsp), %rsi
	bc_tell \number
SYM_FUNC_END(bc_tramp_\fn)
.endm

	.text
#define BC_REFERENCE_HOOK(number, fn, way, count) bc_reference_##way number, fn, count;
#include "reference_hooks.h"
