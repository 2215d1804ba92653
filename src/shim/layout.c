// SPDX-License-Identifier: GPL-2.0
/*
 * Structures of the slab allocator that the headers do not show. What we were built with is compared with the running
 * kernel's own description of its types (BTF), and a kernel that says otherwise is refused.
 */
#include <linux/module.h>

#include <beancounter/btf.h>

#include "shim.h"

static const struct {
	const char *type, *member;
	u32 offset;
} expected[] = {
	{ "kmem_cache", "flags", offsetof(struct bc_kmem_cache, flags) },
	{ "kmem_cache", "size", offsetof(struct bc_kmem_cache, size) },
	{ "kmem_cache", "object_size", offsetof(struct bc_kmem_cache, object_size) },
	{ "kmem_cache", "red_left_pad", offsetof(struct bc_kmem_cache, red_left_pad) },
	{ "kmem_cache", "name", offsetof(struct bc_kmem_cache, name) },
	{ "slab", "slab_cache", BC_SLAB_CACHE_OFFSET },
};

/*
 * Of a structure that is private to another part of the kernel and that we can do without: its member's offset, or false.
 */
bool bc_layout_offset(const char *type, const char *member, u32 *offset)
{
	unsigned long start = bc_lookup("__start_BTF"), end = bc_lookup("__stop_BTF");

	return start && end > start && bc_btf_member((const void *)start, end - start, type, member, offset);
}

bool bc_layouts_are(const struct bc_layout *layouts, int count)
{
	u32 at;
	int i;

	for (i = 0; i < count; i++) {
		if (!bc_layout_offset(layouts[i].type, layouts[i].member, &at) || at != layouts[i].at)
			return false;
	}
	return true;
}

int bc_layout_check(void)
{
	unsigned long start = bc_lookup("__start_BTF"), end = bc_lookup("__stop_BTF");
	u32 offset;
	int i, wrong = 0;

	if (!start || end <= start) {
		pr_info("the kernel has no BTF: slab's layout is taken from its configuration alone\n");
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		if (!bc_btf_member((const void *)start, end - start, expected[i].type, expected[i].member, &offset)) {
			pr_err("struct %s has no member %s in this kernel's BTF\n", expected[i].type, expected[i].member);
			wrong++;
		} else if (offset != expected[i].offset) {
			pr_err("struct %s has %s at offset %u, not at %u\n", expected[i].type, expected[i].member, offset,
			       expected[i].offset);
			wrong++;
		}
	}
	if (wrong)
		pr_err("this build is for another layout of the slab allocator: not loaded. Build it for this kernel's headers\n");
	return wrong ? -EINVAL : 0;
}
