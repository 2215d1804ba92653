// SPDX-License-Identifier: GPL-2.0
// The neck over the C library: the simulated slab allocator's caches and pages, and the symbols of its callers.
#include "host.h"
#include "inside.h"

#include <platform/inline.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace host
{

namespace
{

struct Cache {
	bc_u32 stride;
	bool reclaimable;
	std::string name;
};
struct Slab {
	bc_u64 first, pages;
	const void *cache;
	bc_u32 stride;
};
struct Symbol {
	bc_u64 size;
	std::string name, module;
};
struct Objects {
	std::map<const void *, Cache> caches;
	bc_u64 next_cache = 0;
	std::map<bc_u64, Slab> slabs; // by first page
	std::map<bc_u64, bc_u64> words;
	std::set<bc_u64> guards;
	std::map<bc_u64, std::pair<bc_u64, bc_u64>> areas; // by what describes one: where it is, how long
	std::map<bc_u64, Symbol> symbols;
	std::map<bc_u32, std::vector<bc_u64>> stacks;
	bool restricted = false;
};
Guarded<Objects> g_objects;

const Slab *slab_of(const Objects &o, bc_u64 page)
{
	auto it = o.slabs.upper_bound(page);
	if (it == o.slabs.begin())
		return nullptr;
	--it;
	return page < it->second.first + it->second.pages ? &it->second : nullptr;
}

int show(char *text, unsigned long len, const std::string &s)
{
	snprintf(text, len, "%s", s.c_str());
	return static_cast<int>(strlen(text));
}

std::string hex(const char *format, bc_u64 n)
{
	char buffer[32];
	snprintf(buffer, sizeof(buffer), format, static_cast<unsigned long>(n));
	return buffer;
}

} // namespace

const void *make_cache(bc_u32 stride, bool reclaimable, const char *name)
{
	return g_objects.with([&](Objects &o) {
		const auto *cache = reinterpret_cast<const void *>(0xffff888100000000ul + o.next_cache++ * 256);
		o.caches[cache] = {stride, reclaimable, name};
		return cache;
	});
}

void remake_cache(const void *cache, bc_u32 stride, bool reclaimable, const char *name)
{
	g_objects.with([&](Objects &o) { o.caches[cache] = {stride, reclaimable, name}; });
}

void drop_cache(const void *cache)
{
	g_objects.with([&](Objects &o) { o.caches.erase(cache); });
}

void set_slab(bc_u64 first, bc_u64 pages, const void *cache, bc_u32 stride)
{
	g_objects.with([&](Objects &o) { o.slabs[first] = {first, pages, cache, stride}; });
}

void drop_slab(bc_u64 first)
{
	g_objects.with([&](Objects &o) { o.slabs.erase(first); });
}

void write_word(bc_u64 address, bc_u64 word)
{
	g_objects.with([&](Objects &o) { o.words[address] = word; });
}

void add_area(bc_u64 area, bc_u64 start, bc_u64 bytes)
{
	g_objects.with([&](Objects &o) { o.areas[area] = {start, bytes}; });
}

void guard_page(bc_u64 index)
{
	g_objects.with([&](Objects &o) { o.guards.insert(index); });
}

void add_symbol(bc_u64 start, bc_u64 size, const char *name, const char *module)
{
	g_objects.with([&](Objects &o) { o.symbols[start] = {size, name, module}; });
}

void drop_symbols(bc_u64 start, bc_u64 end)
{
	g_objects.with([&](Objects &o) { o.symbols.erase(o.symbols.lower_bound(start), o.symbols.lower_bound(end)); });
}

void add_stack(bc_u32 stack, std::vector<bc_u64> frames)
{
	g_objects.with([&](Objects &o) { o.stacks[stack] = std::move(frames); });
}

void restrict_pointers(bool on)
{
	g_objects.with([&](Objects &o) { o.restricted = on; });
}

void reset_objects()
{
	g_objects.with([](Objects &o) { o = Objects{}; });
}

} // namespace host

using namespace host;

const void *bc::platform::cache_of(const void *object)
{
	const bc_u64 page = page_index(reinterpret_cast<bc_u64>(object));
	return g_objects.with([&](Objects &o) {
		const Slab *slab = slab_of(o, page);
		return slab == nullptr ? nullptr : slab->cache;
	});
}

