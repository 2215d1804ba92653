// SPDX-License-Identifier: GPL-2.0
// What the cases are made of.
#pragma once

#include "cases.h"

namespace bc
{

namespace
{

// held() without its clamp at zero.
bct_sum raw_held(const Container &c)
{
	bct_sum sum{};
	for (size_t kind = 0; kind < kByteKinds; ++kind) {
		sum.bytes += c.accounts[kind].held();
		sum.objects += c.objects[kind].relaxed();
		const Cells *cells = c.own_cells.acquire();
		for (u32 cpu = 0; cells != nullptr && cpu < containers.cpus(); ++cpu) {
			const Unpacked part = unpack(platform::percpu_read(&cells->packed[kind], cpu));
			sum.bytes += part.bytes;
			sum.objects += part.objects;
		}
	}
	return sum;
}

u64 start_of(const Ledger::Found &found) { return found.address(sites[found.slot.site()].stride).value; }

bct_sum raw_recorded(const Container &c)
{
	bct_sum sum{};
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.slot.owner() != c.index)
			return;
		++sum.objects;
		sum.bytes += sites[found.slot.site()].stride.value;
	});
	return sum;
}

#define BCT_CHECK(...)                                                                                                 \
	do {                                                                                                           \
		if (!(__VA_ARGS__))                                                                                    \
			return __FILE_NAME__ ":" BC_STRING(__LINE__) ": " #__VA_ARGS__;                                \
	} while (0)

// A cache of a case's own, with its objects: all is freed at the end, as the host frees, whatever was recorded for it.
class TestCache
{
      public:
	explicit TestCache(const char *name, u32 size, bool reclaimable = false)
	    : cache_(bct_cache_new(name, size, reclaimable))
	{
		u32 stride = 0;
		bool unused;
		char text[8];
		if (cache_ != nullptr && bc_cache_describe(cache_, &stride, &unused, text, sizeof(text)))
			stride_ = Stride{stride};
	}
	~TestCache()
	{
		while (count_ != 0)
			bct_cache_free(cache_, objects_[--count_]);
		if (cache_ != nullptr)
			bct_cache_destroy(cache_);
		bct_free(objects_);
	}
	TestCache(const TestCache &) = delete;
	TestCache &operator=(const TestCache &) = delete;

	Address make()
	{
		if (cache_ == nullptr || objects_ == nullptr || count_ == kMost)
			return {};
		objects_[count_] = bct_cache_alloc(cache_);
		return objects_[count_] == nullptr ? Address{} : Address{reinterpret_cast<u64>(objects_[count_++])};
	}
	bool make(u32 n)
	{
		while (n != 0 && make())
			--n;
		return n == 0;
	}
	u32 size() const { return count_; }
	Address operator[](u32 i) const { return Address{reinterpret_cast<u64>(objects_[i])}; }
	Stride stride() const { return stride_; }
	CacheKey key() const { return CacheKey{reinterpret_cast<u64>(cache_)}; }
	const void *cache() const { return cache_; }

      private:
	static constexpr u32 kMost = 64;
	void *cache_;
	Stride stride_;
	u32 count_ = 0;
	// Not on the stack, of which a case has 2 KiB.
	void **objects_ = static_cast<void **>(bct_alloc(kMost * sizeof(void *)));
};

// Memory of the host's, from kmalloc().
struct Own {
	void *memory;
	explicit Own(unsigned long size) : memory(bct_alloc(size)) {}
	~Own() { bct_free(memory); }
	Own(const Own &) = delete;
	Own &operator=(const Own &) = delete;
	Address address() const { return Address{reinterpret_cast<u64>(memory)}; }
};

struct OwnText {
	bc_text text{};
	Text out{text};
	~OwnText() { bc_text_free(&text); }
	bool is(const char *wanted)
	{
		out.put('\0');
		return !text.failed && same_text(text.data, wanted);
	}
	bool has(const char *part)
	{
		out.put('\0');
		for (const char *at = text.data; !text.failed && *at != 0; ++at) {
			if (starts_with(at, part))
				return true;
		}
		return false;
	}
};

// An address in this module that no allocation comes from, for call sites of the cases' own.
u64 some_text(u32 offset)
{
	u64 start = reinterpret_cast<u64>(&bct_cases);
	asm("" : "+r"(start)); // no relocation into the middle of a function, which objtool would want an endbr at
	return start + offset;
}

SiteIndex intern(u64 caller, CacheKey cache)
{
	platform::PreemptOff section;
	return sites.intern(Address{caller}, cache);
}

bool record(Address address, Stride stride, Slot slot, u32 *stale = nullptr)
{
	platform::PreemptOff section;
	return bc_ledger.record(address, stride, slot, 0, [&](Slot) {
		if (stale != nullptr)
			++*stale;
	});
}

Slot take(Address address)
{
	platform::PreemptOff section;
	return bc_ledger.take(address);
}

void charge_one(Container &c, const TestCache &cache, Address object, u64 caller)
{
	platform::PreemptOff section;
	charge(c, object, Address{caller}, cache.key(), 0);
}

bool holds(const Container &c, s64 objects, s64 bytes)
{
	const bct_sum h = raw_held(c);
	const bct_sum r = raw_recorded(c);
	return h.objects == objects && h.bytes == bytes && r.objects == objects && r.bytes == bytes;
}

} // namespace

} // namespace bc
