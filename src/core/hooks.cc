// SPDX-License-Identifier: GPL-2.0
// The functions that run in a hooked function's place (bc_wrap_*) or before it (bc_free_*), for each kernel line; of
// those that src/shim/trampolines.S has, what it leaves to do.
//
// A wrapper is entered by src/shim/trampolines.S for a task of a container in task context, with the arguments in their
// registers and the caller's return address on the stack, and calls the original past its hook through a static call
// (bc_body_*, patched by src/shim/hooks.c to the address behind the fentry site). The original may sleep, so the
// wrapper counts itself in flight; everything after it runs with preemption off.
//
// The object is charged after the original has run, when its cache is known for certain, and before anybody else can
// know its address.
#include "admit.h"
#include "references.h"

#include <platform/inline.h>

#include <beancounter/fast_path.h>
#include <generated/offsets.h>

// What trampolines.S believes.
static_assert(offsetof(bc::Container, ns) == BC_CONTAINER_NS && offsetof(bc::Container, cells) == BC_CONTAINER_CELLS &&
	      offsetof(bc::Container, owner) == BC_CONTAINER_OWNER &&
	      offsetof(bc::Container, index) == BC_CONTAINER_INDEX && sizeof(bc::OwnerIndex) == 2 &&
	      offsetof(bc::Container, mode) == BC_CONTAINER_MODE &&
	      offsetof(bc::Container, accounts) == BC_CONTAINER_ACCOUNTS &&
	      offsetof(bc::Container, objects) == BC_CONTAINER_OBJECTS &&
	      static_cast<int>(bc::Mode::near) == BC_MODE_NEAR && bc::kBytesAt == BC_CELL_BYTES);
static_assert(offsetof(bc::Site, caller) == BC_SITE_CALLER && offsetof(bc::Site, cache) == BC_SITE_CACHE &&
	      offsetof(bc::Site, amount) == BC_SITE_AMOUNT && offsetof(bc::Site, slot) == BC_SITE_SLOT &&
	      offsetof(bc::Site, tag) == BC_SITE_TAG && offsetof(bc::Site, cell) == BC_SITE_CELL);
static_assert(bc::Slot::kBirthAt == BC_SLOT_BIRTH && bc::Slot::kBirthBits == BC_SLOT_BIRTH_BITS &&
	      bc::Slot::kAccountAt == BC_SLOT_ACCOUNT && bc::Slot::kSiteBits == 16 &&
	      bc::Slot::kKindBits == BC_SLOT_KIND_BITS);
namespace bc
{
struct LedgerLayout {
	static_assert(offsetof(Ledger, flat_) == BC_LEDGER_FLAT && offsetof(Ledger, limit_) == BC_LEDGER_LIMIT &&
		      offsetof(Ledger, top_) == BC_LEDGER_TOP && offsetof(Ledger, exclusive_) == BC_LEDGER_EXCLUSIVE);
};
struct AccountLayout {
	static_assert(offsetof(Account, held_) == BC_ACCOUNT_HELD &&
		      offsetof(Account, maxheld_) == BC_ACCOUNT_MAXHELD &&
		      offsetof(Account, barrier_) == BC_ACCOUNT_BARRIER && sizeof(Account) == BC_ACCOUNT_SIZE);
};
static_assert(offsetof(Container, gate) == BC_CONTAINER_GATE &&
	      BC_GATES_OF_PIECES == (kGateNear | kGatePieces | kGateFailNth));
static_assert((BC_TAG_PIECE & Ledger::kTagMask) == Ledger::kNoTag && BC_TAG_PIECE != Ledger::kNoTag &&
	      BC_TAG_PIECE < 256 && offsetof(Site, stride) == BC_SITE_STRIDE && Slot::kSpecial == BC_ACCOUNT_SPECIAL);
struct ReferencesLayout {
	using Object = References::Object;
	using Row = References::Row;
	static_assert(offsetof(References, objects_) == BC_REFERENCES_OBJECTS &&
		      offsetof(References, rows_) == BC_REFERENCES_ROWS &&
		      offsetof(References, hints_) == BC_REFERENCES_HINTS);
	static_assert(offsetof(Object, address) == BC_REFERENCE_ADDRESS && sizeof(Object) == 1u << BC_REFERENCE_SHIFT);
	static_assert(offsetof(Row, object) == BC_ROW_OBJECT && offsetof(Row, caller) == BC_ROW_CALLER &&
		      offsetof(Row, counts) == BC_ROW_COUNTS && offsetof(Row, owner) == BC_ROW_OWNER &&
		      sizeof(Row) == 1u << BC_ROW_SHIFT);
	static_assert(References::kPut == BC_ROW_PUT && References::kGet == BC_ROW_GET &&
		      References::kFull == (u64{1} << BC_ROW_PUTS_FULL | u64{1} << BC_ROW_GETS_FULL));
};
struct ContainersLayout {
	static_assert(offsetof(Containers, by_index_) == BC_CONTAINERS_BY_INDEX);
};
} // namespace bc
static_assert(bc::kBirthJiffiesShift == 8, "the load at jiffies + 1");
static_assert(bc::Ledger::kChunkShift == BC_CHUNK_SHIFT && offsetof(bc::Gates, small) == BC_GATES_SMALL);

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

