/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast paths: where a hooked function's fentry site calls to, by ftrace's direct calls, and what a charge and a free do
 * where nothing is in the way. On entry of a trampoline
 *
 *   0(%rsp)  returns into the function's body
 *   8(%rsp)  returns to the function's caller
 *
 * with the function's arguments in their registers. All other registers that a call may change are free: kernels with -mfentry are
 * built without -fipa-ra.
 *
 * Allocation: a task of the host goes on into the body; so does everything in interrupt context, which charges nobody (a softirq
 * that PREEMPT_RT runs in a task is marked in that). For a container's task the wrapper takes the function's place. It is entered by RET over the word that returned into the body,
 * not by dropping that word with add and a jump: each call before has pushed an entry on the return stack predictor, and one
 * too many there makes every return up to the system call's end miss (218 cycles for a pair of calls instead of 55, EPYC).
 *
 * Everything here has its like in the core, in C++, which is the one to read: charge(), free_object(), Ledger::record() and
 * take(), Sites::intern(), current_container(). These are the same steps for the usual case, in as few instructions as there
 * are (Documentation/fast-path.md counts them); whatever is not usual goes to the core before anything has been changed, or
 * after it has been taken back. Nobody calls a trampoline or a wrapper by a pointer, so they begin without ENDBR.
 */
#include <beancounter/fast_path.h>

#include "trampolines.h"

#define BC_ZERO_SIZE_PTR 16 /* include/linux/slab.h */

/*
 * The ledger's word of the page of \object is (\base, \page, 8) afterwards; jumps to \outside if it has none. \kind says how the
 * ledger was made: flat, or in chunks.
 */
.macro bc_find_word kind, object, page, base, scratch, outside
	mov	\object, \page
	sub	page_offset_base(%rip), \page
	shr	$12, \page
	cmp	bc_ledger + BC_LEDGER_LIMIT(%rip), \page
	jae	\outside
	.ifc	\kind, flat
	mov	bc_ledger + BC_LEDGER_FLAT(%rip), \base
	.else
	mov	\page, \scratch
	shr	$BC_CHUNK_SHIFT, \scratch
	mov	bc_ledger + BC_LEDGER_TOP(%rip), \base
	mov	(\base, \scratch, 8), \base
	and	$((1 << BC_CHUNK_SHIFT) - 1), \page
	.endif
.endm

/* ---- allocations */

.macro bc_alloc fn, wrapper, trampoline
bc_begin \trampoline
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
#if BC_PREEMPT_RT
	mov	CURRENT, %rax
	testl	$BC_IN_SOFTIRQ, BC_TASK_SOFTIRQS(%rax)
	jnz	.Lbody_\@
#endif
	movq	$\wrapper, (%rsp)
	RET
SYM_FUNC_END(\trampoline)
.endm

/*
 * Calls the function that the wrapper stands for. Its first argument is in %rsi afterwards, the flags (\gfp) in %r11, the caller's
 * address in %rdx: the argument \caller, or `stack`, which is what the function would return to.
 */
.macro bc_call_body fn, gfp, caller
	incq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	cmpl	$0, bc_gates + BC_GATES_SMALL(%rip)
	jne	bc_gated_\fn		/* a refusal on purpose, whole stacks; everything is as at the entry */
	.ifnc	\caller, stack
	push	\caller
	.endif
	push	\gfp
	push	%rdi
	call	__SCT__bc_body_\fn
	pop	%rsi
	pop	%r11
	.ifnc	\caller, stack
	pop	%rdx
	.else
	mov	(%rsp), %rdx
	.endif

	/* objtool asks for the key of a static call in the same object. */
	.pushsection .discard.addressable, "aw"
	.quad	__SCK__bc_body_\fn
	.popsection
.endm

/* A wrapper around a function whose first argument is the object's cache. */
.macro bc_wrap_cache fn, kind, gfp, caller
bc_begin bc_wrap_\kind\()_\fn
	bc_call_body \fn, \gfp, \caller
	jmp	bc_charge_\kind
SYM_FUNC_END(bc_wrap_\kind\()_\fn)
.endm

#if BC_KERNEL_6_12 && BC_VMEMMAP
#if BC_PAGE_STRUCT != 64 || BC_PAGE_HEAD != BC_SLAB_CACHE
#error "the way from an object to its cache: struct page and struct slab are laid out differently"
#endif

