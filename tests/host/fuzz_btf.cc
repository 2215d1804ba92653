// SPDX-License-Identifier: GPL-2.0
// Anything taken for BTF: nothing outside of it is read.
#include <beancounter/btf.h>

#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1024) // an anonymous struct of itself is looked into four deep: keep the search short
		return 0;
	for (const char *type : {"slab", "a"}) {
		for (const char *member : {"flags", "b"}) {
			bc_u32 offset = 0;
			bc_btf_member(data, size, type, member, &offset);
		}
	}
	return 0;
}
