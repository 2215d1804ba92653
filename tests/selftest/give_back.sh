#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The ledger keeps an array for each page that holds a container's objects. When they are gone, so are the arrays: after a stop, and a
# while later where the container runs on. What is recorded stays where it is, and a page that was emptied is used again.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

# kmalloc(64): 64 of them in a page at the most, and 512 bytes of the ledger for each of these pages at least.
objects=300000
pages=$(((objects + 63) / 64))
go=$(mktemp -u /tmp/give_back.XXXXXX)
mkfifo "$go"
trap 'rm -f "$go"' EXIT

# How many objects the ledger has: everybody's that is charged, and those that were handed over.
recorded() { echo $(($(column "$proc/containers" objects | awk '{ n += $1 } END { print n + 0 }') + $(health handed_over))); }
# An array that a look has left held at least one of them then: of those that were there before the container, or are there now. Nobody
# else charges meanwhile.
all_in_use() { # objects recorded before
	local now
	now=$(recorded)
	[ "$(health ledger_arrays)" -le $((now > $1 ? now : $1)) ]
}

# hold: a container with so many objects, that stays.
hold() {
	# shellcheck disable=SC2016
	start_container -- /bin/sh -c 'echo "$0 64" >/proc/bench_hold && read -r _ <"$1"' "$objects" "$go" || return
	poll 600 holds_all || fail "bench_hold has $(cat /proc/bench_hold)" || return
	[ "$(container_column "$CONTAINER_ID" objects)" -ge "$objects" ] || fail "the container has $(container_column "$CONTAINER_ID" objects)" || return
	full=$(health ledger_bytes) arrays=$(health ledger_arrays)
	echo "$(recorded) objects: $arrays arrays, $full bytes"
	[ "$arrays" -ge "$pages" ] || fail "$objects objects in $arrays arrays"
}
holds_all() { [ "$(cat /proc/bench_hold)" = "$objects" ]; }

# What is there.
before() { before_objects=$(recorded) before_bytes=$(health ledger_bytes) before_given=$(health ledger_given_back); }

# What the container held is free, and what it had in the ledger has been given back: all but the arrays that hold something.
gone() {
	local after left given
	after=$(health ledger_bytes) left=$(health ledger_arrays) given=$(($(health ledger_given_back) - before_given))
	echo "$(recorded) objects: $left arrays, $after bytes, $given given back; before the container $before_objects objects, $before_bytes bytes"
	all_in_use "$before_objects" || fail "$left arrays for $(recorded) objects" || return
	[ "$given" -ge $((pages - left)) ] || fail "$given arrays given back, of $pages and $left left" || return
	[ $((full - after)) -ge $(((pages - left) * 512)) ] || fail "$((full - after)) bytes less" || return
	expect_healthy
}

let_go() {
	echo 0 >/proc/bench_hold || return
	echo go >"$go" || return
	end_container || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean
}

after_a_stop() {
	before
	hold || return
	let_go || return
	gone
}

# Within a minute of the look before, or two.
while_it_runs() {
	local status=0
	before
	hold || return
	echo 0 >/proc/bench_hold
	poll 150 all_in_use "$before_objects"
	gone || status=1
	[ "$(container_column "$CONTAINER_ID" state)" = running ] || fail "the container does not run" || status=1
	let_go && return "$status"
}

# The same pages again and again, with others at work in theirs, and objects that stay.
again_and_again() {
	local i stays keeper cgroup
	before
	start_container -- workloads/busy.sh -p 20 -s 60 || return
	stays=$CONTAINER_ID keeper=$CONTAINER_PID cgroup=$CONTAINER_CGROUP
	for ((i = 0; i < 4; i++)); do
		hold || return
		let_go || return
	done
	CONTAINER_PID=$keeper CONTAINER_CGROUP=$cgroup
	kill_container || return
	wait_verdict "$stays" || return
	expect_state "$stays" clean || return
	echo "$(($(health ledger_given_back) - before_given)) arrays given back"
	[ $(($(health ledger_given_back) - before_given)) -ge "$pages" ] || return
	echo self-check >"$proc/control" || return
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || return
	expect_healthy
}

need_module
need_programs
need_test_module bench_hold
load_test_module bench_hold || exit 1
warm_up
ktap_plan 4
ktap_test "after a stop the ledger's arrays are given back" after_a_stop
ktap_test "while the container runs on, after a while" while_it_runs
ktap_test "again and again, beside a busy container" again_and_again
ktap_test "a fresh container is clean" still_counts
unload_test_module bench_hold
ktap_end