/*
 * ... whose first argument is the size: only the object's page knows its cache. Of a slab of several pages the first has it; in the
 * others the same word leads to the first, and is odd. The object is there, so its slab stays. What is larger comes from
 * another function that is hooked, and has been charged there.
 */
.macro bc_wrap_size fn, kind, gfp, caller
bc_begin bc_wrap_\kind\()_\fn
	bc_call_body \fn, \gfp, \caller
	cmp	$BC_MOST_IN_CACHE, %rsi
	ja	.Lno_\@
	cmp	$BC_ZERO_SIZE_PTR, %rax
	jbe	.Lno_\@
	mov	%rax, %rsi
	sub	page_offset_base(%rip), %rsi
	shr	$12, %rsi
	shl	$6, %rsi		/* sizeof(struct page) */
	add	vmemmap_base(%rip), %rsi
	mov	BC_SLAB_CACHE(%rsi), %rsi
	test	$1, %sil
	jnz	.Ltail_\@
	jmp	bc_charge_\kind
.Ltail_\@:
	mov	BC_SLAB_CACHE - 1(%rsi), %rsi
	jmp	bc_charge_\kind
.Lno_\@:
	decq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	RET
SYM_FUNC_END(bc_wrap_\kind\()_\fn)
.endm
#endif

/* The slot in %rcx: the birth, and what the site's and the owner's slots have in common. */
.macro bc_make_slot
	mov	jiffies + 1(%rip), %ecx
	and	$((1 << BC_SLOT_BIRTH_BITS) - 1), %ecx
	shl	$BC_SLOT_BIRTH, %rcx
	or	bc_sites + BC_SITE_SLOT(%rdi), %rcx
	or	BC_CONTAINER_OWNER(%r9), %rcx
.endm

/*
 * The end of a charge whose site has no tag that a page's word could have: an object of a page, which is in its word itself, or one
 * that is counted by its number, too. All is as bc_charge has it at that test: %r8 is the word xor the tag in %rcx.
 */
.macro bc_charge_other kind, back, slow, due
	cmp	$BC_WORD_NO_TAG, %ecx
	jne	.Lpiece_\@
	mov	bc_sites + BC_SITE_AMOUNT(%rdi), %rdx
	test	%rdx, %rdx
	jz	.Lagain_\@

	/* Ledger::record(): the word is empty, and its own; where it is, once more */
	cmp	$BC_WORD_NO_TAG, %r8
	jne	.Lagain_\@
	mov	%rax, %r10
	sub	page_offset_base(%rip), %r10
	shr	$12, %r10
	.ifc	\kind, flat
	mov	bc_ledger + BC_LEDGER_FLAT(%rip), %r8
	.else
	mov	%r10, %rcx
	shr	$BC_CHUNK_SHIFT, %rcx
	mov	bc_ledger + BC_LEDGER_TOP(%rip), %r8
	mov	(%r8, %rcx, 8), %r8
	and	$((1 << BC_CHUNK_SHIFT) - 1), %r10d
	.endif
	.ifc	\kind, chunks
	cmp	$bc_zero_chunk, %r8
	je	.Lagain_\@
	.endif
	mov	BC_CONTAINER_CELLS(%r9), %rcx
	add	bc_sites + BC_SITE_CELL(%rdi), %rcx
	add	%rdx, %gs:(%rcx)
	js	\back
	bc_make_slot
	rol	$BC_WORD_ROTATED, %rcx	/* rotated() */
	mov	%rcx, (%r8, %r10, 8)
	bc_section_end \due
	decq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	RET

