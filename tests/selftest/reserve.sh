#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Reserves (mm/mempool.c): what a container leaves in one, or in a cache of bios, is told from what it has lost; and a limit does not
# empty them.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

at=mempool_alloc
[[ $KERNEL == 6.1.* ]] || at=mempool_alloc_noprof

# excused ID: how many objects of class reserve were handed over
excused() { column "$proc/$1/leaks" count class=reserve | awk '{ n += $1 } END { print n + 0 }'; }

kept() {
	run_container -- sh -c 'echo keep >/proc/reserve' || return
	expect_clean "$CONTAINER_ID" || return
	expect "elements that were handed over" 1 "$(excused "$CONTAINER_ID")"
}

lost() {
	run_container -- sh -c 'echo lose >/proc/reserve' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size reserve_element)" "$at" || return
	expect cache reserve_element "$(leaked "$CONTAINER_ID" cache)" || return
	echo free >/proc/reserve || return
	poll 10 is_uncharged || fail "held is still $(container_column "$CONTAINER_ID" held)"
}
is_uncharged() { [ "$(container_column "$CONTAINER_ID" held)" = 0 ]; }

# One after the other: the first task of a CPU that needs a bio makes it, and the CPU keeps it until the next boot. (6.1 does so for
# devices that are polled, of which there is none here.)
bios() {
	local cpu=$(($(nproc) - 1))
	run_container -- taskset -c "$cpu" "$programs/direct_reads" "$device" || return
	expect_clean "$CONTAINER_ID" || return
	[[ $KERNEL != 6.1.* ]] && [ ! -e /run/has-bios ] || return 0
	: >/run/has-bios
	expect "bios that were handed over" 1 "$(excused "$CONTAINER_ID")"
}

# Its first read is over: it reads its input.
is_waiting() { grep -q pipe_read "/proc/$(container_column "$CONTAINER_ID" init)/wchan"; }

# Far above its limit it reads all the same, without a single element from what the machine keeps.
at_a_limit() {
	rm -f /tmp/reserve.go && mkfifo /tmp/reserve.go && exec 6<>/tmp/reserve.go || return
	start_container --in /tmp/reserve.go -- "$programs/direct_reads" "$device" large || return
	poll 10 is_waiting || fail "it does not come to wait" || return
	set_limits "$CONTAINER_ID" "kmemsize 1 1" || return
	echo go >&6
	exec 6>&-
	end_container
	expect "the status of the container's command" 0 "$CONTAINER_STATUS" || return
	expect "refused elements" "" "$(column "$proc/$CONTAINER_ID/refusals" site | grep mempool)" || return
	[ "$(resource "$CONTAINER_ID" kmemsize forced)" -gt 0 ] || fail "nothing was forced" || return
	expect_clean "$CONTAINER_ID"
}

own_fds+=(6)
need_module
need_programs
need_test_module reserve
[ "$(cat /sys/module/beancounter/parameters/search)" = Y ] || ktap_skip_all "the module has search=0: nobody looks for addresses"
load_test_module reserve || exit 1
device=/dev/ram0 # which completes its requests in the task that makes them: others' bios are freed by softirqs, and not kept
modprobe brd rd_nr=1 rd_size=4096 && poll 10 test -b "$device" || ktap_skip_all "no $device"
warm_up
taskset -c 0 "$programs/direct_reads" "$device" || ktap_skip_all "no io_uring"
ktap_plan 5
ktap_test "an element that stays in a reserve is handed over" kept
ktap_test "an element that is lost is a leak" lost
ktap_test "bios that the CPUs keep" bios
ktap_test "a limit refuses no element" at_a_limit
ktap_test "nothing was missed" expect_healthy
rmmod brd
unload_test_module reserve
ktap_end
