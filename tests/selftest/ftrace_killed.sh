#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ftrace has met a bug of its own and is off until the next boot: what it has patched stays patched. The module cannot be unloaded any more,
# says so, and harms nobody. No boot comes back from this: the last of one.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

# busy.sh in a container that may have nothing more.
at_a_limit() {
	start_container --in "$begin" -- sh -c 'read -r line; exec workloads/busy.sh -p 20' || return
	set_limits "$CONTAINER_ID" "kmemsize 0 0" || return
	echo begin >"$begin" || return
	end_container
}

goes_on() {
	load_test_module kill_ftrace || return
	sysctl kernel.ftrace_enabled=1 && fail "ftrace is not dead" && return 1
	still_counts || return
	at_a_limit || return
	[ "$CONTAINER_STATUS" -ne 0 ] || fail "a container worked at a limit of nothing"
}

cannot_be_unloaded() {
	local module
	mark_log
	rmmod beancounter &
	rmmod=$!
	poll 60 log_says "$mark" 'beancounter: a hook is stuck: rmmod cannot end' || fail "the log does not say so:" "$(log_since "$mark")" || return
	log_since "$mark" | grep -E 'beancounter: kfree: the hook cannot be taken away' || return
	kill -0 "$rmmod" || fail "rmmod has ended" || return
	module=$(awk '$1 == "beancounter" { print $5 }' /proc/modules)
	expect "state of the module" Unloading "$module" || return
	expect "switched_off" 1 "$(health switched_off)" || return
	expect "hooks that are still in place" "$(health hooks_expected)" "$(health hooks)"
}

# The hooks are called as before: each allocation of this would end in freed text.
refuses_nothing() {
	at_a_limit || return
	expect "status of what works at a limit of nothing" 0 "$CONTAINER_STATUS"
}

need_module
need_programs
need_test_module kill_ftrace
begin=$(mktemp -u /tmp/begin.XXXXXX)
mkfifo "$begin" && exec {always}<>"$begin" && own_fds+=("$always") # opening it waits for nobody
trap 'rm -f "$begin"' EXIT
ktap_plan 3
ktap_test "ftrace is dead: the hooks are where they were, count and refuse" goes_on
ktap_test "rmmod does not end, the log says why, and the text stays" cannot_be_unloaded
ktap_test "containers start, work at a limit of nothing, and end: nothing is refused any more" refuses_nothing
ktap_end
