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
	// Only what was added can be near a bound. And a free takes no lock, whatever it has interrupted.
	if (__builtin_expect(part.bytes > 0 && (c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, kind);
}

} // namespace

void count(Container &c, ByteKind kind, Stride stride, s64 objects)
{
	const s64 bytes = objects * s64{stride.value};
	Cells *cells = c.cells.acquire();
	if (cells == no_cells() || stride.value > kMostInCell || bytes > s64{kMostAtOnce} ||
	    bytes < -s64{kMostAtOnce}) {
		count_shared(c, kind, bytes, objects);
		return;
	}
	if (platform::percpu_add(&cells->packed[static_cast<size_t>(kind)], pack(stride) * static_cast<u64>(objects)))
		fold(c, kind, cells);
}

void uncharge_slowly(Slot slot, u32 objects)
{
	const Site &site = sites[slot.site()];
	Container *c = containers.at(slot.owner());
	if (c == nullptr) {
		health.count(Loss::unknown, objects);
		return;
	}
	if (site.special.is_piece())
		c->accounts[at(site.special.piece())].add(-s64{objects});
	count(*c, site.kind, site.stride, -s64{objects});
}

void uncharge_stale(Slot slot)
{
	health.count(Loss::stale);
	uncharge(slot);
}

namespace
{

// What count_near() is where the container is far: false where it is not (any more).
bool count_far(Container &c, const Site &site, s64 objects)
{
	if (c.mode.acquire() != static_cast<u8>(Mode::far))
		return false;
	count(c, site.kind, site.stride, objects);
	// Without cells there is no fold that would look.
	if (__builtin_expect((c.gate.relaxed() & kGateLarge) != 0, false))
		look_at_threshold(c, site.kind);
	return true;
}

} // namespace

bool charge_slowly(Container &c, SiteIndex index, Address address, u32 gfp)
{
	const Site &site = sites[index];
	if (site.special.is_unowned())
		return true;
	if (c.mode.acquire() == static_cast<u8>(Mode::switching))
		return false;
	Account *pieces = site.special.is_piece() ? &c.accounts[at(site.special.piece())] : nullptr;
	if (pieces != nullptr && !pieces->reserve(1, pieces->barrier()))
		return false;
	if (!count_near(c, site, 1) && !count_far(c, site, 1)) {
		if (pieces != nullptr)
			pieces->add(-1);
		return false;
	}
	record(c, site, address, gfp);
	return true;
}

namespace
{

// How many of `wanted` objects a cell takes at once; a stride is less than twice its shift.
BC_HOT u32 at_once(Stride stride, u32 wanted)
{
	return stride.value * wanted <= kMostAtOnce ? wanted : kMostAtOnce >> (Ledger::shift_of(stride) + 1);
}

// Counts some, whose place is in no more than one step of a cell. False: a bound has to be asked.
bool count_some(Container &c, const Site &site, u32 objects)
{
	u64 *cell = &c.cells.acquire()->packed[static_cast<size_t>(site.kind)];
	const u64 amount = site.amount * objects;
	if (__builtin_expect(!is_nowhere(cell), true)) {
		if (__builtin_expect(!platform::percpu_add(cell, amount), true))
			return true;
		platform::percpu_add(cell, u64{0} - amount);
	}
	return count_near(c, site, objects) || count_far(c, site, objects);
}

} // namespace

void record_each(Container &c, const Site &site, void *const *objects, u32 count, u32 gfp)
{
	for (u32 i = 0; i < count; ++i)
		record(c, site, Address{reinterpret_cast<u64>(objects[i])}, gfp);
}

u32 charge_many(Container &c, void *const *objects, u32 count, Address caller, CacheKey cache, u32 gfp)
{
	const SiteIndex index = sites.intern(caller, cache);
	const Site &site = sites[index];
	if (!index || (site.tag & Ledger::kTagMask) == Ledger::kNoTag)
		return 0;
	const Slot slot{site.slot, c.owner, platform::birth_now()};
	// Near a bound all of them, or none: what is counted and then given back could refuse somebody else.
	const bool near = c.mode.acquire() == static_cast<u8>(Mode::near);
	const u32 group = near ? count : at_once(site.stride, count);
	u32 done = 0;
	while (done < count) {
		const u32 end = count - done < group ? count : done + group;
		if (!(near ? count_near(c, site, count) : count_some(c, site, end - done)))
			break;
		while (done < end) {
			done += bc_ledger.record_together(&objects[done], end - done, site.tag, slot);
			// What is in their way is seen to for four at most: it was one of them.
			const u32 some = end - done < Ledger::kTogether ? end - done : Ledger::kTogether;
			record_each(c, site, &objects[done], some, gfp);
			done += some;
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
		if (__builtin_expect((slot.raw() & ~Slot::kBirthMask) != same_ || count_ >= most, false))
			begin(slot);
		++count_;
	}

      private:
	void begin(Slot slot)
	{
		uncharge_all();
		same_ = slot.raw() & ~Slot::kBirthMask;
		count_ = 0;
	}
	void uncharge_all()
	{
		if (count_ != 0)
			uncharge_together(Slot{same_}, count_);
	}
	u64 same_ = 0;
	u32 count_ = 0;
};

inline constexpr u32 kSingly = 16;
// Each by itself.
BC_HOT void free_singly(void *const *objects, u32 count, Ledger::Run &run, Together &together, bool exclusive)
{
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
		together.add(slot, run.half_of(kMostAtOnce));
	}
}

} // namespace

void free_many(void *const *objects, u32 count)
{
	Ledger::Run run;
	Together together;
	const bool exclusive = bc_ledger.exclusive();
	for (u32 i = 0; i < count;) {
		const u32 left = count - i;
		const Address address{reinterpret_cast<u64>(objects[i])};
		// As the first one is recorded, so are mostly those that follow.
		u64 tag = 0;
		if (const Slot same = bc_ledger.peek_in_array(address, tag); !same.empty() && !exclusive) {
			const u32 most = at_once(sites[same.site()].stride, left);
			if (const u32 taken = bc_ledger.take_together(&objects[i], most, tag, same); taken != 0) {
				uncharge_together(same, taken);
				i += taken;
				continue;
			}
		}
		// All kinds are more likely then to come than four of one.
		const u32 some = left < kSingly ? left : kSingly;
		free_singly(&objects[i], some, run, together, exclusive);
		i += some;
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
