/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Objects that come or go together, in a flat ledger: the loops of Ledger::record_together() and take_together(), which say in C++
 * what is done here (src/core/ledger.h). Four objects at a time in registers, since all four are looked at before anything is
 * changed, and nothing is remembered from one object to the next: where the allocator shuffles its free lists the next one lies in
 * another page. Documentation/fast-path.md counts it.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <beancounter/fast_path.h>

/*
 * Both: how many of the first \count objects were good, a multiple of four, the rest being left as it is. On entry
 *
 *   %rdi objects, %esi count, %rdx the tag, %rcx the slot
 *
 * and within the loop %rdi points to the next four and %rsi behind the last; %rcx has the tag, its low five bits being what an offset is
 * shifted down by; %rdx the slot; %r9 the ledger's words. What the allocator has just given lies in the linear map, so that its start is
 * taken off the table once instead of off each address; what somebody frees may be anything, and is looked at.
 */
.macro bc_begin name
SYM_START(\name, SYM_L_GLOBAL, SYM_A_ALIGN)
	ANNOTATE_NOENDBR
.endm

.macro bc_enter
	mov	bc_ledger + BC_LEDGER_FLAT(%rip), %r9
	xor	%eax, %eax
	test	%r9, %r9
	jz	.Lnone_\@
	and	$~3, %esi
	jnz	.Lsome_\@
.Lnone_\@:
	RET
.Lsome_\@:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	xchg	%rdx, %rcx
	lea	(%rdi, %rsi, 8), %rsi
.endm

.macro bc_leave
	mov	%rdi, %rax
	pop	%rdi
	sub	%rdi, %rax
	shr	$3, %rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	RET
.endm

/*
 * The words of four objects' pages, less their tag, and the low halves of the objects' addresses; jumps to \out where one has no such
 * array.
 */
.macro bc_page at, page, low, start, limit, out
	mov	\at, \page
	.ifnb	\start
	sub	\start, \page
	.endif
	mov	\page, \low
	shr	$12, \page
	cmp	\limit, \page
	jae	\out
	mov	(%r9, \page, 8), \page
	xor	%rcx, \page
.endm

.macro bc_four_words limit, out, start
	bc_page	(%rdi), %r10, %r11, \start, \limit, \out
	mov	%r10d, %eax
	bc_page	8(%rdi), %r12, %r13, \start, \limit, \out
	or	%r12d, %eax
	bc_page	16(%rdi), %r14, %r15, \start, \limit, \out
	or	%r14d, %eax
	bc_page	24(%rdi), %rbx, %rbp, \start, \limit, \out
	or	%ebx, %eax
	test	$BC_WORD_TAG, %al
	jnz	\out
.endm

.macro bc_place low
	shl	$BC_WORD_UP, \low
	shr	%cl, \low
.endm

	.text

bc_begin bc_record_together
	bc_enter
	mov	page_offset_base(%rip), %rax
	shr	$12, %rax
	mov	bc_ledger + BC_LEDGER_LIMIT(%rip), %r8
	add	%rax, %r8
	shl	$3, %rax
	sub	%rax, %r9
.Lrecord:
	bc_four_words %r8, .Lrecorded
	bc_place %r11d
	mov	(%r10, %r11, 8), %rax
	bc_place %r13d
	or	(%r12, %r13, 8), %rax
	bc_place %r15d
	or	(%r14, %r15, 8), %rax
	bc_place %ebp
	or	(%rbx, %rbp, 8), %rax
	jnz	.Lrecorded
	mov	%rdx, (%r10, %r11, 8)
	mov	%rdx, (%r12, %r13, 8)
	mov	%rdx, (%r14, %r15, 8)
	mov	%rdx, (%rbx, %rbp, 8)
	add	$32, %rdi
	cmp	%rsi, %rdi
	jne	.Lrecord
.Lrecorded:
	bc_leave
SYM_FUNC_END(bc_record_together)

/* What is no slot (ledger.h) has bit 63 set, which `same` has not. */
bc_begin bc_take_together
	bc_enter
	mov	$~(((1 << BC_SLOT_BIRTH_BITS) - 1) << BC_SLOT_BIRTH), %rax
	push	%rax
.Ltake:
	mov	page_offset_base(%rip), %r8
	bc_four_words bc_ledger + BC_LEDGER_LIMIT(%rip), .Ltaken, %r8
	bc_place %r11d
	mov	(%r10, %r11, 8), %rax
	xor	%rdx, %rax
	bc_place %r13d
	mov	(%r12, %r13, 8), %r8
	xor	%rdx, %r8
	or	%r8, %rax
	bc_place %r15d
	mov	(%r14, %r15, 8), %r8
	xor	%rdx, %r8
	or	%r8, %rax
	bc_place %ebp
	mov	(%rbx, %rbp, 8), %r8
	xor	%rdx, %r8
	or	%r8, %rax
	test	%rax, (%rsp)
	jnz	.Ltaken
	movq	$0, (%r10, %r11, 8)
	movq	$0, (%r12, %r13, 8)
	movq	$0, (%r14, %r15, 8)
	movq	$0, (%rbx, %rbp, 8)
	add	$32, %rdi
	cmp	%rsi, %rdi
	jne	.Ltake
.Ltaken:
	add	$8, %rsp
	bc_leave
SYM_FUNC_END(bc_take_together)
