// SPDX-License-Identifier: GPL-2.0
// The neck over the C library: memory, with failures on demand and a count of what is not freed. What is freed twice or
// read after its time is AddressSanitizer's to find: everything comes from malloc.
#include "host.h"
#include "inside.h"

#include <platform/inline.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace host
{

namespace
{

constexpr size_t kKinds = static_cast<size_t>(Kind::any) + 1;
std::atomic<long> g_live[kKinds];
std::atomic<unsigned long> g_made[kKinds];
// Allocations until the next failure, and how many fail then. Two words, so set them while nobody allocates.
std::atomic<long> g_until[kKinds];
std::atomic<long> g_times[kKinds];

bool fails(Kind kind)
{
	const auto k = static_cast<size_t>(kind);
	if (g_times[k].load(std::memory_order_relaxed) <= 0)
		return false;
	if (g_until[k].fetch_sub(1, std::memory_order_relaxed) > 1)
		return false;
	return g_times[k].fetch_sub(1, std::memory_order_relaxed) > 0;
}

void *make(Kind kind, size_t align, size_t size)
{
	bc::platform::jitter();
	const bool one = fails(kind);
	if (fails(Kind::any) || one)
		return nullptr;
	size = (size + align - 1) / align * align;
	void *memory = aligned_alloc(align, size == 0 ? align : size);
	if (memory == nullptr)
		die("out of memory");
	memset(memory, 0, size);
	g_live[static_cast<size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
	g_made[static_cast<size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
	return memory;
}

void unmake(Kind kind, void *memory)
{
	if (memory == nullptr)
		return;
	g_live[static_cast<size_t>(kind)].fetch_sub(1, std::memory_order_relaxed);
	free(memory);
}

} // namespace

void fail(Kind kind, unsigned long nth, unsigned long times)
{
	const auto k = static_cast<size_t>(kind);
	g_until[k] = static_cast<long>(nth);
	g_times[k] = nth == 0 ? 0 : static_cast<long>(times);
}

long live(Kind kind)
{
	if (kind != Kind::any)
		return g_live[static_cast<size_t>(kind)];
	long sum = 0;
	for (const auto &n : g_live)
		sum += n;
	return sum;
}

unsigned long made(Kind kind) { return g_made[static_cast<size_t>(kind)]; }

void reset_memory()
{
	for (size_t k = 0; k < kKinds; ++k)
		fail(static_cast<Kind>(k), 0);
}

} // namespace host

using namespace host;

extern "C" {

void *bc_page_alloc(bc_u32) { return make(Kind::page, bc::kPageSize, bc::kPageSize); }
void bc_page_free(void *page) { unmake(Kind::page, page); }
void *bc_mem_alloc(unsigned long size, bc_u32) { return make(Kind::mem, 64, size); }
void bc_mem_free(void *mem) { unmake(Kind::mem, mem); }

void *bc_big_alloc(unsigned long size)
{
	may_sleep(__func__);
	return make(Kind::big, 64, size);
}

void bc_big_free(void *mem)
{
	may_sleep(__func__);
	unmake(Kind::big, mem);
}

void *bc_percpu_alloc(unsigned long size)
{
	if (size > bc::platform::kPerCpuUnit)
		die("bc_percpu_alloc() of more than kPerCpuUnit");
	return make(Kind::percpu, 64, bc::platform::kPerCpuUnit * bc::platform::kMostCpus);
}

void bc_percpu_free(void *percpu) { unmake(Kind::percpu, percpu); }

} // extern "C"
