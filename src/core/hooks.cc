// SPDX-License-Identifier: GPL-2.0
// The functions that run in a hooked function's place (bc_wrap_*) or before it (bc_free_*), for each kernel line.
//
// A wrapper is entered by src/shim/trampolines.S for a task of a container in task context, with the arguments in their
// registers and the caller's return address on the stack, and calls the original past its hook through a static call
// (bc_body_*, patched by src/shim/hooks.c to the address behind the fentry site). The original may sleep, so the
// wrapper counts itself in flight; everything after it runs with preemption off.
//
// The object is charged after the original has run, when its cache is known for certain, and before anybody else can
// know its address.
#include "charge.h"

#include <platform/inline.h>

#include <generated/offsets.h>

// A static call in C++: the trampoline is called like a function, and the key's symbol has to be mentioned in the same
// object, for objtool to find it (include/linux/static_call_types.h, static_call_mod()).
#define BC_BODY(ret, name, ...)                                                                                        \
	extern "C" ret __SCT__bc_body_##name(__VA_ARGS__);                                                             \
	extern "C" const char __SCK__bc_body_##name[];                                                                 \
	[[gnu::used, gnu::section(".discard.addressable")]] static const void *const bc_key_##name =                   \
	    __SCK__bc_body_##name

namespace
{

using bc::Address;
using bc::CacheKey;
using Gfp = unsigned int;
struct Cache;

constexpr unsigned long kZeroSize = 16; // ZERO_SIZE_PTR, include/linux/slab.h

bool real(const void *object) { return reinterpret_cast<unsigned long>(object) > kZeroSize; }

// What a return address is while function_graph traces the function that it returns from; set by the shim, 0 without
// that tracer.
extern "C" unsigned long bc_return_to_handler;

// The container of a namespace that is not the one this CPU charged last; nullptr where it is too late for one.
BC_COLD bc::Container *other_container(const void *ns)
{
	if (ns == nullptr)
		return nullptr;
	bc::Container *c = bc::containers.find(ns);
	if (c == nullptr) {
		// A task whose container nobody saw start: older than the module and missed by the walk at load, or
		// without memory at its fork.
		bool made;
		c = bc::containers.find_or_make(ns, 0, "", true, made);
		if (c == nullptr)
			return nullptr;
		if (made)
			bc_kick_worker();
	}
	bc::platform::set_cpu_last(c);
	return c;
}

// The container of the current task. Preemption off.
BC_HOT bc::Container *current_container()
{
	const void *ns = bc::platform::current_namespace();
	auto *last = static_cast<bc::Container *>(bc::platform::cpu_last());
	if (__builtin_expect(last != nullptr && last->ns.relaxed() == ns && ns != nullptr, true))
		return last;
	return other_container(ns);
}

// Charges one object to the current container, and leaves the wrapper.
[[gnu::noinline]] void *charged(void *object, CacheKey cache, unsigned long caller, Gfp gfp)
{
	if (__builtin_expect(real(object), true)) {
		if (__builtin_expect(caller == bc_return_to_handler, false))
			caller = bc_true_caller();
		bc::platform::PreemptOff section;
		if (bc::Container *c = current_container(); __builtin_expect(c != nullptr, true))
			bc::charge(*c, Address{reinterpret_cast<bc::u64>(object)}, Address{caller}, cache, gfp);
	}
	bc::platform::in_flight_leave();
	return object;
}

CacheKey key(const void *cache) { return CacheKey{reinterpret_cast<bc::u64>(cache)}; }

// The same for an object whose cache only its page knows.
[[gnu::noinline]] [[maybe_unused]] void *charged_by_page(void *object, unsigned long caller, Gfp gfp)
{
	const void *cache = real(object) ? bc::platform::cache_of(object) : nullptr;
	if (cache == nullptr) { // kmalloc(0), no memory, or page-backed and charged by the inner hook
		bc::platform::in_flight_leave();
		return object;
	}
	return charged(object, key(cache), caller, gfp);
}

// Page-backed: the function hooked is the allocator's own, so the caller has to be looked for.
[[gnu::noinline]] void *charged_pages(void *object, unsigned long size, Gfp gfp)
{
	if (!real(object)) {
		bc::platform::in_flight_leave();
		return object;
	}
	unsigned long bytes = bc::kPageSize;
	while (bytes < size)
		bytes <<= 1;
	return charged(object, CacheKey{bytes}, bc_true_caller(), gfp);
}

[[gnu::noinline]] int charged_bulk(int count, void **objects, const void *cache, unsigned long caller, Gfp gfp)
{
	if (__builtin_expect(count > 0 && caller == bc_return_to_handler, false))
		caller = bc_true_caller();
	for (int i = 0; i < count; ++i) {
		bc::platform::PreemptOff section;
		if (bc::Container *c = current_container(); __builtin_expect(c != nullptr, true))
			bc::charge(*c, Address{reinterpret_cast<bc::u64>(objects[i])}, Address{caller}, key(cache),
				   gfp);
	}
	bc::platform::in_flight_leave();
	return count;
}

inline unsigned long caller() { return reinterpret_cast<unsigned long>(__builtin_return_address(0)); }

} // namespace

