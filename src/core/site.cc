// SPDX-License-Identifier: GPL-2.0
#include "site.h"

#include "container.h"
#include "counter.h"
#include "health.h"
#include "ledger.h"
#include "lock.h"
#include "text.h"
#include "unowned.h"

extern "C" {
constinit bc::Site bc_sites[bc::Sites::kPlaces]{};
constinit bc::u64 bc_amounts[bc::Sites::kPlaces]{};
}

namespace bc
{

constinit Sites sites{};

namespace
{
constexpr char kForgotten[] = "?"; // of a module that went when there was no memory to remember its symbol
}

bool Sites::init()
{
	names_ = static_cast<CacheName *>(bc_big_alloc(kNames * sizeof(CacheName)));
	if (names_ == nullptr)
		return false;
	copy_text(names_[0].text, sizeof(names_[0].text), "?");
	names_used_ = 1;
	return true;
}

void Sites::exit()
{
	for (u32 i = 0; i < kPlaces; ++i) {
		Site &site = bc_sites[i];
		if (site.text.relaxed() != kForgotten)
			bc_mem_free(const_cast<char *>(site.text.relaxed()));
		site.text.set_relaxed(nullptr);
		site.cache.set_relaxed(0);
		site.caller.set_relaxed(0);
	}
	bc_big_free(names_);
	names_ = nullptr;
	names_used_ = 0;
	count_.set_relaxed(0);
}

u16 Sites::intern_name(const char *name)
{
	for (u32 i = 0; i < names_used_; ++i) {
		if (same_text(names_[i].text, name))
			return static_cast<u16>(i);
	}
	if (names_used_ == kNames)
		return 0;
	copy_text(names_[names_used_].text, sizeof(CacheName::text), name);
	return static_cast<u16>(names_used_++);
}

// Is a symbol the kernel's own, or of `module`? "function+0x1d[module]"
bool Sites::is_of(const char *symbol, const char *module)
{
	const char *at = symbol;
	while (*at != 0 && *at != '[')
		++at;
	return *at == 0 ||
	       (module != nullptr && starts_with(at + 1, module) && same_text(at + 1 + length_of(module), "]"));
}

Special Sites::special_of(Address caller, const char *cache_name)
{
	char symbol[192];
	bc_symbol(address_of(caller.value), symbol, sizeof(symbol));
	for (const Unowned &row : kUnowned) {
		if (in_function(symbol, row.function) && is_of(symbol, row.module))
			return Special::unowned();
	}
	for (const PieceRow &row : kPieces) {
		if (in_function(symbol, row.function) && starts_with(cache_name, row.cache))
			return Special::piece(row);
	}
	for (const NeverRefused &row : kNeverRefused) {
		if (in_function(symbol, row.function) && is_of(symbol, row.module))
			return Special::reserved();
	}
	return Special{};
}

u64 Sites::address_of(u64 caller)
{
	u64 frame = caller;
	if (is_stack(caller) && bc_stack_frames(static_cast<u32>(caller), &frame, 1) == 0)
		frame = 0;
	return frame;
}

SiteIndex Sites::add(Address caller, CacheKey cache)
{
	if (caller.value == 0) // nobody could say who it is, and 0 is a free entry
		return intern(Address{~u64{0}}, cache);
	if (is_stack(caller.value) && count_.relaxed() >= kMostStacks)
		return intern(Address{address_of(caller.value)}, cache);
	Stride stride{static_cast<u32>(cache.value)};
	bool reclaimable = false;
	char name[sizeof(CacheName::text)] = "kmalloc-large";
	if (!is_page_backed(cache) && !bc_cache_describe(reinterpret_cast<const void *>(cache.value), &stride.value,
							 &reclaimable, name, sizeof(name))) {
		health.count(Loss::sites_lost);
		return SiteIndex{};
	}

	const Special special = special_of(caller, name);

	Lock lock{BC_LOCK_SITES};
	u32 i = place_of(caller, cache);
	while (bc_sites[i].caller.relaxed() != 0) {
		if (bc_sites[i].caller.relaxed() == caller.value && bc_sites[i].cache.relaxed() == cache.value)
			return SiteIndex{i}; // another CPU was first
		i = after(i);
	}
	if (count_.relaxed() >= kMostSites) {
		health.count(Loss::sites_lost);
		return SiteIndex{};
	}
	Site &site = bc_sites[i];
	site.stride = stride;
	site.kind = reclaimable ? ByteKind::dcachesize : ByteKind::kmemsize;
	site.cache_name = intern_name(name);
	site.special = special;
	site.amount = stride.value <= kMostInCell && special.is_plain() ? pack(stride) : 0;
	site.slot = Slot::of_site(SiteIndex{i}, site.plain() ? static_cast<u32>(site.kind) : Slot::kSpecial);
	site.tag = site.plain() ? Ledger::tag_of(Ledger::shift_of(stride)) : Ledger::kNoTag;
	site.cell = static_cast<u64>(site.kind) * sizeof(u64);
	bc_amounts[i] = site.amount;
	// Counted by the assembly, too, where a cell takes its bytes and its place is in an array.
	const u64 tag = Ledger::tag_of(Ledger::shift_of(stride));
	if (special.is_piece() && stride.value <= kMostInCell && tag != Ledger::kNoTag) {
		site.cell = tag | site.cell << 8 | account_offset(special.piece()) << 16 | (tag ^ BC_TAG_PIECE) << 56;
		site.tag = BC_TAG_PIECE;
		bc_amounts[i] = pack(stride);
	}
	site.cache.set_relaxed(cache.value);
	site.caller.release(caller.value);
	count_.add(1);
	return SiteIndex{i};
}

int Sites::symbol(const Site &site, char *text, u32 size) const
{
	const char *saved = site.text.acquire();
	if (saved == nullptr)
		return bc_symbol(address_of(site.caller.relaxed()), text, size);
	copy_text(text, size, saved);
	return static_cast<int>(length_of(text));
}

void Sites::cache_gone(u64 cache)
{
	Lock lock{BC_LOCK_SITES};
	for (u32 i = 0; i < kPlaces; ++i) {
		if (bc_sites[i].cache.relaxed() == cache)
			bc_sites[i].cache.set_relaxed(kDead);
	}
}

void Sites::text_going(u64 start, u64 end)
{
	for (u32 i = 0; i < kPlaces; ++i) {
		Site &site = bc_sites[i];
		const u64 caller = address_of(site.caller.acquire());
		if (caller < start || caller >= end || site.text.relaxed() != nullptr)
			continue;
		char text[192];
		bc_symbol(caller, text, sizeof(text));
		auto *copy = static_cast<char *>(bc_mem_alloc(length_of(text) + 1, 0));
		if (copy != nullptr)
			copy_text(copy, length_of(text) + 1, text);
		site.text.release(copy != nullptr ? copy : kForgotten);
		site.cache.set_relaxed(kDead);
	}
}

} // namespace bc
