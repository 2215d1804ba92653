/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTS_ALLOC_PATHS_H
#define TESTS_ALLOC_PATHS_H

#include <linux/types.h>

/* Objects of one run; 1,024 of 16 KiB fit into a small virtual machine. */
#define MAX_OBJECTS 1024

/* How the objects of a path are given back one by one. */
enum owner {
	OWNER_KMALLOC,		/* kfree(), in bulk without a cache */
	OWNER_CACHE,		/* a cache of our own */
	OWNER_POOL,		/* a mempool */
	OWNER_KVMALLOC,		/* kvfree() */
	OWNER_NOBODY,		/* lost on purpose */
};

/*
 * One way to the slab allocator. `one` makes a single object, `many` all of them
 * at once; a fixed size is for calls whose size the compiler has to know.
 */
struct alloc_path {
	const char *name;
	enum owner owner;
	size_t fixed_size;
	bool may_sleep_only;
	void *(*one)(size_t size, gfp_t gfp);
	int (*many)(void **objects, unsigned int count, gfp_t gfp);
};

extern const struct alloc_path alloc_paths[];
const struct alloc_path *alloc_path_find(const char *name);

/* The object size that the allocator makes of `size` on this path. */
size_t alloc_path_size(const struct alloc_path *path, size_t size);
/* The cache's name as in /sys/kernel/slab, "-" for whole pages. */
const char *alloc_path_cache(const struct alloc_path *path, size_t size);

void free_object(const struct alloc_path *path, void *object);
void free_objects_in_bulk(const struct alloc_path *path, void **objects, unsigned int count);

int alloc_paths_prepare(void);
void alloc_paths_release(void);

#endif
