// SPDX-License-Identifier: GPL-2.0
// What the core does on the real machine: per-CPU words, slab pages, the linear map, symbols. Part of unit.cc, so that
// every name of the core is in reach. The rest of the core is tested on the host (tests/host).
#include "cases.h"

namespace bc
{

// ---- for the suites

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

} // namespace

} // namespace bc

extern "C" {

bct_sum bct_held(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? bct_sum{} : raw_held(*c);
}

bct_sum bct_recorded(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? bct_sum{} : raw_recorded(*c);
}

bc_u32 bct_owner(bc_u64 address)
{
	u32 id = 0;
	bc_ledger.walk([&](const Ledger::Found &found) {
		if (found.page != (address & ~u64{kPageSize - 1}) || start_of(found) != address)
			return;
		if (const Container *c = containers.at(found.slot.owner()); c != nullptr)
			id = c->id.value;
	});
	return id;
}

const char *bct_state(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? "gone" : kStateNames[static_cast<size_t>(c->current())];
}

bool bct_stopped(bc_u32 id)
{
	const Container *c = containers.find_id(ContainerId{id});
	return c == nullptr || stopped(c->current());
}

bc_s64 bct_losses(void)
{
	s64 sum = health.switched_off();
	for (size_t i = 0; i < static_cast<size_t>(Loss::kCount); ++i)
		sum += health.of(static_cast<Loss>(i));
	return sum;
}

bc_s64 bct_arrays_made(void) { return bc_ledger.arrays(); }

} // extern "C"

// ---- the cases

namespace bc
{

namespace
{

#define BCT_CHECK(...)                                                                                                 \
	do {                                                                                                           \
		if (!(__VA_ARGS__))                                                                                    \
			return "line " BC_STRING(__LINE__) ": " #__VA_ARGS__;                                          \
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
	}
	TestCache(const TestCache &) = delete;
	TestCache &operator=(const TestCache &) = delete;

	Address make()
	{
		if (cache_ == nullptr || count_ == kMost)
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
	void *objects_[kMost];
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

const char *birth_is_the_kernels_clock(Container &)
{
	const Birth born = platform::birth_now();
	const u64 now = bc_now_ms();
	BCT_CHECK(age_ms(born, now) <= kBirthUnitMs);
	BCT_CHECK(age_ms(Birth{born.value - 100}, now) >= 100 * kBirthUnitMs);
	BCT_CHECK(Slot(OwnerIndex{1}, SiteIndex{1}, born).birth() == born);
	return nullptr;
}

const char *percpu_words_add_up(Container &)
{
	struct PerCpu {
		Cells *cells = make_cells();
		~PerCpu() { bc_percpu_free(cells); }
	} own;
	BCT_CHECK(own.cells != nullptr);
	u64 expected = 0;
	for (u32 i = 1; i <= 1000; ++i) {
		const u64 amount = i % 3 == 0 ? u64{0} - pack(Stride{i}) : pack(Stride{i});
		expected += amount;
		platform::PreemptOff section;
		platform::percpu_add(&own.cells->packed[1], amount);
	}
	u64 sum = 0;
	for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
		sum += platform::percpu_read(&own.cells->packed[1], cpu) - kMiddle;
		BCT_CHECK(platform::percpu_read(&own.cells->packed[0], cpu) == kMiddle);
	}
	BCT_CHECK(sum == expected);
	{
		platform::PreemptOff section;
		u64 *word = &own.cells->packed[0];
		BCT_CHECK(!platform::percpu_add(word, kMiddle - 1));
		BCT_CHECK(platform::percpu_add(word, 1));
		BCT_CHECK(platform::percpu_swap(word, kMiddle) == 2 * kMiddle);
		BCT_CHECK(platform::percpu_add(word, u64{0} - kMiddle - 1));
		BCT_CHECK(platform::percpu_swap(word, kMiddle) == ~u64{0});
	}
	for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
		for (size_t kind = 0; kind < kByteKinds; ++kind)
			BCT_CHECK(platform::percpu_read(&no_cells()->packed[kind], cpu) == kNowhere);
	}
	return nullptr;
}

const char *cells_are_folded(Container &c)
{
	const auto kind = static_cast<size_t>(ByteKind::kmemsize);
	BCT_CHECK(c.has_cells());
	auto add = [&](Stride stride, s64 objects) {
		platform::PreemptOff section;
		count(c, ByteKind::kmemsize, stride, objects);
	};
	auto small = [&] {
		for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
			if (wants_fold(platform::percpu_read(&c.cells.relaxed()->packed[kind], cpu)))
				return false;
		}
		return true;
	};
	for (u32 i = 1; i <= 300; ++i) {
		add(Stride{1024}, 1);
		BCT_CHECK(small());
		BCT_CHECK(raw_held(c).bytes == s64{i} * 1024 && raw_held(c).objects == i);
	}
	BCT_CHECK(c.accounts[kind].held() != 0);
	BCT_CHECK(maxheld(c, ByteKind::kmemsize) == 300 * 1024);
	for (u32 i = 0; i < 300; ++i)
		add(Stride{1024}, -1);
	BCT_CHECK(small());
	BCT_CHECK(raw_held(c).bytes == 0 && raw_held(c).objects == 0);
	BCT_CHECK(held(c).bytes == 0 && maxheld(c, ByteKind::kmemsize) == 300 * 1024);
	add(Stride{4 << 20}, -1); // one that is larger than any batch, and below zero
	BCT_CHECK(small() && raw_held(c).bytes == -(4 << 20) && held(c).bytes == 0);
	add(Stride{4 << 20}, 1);
	BCT_CHECK(raw_held(c).bytes == 0 && raw_held(c).objects == 0);
	return nullptr;
}

