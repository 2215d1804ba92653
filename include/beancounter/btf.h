/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one question we ask of BTF (Documentation/bpf/btf.rst): where in a struct is this member?
 */
#ifndef BEANCOUNTER_BTF_H
#define BEANCOUNTER_BTF_H

#include <beancounter/types.h>

BC_BEGIN_C

/* Finds a member's offset in bytes; also one of anonymous structs and unions inside. False where the data is no BTF,
 * the struct or the member is not there, or the member is a bit field. any */
bool bc_btf_member(const void *data, unsigned long size, const char *type, const char *member, bc_u32 *offset);

BC_END_C

#endif
