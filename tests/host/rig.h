// SPDX-License-Identifier: GPL-2.0
// What the unit tests share: the core started on the simulated machine, a slab allocator to take objects from, and the
// hooks' steps in the same order as src/core/hooks.cc has them (which only the kernel's build compiles).
#pragma once

#include "admit.h"
#include "hand_over.h"
#include "survey.h"

#include <beancounter/core.h>
#include <host.h>

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace rig
{

using namespace bc;

// The sum of a container's counter without held()'s clamp at zero: what "exact" is measured with.
struct Raw {
	s64 bytes = 0;
	s64 objects = 0;
	bool operator==(const Raw &) const = default;
	Raw operator+(const Raw &o) const { return {bytes + o.bytes, objects + o.objects}; }
};
Raw raw_held(const Container &c, ByteKind kind);
Raw raw_held(const Container &c);
std::ostream &operator<<(std::ostream &out, const Raw &raw);

// What the ledger holds, by the address of the page and the place in it.
struct Recorded {
	Slot slot;
	u64 page;
	u32 low, high;
};
std::vector<Recorded> recorded();
Raw ledger_sum(OwnerIndex owner, ByteKind kind); // as the sites of its slots say

// A slab allocator over the pages of the arena: the lowest free pages first, so that pages change hands often. A slab's
// objects lie a stride apart; an empty slab gives its pages back.
class Slabs
{
      public:
	explicit Slabs(u64 pages) : free_(pages, true) {}
	u64 make(const void *cache, u32 stride);
	void free(u64 address);
	u64 make_pages(u64 pages);	// page-backed
	void forget(const void *cache); // destroyed, perhaps with objects: its slabs give out no more

      private:
	struct Slab {
		const void *cache;
		u64 first, pages;
		u32 stride, count;
		bool closed;
		std::vector<u32> unused;
	};
	u64 take_pages(u64 pages);
	void give_pages(u64 first, u64 pages);

	std::mutex mutex_;
	std::vector<bool> free_;
	std::map<u64, Slab> slabs_;			// by first page
	std::map<const void *, std::vector<u64>> open_; // slabs with room
	std::map<u64, u64> where_;			// object: its slab
};

// A cache and its stride, known to the simulated machine.
struct Cache {
	const void *key;
	u32 stride;
	Cache(u32 bytes, bool reclaimable, const char *name)
	    : key(host::make_cache(bytes, reclaimable, name)), stride(bytes)
	{
	}
	CacheKey cache_key() const { return CacheKey{reinterpret_cast<u64>(key)}; }
};

// A wrapper of hooks.cc around an original that makes an object at `address`, for a task of the namespace on the
// thread's CPU. False: refused. Not in a section: it may wait.
inline constexpr u32 kGfpKernel = platform::kGfpDirectReclaim | platform::kGfpIo | platform::kGfpFs;
bool allocated(const void *ns, u64 address, u64 caller, CacheKey cache, u32 gfp = kGfpKernel);
// The same where nothing is in the way.
void charged(const void *ns, u64 address, u64 caller, CacheKey cache);
// hooks.cc's bc_free_object()
void freed(u64 address);
// Many at once: charged_bulk() where nothing is in the way, and bc_free_bulk().
void charged_many(const void *ns, const std::vector<u64> &objects, u64 caller, CacheKey cache);
void freed_many(const std::vector<u64> &objects);

inline const void *ns(u64 n) { return reinterpret_cast<const void *>(0xffff888200000000ul + n * 512); }
inline Container *find(const void *ns)
{
	platform::PreemptOff section;
	return containers.find(ns);
}
inline void no_tasks(const void *ns) { host::set_tasks(ns, bc_tasks{}); }

std::string render(bc_file file, u32 id = 0); // what the file says; "error -2" where it cannot be opened
std::vector<std::string> lines(const std::string &text);
std::vector<std::string> words(const std::string &line);
// How often a test repeats what may go wrong rarely: less where a sanitizer slows it down.
#if defined(__SANITIZE_THREAD__)
inline constexpr int kEffort = 1;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr int kEffort = 3;
#else
inline constexpr int kEffort = 10;
#endif

// The row of a table whose first column (or `column`) is `key`, as header -> field.
std::map<std::string, std::string> row(const std::string &table, const std::string &key, size_t column = 0);

// A machine that is small enough for a flat ledger.
inline bc_config flat(bc_config config)
{
	config.ram_pages = config.pages;
	config.flat_most = config.pages * sizeof(u64);
	return config;
}

inline bc_config machine(u32 max_containers = 128, u32 settle_ms = 30000, u64 ledger_most = 0)
{
	bc_config config{};
	config.pages = 8192;
	config.ledger_most = ledger_most;
	config.cpus = 4;
	config.max_containers = max_containers;
	config.settle_ms = settle_ms;
	config.hooks = 20;
	return config;
}

// The core from init to exit. At the end nothing of it is left: no memory, no namespace.
class Core : public ::testing::Test
{
      protected:
	Core();
	void SetUp() override;
	void TearDown() override;
	// For a test that wants another size of something.
	void restart(const bc_config &config);

	// One round of the worker, and what it asked the caller for.
	bc_round work();
	// Rounds with the clock going on as asked, for `ms` of simulated time.
	void work_for(u64 ms);
	Container *start(const void *ns, s32 init = 100, const char *comm = "init");
	void stop(const void *ns); // its tasks are gone

	bc_config config_ = machine();
	Slabs slabs_{8192};
};

} // namespace rig