const char *counts_without_cells(Container &c)
{
	Cells *cells = c.cells.relaxed();
	containers.set_cells(c, nullptr);
	{
		platform::PreemptOff section;
		count(c, ByteKind::dcachesize, Stride{192}, 1);
	}
	const bct_sum without = raw_held(c);
	containers.set_cells(c, cells);
	BCT_CHECK(without.bytes == 192 && without.objects == 1);
	{
		platform::PreemptOff section;
		count(c, ByteKind::dcachesize, Stride{192}, -1);
	}
	BCT_CHECK(raw_held(c).bytes == 0 && raw_held(c).objects == 0);
	return nullptr;
}

const char *sections_nest(Container &)
{
	u32 outside, inside, between;
	auto preempt_count = [](u32 &to) { asm volatile("movl " BC_PREEMPT ", %0" : "=r"(to)::"memory"); };
	preempt_count(outside);
	{
		platform::PreemptOff section;
		{
			platform::PreemptOff nested;
			preempt_count(inside);
		}
		preempt_count(between);
	}
	u32 after;
	preempt_count(after);
	constexpr u32 kNoDue = ~(1u << 31); // the need-resched bit comes and goes
	BCT_CHECK((outside & kNoDue) == (after & kNoDue));
	if (BC_PREEMPT_COUNT)
		BCT_CHECK((inside & kNoDue) == (outside & kNoDue) + 2 && (between & kNoDue) == (outside & kNoDue) + 1);
	return nullptr;
}

const char *the_linear_map(Container &)
{
	TestCache cache{"bct_map", 100};
	BCT_CHECK(cache.make(2));
	for (u32 i = 0; i < cache.size(); ++i) {
		const u64 page = platform::page_index(cache[i].value);
		BCT_CHECK(page < bc_ledger.limit());
		BCT_CHECK(platform::page_address(page) == (cache[i].value & ~u64{kPageSize - 1}));
		BCT_CHECK(platform::cache_of(reinterpret_cast<void *>(cache[i].value)) == cache.cache());
		BCT_CHECK(platform::pointer_of(platform::word_of(cache.cache())) == cache.cache());
		BCT_CHECK(platform::word_of(cache.cache()) >> 63 == 1);
	}
	Own pages{32768};
	BCT_CHECK(pages.memory != nullptr && platform::cache_of(pages.memory) == nullptr);
	u32 stride = 0;
	bool reclaimable = true;
	char name[40];
	BCT_CHECK(bc_cache_describe(cache.cache(), &stride, &reclaimable, name, sizeof(name)));
	BCT_CHECK(stride >= 100 && !reclaimable && same_text(name, "bct_map"));
	BCT_CHECK(cache[1].value - cache[0].value >= stride || cache[0].value - cache[1].value >= stride);
	return nullptr;
}

