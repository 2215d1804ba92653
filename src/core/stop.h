// SPDX-License-Identifier: GPL-2.0
// From a container's stop to its verdict. One worker does it for all of them, in rounds.
#pragma once

#include <beancounter/core.h>

#include "container.h"

namespace bc
{

class Survivors;

class Stopper
{
      public:
	void init(u32 settle_ms)
	{
		settle_ms_ = settle_ms;
		drained_ = false;
		concluded_ = false;
		faces_gone_ = 0;
	}
	void round(bc_round &round);
	// The face of an ID that nobody has any more goes with the next round.
	bool drop_face(u32 id)
	{
		if (faces_gone_ == kMostFaces)
			return false;
		face_gone_[faces_gone_++] = id;
		return true;
	}

      private:
	enum class Wants : u8 {
		nothing,
		rcu,
		everything
	};
	struct Plan {
		u64 next_ms; // the next look at this container, absolute
		Wants drain;
	};

	Plan wait_for_tasks(Container &c, u64 now);
	bool something_left(Container &c, u64 now, Held &rest, Plan &plan);
	Plan settle(Container &c, u64 now);
	Plan watch_survivors(Container &c, u64 now);
	Plan judge_survivors(Container &c, u64 now, Survivors &survivors); // that have just been looked at
	void conclude(Container &c, State state, u64 now, const char *worst);
	void give_up_oldest();
	bool evict(bc_round &round);

	static constexpr u32 kMostFaces = 64;

	u32 settle_ms_ = 0;
	u32 faces_gone_ = 0;
	u32 face_gone_[kMostFaces] = {};
	bool concluded_ = false; // one has stopped in this round
	bool drained_ = false;	 // the caller was asked for a complete drain in the last round, and has done it
};

extern Stopper stopper;

} // namespace bc
