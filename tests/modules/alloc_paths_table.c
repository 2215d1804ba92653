// SPDX-License-Identifier: GPL-2.0
/*
 * Every way to allocate from the slab allocator, one row each. What a row needs
 * (caches, a pool, sources to duplicate) is made in module_init, by the host:
 * it must not be charged to the task that is being counted.
 */
#include <linux/err.h>
#include <linux/list_lru.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc_paths.h"

#define CONST_SIZE 96
#define CACHE_SIZE 200
#define POOL_SIZE 128
#define LARGE_SIZE (4 * PAGE_SIZE)

static struct kmem_cache *own_cache, *doomed_cache;
static mempool_t *pool;
static struct list_lru lru;
static char source[KMALLOC_MAX_CACHE_SIZE + 1];

/* The compiler sees these sizes; it must not see the others. */
static noinline void *path_kmalloc_const(size_t size, gfp_t gfp)
{
	return kmalloc(CONST_SIZE, gfp);
}

static noinline void *path_kmalloc_node_const(size_t size, gfp_t gfp)
{
	return kmalloc_node(CONST_SIZE, gfp, numa_mem_id());
}

static noinline void *path_kmalloc_var(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp);
}

/* What array_size() is of what does not fit: nothing is ever that large, and it is refused. */
static noinline void *path_overflown(size_t size, gfp_t gfp)
{
	size = SIZE_MAX;
	OPTIMIZER_HIDE_VAR(size);
	return kmalloc(size, gfp | __GFP_NOWARN);
}

static noinline void *path_kzalloc_node(size_t size, gfp_t gfp)
{
	return kzalloc_node(size, gfp, numa_mem_id());
}

static noinline void *path_kmalloc_large(size_t size, gfp_t gfp)
{
	return kmalloc(LARGE_SIZE, gfp);
}

static noinline void *path_kmalloc_large_node(size_t size, gfp_t gfp)
{
	return kmalloc_node(LARGE_SIZE, gfp, numa_mem_id());
}

static noinline void *path_kstrdup(size_t size, gfp_t gfp)
{
	/* The last `size` bytes, the terminating zero among them. */
	return kstrdup(source + sizeof(source) - size, gfp);
}

static noinline void *path_kmemdup(size_t size, gfp_t gfp)
{
	return kmemdup(source, size, gfp);
}

static noinline void *path_krealloc(size_t size, gfp_t gfp)
{
	void *small = kmalloc(size, gfp), *grown;

	if (!small)
		return NULL;
	grown = krealloc(small, 2 * size, gfp);
	if (!grown)
		kfree(small);
	return grown;
}

static noinline void *path_kvmalloc(size_t size, gfp_t gfp)
{
	return kvmalloc(size, gfp);
}

static noinline void *path_kmem_cache(size_t size, gfp_t gfp)
{
	return kmem_cache_alloc(own_cache, gfp);
}

static noinline void *path_kmem_cache_node(size_t size, gfp_t gfp)
{
	return kmem_cache_alloc_node(own_cache, gfp, numa_mem_id());
}

static noinline void *path_kmem_cache_lru(size_t size, gfp_t gfp)
{
	return kmem_cache_alloc_lru(own_cache, &lru, gfp);
}

static noinline void *path_mempool(size_t size, gfp_t gfp)
{
	return mempool_alloc(pool, gfp);
}

static noinline int path_bulk(void **objects, unsigned int count, gfp_t gfp)
{
	return kmem_cache_alloc_bulk(own_cache, gfp, count, objects);
}

/* Lost with its cache: what a module does that forgot its objects. */
static noinline int path_destroy_live(void **objects, unsigned int count, gfp_t gfp)
{
	unsigned int i;

	if (!doomed_cache)
		return 0;
	for (i = 0; i < count; i++) {
		objects[i] = kmem_cache_alloc(doomed_cache, gfp);
		if (!objects[i])
			break;
	}
	kmem_cache_destroy(doomed_cache);
	doomed_cache = NULL;
	return i;
}

