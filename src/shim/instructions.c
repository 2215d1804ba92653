// SPDX-License-Identifier: GPL-2.0
#include <linux/uaccess.h>

#include <asm/ibt.h>

#include "instructions.h"

#define CALL_OPCODE 0xe8

bool bc_call_at(unsigned long call, unsigned long *target)
{
	u8 code[BC_CALL_LENGTH];
	s32 distance;

	if (copy_from_kernel_nofault(code, (const void *)call, sizeof(code)) || code[0] != CALL_OPCODE)
		return false;
	memcpy(&distance, code + 1, sizeof(distance));
	*target = call + BC_CALL_LENGTH + distance;
	return true;
}

bool bc_has_call(unsigned long start, unsigned long end, unsigned long function)
{
	unsigned long addr, target;

	for (addr = start; addr + BC_CALL_LENGTH <= end; addr++) {
		if (bc_call_at(addr, &target) && (target == function || target == function + ENDBR_INSN_SIZE))
			return true;
	}
	return false;
}

#define LOCK_BYTE 0xf0
#define NO_LOCK_BYTE 0x3e /* arch/x86/kernel/alternative.c, alternatives_smp_unlock() */

/* False where it is none of a 32-bit count at `offset` of an object. */
static bool decode(const u8 *code, u32 offset, struct bc_increment *get)
{
	bool xadd, add;
	u8 rex = 0, modrm, mod, rm;
	u32 at = 0;

	get->locked = code[at] == LOCK_BYTE;
	if (!get->locked && code[at] != NO_LOCK_BYTE)
		return false;
	at++;
	if ((code[at] & 0xf0) == 0x40)
		rex = code[at++];
	if (rex & 8) /* 64 bits */
		return false;
	add = code[at] == 0x83;
	xadd = code[at] == 0x0f && code[at + 1] == 0xc1;
	if (!add && !xadd)
		return false;
	at += add ? 1 : 2;
	modrm = code[at++];
	mod = modrm >> 6;
	rm = modrm & 7;
	if (add && (modrm >> 3 & 7) != 0) /* the operation is there: 0 adds */
		return false;
	if (rm == 4) { /* a byte more, which names the base; with an index it is no count of an object */
		u8 sib = code[at++];

		if ((sib >> 3 & 7) != 4 || rex & 2)
			return false;
		rm = sib & 7;
	}
	if (mod == 0) {
		if (rm == 5 || offset != 0) /* 5: relative to the instruction pointer, or without a base */
			return false;
	} else if (mod == 1) {
		if (code[at++] != offset)
			return false;
	} else {
		return false;
	}
	if (add && code[at++] != 1)
		return false;
	get->base = rm | (rex & 1) << 3;
	get->length = at;
	return get->base != 4; /* no object lies where the stack pointer points to */
}

bool bc_increment_at(unsigned long address, u32 offset, struct bc_increment *get)
{
	u8 code[BC_MOST_INCREMENT];

	return !copy_from_kernel_nofault(code, (const void *)address, sizeof(code)) && decode(code, offset, get);
}