.Lpiece_\@:
	cmp	$BC_TAG_PIECE, %ecx
	jne	\slow			/* an array of another stride, or one that is closing */
	/* Ledger::record(): an array of the tag that it would have, and an empty place */
	movzbl	bc_sites + BC_SITE_PIECE_TAGS(%rdi), %ecx
	xor	%rcx, %r8
	test	$BC_WORD_TAG, %r8b
	jne	.Lagain_\@
	mov	bc_sites + BC_SITE_PIECE_TAG(%rdi), %ecx
	mov	%eax, %r10d
	shl	$BC_WORD_UP, %r10d
	shr	%cl, %r10d
	cmpq	$0, (%r8, %r10, 8)
	jne	.Lagain_\@
	testb	$BC_GATES_OF_PIECES, BC_CONTAINER_GATE(%r9)
	jnz	.Lagain_\@

	/* the bytes as always, then the piece: Account::add() */
	mov	bc_sites + BC_SITE_STRIDE(%rdi), %edx
	shl	$BC_CELL_BYTES, %rdx
	inc	%rdx
	movzbl	%ch, %esi
	add	BC_CONTAINER_CELLS(%r9), %rsi
	add	%rdx, %gs:(%rsi)
	js	.Lempty_\@
	movzwl	bc_sites + BC_SITE_PIECE_ACCOUNT(%rdi), %ecx
	mov	$1, %edx
	lock xadd %rdx, BC_ACCOUNT_HELD(%r9, %rcx)
	cmp	BC_ACCOUNT_MAXHELD(%r9, %rcx), %rdx	/* what was held before it */
	jge	.Lpeak_\@
.Lraised_\@:
	bc_make_slot
	mov	%rcx, (%r8, %r10, 8)
	bc_section_end \due
	decq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	RET

.Lpeak_\@:
	inc	%rdx
	mov	%rax, %rsi
	mov	BC_ACCOUNT_MAXHELD(%r9, %rcx), %rax
.Lhigher_\@:
	cmp	%rax, %rdx
	jle	.Lpassed_\@
	lock cmpxchg %rdx, BC_ACCOUNT_MAXHELD(%r9, %rcx)
	jne	.Lhigher_\@
.Lpassed_\@:
	mov	%rsi, %rax
	jmp	.Lraised_\@

.Lempty_\@:
	sub	%rdx, %gs:(%rsi)
.Lagain_\@:
	mov	bc_sites + BC_SITE_CALLER(%rdi), %rdx
	mov	bc_sites + BC_SITE_CACHE(%rdi), %rsi
	jmp	\slow
.endm

/*
 * charge() for an object that has just been made: %rax. Its cache is in %rsi, the caller's address in %rdx, the flags in %r11,
 * and on the stack is what the wrapper returns to. Until the add nothing is changed; NULL is outside of the ledger.
 *
 * After the add the object is counted, and after the store it is in the ledger: never the other way round. An interrupt in
 * between charges and frees other objects, in other places. The container and its cells stay, since both are freed after a
 * grace period and this is a section; a container that loses its cells meanwhile waits one before it relies on that (bounds.h).
 */
.macro bc_charge kind
bc_begin bc_charge_\kind
	bc_section_begin

	/* the page's word */
	bc_find_word \kind, %rax, %rdi, %r8, %r10, .Lslow_\@
	mov	(%r8, %rdi, 8), %r8

	/* current_container(): is it the one that this CPU charged last? */
	mov	CURRENT, %rdi
	mov	BC_TASK_THREAD_PID(%rdi), %rdi
	test	%rdi, %rdi
	jz	.Lslow_\@
	mov	BC_PID_NS1(%rdi), %rdi
	mov	%gs:(bc_this_cpu + BC_CPU_LAST), %r9
	cmp	%rdi, BC_CONTAINER_NS(%r9)
	jne	.Lslow_\@

	/* Sites::intern(): is it in its first place? */
	imul	$BC_SITE_HASH, %edx, %edi
	xor	%esi, %edi
	shr	$BC_SITE_HASH_SHIFT, %edi
	and	$BC_SITE_MASK, %edi
	cmp	%rdx, bc_sites + BC_SITE_CALLER(%rdi)
	jne	.Lslow_\@
	cmp	%rsi, bc_sites + BC_SITE_CACHE(%rdi)
	jne	.Lslow_\@

	/*
	 * Ledger::record(): an array of this cache's stride that is not closing, and an empty place. A site that is not plain has no
	 * such tag.
	 */
	mov	bc_sites + BC_SITE_TAG(%rdi), %rcx
	xor	%rcx, %r8
	test	$BC_WORD_TAG, %r8b
	jne	.Lother_\@
	mov	%eax, %r10d
	shl	$BC_WORD_UP, %r10d
	shr	%cl, %r10d		/* by the low five bits of the tag */
	cmpq	$0, (%r8, %r10, 8)
	jne	.Lslow_\@

	/* count, and take it back where the cell wants more than that */
	mov	BC_CONTAINER_CELLS(%r9), %rcx
	add	bc_sites + BC_SITE_CELL(%rdi), %rcx
	mov	bc_sites + BC_SITE_AMOUNT(%rdi), %rdx
	add	%rdx, %gs:(%rcx)
	js	.Lback_\@

	/* the slot */
