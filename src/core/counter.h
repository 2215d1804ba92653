// SPDX-License-Identifier: GPL-2.0
// Counting charges per CPU.
//
// A container has one Cell on each CPU for each kind of bytes. A cell packs two signed numbers into one word, bytes in
// the low half and objects in the high half, so that a charge is one add of one register (no lock prefix, safe against
// interrupts) and one comparison. Past +-kBatch bytes the cell is emptied into the container's atomics.
//
// held = atomic + the sum of all cells. The sum is exact when nothing is being charged; while charges run it can be off
// by what moves between the reads, and a fold in flight (cell emptied, atomic not yet raised) can hide up to kBatch for
// a moment. The verdict about a stopped container is immune: only frees run there, and zero is looked at again after
// synchronize_rcu(), which every fold precedes (hooks run with preemption off).
#pragma once

#include "atomic.h"
#include "resource.h"

namespace bc
{

inline constexpr s64 kBatch = s64{16} * 1024; // memcg's stock is 64 pages; a quarter of it keeps the sum near the truth
inline constexpr u64 kOneObject = u64{1} << 32;

struct Cells { // one CPU's
	u64 packed[kByteKinds];
};

constexpr u64 pack(Stride stride) { return kOneObject | stride.value; }

struct Unpacked {
	s64 bytes;
	s64 objects;
};

// The low half is signed: borrow from it went into the high half, and is given back here.
constexpr Unpacked unpack(u64 packed)
{
	const s64 bytes = static_cast<s32>(static_cast<u32>(packed));
	return {bytes, static_cast<s32>(static_cast<u32>((packed - static_cast<u64>(bytes)) >> 32))};
}

static_assert(unpack(pack(Stride{192}) - pack(Stride{64})).bytes == 128);
static_assert(unpack(pack(Stride{192}) - pack(Stride{64})).objects == 0);
static_assert(unpack(u64{0} - pack(Stride{64})).bytes == -64 && unpack(u64{0} - pack(Stride{64})).objects == -1);
static_assert(unpack(pack(Stride{64}) - pack(Stride{192})).bytes == -128);

// Is a cell far enough from zero to be folded? One subtraction and one unsigned comparison.
constexpr bool wants_fold(u64 packed)
{
	return static_cast<u32>(static_cast<u32>(packed) + static_cast<u32>(kBatch)) > static_cast<u32>(2 * kBatch);
}
static_assert(!wants_fold(0) && !wants_fold(pack(Stride{16384})) && wants_fold(pack(Stride{16385})));
static_assert(wants_fold(u64{0} - pack(Stride{16385})) && !wants_fold(u64{0} - pack(Stride{16384})));

// The shared part of one kind of bytes of one container.
class ByteCounter
{
      public:
	void fold(Unpacked part)
	{
		objects_.add(part.objects);
		const s64 now = bytes_.add(part.bytes);
		if (part.bytes > 0)
			maxheld_.raise(now);
	}

	s64 bytes() const { return bytes_.relaxed(); }
	s64 objects() const { return objects_.relaxed(); }
	s64 maxheld() const { return maxheld_.relaxed(); }
	void raise_maxheld(s64 v) { maxheld_.raise(v); }

      private:
	Atomic<s64> bytes_;
	Atomic<s64> objects_;
	Atomic<s64> maxheld_; // exact within CPUs x kBatch: a peak inside the cells is not seen
};

} // namespace bc
