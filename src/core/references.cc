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
	rows_ = static_cast<Row *>(bc_big_alloc(kRows * sizeof(Row)));
	if (objects_ == nullptr || rows_ == nullptr) {
		exit();
		return false;
	}
	for (u32 i = 0; i < kRows; ++i)
		rows_[i].next = i + 2;
	rows_[kRows - 1].next = 0;
	free_ = 1;
	return true;
}

void References::exit()
{
	bc_big_free(objects_);
	bc_big_free(rows_);
	objects_ = nullptr;
	rows_ = nullptr;
	free_ = 0;
	objects_used_.set_relaxed(0);
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

// The place stays passable for searches, until what follows it is empty: else every place would be marked some day, and
// a search for what is not there as long as the table.
void References::drop(Object &object)
{
	for (u32 i = object.first; i != 0;) {
		const u32 next = rows_[i - 1].next;
		rows_[i - 1].next = free_;
		free_ = i;
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

References::Row *References::row(Object &object, const bc_reference &event, u16 owner)
{
	for (u32 i = object.first; i != 0; i = rows_[i - 1].next) {
		Row &row = rows_[i - 1];
		if (row.caller == event.caller && row.callee == event.callee && row.owner == owner)
			return &row;
	}
	if (free_ == 0)
		return nullptr;
	const u32 i = free_;
	Row &row = rows_[i - 1];
	free_ = row.next;
	row = {event.caller, event.callee, owner, object.first, 0, 0};
	object.first = i;
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
	if (event.get)
		++counted->gets;
	else
		++counted->puts;
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

void References::forget(u16 owner)
{
	Lock lock{BC_LOCK_REFERENCES};
	for (u32 i = 0; i < kObjects; ++i) {
		if (objects_[i].address.relaxed() <= kGone)
			continue;
		for (u32 r = objects_[i].first; r != 0; r = rows_[r - 1].next) {
			if (rows_[r - 1].owner == owner)
				rows_[r - 1].owner = 0;
		}
	}
}

u32 References::copy(const Object &object, ReferenceRow *rows, u32 used, u32 most) const
{
	for (u32 r = object.first; r != 0; r = rows_[r - 1].next, ++used) {
		const Row &row = rows_[r - 1];
		if (used < most)
			rows[used] = {object.address.relaxed(),
				      row.caller,
				      row.callee,
				      static_cast<bc_reference_kind>(object.kind),
				      row.owner,
				      row.gets,
				      row.puts};
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
		for (u32 r = objects_[i].first; r != 0; r = rows_[r - 1].next) {
			if (rows_[r - 1].owner == owner) {
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

} // namespace bc

extern "C" {

void bc_reference_event(const struct bc_reference *event)
{
	using namespace bc;
	platform::PreemptOff section;
	Container *c = event->ns == nullptr ? nullptr : containers.find(event->ns);
	references.event(*event, c == nullptr ? u16{0} : c->index.value);
}

bool bc_reference_watched(const void *object)
{
	bc::platform::PreemptOff section;
	return bc::references.watches(reinterpret_cast<bc::u64>(object));
}
}
