#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One object of a hundred bytes lost in a busy container is found, and is all that
# is found.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

lose_one() {
	run_container "$@" -- /bin/sh -c '
		workloads/busy.sh -p 50 -s 50 &
		echo 100 >/proc/leak_one
		wait $!' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || return
	expect_match site '\[leak_one\]$' "$(leaked "$CONTAINER_ID" site)" || return
	expect cache kmalloc-128 "$(leaked "$CONTAINER_ID" cache)"
}

nothing_left() { [ "$(container_column "$1" held)" = 0 ]; }

# A leaked object that is freed at last is uncharged, by whoever frees it.
freed_later() {
	echo free >/proc/leak_one || return
	in_time 10 nothing_left "$1" || fail "held is still $(container_column "$1" held)" || return
	expect_nothing_held "$1"
}

three_of_two_sizes() {
	run_container -- /bin/sh -c 'for n in 100 3000 100; do echo $n >/proc/leak_one; done' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" leaked || return
	expect "groups" "1:kmalloc-4k 2:kmalloc-128" "$(
		paste -d: <(column "$proc/$CONTAINER_ID/leaks" count verdict=leaked) \
			<(column "$proc/$CONTAINER_ID/leaks" cache verdict=leaked) | sort | xargs
	)" || return
	freed_later "$CONTAINER_ID"
}

twin() {
	run_container -- /bin/sh -c '
		workloads/busy.sh -p 50 -s 50 &
		echo 100 >/proc/leak_one; echo free >/proc/leak_one
		wait $!' || return
	expect_clean "$CONTAINER_ID"
}

need_module
need_programs
need_loaded leak_one
warm_up
ktap_plan 5
ktap_test "one lost object in a busy container" lose_one
ktap_test "freed by the host later, it is uncharged" freed_later "$CONTAINER_ID"
ktap_test "one lost object in a busy container with --user --net" lose_one --user --net
echo free >/proc/leak_one
ktap_test "three objects of two sizes are two groups" three_of_two_sizes
ktap_test "the same with the object freed is clean" twin
unload_test_module leak_one
ktap_end