// On real slabs, whatever red zones and metadata the kernel puts around the objects.
const char *ledger_places_are_unique(Container &c)
{
	for (u32 size : {8u, 24u, 40u, 96u, 200u, 512u, 700u, 1000u, 2048u, 3000u, 4096u, 6000u}) {
		TestCache cache{"bct_places", size};
		BCT_CHECK(cache.make(48));
		const SiteIndex site = intern(some_text(size & 15), cache.key());
		BCT_CHECK(site && sites[site].stride == cache.stride());
		u32 stale = 0;
		for (u32 i = 0; i < cache.size(); ++i)
			BCT_CHECK(record(cache[i], cache.stride(), Slot{c.index, site, Birth{i}}, &stale));
		u32 found = 0;
		u32 at_its_start = 0;
		bc_ledger.walk([&](const Ledger::Found &f) {
			if (f.slot.owner() != c.index || f.slot.site() != site)
				return;
			++found;
			at_its_start += start_of(f) == cache[f.slot.birth().value].value;
		});
		u32 taken = 0;
		for (u32 i = 0; i < cache.size(); ++i) {
			taken += take(cache[i]).raw() == Slot{c.index, site, Birth{i}}.raw();
			taken += !take(cache[i]).empty();
		}
		BCT_CHECK(stale == 0);
		BCT_CHECK(found == cache.size());
		BCT_CHECK(at_its_start == cache.size());
		BCT_CHECK(taken == cache.size());
	}
	return nullptr;
}

const char *ledger_misses_strangers(Container &)
{
	TestCache cache{"bct_strangers", 100};
	BCT_CHECK(cache.make(1));
	BCT_CHECK(take(cache[0]).empty());
	BCT_CHECK(take(Address{0}).empty());
	BCT_CHECK(take(Address{16}).empty());
	BCT_CHECK(take(Address{~u64{0}}).empty());
	BCT_CHECK(take(Address{some_text(0)}).empty());
	BCT_CHECK(take(Address{platform::page_address(bc_ledger.limit())}).empty());
	void *far = bc_big_alloc(kPageSize); // vmalloc'ed: not in the linear map
	BCT_CHECK(far != nullptr);
	const bool missed = take(Address{reinterpret_cast<u64>(far)}).empty();
	const bool recorded = record(Address{reinterpret_cast<u64>(far)}, Stride{4096}, Slot{1});
	bc_big_free(far);
	BCT_CHECK(missed && !recorded);
	return nullptr;
}

const char *ledger_whole_pages(Container &c)
{
	Own pages{16384};
	BCT_CHECK(pages.memory != nullptr);
	const SiteIndex site = intern(some_text(1), CacheKey{16384});
	BCT_CHECK(site && sites[site].stride == Stride{16384});
	BCT_CHECK(same_text(sites.cache_name(sites[site]), "kmalloc-large"));
	const Slot slot{c.index, site, platform::birth_now()};
	BCT_CHECK(record(pages.address(), Stride{16384}, slot));
	const bct_sum sum = raw_recorded(c);
	const Slot taken = take(pages.address());
	BCT_CHECK(sum.objects == 1 && sum.bytes == 16384);
	BCT_CHECK(taken.raw() == slot.raw() && take(pages.address()).empty());
	return nullptr;
}

const char *ledger_reports_stale_slots(Container &c)
{
	Own page{kPageSize};
	BCT_CHECK(page.memory != nullptr);
	const u64 at = page.address().value;
	const SiteIndex site = intern(some_text(2), CacheKey{64});
	auto slot = [&](u32 n) { return Slot{c.index, site, Birth{n}}; };
	u32 stale = 0;
	bc_ledger.reclaim();
	const s64 arrays = bc_ledger.arrays();
	BCT_CHECK(record(Address{at + 64}, Stride{64}, slot(1), &stale));
	BCT_CHECK(record(Address{at + 128}, Stride{64}, slot(2), &stale) && stale == 0);
	BCT_CHECK(record(Address{at + 128}, Stride{64}, slot(3), &stale) && stale == 1);
	BCT_CHECK(record(Address{at + 1024}, Stride{1024}, slot(4), &stale) &&
		  stale == 3); // another cache has the page
	BCT_CHECK(record(Address{at}, Stride{8192}, slot(5), &stale) && stale == 4);
	BCT_CHECK(record(Address{at + 8}, Stride{8}, slot(6), &stale) && stale == 5);
	BCT_CHECK(take(Address{at}).empty());
	BCT_CHECK(take(Address{at + 8}).raw() == slot(6).raw());
	BCT_CHECK(raw_recorded(c).objects == 0);
	bc_ledger.reclaim();
	BCT_CHECK(bc_ledger.arrays() <= arrays + 1);
	return nullptr;
}

