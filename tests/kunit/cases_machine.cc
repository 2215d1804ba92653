// SPDX-License-Identifier: GPL-2.0
// What the core believes of the machine: clock, per-CPU words, sections, the linear map. Part of unit.cc.
#include "rig.h"

namespace bc
{

namespace
{

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

} // namespace

} // namespace bc
