// SPDX-License-Identifier: GPL-2.0
// An array of many, in parts: memory of a hundred MiB in one piece is mapped, and unmapped, without a pause.
#pragma once

#include <beancounter/platform.h>

#include "types.h"

namespace bc
{

// Of what is good when it is zero.
template <class T> class Parts
{
      public:
	Parts() = default;
	~Parts()
	{
		for (u32 i = 0; i < count_; ++i) {
			bc_big_free(parts_[i]);
			bc_cond_resched();
		}
		bc_big_free(parts_);
	}
	Parts(const Parts &) = delete;
	Parts &operator=(const Parts &) = delete;

	// Once; sleeps. False without memory.
	bool init(u32 room)
	{
		const u32 wanted = room / kEach + 1;
		parts_ = static_cast<T **>(bc_big_alloc(u64{wanted} * sizeof(T *)));
		if (parts_ == nullptr)
			return false;
		for (; count_ < wanted; ++count_) {
			parts_[count_] = static_cast<T *>(bc_big_alloc(u64{kEach} * sizeof(T)));
			if (parts_[count_] == nullptr)
				return false;
			bc_cond_resched();
		}
		return true;
	}
	T &operator[](u32 i) { return parts_[i / kEach][i % kEach]; }
	const T &operator[](u32 i) const { return parts_[i / kEach][i % kEach]; }

      private:
	static constexpr u32 kBytes = 1u << 17; // of a part, at most
	static constexpr u32 kEach = 1u << (31 - __builtin_clz(kBytes / static_cast<u32>(sizeof(T))));
	T **parts_ = nullptr;
	u32 count_ = 0;
};

} // namespace bc