.Lcounted_\@:
	bc_make_slot
	mov	%rcx, (%r8, %r10, 8)

	bc_section_end .Ldue_\@
	decq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	RET

.Lother_\@:
	bc_charge_other \kind, .Lundo_\@, .Lslow_\@, .Ldue_\@

.Lundo_\@:
	sub	%rdx, %gs:(%rcx)
	jmp	.Lask_\@

	/*
	 * count_near(): near a bound it is the account that counts, below the barrier. The site's cell tells the kind, by
	 * the word; of each kind there is an account, and a number of objects.
	 */
.Lback_\@:
	sub	%rdx, %gs:(%rcx)
	cmpb	$BC_MODE_NEAR, BC_CONTAINER_MODE(%r9)
	jne	.Lask_\@
	shr	$BC_CELL_BYTES, %rdx
	push	%rsi
	push	%rax
	imul	$(BC_ACCOUNT_SIZE / 8), bc_sites + BC_SITE_CELL(%rdi), %rsi
	mov	BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_HELD(%r9, %rsi), %rax
.Lagain_\@:
	lea	(%rax, %rdx), %rcx
	cmp	BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_BARRIER(%r9, %rsi), %rcx
	jg	.Lover_\@
	lock cmpxchg %rcx, BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_HELD(%r9, %rsi)
	jne	.Lagain_\@
	mov	BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_MAXHELD(%r9, %rsi), %rax
	cmp	%rcx, %rax
	jl	.Lpeak_\@
.Lpeaked_\@:
	mov	bc_sites + BC_SITE_CELL(%rdi), %rsi
	lock incq BC_CONTAINER_OBJECTS(%r9, %rsi)
	pop	%rax
	pop	%rsi
	jmp	.Lcounted_\@
.Lpeak_\@:
	lock cmpxchg %rcx, BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_MAXHELD(%r9, %rsi)
	je	.Lpeaked_\@
	cmp	%rcx, %rax
	jl	.Lpeak_\@
	jmp	.Lpeaked_\@

.Lover_\@:
	pop	%rax
	pop	%rsi
.Lask_\@:
	mov	bc_sites + BC_SITE_CALLER(%rdi), %rdx
.Lslow_\@:
	bc_section_end .Lcharged_\@	/* has a section of its own, whose end sees what is due */
.Lcharged_\@:
	mov	%rax, %rdi
	mov	%r11d, %ecx
	jmp	bc_charged
.Ldue_\@:
	push	%rax
	call	bc_resched
	pop	%rax
	decq	%gs:(bc_this_cpu + BC_CPU_IN_FLIGHT)
	RET
SYM_FUNC_END(bc_charge_\kind)
.endm

/* ---- frees */

.macro bc_save second
	push	%rdi
	.if	\second
	push	%rsi
	.endif
.endm

.macro bc_restore second
	.if	\second
	pop	%rsi
	.endif
	pop	%rdi
.endm

/*
 * The end of a free whose slot, at (%rax, %rdx, 8), is that of a piece, as bc_charge_other has it: jumps to \done then, or, if its
 * container has no cells, to \core. Does nothing where it is none. The slot's account is in %r10, the amount in %rcx.
 */
.macro bc_free_piece done, core
	test	$BC_ACCOUNT_SPECIAL, %r10b
	jz	.Lno_\@
	movzwl	(%rax, %rdx, 8), %r11d
	shl	$BC_SITE_SHIFT, %r11d
	cmpb	$0, bc_sites + BC_SITE_PIECE_TAG(%r11)
	je	\core
	mov	bc_free_cells(%rip), %r9
	lea	-8 * BC_ACCOUNT_SPECIAL(%r9, %r10, 8), %r10	/* the owner's row */
	mov	8 * BC_ACCOUNT_ITSELF(%r10), %r9
	test	%r9, %r9
	jz	\core
	movzbl	bc_sites + BC_SITE_PIECE_CELL(%r11), %r8d
	mov	(%r10, %r8), %r8
	sub	%rcx, %gs:(%r8)
	js	.Lback_\@
	movq	$0, (%rax, %rdx, 8)
	movzwl	bc_sites + BC_SITE_PIECE_ACCOUNT(%r11), %r11d
	lock decq BC_ACCOUNT_HELD(%r9, %r11)
	jmp	\done