extern "C" {

// ---- frees: the trampoline has seen that the object's page has something recorded, and saved the arguments.

void bc_free_object(const void *object)
{
	bc::platform::PreemptOff section;
	bc::free_object(Address{reinterpret_cast<bc::u64>(object)});
}

void bc_free_bulk(unsigned long count, void **objects)
{
	for (unsigned long i = 0; i < count; ++i) {
		bc::platform::PreemptOff section;
		bc::free_object(Address{reinterpret_cast<bc::u64>(objects[i])});
	}
}

// ---- allocations

#define BC_WRAP(ret, name, params, args, charge_it)                                                                    \
	BC_BODY(ret, name, params);                                                                                    \
	ret bc_wrap_##name(params)                                                                                     \
	{                                                                                                              \
		const unsigned long from = caller();                                                                   \
		bc::platform::in_flight_enter();                                                                       \
		ret result = __SCT__bc_body_##name args;                                                               \
		return charge_it;                                                                                      \
	}
#define BC_P(...) __VA_ARGS__

#if BC_KERNEL_6_12

#if BC_SLAB_BUCKETS
#define BC_BUCKET_PARAM void *bucket,
#define BC_BUCKET_ARG bucket,
#else
#define BC_BUCKET_PARAM
#define BC_BUCKET_ARG
#endif

BC_WRAP(void *, kmem_cache_alloc_noprof, BC_P(Cache *s, Gfp gfp), (s, gfp), charged(result, key(s), from, gfp))
BC_WRAP(void *, kmem_cache_alloc_lru_noprof, BC_P(Cache *s, void *lru, Gfp gfp), (s, lru, gfp),
	charged(result, key(s), from, gfp))
BC_WRAP(void *, kmem_cache_alloc_node_noprof, BC_P(Cache *s, Gfp gfp, int node), (s, gfp, node),
	charged(result, key(s), from, gfp))
BC_WRAP(void *, __kmalloc_cache_noprof, BC_P(Cache *s, Gfp gfp, unsigned long size), (s, gfp, size),
	charged(result, key(s), from, gfp))
BC_WRAP(void *, __kmalloc_cache_node_noprof, BC_P(Cache *s, Gfp gfp, int node, unsigned long size),
	(s, gfp, node, size), charged(result, key(s), from, gfp))
BC_WRAP(void *, __kmalloc_noprof, BC_P(unsigned long size, Gfp gfp), (size, gfp), charged_by_page(result, from, gfp))
BC_WRAP(void *, __kmalloc_node_noprof, BC_P(unsigned long size, BC_BUCKET_PARAM Gfp gfp, int node),
	(size, BC_BUCKET_ARG gfp, node), charged_by_page(result, from, gfp))
BC_WRAP(void *, __kmalloc_node_track_caller_noprof,
	BC_P(unsigned long size, BC_BUCKET_PARAM Gfp gfp, int node, unsigned long caller_arg),
	(size, BC_BUCKET_ARG gfp, node, caller_arg),
	charged_by_page(result, (static_cast<void>(from), caller_arg), gfp))
BC_WRAP(void *, ___kmalloc_large_node, BC_P(unsigned long size, Gfp gfp, int node), (size, gfp, node),
	(static_cast<void>(from), charged_pages(result, size, gfp)))
BC_WRAP(int, kmem_cache_alloc_bulk_noprof, BC_P(Cache *s, Gfp gfp, unsigned long count, void **objects),
	(s, gfp, count, objects), charged_bulk(result, objects, s, from, gfp))

#else // 6.1

BC_WRAP(void *, kmem_cache_alloc, BC_P(Cache *s, Gfp gfp), (s, gfp), charged(result, key(s), from, gfp))
BC_WRAP(void *, kmem_cache_alloc_lru, BC_P(Cache *s, void *lru, Gfp gfp), (s, lru, gfp),
	charged(result, key(s), from, gfp))
BC_WRAP(void *, kmem_cache_alloc_node, BC_P(Cache *s, Gfp gfp, int node), (s, gfp, node),
	charged(result, key(s), from, gfp))
BC_WRAP(void *, __kmem_cache_alloc_node,
	BC_P(Cache *s, Gfp gfp, int node, unsigned long size, unsigned long caller_arg),
	(s, gfp, node, size, caller_arg), charged(result, key(s), (static_cast<void>(from), caller_arg), gfp))
BC_WRAP(void *, __kmalloc_large_node, BC_P(unsigned long size, Gfp gfp, int node), (size, gfp, node),
	(static_cast<void>(from), charged_pages(result, size, gfp)))
BC_WRAP(int, kmem_cache_alloc_bulk, BC_P(Cache *s, Gfp gfp, unsigned long count, void **objects),
	(s, gfp, count, objects), charged_bulk(result, objects, s, from, gfp))

#endif

} // extern "C"