const struct alloc_path alloc_paths[] = {
	{ "kmalloc_const", OWNER_KMALLOC, CONST_SIZE, false, path_kmalloc_const },
	{ "kmalloc_node_const", OWNER_KMALLOC, CONST_SIZE, false, path_kmalloc_node_const },
	{ "kmalloc_var", OWNER_KMALLOC, 0, false, path_kmalloc_var },
	{ "overflown", OWNER_KMALLOC, CONST_SIZE, false, path_overflown },
	{ "kzalloc_node", OWNER_KMALLOC, 0, false, path_kzalloc_node },
	{ "kmalloc_large", OWNER_KMALLOC, LARGE_SIZE, false, path_kmalloc_large },
	{ "kmalloc_large_node", OWNER_KMALLOC, LARGE_SIZE, false, path_kmalloc_large_node },
	{ "kstrdup", OWNER_KMALLOC, 0, false, path_kstrdup },
	{ "kmemdup", OWNER_KMALLOC, 0, false, path_kmemdup },
	{ "krealloc", OWNER_KMALLOC, 0, false, path_krealloc },
	{ "kvmalloc", OWNER_KVMALLOC, 0, true, path_kvmalloc },
	{ "kmem_cache", OWNER_CACHE, CACHE_SIZE, false, path_kmem_cache },
	{ "kmem_cache_node", OWNER_CACHE, CACHE_SIZE, false, path_kmem_cache_node },
	{ "kmem_cache_lru", OWNER_CACHE, CACHE_SIZE, false, path_kmem_cache_lru },
	{ "mempool", OWNER_POOL, POOL_SIZE, false, path_mempool },
	{ "bulk", OWNER_CACHE, CACHE_SIZE, true, NULL, path_bulk },
	{ "destroy_live", OWNER_NOBODY, CACHE_SIZE, true, NULL, path_destroy_live },
	{}
};

const struct alloc_path *alloc_path_find(const char *name)
{
	const struct alloc_path *path;

	for (path = alloc_paths; path->name; path++)
		if (!strcmp(path->name, name))
			return path;
	return NULL;
}

size_t alloc_path_size(const struct alloc_path *path, size_t size)
{
	if (path->owner == OWNER_CACHE || path->owner == OWNER_NOBODY)
		return CACHE_SIZE;
	if (path->fixed_size)
		size = path->fixed_size;
	if (path->one == path_krealloc)
		size *= 2;
	if (size > KMALLOC_MAX_CACHE_SIZE)
		return PAGE_SIZE << get_order(size);
	return kmalloc_size_roundup(size);
}

const char *alloc_path_cache(const struct alloc_path *path, size_t size)
{
	static char name[32];

	if (path->owner == OWNER_CACHE)
		return "alloc_paths";
	if (path->owner == OWNER_NOBODY)
		return "alloc_paths_doomed";
	size = alloc_path_size(path, size);
	if (size > KMALLOC_MAX_CACHE_SIZE)
		return "-";
	if (size >= 1024)
		snprintf(name, sizeof(name), "kmalloc-%zuk", size / 1024);
	else
		snprintf(name, sizeof(name), "kmalloc-%zu", size);
	return name;
}

void free_object(const struct alloc_path *path, void *object)
{
	switch (path->owner) {
	case OWNER_KMALLOC:
		kfree(object);
		break;
	case OWNER_CACHE:
		kmem_cache_free(own_cache, object);
		break;
	case OWNER_POOL:
		mempool_free(object, pool);
		break;
	case OWNER_KVMALLOC:
		kvfree(object);
		break;
	case OWNER_NOBODY:
		break;
	}
}

void free_objects_in_bulk(const struct alloc_path *path, void **objects, unsigned int count)
{
	kmem_cache_free_bulk(path->owner == OWNER_CACHE ? own_cache : NULL, count, objects);
}

/* A cache with a constructor is never merged with another one. */
static void construct(void *object)
{
}

int alloc_paths_prepare(void)
{
	int ret;

	memset(source, 'x', sizeof(source) - 1);
	ret = list_lru_init(&lru);
	if (ret)
		return ret;
	own_cache = kmem_cache_create("alloc_paths", CACHE_SIZE, 0, SLAB_HWCACHE_ALIGN, construct);
	doomed_cache = kmem_cache_create("alloc_paths_doomed", CACHE_SIZE, 0, SLAB_HWCACHE_ALIGN,
					 construct);
	pool = mempool_create_kmalloc_pool(4, POOL_SIZE);
	if (own_cache && doomed_cache && pool)
		return 0;
	alloc_paths_release();
	return -ENOMEM;
}

void alloc_paths_release(void)
{
	mempool_destroy(pool);
	kmem_cache_destroy(own_cache);
	kmem_cache_destroy(doomed_cache);
	list_lru_destroy(&lru);
}
