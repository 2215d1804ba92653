// SPDX-License-Identifier: GPL-2.0
// Process 1 of a container that beanctl makes. The kernel ignores a signal that process 1 has no handler for, and
// processes that lose their parent become its children: so the command is not process 1 but its child, and process 1
// forwards signals, reaps, and ends with the command's status. It shares beanctl's memory as it was when cloned and
// allocates nothing itself: what it does in the kernel is charged to the container.
#pragma once

#include <csignal>
#include <cstdint>

namespace beanctl
{

// What process 1, and the command's process before its exec, tell beanctl, through a pipe.
struct Message {
	enum What : std::int32_t {
		ready,	  // the namespaces are set up; waits for a byte
		held,	  // the command's process waits for a byte before its exec
		failed,	  // value: the errno of what `step` names
		no_exec,  // value: the errno of exec
		finished, // value: the command's status as wait(2) has it
	};
	std::int32_t what;
	std::int32_t value;
	char step[24];
};

struct InitOrders {
	int orders;  // a byte read from here is the word to go on: after the user namespace's maps, and after `ready`
	int reports; // Messages are written here
	bool net;    // in a network namespace of its own: lo up
	bool user;   // in a user namespace of its own: become its root
	bool hold;   // the command's process waits before its exec
	bool output_to_stderr;
	char *const *command;
	sigset_t mask; // the command's
};

[[noreturn]] void container_init(const InitOrders &orders);

} // namespace beanctl