// An object that a bound refuses after it was made: nobody has seen it, so it goes back. A free like any other, of
// something that is not in the ledger.
BC_COLD void *charged_late(void *object, CacheKey cache, unsigned long caller, Gfp gfp)
{
	if (!bc::admit_late(&object, 1, Address{caller}, cache, gfp, false)) {
		bc_mem_free(object);
		object = nullptr;
	}
	bc::platform::in_flight_leave();
	return object;
}

// Charges one object to the current container, and leaves the wrapper.
[[gnu::noinline]] void *charged(void *object, CacheKey cache, unsigned long caller, Gfp gfp)
{
	if (__builtin_expect(real(object), true)) {
		if (__builtin_expect(caller == bc_return_to_handler, false))
			caller = bc_true_caller();
		bool done = true;
		bc::platform::provide(gfp);
		{
			bc::platform::PreemptOff section;
			if (bc::Container *c = bc::current_container(); __builtin_expect(c != nullptr, true))
				done = bc::charge(*c, Address{reinterpret_cast<bc::u64>(object)}, Address{caller},
						  cache, gfp);
		}
		if (__builtin_expect(!done, false))
			return charged_late(object, cache, caller, gfp);
	}
	bc::platform::in_flight_leave();
	return object;
}

CacheKey key(const void *cache) { return CacheKey{reinterpret_cast<bc::u64>(cache)}; }

Address site_of(unsigned long caller)
{
	return Address{__builtin_expect(caller == bc_return_to_handler, false) ? bc_true_caller() : caller};
}

// Where the container keeps whole stacks, this one's number in the caller's place. Behind a gate: who keeps none pays
// nothing for it.
BC_COLD unsigned long traced(unsigned long caller, Gfp gfp)
{
	{
		bc::platform::PreemptOff section;
		const bc::Container *c = bc::current_container();
		if (c == nullptr || (c->gate.relaxed() & bc::kGateStacks) == 0)
			return caller;
	}
	const bc::u32 stack = bc_stack_save(gfp);
	return stack == 0 ? caller : stack;
}

// ---- the object's cache is an argument

[[gnu::always_inline]] inline void *charged_cache(void *object, const void *cache, unsigned long caller, Gfp gfp)
{
	return charged(object, key(cache), caller, gfp);
}

BC_COLD bc::Wanted want_cache(const void *cache, unsigned long caller, Gfp gfp)
{
	return {site_of(caller), key(cache), 0, 1, bc::ByteKind::kmemsize, gfp, false};
}

BC_COLD void *settled(const bc::Admission &admission, const bc::Wanted &wanted, void *object, CacheKey cache)
{
	bc::settle(admission, &object, real(object) ? 1 : 0, wanted.caller, cache, wanted.gfp);
	bc::platform::in_flight_leave();
	return object;
}

BC_COLD void *settled_cache(const bc::Admission &admission, const bc::Wanted &wanted, void *object, const void *cache)
{
	return settled(admission, wanted, object, key(cache));
}

// ---- only the object's page knows

[[gnu::noinline]] [[maybe_unused]] void *charged_by_page(void *object, unsigned long, unsigned long caller, Gfp gfp)
{
	const void *cache = real(object) ? bc::platform::cache_of(object) : nullptr;
	if (cache == nullptr) { // kmalloc(0), no memory, or page-backed and charged by the inner hook
		bc::platform::in_flight_leave();
		return object;
	}
	return charged(object, key(cache), caller, gfp);
}

