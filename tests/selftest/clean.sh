#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The reverse proof: a container that used everything and leaked nothing is clean,
# and holds exactly nothing, in every resource, every time.
#
#   CLEAN_ROUNDS   how many containers (12: each kind three times)
. "$(dirname "$0")/lib.sh"
. ./containers.sh

rounds=${CLEAN_ROUNDS:-12}
kinds=("" "--net" "--user" "--net --user")

clean() {
	local net=
	[[ "$*" != *--net* ]] || net=--net
	run_container "$@" -- workloads/busy.sh $net || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID" || return
	expect_healthy
}

need_module
need_programs
ktap_plan "$rounds"
for ((i = 0; i < rounds; i++)); do
	kind=${kinds[i % ${#kinds[@]}]}
	# shellcheck disable=SC2086 # options are words
	ktap_test "a busy container${kind:+ with $kind} is clean, round $((i / ${#kinds[@]} + 1))" clean $kind
done
ktap_end
