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
		go_on_at_ = ~0u;
		overflow_said_ = false;
	}
	void round(bc_round &round);
	// The face of an ID that nobody has any more goes with the next round, of as many as there is room for.
	u32 room_for_faces() const { return kMostFaces - faces_gone_; }
	void drop_face(u32 id) { face_gone_[faces_gone_++] = id; }

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
	u32 go_on_at_ = ~0u; // index of the container that the last round had no time for
	bool overflow_said_ = false;
	bool concluded_ = false; // one has stopped in this round
	bool drained_ = false;	 // the caller was asked for a complete drain in the last round, and has done it
};

extern Stopper stopper;

} // namespace bc
