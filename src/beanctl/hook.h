// SPDX-License-Identifier: GPL-2.0
// beanctl oci-hook: limits and a name for a container that a runtime makes.
#pragma once

#include "limit.h"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace beanctl
{

// What of the runtime's state is of use, https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state
struct OciState {
	std::string id;
	pid_t pid = 0;
};
OciState parse_oci_state(std::string_view json);

// What the module takes for a name: 64 hexadecimal digits are cut to 12, as runtimes show them.
std::string name_from_id(std::string_view id);

int oci_hook(const std::string &state, const std::vector<Limit> &limits, bool name);

} // namespace beanctl
