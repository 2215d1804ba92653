/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's own code does, told from its bytes.
 */
#ifndef BC_INSTRUCTIONS_H
#define BC_INSTRUCTIONS_H

#include <linux/types.h>

#define BC_CALL_LENGTH 5
#define BC_MOST_INCREMENT 12 /* bytes that are looked at */

/* Is there a direct call, and where does it go? */
bool bc_call_at(unsigned long address, unsigned long *target);
bool bc_has_call(unsigned long start, unsigned long end, unsigned long function);

/* An instruction that adds one to a count, `lock xadd` or `lock addl $1`. */
struct bc_increment {
	u8 base;     /* the register that points to the object */
	u8 length;   /* in bytes */
	bool locked; /* or the kernel has found one CPU only: see references.c */
};
/* False where there is none of a 32-bit count at `offset` of an object; what only looks like one may begin inside another. */
bool bc_increment_at(unsigned long address, u32 offset, struct bc_increment *get);

#endif
