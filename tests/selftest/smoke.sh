#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The least that tells that the module works on a kernel: scripts/kernels runs it on each of Debian's.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

lost() { # start_container's options
	run_container "$@" -- sh -c 'echo 100 >/proc/leak_one' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" leaked || return
	expect "leaked groups" 1 "$(column "$proc/$CONTAINER_ID/leaks" count verdict=leaked | wc -l)" || return
	expect_match "its site" 'leak_one' "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || return
	echo free >/proc/leak_one
	poll 30 is_clean || expect_state "$CONTAINER_ID" clean
}

# Not io_uring, which leaks on some of these kernels by itself: Documentation/found.md.
busy_is_clean() {
	# shellcheck disable=SC2016
	run_container --net --user -- sh -c 'mount -t tmpfs busy /mnt || exit
		for work in $("$0" -o list | grep -vx io_uring); do "$0" -d /mnt -p 5 -s 10 -o "$work" || exit; done' "$programs/busy" || return
	expect_clean "$CONTAINER_ID"
}

# A shell that may not fork any more gives up.
at_a_limit() {
	start_container -- sh -c 'while :; do /bin/true; done' || return
	set_limits "$CONTAINER_ID" "numproc 1 1" || return
	end_container
	expect "the status of a shell that cannot fork" 2 "$CONTAINER_STATUS" || return
	[ "$(resource "$CONTAINER_ID" numproc failcnt)" -gt 0 ] || fail "no fork was refused" || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean
}

unloads_and_loads() { rmmod beancounter && insmod "${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}" && still_counts; }

need_module
need_programs
need_loaded leak_one
warm_up
ktap_plan 5
ktap_test "a lost object is found, and named" lost
ktap_test "a busy container is clean" busy_is_clean
ktap_test "a limit refuses" at_a_limit
unload_test_module leak_one
ktap_test "unloaded and loaded again" unloads_and_loads
ktap_test "nothing was missed" expect_healthy
ktap_end