[[maybe_unused]] BC_COLD bc::Wanted want_by_page(unsigned long size, unsigned long caller, Gfp gfp)
{
	const bc::u32 stride = bc_kmalloc_stride(size); // 0: the inner hook's
	const bool reclaimable = (gfp & bc::platform::kGfpReclaimable) != 0;
	return {site_of(caller),
		bc::kUnknown,
		stride,
		stride != 0,
		reclaimable ? bc::ByteKind::dcachesize : bc::ByteKind::kmemsize,
		gfp,
		false};
}

[[maybe_unused]] BC_COLD void *settled_by_page(const bc::Admission &admission, const bc::Wanted &wanted, void *object,
					       unsigned long)
{
	const void *cache = real(object) ? bc::platform::cache_of(object) : nullptr;
	return settled(admission, wanted, cache == nullptr ? nullptr : object, key(cache));
}

// ---- whole pages. The function hooked is the allocator's own, so its caller is not who asked for the memory. What
// stands for the caller here is where its address lies on the stack, from which that can be found.

Address pages_caller(unsigned long place)
{
	return Address{bc::is_stack(place) ? place : bc_caller_above(reinterpret_cast<const void *>(place))};
}

[[gnu::noinline]] void *charged_pages(void *object, unsigned long size, unsigned long caller, Gfp gfp)
{
	if (!real(object)) {
		bc::platform::in_flight_leave();
		return object;
	}
	return charged(object, CacheKey{bc::pages_bytes(size)}, pages_caller(caller).value, gfp);
}

BC_COLD bc::Wanted want_pages(unsigned long size, unsigned long caller, Gfp gfp)
{
	const bc::u64 bytes = bc::pages_bytes(size);
	// More fails in the original, and would not fit a stride.
	const bc::s64 count = bytes <= bc::kMostPages ? 1 : 0;
	return {pages_caller(caller), CacheKey{bytes}, 0, count, bc::ByteKind::kmemsize, gfp, true};
}

BC_COLD void *settled_pages(const bc::Admission &admission, const bc::Wanted &wanted, void *object, unsigned long)
{
	return settled(admission, wanted, object, wanted.cache);
}

// ---- many at a time

[[gnu::noinline]] int charged_slowly(int count, const void *cache, void **objects, unsigned long caller, Gfp gfp)
{
	for (int i = 0; i < count;) {
		bool done = true;
		bc::platform::provide(gfp);
		{
			bc::platform::PreemptOff section;
			bc::Container *c = bc::current_container();
			if (__builtin_expect(c == nullptr, false))
				break;
			const auto left = static_cast<bc::u32>(count - i);
			i += static_cast<int>(bc::charge_many(*c, &objects[i], left < bc::kAtOnce ? left : bc::kAtOnce,
							      Address{caller}, key(cache), gfp));
			// Near a bound the rest is asked for at once.
			if (i < count)
				done = c->mode.relaxed() != static_cast<bc::u8>(bc::Mode::near) &&
				       bc::charge(*c, Address{reinterpret_cast<bc::u64>(objects[i])}, Address{caller},
						  key(cache), gfp);
		}
		if (__builtin_expect(done, true)) {
			++i;
			continue;
		}
		if (!bc::admit_late(&objects[i], count - i, Address{caller}, key(cache), gfp, true)) {
			// All or none: frees uncharge those that were charged.
			for (int n = 0; n < count; ++n)
				bc_mem_free(objects[n]);
			count = 0;
		}
		break;
	}
	bc::platform::in_flight_leave();
	return count;
}

[[gnu::noinline]] int charged_bulk(int count, const void *cache, unsigned long, void **objects, unsigned long caller,
				   Gfp gfp)
{
	if (__builtin_expect(count <= 0, false)) {
		bc::platform::in_flight_leave();
		return count;
	}
	if (__builtin_expect(caller == bc_return_to_handler, false))
		caller = bc_true_caller();
	if (const auto all = static_cast<bc::u32>(count); __builtin_expect(all <= bc::kAtOnce, true)) {
		bool done = false;
		bc::platform::provide(gfp);
		{
			bc::platform::PreemptOff section;
			if (bc::Container *c = bc::current_container(); __builtin_expect(c != nullptr, true))
				done = bc::charge_together(*c, objects, all, Address{caller}, key(cache), gfp);
		}
		if (__builtin_expect(done, true)) {
			bc::platform::in_flight_leave();
			return count;
		}
	}
	return charged_slowly(count, cache, objects, caller, gfp);
}

