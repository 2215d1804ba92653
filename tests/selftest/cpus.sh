#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Processors that go offline and come back: what they have counted is counted still, limits stay exact, stops clean. And what all of
# them have counted is what is recorded, by the module's own check.
#
#   CPU_TURNS   how often one goes while a container works (5)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

turns=${CPU_TURNS:-5}
cpus=/sys/devices/system/cpu
trap 'back; rm -rf "$talk_folder"' EXIT

goes() { echo 0 >$cpus/cpu1/online; }
back() { [ "$(cat $cpus/cpu1/online)" = 1 ] || echo 1 >$cpus/cpu1/online; }

self_check() {
	echo self-check >"$proc/control" || return
	[ "$(health self_check_slots)" -gt 0 ] || fail "it has looked at nothing" || return
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)"
}
# Of a task that waits; RCU frees what it used before for a while.
ledger_agrees() { [ "$(resource "$id" kmemsize held)" = "$(column_sum "$proc/$id/objects" bytes resource=kmemsize)" ]; }
held_is() { [ "$(resource "$id" numfile held)" = "$1" ]; }

# Counted there, given back elsewhere; at the limit what is in the absent one's cells counts.
counted_there() {
	local held limit
	start_talker probe -- taskset -c 1 "$programs/limit_probe" || return
	id=${talk_id[probe]}
	# What its start has used RCU frees some moments later.
	poll 20 held_is "$own" || fail "numfile: held $(resource "$id" numfile held), should be $own" || return
	tell probe make file 100 || return
	expect "answer" "made=100 errno=0" "$ANSWER" || return
	held=$(resource "$id" numfile held)
	goes || return
	expect "files when the processor has gone" "$held" "$(resource "$id" numfile held)" || return
	poll 20 ledger_agrees || fail "kmemsize: held $(resource "$id" kmemsize held), in the ledger" \
		"$(column_sum "$proc/$id/objects" bytes resource=kmemsize)" || return
	limit=$((held + 7))
	set_limits "$id" "numfile $limit $limit" "kmemsize 100M 100M" || return
	tell probe make file 100 || return
	expect "answer at the limit" "made=7 errno=ENOMEM" "$ANSWER" || return
	expect "failcnt" 1 "$(resource "$id" numfile failcnt)" || return
	tell probe free file 107 || return
	poll 20 held_is $((held - 100)) || fail "numfile: held $(resource "$id" numfile held), was $((held - 100)) before" || return
	back || return
	tell probe make file 10 || return
	expect "files when it is back" $((held - 90)) "$(resource "$id" numfile held)" || return
	end_clean probe
}

# It never comes back in the container's life.
stopped_without() {
	local status=0
	back || return
	start_talker probe -- taskset -c 1 "$programs/limit_probe" || return
	tell probe make file 100 && tell probe make process 20 && tell probe make unix 50 && goes || return
	end_clean probe || status=1
	back && return "$status"
}

comes_and_goes() {
	local status=0 i before
	start_container -- sh -c 'while :; do /bin/true | /bin/cat; done' || return
	set_limits "$CONTAINER_ID" "kmemsize 100M 100M" "numfile 10000 10000" || return
	before=$(health missed)
	back || return
	for ((i = 0; i < turns; i++)); do
		goes && sleep 0.2 && back && sleep 0.2 || status=1
	done
	self_check || status=1
	kill_container || return
	expect_clean "$CONTAINER_ID" && expect "missed" "$before" "$(health missed)" && return "$status"
}

# What the module says of a container's books after a check of its own. Of one whose tasks wait it can be said, but for what RCU
# still frees, and what the kernel's threads do: within some looks.
check() { echo self-check >"$proc/control" && container_column "$1" books; }
balanced() { [ "$(check "$1")" = equal ]; }

# One that waits, far from its bounds and near them, with something of every kind that is counted; and a busy one beside it.
books_of_one_that_waits() {
	local kind limits busy pid cgroup i said seen=() status=0
	back || return
	start_container -- sh -c 'while :; do /bin/true | /bin/cat; done' || return
	busy=$CONTAINER_ID pid=$CONTAINER_PID cgroup=$CONTAINER_CGROUP
	start_talker probe -- "$programs/limit_probe" || return
	id=${talk_id[probe]}
	for limits in "kmemsize unlimited unlimited" "kmemsize 8M 8M"; do
		set_limits "$id" "$limits" || status=1
		for kind in file process unix flock; do
			tell probe make "$kind" 25 && expect_match "answer" "made=25" "$ANSWER" || status=1
		done
		poll 60 balanced "$id" || fail "$limits: its books are $(container_column "$id" books)" || status=1
		expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || status=1
		[ "$(health self_check_compared)" -ge 1 ] || fail "none was compared" || status=1
	done
	for ((i = 0; i < 20; i++)); do
		said=$(check "$busy") || status=1
		[ "$said" != wrong ] || fail "the busy one is called wrong" || status=1
		seen+=("$said")
	done
	echo "of the busy one, in 20 checks: $(printf '%s\n' "${seen[@]}" | sort | uniq -c | xargs)"
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || status=1
	for kind in file process unix flock; do
		tell probe free "$kind" 50 || status=1
	done
	poll 60 balanced "$id" || fail "its books are $(container_column "$id" books) when all of it is freed" || status=1
	end_clean probe || status=1
	CONTAINER_ID=$busy CONTAINER_PID=$pid CONTAINER_CGROUP=$cgroup
	kill_container && expect_clean "$busy" && return "$status"
}

need_module
need_programs
command -v taskset >/dev/null || ktap_skip_all "no taskset; scripts/setup vm installs it"
[ -w $cpus/cpu1/online ] || ktap_skip_all "there is no second processor, or it cannot go: $cpus/cpu1/online"
warm_up
own=$(own_files "$programs/limit_probe")
ktap_plan 5
talk_test "what a processor counted before it went is counted still" counted_there
talk_test "a container stops while one is away" stopped_without
talk_test "one comes and goes $turns times while a container works" comes_and_goes
talk_test "the books of a container that waits agree, and of a busy one nothing wrong is said" books_of_one_that_waits
ktap_test "nothing was missed" expect_healthy
ktap_end
