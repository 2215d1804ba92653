// SPDX-License-Identifier: GPL-2.0
// The locks of the core, as guards. All are raw spinlocks with interrupts off, all are leaves (nothing is locked
// inside, nothing is called but what platform.h marks "any"), so there is no order between them.
//
//   BC_LOCK_SITES	   the site table's free entries, the cache names
//   BC_LOCK_CONTAINERS   the table and the hash of containers, ids, names; modes and gates
//   BC_LOCK_REFUSALS     the rings of refusals
//   BC_LOCK_REFERENCES   the table of watched users and ucounts, but for looking whether an address is in it
#pragma once

#include <beancounter/platform.h>

namespace bc
{

class Lock
{
      public:
	explicit Lock(bc_lock_id id) : id_(id), flags_(bc_lock(id)) {}
	~Lock() { bc_unlock(id_, flags_); }
	Lock(const Lock &) = delete;
	Lock &operator=(const Lock &) = delete;

      private:
	bc_lock_id id_;
	unsigned long flags_;
};

} // namespace bc