const char *ledger_claims_exclude_frees(Container &c)
{
	TestCache cache{"bct_claims", 120};
	BCT_CHECK(cache.make(3));
	const SiteIndex site = intern(some_text(3), cache.key());
	for (u32 i = 0; i < 3; ++i)
		BCT_CHECK(record(cache[i], cache.stride(), Slot{c.index, site, Birth{i}}));
	u32 claimed = 0;
	u32 wrong = 0;
	bc_ledger.begin_exclusive();
	bc_ledger.walk([&](const Ledger::Found &f) {
		if (f.slot.owner() != c.index)
			return;
		if (f.slot.birth().value == 1) { // its free is first
			wrong += take(cache[1]).empty();
			wrong += bc_ledger.claim(f);
		} else {
			claimed += bc_ledger.claim(f);
			wrong += bc_ledger.claim(f);
			wrong += !take(cache[f.slot.birth().value]).empty();
		}
	});
	bc_ledger.end_exclusive();
	BCT_CHECK(claimed == 2 && wrong == 0);
	BCT_CHECK(raw_recorded(c).objects == 0);
	return nullptr;
}

const char *charge_and_free(Container &c)
{
	TestCache cache{"bct_charge", 72, true};
	BCT_CHECK(cache.make(40));
	for (u32 i = 0; i < cache.size(); ++i)
		charge_one(c, cache, cache[i], some_text(4));
	BCT_CHECK(holds(c, 40, s64{40} * cache.stride().value));
	BCT_CHECK(held(c, ByteKind::dcachesize).objects == 40 && held(c, ByteKind::kmemsize).objects == 0);
	for (u32 i = 0; i < 20; ++i) {
		platform::PreemptOff section;
		free_object(cache[i]);
		free_object(cache[i]); // nothing any more
	}
	BCT_CHECK(holds(c, 20, s64{20} * cache.stride().value));
	// The rest by the hooks, when the cache frees it: see the fixture.
	return nullptr;
}

const char *sites_are_interned_once(Container &)
{
	TestCache small{"bct_site_one", 48};
	TestCache large{"bct_site_two", 480, true};
	const SiteIndex a = intern(some_text(5), small.key());
	const SiteIndex b = intern(some_text(5), large.key());
	const SiteIndex d = intern(some_text(6), small.key());
	BCT_CHECK(a && b && d && a != b && a != d && b != d);
	const u32 count = sites.count();
	BCT_CHECK(intern(some_text(5), small.key()) == a && intern(some_text(5), large.key()) == b);
	BCT_CHECK(sites.count() == count);
	BCT_CHECK(sites[a].stride == small.stride() && sites[b].stride == large.stride());
	BCT_CHECK(sites[a].kind == ByteKind::kmemsize && sites[b].kind == ByteKind::dcachesize);
	BCT_CHECK(same_text(sites.cache_name(sites[b]), "bct_site_two"));
	char text[192];
	sites.symbol(sites[a], text, sizeof(text));
	BCT_CHECK(same_text(text, "bct_cases+0x5[beancounter_kunit]"));
	return nullptr;
}

// By the hook on kmem_cache_destroy(), not by a call of ours.
const char *sites_of_a_destroyed_cache(Container &)
{
	SiteIndex old;
	CacheKey key;
	Stride stride;
	{
		TestCache cache{"bct_gone", 56};
		key = cache.key();
		stride = cache.stride();
		old = intern(some_text(7), key);
		BCT_CHECK(old && intern(some_text(7), key) == old);
	}
	BCT_CHECK(sites[old].cache.relaxed() == Sites::kDead);
	BCT_CHECK(sites[old].stride == stride && same_text(sites.cache_name(sites[old]), "bct_gone"));
	return nullptr;
}

