// SPDX-License-Identifier: GPL-2.0
// A thin wrapper over the compiler's atomics: <atomic> needs a hosted library. Order is part of each name, so that a
// reader of the call sees what is promised. Before each write the host's tests may let another thread come first; in
// the kernel platform::jitter() is nothing.
#pragma once

#include "types.h"

#include <platform/inline.h>

namespace bc
{

template <class T> class Atomic
{
      public:
	constexpr Atomic() = default;
	constexpr explicit Atomic(T v) : value_(v) {}
	Atomic(const Atomic &) = delete;
	Atomic &operator=(const Atomic &) = delete;

	T relaxed() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
	T acquire() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
	void set_relaxed(T v)
	{
		platform::jitter();
		__atomic_store_n(&value_, v, __ATOMIC_RELAXED);
	}
	void release(T v)
	{
		platform::jitter();
		__atomic_store_n(&value_, v, __ATOMIC_RELEASE);
	}
	T exchange(T v)
	{
		platform::jitter();
		return __atomic_exchange_n(&value_, v, __ATOMIC_ACQ_REL);
	}
	T add(T v)
	{
		platform::jitter();
		return __atomic_add_fetch(&value_, v, __ATOMIC_RELAXED);
	}

	// True when the value was `expected` and is now `wanted`; otherwise `expected` becomes what is there.
	bool compare_exchange(T &expected, T wanted)
	{
		platform::jitter();
		return __atomic_compare_exchange_n(&value_, &expected, wanted, false, __ATOMIC_ACQ_REL,
						   __ATOMIC_ACQUIRE);
	}

	// Raises to `v` where it is lower.
	void raise(T v)
	{
		T seen = relaxed();
		while (seen < v && !compare_exchange(seen, v)) {
		}
	}

      private:
	T value_{};
};

} // namespace bc
