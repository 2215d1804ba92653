// SPDX-License-Identifier: GPL-2.0
// Objects that are counted by themselves: what a report says of one by its own count. Told by the allocating function,
// since the caches are merged.
#pragma once

#include "types.h"

#include <beancounter/platform.h>

namespace bc
{

struct Counted {
	const char *function;
	enum bc_probe probe;
};

inline constexpr Counted kCounted[] = {
    {"alloc_uid", BC_PROBE_USER},	 {"alloc_ucounts", BC_PROBE_UCOUNTS},
    {"prepare_creds", BC_PROBE_CRED},	 {"prepare_kernel_cred", BC_PROBE_CRED},
    {"cred_alloc_blank", BC_PROBE_CRED}, {"alloc_pid", BC_PROBE_PID},
    {"__alloc_file", BC_PROBE_FILE},	 // 6.1
    {"alloc_empty_file", BC_PROBE_FILE}, // 6.12
    {"key_alloc", BC_PROBE_KEY},	 {"create_user_ns", BC_PROBE_USER_NS},
    {"copy_net_ns", BC_PROBE_NET_NS},
};

} // namespace bc
