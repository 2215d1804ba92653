// SPDX-License-Identifier: GPL-2.0
// The module as its files show it: which containers there are, how it is itself, and its control file.
#pragma once

#include "records.h"

#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace beanctl
{

// A row of /proc/beancounter/containers.
struct Container {
	unsigned id = 0;
	std::string name;
	std::string state;
	long long held = 0;
	long long objects = 0;
	long long failcnt = 0;
	long long age = 0;
	unsigned long pidns = 0;
	pid_t init = 0;
	std::string command;
	std::string cgroup;
	std::string since;
	std::string waits;

	bool stopped() const { return state == "clean" || state == "held" || state == "leaked"; }
};

// An error that says what to do where the module is not loaded, or not for us.
void require_module();

std::vector<Container> containers();
std::optional<Container> container_of_id(unsigned id);

// By ID, or else by name. An error where there is none.
Container find_container(const std::string &id_or_name);

// That of a process that runs in it.
std::optional<Container> container_of_process(pid_t pid);

// 1 to 9 digits and not 0; a name as the module takes it.
std::optional<unsigned> parse_id(std::string_view text);
bool is_name(std::string_view text);

// Its folder is made by the module's worker, which may be busy: waits until it is there.
void await_files(const Container &container);
Records container_file(const Container &container, const char *file);

// The losses that make a verdict doubtful, as "missed rose by 3"; empty where there are none.
using Health = std::map<std::string, long long>;
Health read_health();
std::vector<std::string> blind(const Health &before, const Health &after);

// One line of /proc/beancounter/control.
void control(const std::string &line);
// control()'s name ID NAME [NEWID], with the reason where it is refused. new_id 0: keep.
void name_container(const Container &container, const std::string &name, unsigned new_id);

// control()'s stacks ID on|off: whether what is charged from now on keeps its whole call stack.
void turn_stacks(const Container &container, bool on);

} // namespace beanctl
