// SPDX-License-Identifier: GPL-2.0
#include "charge.h"

namespace bc
{

namespace
{

void count_shared(Container &c, ByteKind kind, s64 bytes, s64 objects)
{
	c.objects[static_cast<size_t>(kind)].add(objects);
	c.accounts[at(charged_as(kind))].add(bytes);
}

// Empties this CPU's cell into the container. In one exchange: an interrupt has counted before it, or in an empty cell.
void fold(Container &c, ByteKind kind, Cells *cells)
{
	const Unpacked part = unpack(platform::percpu_swap(&cells->packed[static_cast<size_t>(kind)], kMiddle));
	count_shared(c, kind, part.bytes, part.objects);
	if (__builtin_expect((c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, kind);
}

} // namespace

void count(Container &c, ByteKind kind, Stride stride, s64 objects)
{
	const s64 bytes = objects * s64{stride.value};
	Cells *cells = c.cells.acquire();
	if (cells == no_cells() || bytes > s64{kMostInCell} || bytes < -s64{kMostInCell}) {
		count_shared(c, kind, bytes, objects);
		return;
	}
	if (platform::percpu_add(&cells->packed[static_cast<size_t>(kind)], pack(stride) * static_cast<u64>(objects)))
		fold(c, kind, cells);
}

void uncharge_slowly(Slot slot)
{
	const Site &site = sites[slot.site()];
	Container *c = containers.at(slot.owner());
	if (c == nullptr) {
		health.count(Loss::unknown);
		return;
	}
	if (site.special.is_piece())
		c->accounts[at(site.special.piece())].add(-1);
	count(*c, site.kind, site.stride, -1);
}

void uncharge_stale(Slot slot)
{
	health.count(Loss::stale);
	uncharge(slot);
}

bool charge_slowly(Container &c, SiteIndex index, Address address, u32 gfp)
{
	const Site &site = sites[index];
	if (site.special.is_unowned())
		return true;
	if (c.mode.acquire() != static_cast<u8>(Mode::far))
		return false;
	if (site.special.is_piece()) {
		Account &account = c.accounts[at(site.special.piece())];
		if (account.bounds().finite())
			return false;
		account.add(1);
	}
	count(c, site.kind, site.stride, 1);
	// Without cells there is no fold that would look.
	if (__builtin_expect((c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, site.kind);
	record(c, site, address, gfp);
	return true;
}

u32 charge_many(Container &c, void *const *objects, u32 count, Address caller, CacheKey cache, u32 gfp)
{
	const SiteIndex index = sites.intern(caller, cache);
	const Site &site = sites[index];
	if (!index || (site.tag & Ledger::kTagMask) == Ledger::kNoTag)
		return 0;
	u64 *cell = &c.cells.acquire()->packed[static_cast<size_t>(site.kind)];
	const Slot slot{site.slot, c.owner, platform::birth_now()};
	// As many as a cell may get at once; a stride is less than twice its shift.
	const u32 group = kMostInCell >> (Ledger::shift_of(site.stride) + 1);
	Ledger::Run run;
	u32 done = 0;
	while (done < count) {
		const u32 end = count - done < group ? count : done + group;
		const u64 amount = site.amount * (end - done);
		if (__builtin_expect(platform::percpu_add(cell, amount), false)) {
			platform::percpu_add(cell, u64{0} - amount);
			break;
		}
		for (; done < end; ++done) {
			const Address address{reinterpret_cast<u64>(objects[done])};
			if (__builtin_expect(!bc_ledger.record_next(run, address, site.tag, slot), false))
				record(c, site, address, gfp);
		}
	}
	return done;
}

namespace
{

// Frees of one site and one owner, whose places are cleared and which are still counted.
class Together
{
      public:
	~Together() { uncharge_all(); }
	BC_HOT void add(Slot slot, u32 most)
	{
		if (__builtin_expect((slot.raw() & kSame) != same_ || count_ >= most, false))
			begin(slot);
		++count_;
	}

      private:
	static constexpr u64 kSame = ~(((u64{1} << Slot::kBirthBits) - 1) << Slot::kBirthAt);
	void begin(Slot slot)
	{
		uncharge_all();
		same_ = slot.raw() & kSame;
		count_ = 0;
	}
	void uncharge_all()
	{
		if (count_ == 0)
			return;
		const Slot slot{same_};
		u64 *cell = containers.cell_of(slot);
		const u64 amount = bc_amounts[slot.site().value] * count_;
		if (__builtin_expect(!platform::percpu_add(cell, u64{0} - amount), true))
			return;
		platform::percpu_add(cell, amount);
		for (u32 i = 0; i < count_; ++i)
			uncharge_slowly(slot);
	}
	u64 same_ = 0;
	u32 count_ = 0;
};

} // namespace

void free_many(void *const *objects, u32 count)
{
	Ledger::Run run;
	Together together;
	const bool exclusive = bc_ledger.exclusive();
	for (u32 i = 0; i < count; ++i) {
		const Address address{reinterpret_cast<u64>(objects[i])};
		bool other;
		Atomic<u64> *place = bc_ledger.find_place(run, address, other);
		if (__builtin_expect(place == nullptr, false)) {
			if (other)
				free_object(address);
			continue;
		}
		if (__builtin_expect(exclusive, false)) {
			free_object(address);
			continue;
		}
		const Slot slot{place->relaxed()};
		if (slot.empty())
			continue;
		place->set_relaxed(0);
		together.add(slot, kMostInCell >> (run.shift() + 1));
	}
}

void charge_forced(Container &c, Address address, Address caller, CacheKey cache)
{
	if (bc_ledger.holds(address))
		return;
	const SiteIndex index = sites.intern(caller, cache);
	if (!index) {
		health.count(Loss::missed);
		return;
	}
	const Site &site = sites[index];
	if (site.special.is_piece()) {
		c.accounts[at(site.special.piece())].add(1);
		note_forced(c, site.special.piece(), 1);
	}
	count(c, site.kind, site.stride, 1);
	if (c.mode.acquire() != static_cast<u8>(Mode::far)) // far from a bound nothing passes it
		note_forced(c, charged_as(site.kind), site.stride.value);
	record(c, site, address, 0);
}

} // namespace bc
