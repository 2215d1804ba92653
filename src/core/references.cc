// SPDX-License-Identifier: GPL-2.0
#include "references.h"

#include "container.h"
#include "health.h"
#include "lock.h"
#include "text.h"

namespace bc
{

constinit References references{};

namespace
{

bool is_one_of(const char *symbol, const char *const *functions, size_t most)
{
	for (size_t i = 0; i < most && functions[i] != nullptr; ++i) {
		if (in_function(symbol, functions[i]))
			return true;
	}
	return false;
}

} // namespace

u32 family_of(bc_reference_kind kind, bool get, const char *symbol)
{
	for (u32 f = 0; f < kFamilyCount; ++f) {
		const Family &family = kFamilies[f];
		if (family.kind == kind && (get ? is_one_of(symbol, family.gets, sizeof(family.gets) / sizeof(char *))
						: is_one_of(symbol, family.puts, sizeof(family.puts) / sizeof(char *))))
			return f;
	}
	return kNoFamily;
}

bool References::init()
{
	objects_ = static_cast<Object *>(bc_big_alloc(kObjects * sizeof(Object)));
	rows_ = static_cast<Row *>(bc_big_alloc((kRows + 1) * sizeof(Row)));
	hints_ = static_cast<Atomic<u16> *>(bc_big_alloc(sizeof(*hints_) << kHintBits));
	if (objects_ == nullptr || rows_ == nullptr || hints_ == nullptr) {
		exit();
		return false;
	}
	for (u32 i = 1; i < kRows; ++i)
		rows_[i].next = static_cast<u16>(i + 1);
	free_ = 1;
	return true;
}

void References::exit()
{
	bc_big_free(objects_);
	bc_big_free(rows_);
	bc_big_free(hints_);
	objects_ = nullptr;
	rows_ = nullptr;
	hints_ = nullptr;
	free_ = 0;
	objects_used_.set_relaxed(0);
	rows_used_.set_relaxed(0);
}

References::Object *References::find(u64 address) const
{
	for (u32 i = place_of(address), tried = 0; tried < kObjects; i = (i + 1) & (kObjects - 1), ++tried) {
		const u64 seen = objects_[i].address.acquire();
		if (seen == address)
			return &objects_[i];
		if (seen == 0)
			break;
	}
	return nullptr;
}

bool References::watches(u64 object) const { return find(object) != nullptr; }

References::Object *References::add(u64 address, bc_reference_kind kind)
{
	if (objects_used_.relaxed() >= kObjects / 8 * 7)
		return nullptr;
	u32 i = place_of(address);
	while (objects_[i].address.relaxed() > kGone)
		i = (i + 1) & (kObjects - 1);
	Object &object = objects_[i];
	object.first = 0;
	object.kind = static_cast<u8>(kind);
	object.address.release(address);
	objects_used_.add(1);
	return &object;
}

void References::chain(u16 i)
{
	Row &row = rows_[i];
	Atomic<u16> &first = hints_[hint_of(row.object.relaxed(), row.caller.relaxed(), row.owner.relaxed())];
	row.chain = first.relaxed();
	first.release(i); // pairs with count_known()
}

void References::unchain(u16 i)
{
	Row &row = rows_[i];
	Atomic<u16> &first = hints_[hint_of(row.object.relaxed(), row.caller.relaxed(), row.owner.relaxed())];
	if (first.relaxed() == i) {
		first.release(row.chain);
		return;
	}
	u16 before = first.relaxed();
	while (rows_[before].chain != i)
		before = rows_[before].chain;
	rows_[before].chain = row.chain;
}

void References::link(Object &object, u16 i)
{
	rows_[i].previous = 0;
	rows_[i].next = object.first;
	if (object.first != 0)
		rows_[object.first].previous = i;
	object.first = i;
}

void References::unlink(Object &object, u16 i)
{
	const Row &row = rows_[i];
	(row.previous != 0 ? rows_[row.previous].next : object.first) = row.next;
	if (row.next != 0)
		rows_[row.next].previous = row.previous;
}

// The row is free from here on; its object's list is the caller's. Returns the word that was counted in.
u64 References::take(u16 i)
{
	Row &row = rows_[i];
	unchain(i);
	row.object.set_relaxed(kGone); // not 0: free_uid(NULL) is allowed
	u64 seen = row.counts.relaxed();
	while (!row.counts.compare_exchange(seen, (seen & ~(kGeneration - 1)) + kGeneration)) {
	}
	row.next = free_;
	free_ = i;
	rows_used_.add(static_cast<u32>(-1));
	return seen;
}

// The place stays passable for searches, until what follows it is empty: else every place would be marked some day, and
// a search for what is not there as long as the table.
void References::drop(Object &object)
{
	for (u16 i = object.first; i != 0;) {
		const u16 next = rows_[i].next;
		take(i);
		i = next;
	}
	object.first = 0;
	object.address.release(kGone);
	objects_used_.add(static_cast<u32>(-1));
	u32 i = static_cast<u32>(&object - objects_);
	if (objects_[(i + 1) & (kObjects - 1)].address.relaxed() != 0)
		return;
	for (; objects_[i].address.relaxed() == kGone; i = (i - 1) & (kObjects - 1))
		objects_[i].address.release(0);
}

// Makes room in the word that is counted in.
void References::carry(Row &row)
{
	u64 seen = row.counts.relaxed();
	while (!row.counts.compare_exchange(seen, seen & ~(kGeneration - 1))) {
	}
	row.gets += static_cast<s64>(seen >> 24 & (kGet - 1));
	row.puts += static_cast<s64>(seen & (kGet - 1));
}

// With the lock held, which keeps the row what it is; those without it count meanwhile.
void References::count(Row &row, bool get)
{
	if ((row.counts.relaxed() & kFull) != 0)
		carry(row);
	row.counts.add(get ? kGet : kPut);
}

bool References::count_known(u64 object, u64 caller, u16 owner, bool get)
{
	Row &row = rows_[hints_[hint_of(object, caller, owner)].acquire()];
	u64 seen = row.counts.acquire();
	if (row.object.acquire() != object || row.caller.relaxed() != caller || row.owner.relaxed() != owner ||
	    (seen & kFull) != 0)
		return false;
	return row.counts.compare_exchange(seen, seen + (get ? kGet : kPut));
}

// First in its hash afterwards. 0: there is none.
u16 References::look_up(u64 object, u64 caller, u64 callee, u16 owner)
{
	Atomic<u16> &first = hints_[hint_of(object, caller, owner)];
	u16 before = 0;
	for (u16 i = first.relaxed(); i != 0; before = i, i = rows_[i].chain) {
		Row &row = rows_[i];
		if (row.object.relaxed() != object || row.caller.relaxed() != caller || row.callee != callee ||
		    row.owner.relaxed() != owner)
			continue;
		if (before != 0) {
			rows_[before].chain = row.chain;
			row.chain = first.relaxed();
			first.release(i);
		}
		return i;
	}
	return 0;
}

References::Row *References::row(Object &object, const bc_reference &event, u16 owner)
{
	const u64 address = object.address.relaxed();
	if (const u16 known = look_up(address, event.caller, event.callee, owner); known != 0)
		return &rows_[known];
	const u16 i = free_;
	if (i == 0)
		return nullptr;
	Row &row = rows_[i];
	free_ = row.next;
	rows_used_.add(1);
	row.callee = event.callee;
	row.gets = row.puts = 0;
	row.caller.set_relaxed(event.caller);
	row.owner.set_relaxed(owner);
	row.object.release(address); // pairs with count_known()
	link(object, i);
	chain(i);
	return &row;
}

void References::event(const bc_reference &event, u16 owner)
{
	const u64 address = reinterpret_cast<u64>(event.object);
	if (address <= kGone || (owner == 0 && !watches(address)))
		return;
	Lock lock{BC_LOCK_REFERENCES};
	Object *object = find(address);
	// The one reference of what has just been made: whatever is known of its address was another object's.
	if (object != nullptr && event.get && event.count == 1 && event.made)
		drop(*object);
	if (object == nullptr || object->address.relaxed() != address) {
		if (!event.get || owner == 0)
			return;
		object = add(address, event.kind);
	}
	Row *counted = object == nullptr ? nullptr : row(*object, event, owner);
	if (counted == nullptr) {
		health.count(Loss::references_lost);
		return;
	}
	count(*counted, event.get);
	// The last one. Of two at the same time neither may see it: then made above clears up, or it is shown as it is.
	if (!event.get && event.count == 1)
		drop(*object);
}

u32 References::marks() const
{
	u32 n = 0;
	for (u32 i = 0; i < kObjects; ++i)
		n += objects_[i].address.relaxed() == kGone;
	return n;
}

// Who counts in it meanwhile without the lock does so in either, the one that goes or the one it becomes: take() says.
void References::give_to_nobody(u16 i)
{
	Row &row = rows_[i];
	const u64 address = row.object.relaxed();
	const u16 nobodys = look_up(address, row.caller.relaxed(), row.callee, 0);
	if (nobodys == 0) {
		unchain(i);
		row.owner.set_relaxed(0);
		chain(i);
		return;
	}
	unlink(*find(address), i);
	const s64 old_gets = row.gets;
	const s64 old_puts = row.puts;
	const u64 seen = take(i);
	rows_[nobodys].gets += old_gets + static_cast<s64>(seen >> 24 & (kGet - 1));
	rows_[nobodys].puts += old_puts + static_cast<s64>(seen & (kGet - 1));
}

void References::forget(u16 owner)
{
	constexpr u32 kAtATime = 64; // interrupts are off inside
	for (u32 from = 1; from <= kRows; from += kAtATime) {
		Lock lock{BC_LOCK_REFERENCES};
		for (u32 i = from; i < from + kAtATime && i <= kRows; ++i) {
			if (rows_[i].owner.relaxed() == owner && rows_[i].object.relaxed() > kGone)
				give_to_nobody(static_cast<u16>(i));
		}
	}
}

u32 References::copy(const Object &object, ReferenceRow *rows, u32 used, u32 most) const
{
	for (u32 r = object.first; r != 0; r = rows_[r].next, ++used) {
		const Row &row = rows_[r];
		if (used < most)
			rows[used] = {object.address.relaxed(),
				      row.caller.relaxed(),
				      row.callee,
				      static_cast<bc_reference_kind>(object.kind),
				      row.owner.relaxed(),
				      gets(row),
				      puts(row)};
	}
	return used;
}

u32 References::touched_by(u16 owner, ReferenceRow *rows, u32 most) const
{
	u32 used = 0;
	for (u32 i = 0; i < kObjects; ++i) {
		if (objects_[i].address.relaxed() <= kGone)
			continue;
		Lock lock{BC_LOCK_REFERENCES}; // an object at a time: interrupts are off inside
		if (objects_[i].address.relaxed() <= kGone)
			continue;
		for (u32 r = objects_[i].first; r != 0; r = rows_[r].next) {
			if (rows_[r].owner.relaxed() == owner) {
				used = copy(objects_[i], rows, used, most);
				break;
			}
		}
	}
	return used;
}

u32 References::of_object(u64 address, ReferenceRow *rows, u32 most) const
{
	Lock lock{BC_LOCK_REFERENCES};
	const Object *object = find(address);
	return object == nullptr ? 0 : copy(*object, rows, 0, most);
}

namespace
{

u16 owner_of(const void *ns)
{
	if (ns == nullptr)
		return 0;
	const auto *last = static_cast<const Container *>(platform::cpu_last());
	const Container *c = last != nullptr && last->ns.relaxed() == ns ? last : containers.find(ns);
	return c == nullptr ? u16{0} : c->index.value;
}

} // namespace

} // namespace bc

extern "C" {

void bc_reference_event(const struct bc_reference *event)
{
	using namespace bc;
	platform::PreemptOff section;
	references.event(*event, owner_of(event->ns));
}

bool bc_reference_known(const void *object, bc_u64 caller, const void *ns, bool get)
{
	using namespace bc;
	platform::PreemptOff section;
	return references.count_known(reinterpret_cast<u64>(object), caller, owner_of(ns), get);
}

bool bc_reference_watched(const void *object)
{
	bc::platform::PreemptOff section;
	return bc::references.watches(reinterpret_cast<bc::u64>(object));
}
}