BC_COLD bc::Wanted want_bulk(const void *cache, unsigned long count, void **, unsigned long caller, Gfp gfp)
{
	return {site_of(caller), key(cache), 0, static_cast<bc::s64>(count), bc::ByteKind::kmemsize, gfp, false, true};
}

BC_COLD int settled_bulk(const bc::Admission &admission, const bc::Wanted &wanted, int count, const void *cache,
			 unsigned long, void **objects)
{
	bc::settle(admission, objects, count > 0 ? count : 0, wanted.caller, key(cache), wanted.gfp);
	bc::platform::in_flight_leave();
	return count;
}

[[gnu::always_inline]] inline unsigned long caller()
{
	return reinterpret_cast<unsigned long>(__builtin_return_address(0));
}
#define BC_FROM_cache caller()
#define BC_FROM_by_page caller()
#define BC_FROM_bulk caller()
#define BC_FROM_pages (reinterpret_cast<unsigned long>(__builtin_dwarf_cfa()) - sizeof(void *))

} // namespace

extern "C" {

// What trampolines.S leaves of a charge: the wrapper has been entered, and called the original. Where there is no
// object the section is for what came due in the trampoline's.
void *bc_charged(void *object, const void *cache, unsigned long caller, Gfp gfp)
{
	{
		bc::platform::PreemptOff section;
	}
	return charged(object, key(cache), caller, gfp);
}

// A slot that the trampoline has taken, and that has no cell to be counted down in.
void bc_uncharge(bc::u64 slot)
{
	bc_ledger.note_taken(bc::Slot{slot});
	bc::uncharge_slowly(bc::Slot{slot});
}

// ---- frees: the trampoline has seen that the object's page has something recorded, and saved the arguments.

void bc_free_object(const void *object)
{
	bc::platform::PreemptOff section;
	bc::free_object(Address{reinterpret_cast<bc::u64>(object)});
}

void bc_free_bulk(unsigned long count, void **objects)
{
	if (__builtin_expect(count - 1 < bc::kAtOnce, true)) {
		bc::platform::PreemptOff section;
		if (__builtin_expect(bc::free_together(objects, static_cast<bc::u32>(count)), true))
			return;
	}
	while (count != 0) {
		bc::platform::PreemptOff section;
		const auto some = static_cast<bc::u32>(count < bc::kAtOnce ? count : bc::kAtOnce);
		bc::free_many(objects, some);
		objects += some;
		count -= some;
	}
}

// ---- allocations
//
// BC_WRAP(ret, name, params, args, site, gate, family, of): `site` is the caller's address, or tells it; `gate` says
// which gates (bounds.h) send it into the gated half, which asks the bounds before it calls the original; `family` and
// `of` are how the object's cache is known: by its pointer, by its page, by its size in pages. BC_GATED is the gated
// half alone, of a wrapper in trampolines.S, which jumps to it with everything as it was at its own entry.

#define BC_GATED_HALF(name, args, site, family, of)                                                                    \
	{                                                                                                              \
		const unsigned long at = traced(site, gfp);                                                            \
		const bc::Wanted wanted = want_##family(of, at, gfp);                                                  \
		bc::Admission admission;                                                                               \
		if (!bc::admit(wanted, admission)) {                                                                   \
			bc::platform::in_flight_leave();                                                               \
			return 0;                                                                                      \
		}                                                                                                      \
		auto result = __SCT__bc_body_##name(args);                                                             \
		if (admission.c == nullptr)                                                                            \
			return charged_##family(result, of, at, gfp);                                                  \
		return settled_##family(admission, wanted, result, of);                                                \
	}
#define BC_GATED(name, params, args, site, family, of)                                                                 \
	BC_BODY(void *, name, params);                                                                                 \
	void *bc_gated_##name(params)                                                                                  \
	{                                                                                                              \
		[[maybe_unused]] const unsigned long from = caller();                                                  \
		BC_GATED_HALF(name, BC_P(args), site, family, of)                                                      \
	}
#define BC_GATED_CACHE(name, params, args, site) BC_GATED(name, BC_P(params), BC_P(args), site, cache, s)
#define BC_WRAP(ret, name, params, args, site, gate, family, of)                                                       \
	BC_BODY(ret, name, params);                                                                                    \
	BC_COLD static ret bc_gated_##name([[maybe_unused]] unsigned long from, params)                                \
	    BC_GATED_HALF(name, BC_P(args), site, family, BC_P(of)) ret bc_wrap_##name(params)                         \
	{                                                                                                              \
		[[maybe_unused]] const unsigned long from = BC_FROM_##family;                                          \
		bc::platform::in_flight_enter();                                                                       \
		if (__builtin_expect(bc::gates.gate.relaxed() != 0, false))                                            \
			return bc_gated_##name(from, args);                                                            \
		ret result = __SCT__bc_body_##name(args);                                                              \
		return charged_##family(result, of, site, gfp);                                                        \
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

BC_GATED_CACHE(kmem_cache_alloc_noprof, BC_P(Cache *s, Gfp gfp), BC_P(s, gfp), from)
BC_GATED_CACHE(kmem_cache_alloc_lru_noprof, BC_P(Cache *s, void *lru, Gfp gfp), BC_P(s, lru, gfp), from)
BC_GATED_CACHE(kmem_cache_alloc_node_noprof, BC_P(Cache *s, Gfp gfp, int node), BC_P(s, gfp, node), from)
BC_GATED_CACHE(__kmalloc_cache_noprof, BC_P(Cache *s, Gfp gfp, unsigned long size), BC_P(s, gfp, size), from)
BC_GATED_CACHE(__kmalloc_cache_node_noprof, BC_P(Cache *s, Gfp gfp, int node, unsigned long size),
	       BC_P(s, gfp, node, size), from)
// Only the object's page knows the cache: in trampolines.S where the page is found without a call.
#if BC_VMEMMAP
#define BC_BY_PAGE(name, params, args, site) BC_GATED(name, BC_P(params), BC_P(args), site, by_page, size)
#else
#define BC_BY_PAGE(name, params, args, site) BC_WRAP(void *, name, BC_P(params), BC_P(args), site, small, by_page, size)
#endif
BC_BY_PAGE(__kmalloc_noprof, BC_P(unsigned long size, Gfp gfp), BC_P(size, gfp), from)
BC_BY_PAGE(__kmalloc_node_noprof, BC_P(unsigned long size, BC_BUCKET_PARAM Gfp gfp, int node),
	   BC_P(size, BC_BUCKET_ARG gfp, node), from)
BC_BY_PAGE(__kmalloc_node_track_caller_noprof,
	   BC_P(unsigned long size, BC_BUCKET_PARAM Gfp gfp, int node, unsigned long caller_arg),
	   BC_P(size, BC_BUCKET_ARG gfp, node, caller_arg), caller_arg)
BC_WRAP(void *, ___kmalloc_large_node, BC_P(unsigned long size, Gfp gfp, int node), BC_P(size, gfp, node), from, any,
	pages, size)
BC_WRAP(int, kmem_cache_alloc_bulk_noprof, BC_P(Cache *s, Gfp gfp, unsigned long count, void **objects),
	BC_P(s, gfp, count, objects), from, small, bulk, BC_P(s, count, objects))

#else // 6.1

BC_GATED_CACHE(kmem_cache_alloc, BC_P(Cache *s, Gfp gfp), BC_P(s, gfp), from)
BC_GATED_CACHE(kmem_cache_alloc_lru, BC_P(Cache *s, void *lru, Gfp gfp), BC_P(s, lru, gfp), from)
BC_GATED_CACHE(kmem_cache_alloc_node, BC_P(Cache *s, Gfp gfp, int node), BC_P(s, gfp, node), from)
BC_GATED_CACHE(__kmem_cache_alloc_node, BC_P(Cache *s, Gfp gfp, int node, unsigned long size, unsigned long caller_arg),
	       BC_P(s, gfp, node, size, caller_arg), caller_arg)
BC_WRAP(void *, __kmalloc_large_node, BC_P(unsigned long size, Gfp gfp, int node), BC_P(size, gfp, node), from, any,
	pages, size)
BC_WRAP(int, kmem_cache_alloc_bulk, BC_P(Cache *s, Gfp gfp, unsigned long count, void **objects),
	BC_P(s, gfp, count, objects), from, small, bulk, BC_P(s, count, objects))

#endif

} // extern "C"