.Lback_\@:
	add	%rcx, %gs:(%r8)
	jmp	\core
.Lno_\@:
.endm

/*
 * free_object() for the object in \object, whose lower half is \low; \second: it is the function's second argument. A page where
 * nothing is recorded is left at once. Else the page's word is read again: what it led to before the section began may be
 * gone, but the section keeps what it leads to now.
 *
 * The slot is read, its account counted down, and the place cleared: nobody else writes it (ledger.h). While somebody takes
 * objects out of the ledger, bc_free_cells has none but such cells as show a sign, and so has a container that has lost its
 * own, and the account of a slot whose site is not plain. Then the count is taken back, and where nobody takes objects, which is
 * looked at within the section as take() does, the place is cleared, and what the slot stands for is given back: here to the
 * account of a container near its bound, as count_shared() does, else by the core.
 */
.macro bc_free fn, kind, object, low, second
bc_begin bc_tramp_\kind\()_\fn
	bc_find_word \kind, \object, %rax, %r11, %r10, .Lbody_\@
	cmpq	$0, (%r11, %rax, 8)
	jne	.Lrecorded_\@
.Lbody_\@:
	RET
.Lrecorded_\@:
	bc_section_begin
	mov	(%r11, %rax, 8), %rax
	test	$BC_WORD_ARRAY, %al
	jz	.Lword_\@
	mov	%eax, %ecx
	mov	\low, %edx
	and	$~BC_WORD_TAG, %rax
	shl	$BC_WORD_UP, %edx
	shr	%cl, %edx		/* by the low five bits of the tag */
	mov	(%rax, %rdx, 8), %r10
	test	%r10, %r10
	jle	.Ldone_\@		/* Slot::empty() */
	movzwl	%r10w, %ecx
	mov	bc_amounts(, %rcx, 8), %rcx
	shr	$BC_SLOT_ACCOUNT, %r10
	mov	bc_free_cells(%rip), %r11
	mov	(%r11, %r10, 8), %r11
	sub	%rcx, %gs:(%r11)
	js	.Lback_\@
	movq	$0, (%rax, %rdx, 8)
.Ldone_\@:
	bc_section_end .Ldue_\@
	RET

.Lback_\@:
	add	%rcx, %gs:(%r11)
	cmpl	$0, bc_ledger + BC_LEDGER_EXCLUSIVE(%rip)
	jne	.Lslow_\@
	bc_free_piece .Ldone_\@, .Lcore_\@
	shr	$BC_CELL_BYTES, %rcx	/* 0: not plain */
	jz	.Lcore_\@
	mov	%r10, %r8
	shr	$BC_SLOT_KIND_BITS, %r8
	mov	bc_containers + BC_CONTAINERS_BY_INDEX(%rip), %r11
	mov	(%r11, %r8, 8), %r11
	test	%r11, %r11
	jz	.Lcore_\@
	cmpb	$BC_MODE_NEAR, BC_CONTAINER_MODE(%r11)
	jne	.Lcore_\@
	movq	$0, (%rax, %rdx, 8)
	and	$((1 << BC_SLOT_KIND_BITS) - 1), %r10d
	imul	$BC_ACCOUNT_SIZE, %r10, %r8
	lock sub %rcx, BC_CONTAINER_ACCOUNTS + BC_ACCOUNT_HELD(%r11, %r8)
	lock decq BC_CONTAINER_OBJECTS(%r11, %r10, 8)
	jmp	.Ldone_\@
.Lcore_\@:
	bc_save	\second
	mov	(%rax, %rdx, 8), %rdi
	movq	$0, (%rax, %rdx, 8)
	call	bc_uncharge
	bc_restore \second
	jmp	.Ldone_\@

	/* The page's own: Ledger::take_word(). What is taken is out of the ledger, so it is given back in any case. */
