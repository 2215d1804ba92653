#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The reverse proof: a container that used everything and leaked nothing is clean,
# and holds exactly nothing, in every resource, every time.
#
#   CLEAN_ROUNDS   how many containers (4: each kind once)
. "$(dirname "$0")/lib.sh"
. ./containers.sh

rounds=${CLEAN_ROUNDS:-4}
kinds=("" "--net" "--user" "--net --user")

# The first container of a boot is the first to look at the host's files: what the
# host's file systems cache for them is held by the host, and no leak.
first() {
	run_container -- workloads/busy.sh || return
	wait_verdict "$CONTAINER_ID" || return
	[ "$(container_column "$CONTAINER_ID" state)" = held ] || expect_state "$CONTAINER_ID" clean || return
	expect "leaked groups" "" "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || return
	expect_healthy
}

clean() {
	local net=
	[[ "$*" != *--net* ]] || net=--net
	run_container "$@" -- workloads/busy.sh ${net:+"$net"} || return
	expect_clean "$CONTAINER_ID" || return
	expect_healthy
}

need_module
need_programs
ktap_plan $((rounds + 1))
ktap_test "the first container of a boot leaks nothing" first
warm_up
for ((i = 0; i < rounds; i++)); do
	kind=${kinds[i % ${#kinds[@]}]}
	# shellcheck disable=SC2086 # options are words
	ktap_test "a busy container${kind:+ with $kind} is clean, round $((i / ${#kinds[@]} + 1))" clean $kind
done
ktap_end