const char *sites_of_text_that_goes(Container &)
{
	TestCache cache{"bct_text", 56};
	const SiteIndex old = intern(some_text(8), cache.key());
	const SiteIndex other = intern(some_text(9), cache.key());
	bc_text_going(some_text(8), some_text(9));
	char text[192];
	sites.symbol(sites[old], text, sizeof(text));
	BCT_CHECK(sites[old].text.relaxed() != nullptr && same_text(text, "bct_cases+0x8[beancounter_kunit]"));
	BCT_CHECK(sites[other].text.relaxed() == nullptr && intern(some_text(9), cache.key()) == other);
	const SiteIndex fresh = intern(some_text(8), cache.key());
	BCT_CHECK(fresh && fresh != old);
	return nullptr;
}

const char *unowned_functions_charge_nobody(Container &c)
{
	TestCache cache{"bct_unowned", 56};
	BCT_CHECK(cache.make(1));
	BCT_CHECK(bc_unowned_range(some_text(10), some_text(11)));
	charge_one(c, cache, cache[0], some_text(10));
	BCT_CHECK(holds(c, 0, 0));
	charge_one(c, cache, cache[0], some_text(11));
	BCT_CHECK(holds(c, 1, cache.stride().value));
	return nullptr;
}

const char *containers_are_found(Container &c)
{
	platform::PreemptOff section;
	BCT_CHECK(c.ns.relaxed() != nullptr && containers.find(c.ns.relaxed()) == &c);
	BCT_CHECK(containers.at(c.index) == &c && containers.find_id(c.id) == &c);
	BCT_CHECK(containers.find(&c) == nullptr && containers.find_id(ContainerId{123456789}) == nullptr);
	BCT_CHECK(bc_container_id(c.ns.relaxed()) == c.id.value);
	BCT_CHECK(bct_ns_references(c.ns.relaxed()) == 1);
	BCT_CHECK(c.current() == State::running && !c.since_load && c.pidns == 1);
	bool made = true;
	BCT_CHECK(containers.find_or_make(c.ns.relaxed(), 1, "", false, made) == &c && !made);
	return nullptr;
}

const char *containers_come_and_go(Container &c)
{
	struct Namespace {
		void *ns;
		explicit Namespace(bool dead) : ns(bct_ns_new(dead)) {}
		~Namespace() { bct_ns_free(ns); }
	};
	const u32 count = containers.count();
	Namespace alive{false};
	Namespace dead{true};
	BCT_CHECK(alive.ns != nullptr && dead.ns != nullptr);
	bool made = false;
	Container *fresh;
	{
		platform::PreemptOff section;
		fresh = containers.find_or_make(dead.ns, 1, "late", false, made);
		BCT_CHECK(fresh == nullptr && !made);
		fresh = containers.find_or_make(alive.ns, 1, "short", false, made);
	}
	BCT_CHECK(made && fresh != nullptr && fresh != containers.overflow());
	const ContainerId id = fresh->id;
	bool good = containers.count() == count + 1 && id.value > c.id.value && fresh->index != c.index &&
		    bct_ns_references(alive.ns) == 1 && !containers.renumber(*fresh, c.id) &&
		    containers.find_id(id) == fresh;
	containers.forget_namespace(*fresh);
	good = good && bct_ns_references(alive.ns) == 0 && containers.find(alive.ns) == nullptr &&
	       containers.find_id(id) == fresh;
	containers.unpublish(*fresh);
	bc_synchronize_rcu();
	containers.destroy(fresh);
	BCT_CHECK(good);
	BCT_CHECK(containers.find_id(id) == nullptr && containers.count() == count);
	return nullptr;
}