.Lword_\@:
	mov	\object, %rdx
	sub	page_offset_base(%rip), %rdx
	shr	$12, %rdx
	.ifc	\kind, chunks
	and	$((1 << BC_CHUNK_SHIFT) - 1), %edx
	.endif
	xor	%ecx, %ecx
	lock cmpxchg %rcx, (%r11, %rdx, 8)
	jne	.Lslow_\@
	ror	$BC_WORD_ROTATED, %rax	/* unrotated() */
	mov	%rax, %r10
	movzwl	%ax, %ecx
	mov	bc_amounts(, %rcx, 8), %rcx
	shr	$BC_SLOT_ACCOUNT, %rax
	mov	bc_free_cells(%rip), %r11
	mov	(%r11, %rax, 8), %r11
	sub	%rcx, %gs:(%r11)
	jns	.Ldone_\@
	add	%rcx, %gs:(%r11)
	test	%r10, %r10		/* taken by another one, and 0 is nobody's slot */
	jz	.Ldone_\@
	bc_save	\second
	mov	%r10, %rdi
	call	bc_uncharge
	bc_restore \second
	jmp	.Ldone_\@

.Lslow_\@:
	bc_save	\second
	.if	\second
	mov	\object, %rdi
	.endif
	call	bc_free_object
	bc_restore \second
	jmp	.Ldone_\@
.Ldue_\@:
	bc_save	\second
	call	bc_resched
	bc_restore \second
	RET
SYM_FUNC_END(bc_tramp_\kind\()_\fn)
.endm

.macro bc_free_bulk fn, kind
bc_begin bc_tramp_\kind\()_\fn
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
SYM_FUNC_END(bc_tramp_\kind\()_\fn)
.endm

/* ---- one of each for the two kinds of ledger; hooks.c attaches those of the one that there is */

.macro bc_alloc_cache fn, kind, gfp, caller
	bc_wrap_cache \fn, \kind, \gfp, \caller
	bc_alloc \fn, bc_wrap_\kind\()_\fn, bc_tramp_\kind\()_\fn
.endm

.macro bc_alloc_size fn, kind, gfp, caller
	bc_wrap_size \fn, \kind, \gfp, \caller
	bc_alloc \fn, bc_wrap_\kind\()_\fn, bc_tramp_\kind\()_\fn
.endm

	.text
	bc_charge flat
	bc_charge chunks

#define BC_HOOK_ALLOC(fn, kind) bc_alloc fn, bc_wrap_##fn, bc_tramp_##kind##_##fn
#define BC_HOOK_ALLOC_CACHE(fn, kind) bc_alloc_cache fn, kind, %rsi, stack
#define BC_HOOK_ALLOC_CACHE_LRU(fn, kind) bc_alloc_cache fn, kind, %rdx, stack
#define BC_HOOK_ALLOC_CACHE_CALLER(fn, kind) bc_alloc_cache fn, kind, %rsi, %r8
#define BC_HOOK_ALLOC_SIZE(fn, kind) bc_alloc_size fn, kind, %rsi, stack
#if BC_SLAB_BUCKETS
#define BC_HOOK_ALLOC_SIZE_NODE(fn, kind) bc_alloc_size fn, kind, %rdx, stack
#define BC_HOOK_ALLOC_SIZE_CALLER(fn, kind) bc_alloc_size fn, kind, %rdx, %r8
#else
#define BC_HOOK_ALLOC_SIZE_NODE(fn, kind) bc_alloc_size fn, kind, %rsi, stack
#define BC_HOOK_ALLOC_SIZE_CALLER(fn, kind) bc_alloc_size fn, kind, %rsi, %rcx
#endif
#define BC_HOOK_FREE_FIRST(fn, kind) bc_free fn, kind, %rdi, %edi, 0
#define BC_HOOK_FREE_SECOND(fn, kind) bc_free fn, kind, %rsi, %esi, 1
#define BC_HOOK_FREE_BULK(fn, kind) bc_free_bulk fn, kind

#define BC_HOOK(fn, what) BC_HOOK_##what(fn, flat);
#include "hook_table.h"
#undef BC_HOOK
#define BC_HOOK(fn, what) BC_HOOK_##what(fn, chunks);
#include "hook_table.h"