extern "C" {

bool bc_stacks_init(void) { return true; }

bc_u32 bc_stack_frames(bc_u32 stack, bc_u64 *frames, bc_u32 most)
{
	return g_objects.with([&](Objects &o) {
		bc_u32 n = 0;
		for (const bc_u64 frame : o.stacks[stack]) {
			if (n < most)
				frames[n++] = frame;
		}
		return n;
	});
}

bc_u32 bc_kmalloc_stride(unsigned long size)
{
	bc_u32 stride = 8;
	while (stride < size)
		stride *= 2;
	return size == 0 || size > 8192 ? 0 : stride;
}

bool bc_cache_describe(const void *cache, bc_u32 *stride, bool *reclaimable, char *name, unsigned long len)
{
	return g_objects.with([&](Objects &o) {
		const auto it = o.caches.find(cache);
		if (it == o.caches.end())
			return false;
		*stride = it->second.stride;
		*reclaimable = it->second.reclaimable;
		snprintf(name, len, "%s", it->second.name.c_str());
		return true;
	});
}

bc_u64 bc_object_address(bc_u64 page, bc_u32 low, bc_u32 high, bc_u32 stride)
{
	const bc_u64 index = bc::platform::page_index(page);
	return g_objects.with([&](Objects &o) -> bc_u64 {
		const Slab *slab = slab_of(o, index);
		if (slab == nullptr || slab->stride != stride)
			return 0;
		const bc_u64 start = bc::platform::page_address(slab->first);
		const bc_u64 nth = (page + low - start + stride - 1) / stride;
		const bc_u64 object = start + nth * stride;
		return object < page + high ? object : 0;
	});
}

bc_u64 bc_area_of(bc_u64 pointer)
{
	return g_objects.with([&](Objects &o) -> bc_u64 {
		for (const auto &[area, memory] : o.areas) {
			if (pointer - memory.first < memory.second)
				return area;
		}
		return 0;
	});
}

bool bc_area(bc_u64 area, bc_u64 *start, bc_u64 *bytes)
{
	return g_objects.with([&](Objects &o) {
		const auto found = o.areas.find(area);
		if (found == o.areas.end())
			return false;
		*start = found->second.first;
		*bytes = found->second.second;
		return true;
	});
}

bool bc_read(void *to, const void *from, unsigned long size)
{
	const auto start = reinterpret_cast<bc_u64>(from);
	if (start >> 63 != 0)
		return false;
	if (start - bc::platform::arena_base >= bc::platform::kArenaBytes) {
		memcpy(to, from, size);
		return true;
	}
	return g_objects.with([&](Objects &o) {
		if (slab_of(o, bc::platform::page_index(start)) == nullptr)
			return false;
		const auto guard = o.guards.lower_bound(bc::platform::page_index(start));
		if (guard != o.guards.end() && *guard <= bc::platform::page_index(start + size - 1))
			return false;
		memset(to, 0, size);
		const auto end = o.words.lower_bound(start + size);
		for (auto w = o.words.lower_bound(start); w != end; ++w) {
			if (w->first + sizeof(bc_u64) <= start + size)
				memcpy(static_cast<char *>(to) + (w->first - start), &w->second, sizeof(bc_u64));
		}
		return true;
	});
}

int bc_symbol(bc_u64 address, char *text, unsigned long len)
{
	return g_objects.with([&](Objects &o) {
		auto it = o.symbols.upper_bound(address);
		if (it == o.symbols.begin())
			return show(text, len, hex("0x%lx", address));
		--it;
		if (address >= it->first + it->second.size)
			return show(text, len, hex("0x%lx", address));
		const std::string &module = it->second.module;
		return show(text, len,
			    it->second.name + hex("+0x%lx", address - it->first) +
				(module.empty() ? "" : "[" + module + "]"));
	});
}

int bc_pointer_text(bc_u64 address, char *text, unsigned long len)
{
	return g_objects.with([&](Objects &o) { return show(text, len, hex("%016lx", o.restricted ? 0 : address)); });
}

} // extern "C"