const char *survivors_are_judged(Container &c)
{
	TestCache plain{"bct_plain", 64};
	TestCache cached{"bct_cached", 256, true};
	BCT_CHECK(plain.make(3) && cached.make(1));
	// A reclaimable object that points to the first of the plain ones; nothing points to the others.
	for (u32 i = 0; i < 3; ++i)
		charge_one(c, plain, plain[i], some_text(12));
	charge_one(c, cached, cached[0], some_text(13));
	auto *words = reinterpret_cast<u64 *>(cached[0].value);
	for (u32 i = 0; i < 256 / sizeof(u64); ++i)
		words[i] = 0;
	words[9] = plain[0].value;
	for (u32 i = 0; i < 3; ++i) {
		for (u32 w = 0; w < 8; ++w)
			reinterpret_cast<u64 *>(plain[i].value)[w] = 0;
	}
	{
		Survivors survivors;
		BCT_CHECK(survivors.run(c));
		BCT_CHECK(survivors.size() == 4);
		BCT_CHECK(survivors.at(cached[0].value) != nullptr && survivors.at(plain[0].value) != nullptr);
		BCT_CHECK(survivors.at(cached[0].value)->judgement.verdict == Verdict::reclaimable);
		BCT_CHECK(survivors.at(plain[0].value)->judgement.verdict == Verdict::reclaimable);
		BCT_CHECK(survivors.at(plain[0].value)->judgement.part);
		BCT_CHECK(survivors.objects(Verdict::leaked) == 2);
		BCT_CHECK(survivors.at(plain[1].value)->judgement.verdict == Verdict::leaked);
		BCT_CHECK(hand_over(c, survivors, false) == 0); // early only where it is the whole explanation
		BCT_CHECK(hand_over(c, survivors, true) == 2);
	}
	BCT_CHECK(holds(c, 2, s64{2} * plain.stride().value));
	BCT_CHECK(c.excused[kInodeRow].objects == 1 && c.excused[kPartRow].objects == 1);
	BCT_CHECK(drop_all(c) == 2);
	BCT_CHECK(holds(c, 0, 0));
	return nullptr;
}

const char *text_golden_rows(Container &)
{
	OwnText rows;
	old_row(rows.out, "42:", "kmemsize", {123456, 234567, kUnlimited, kUnlimited, 0, 0, 0});
	old_row(rows.out, "", "numproc", {7, 9, 100, 120, 3, 0, 0});
	BCT_CHECK(rows.is("       42:  kmemsize                   123456               234567  9223372036854775807"
			  "  9223372036854775807                    0\n"
			  "            numproc                         7                    9                  100"
			  "                  120                    3\n"));
	OwnText fields;
	fields.out.field("a b\\c\td", 20)
	    .field("", 3)
	    .field(s64{-5}, 4)
	    .hex(0xffff888000001000)
	    .right("x", 3)
	    .end_line();
	BCT_CHECK(fields.is("a\\040b\\134c\\011d     -     -5 ffff888000001000  x\n"));
	return nullptr;
}

const char *text_objects_of_a_container(Container &c)
{
	TestCache cache{"bct_named", 320};
	BCT_CHECK(cache.make(3));
	for (u32 i = 0; i < 3; ++i)
		charge_one(c, cache, cache[i], some_text(14));
	OwnText objects;
	BCT_CHECK(render_objects(objects.out, c));
	BCT_CHECK(objects.has("\n        3 "));
	BCT_CHECK(objects.has(" kmemsize    bct_named            bct_cases+0xe[beancounter_kunit] "));
	OwnText all;
	render_containers(all.out);
	BCT_CHECK(all.has(" kunit "));
	return nullptr;
}

struct Case {
	const char *name;
	const char *(*run)(Container &c);
};

#define BCT_CASE(name)                                                                                                 \
	{                                                                                                              \
#name, name                                                                                            \
	}
constexpr Case kCases[] = {
    BCT_CASE(birth_is_the_kernels_clock),
    BCT_CASE(percpu_words_add_up),
    BCT_CASE(cells_are_folded),
    BCT_CASE(counts_without_cells),
    BCT_CASE(sections_nest),
    BCT_CASE(the_linear_map),
    BCT_CASE(ledger_places_are_unique),
    BCT_CASE(ledger_misses_strangers),
    BCT_CASE(ledger_whole_pages),
    BCT_CASE(ledger_reports_stale_slots),
    BCT_CASE(ledger_claims_exclude_frees),
    BCT_CASE(charge_and_free),
    BCT_CASE(sites_are_interned_once),
    BCT_CASE(sites_of_a_destroyed_cache),
    BCT_CASE(sites_of_text_that_goes),
    BCT_CASE(unowned_functions_charge_nobody),
    BCT_CASE(containers_are_found),
    BCT_CASE(containers_come_and_go),
    BCT_CASE(survivors_are_judged),
    BCT_CASE(text_golden_rows),
    BCT_CASE(text_objects_of_a_container),
};

} // namespace

} // namespace bc

extern "C" {

unsigned int bct_cases(void) { return sizeof(kCases) / sizeof(kCases[0]); }
const char *bct_case_name(unsigned int index) { return kCases[index].name; }

const char *bct_case_run(unsigned int index, bc_u32 id)
{
	Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? "the container is there" : kCases[index].run(*c);
}

} // extern "C"
