#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# default_limits: what a new container begins with. Unloads and loads the module.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

trap 'rm -rf "$talk_folder"' EXIT

reload() { # parameters
	[ ! -d /sys/module/beancounter ] || rmmod beancounter || return
	insmod "$BEANCOUNTER_MODULE" "$@"
}

limits_of() { echo "$(resource "$id" "$1" barrier) $(resource "$id" "$1" limit)"; }

begins_with_them() {
	reload default_limits="kmemsize=8M:9M,numproc=100:100,numfile=20:unlimited,numflock=30" || return
	start_talker probe -- "$programs/limit_probe" || return
	id=${talk_id[probe]}
	expect kmemsize "8388608 9437184" "$(limits_of kmemsize)" || return
	expect numproc "100 100" "$(limits_of numproc)" || return
	expect numfile "20 unlimited" "$(limits_of numfile)" || return
	expect numflock "30 30" "$(limits_of numflock)" || return
	expect numpty "unlimited unlimited" "$(limits_of numpty)" || return
	expect "the parameter" "kmemsize=8M:9M,numproc=100:100,numfile=20:unlimited,numflock=30" \
		"$(cat /sys/module/beancounter/parameters/default_limits)"
}

are_in_force() {
	tell probe make process 200 || return
	expect "answer to 'make process 200'" "made=99 errno=ENOMEM" "$ANSWER" || return
	expect held 100 "$(resource "$id" numproc held)" || return
	tell probe free process 200 && end_clean probe
}

can_be_changed() {
	start_talker probe -- "$programs/limit_probe" || return
	id=${talk_id[probe]}
	set_limits "$id" "numproc unlimited unlimited" || return
	tell probe make process 110 && expect "answer to 'make process 110'" "made=110 errno=0" "$ANSWER" || return
	end_clean probe
}

# A container that runs already is not surprised.
not_for_older_ones() {
	rmmod beancounter || return
	start_container -- sleep 1000 || return
	insmod "$BEANCOUNTER_MODULE" default_limits="numproc=1:1" || return
	id=$(column "$proc/containers" id "pidns=$CONTAINER_NS" state=running)
	[ -n "$id" ] || fail "the container is not listed" || return
	expect numproc "unlimited unlimited" "$(limits_of numproc)" || return
	kill_container && wait_verdict "$id"
}

refuses() { # parameter
	rmmod beancounter 2>/dev/null
	! insmod "$BEANCOUNTER_MODULE" "$1" 2>/dev/null || fail "it loads with $1"
}

nonsense() {
	refuses default_limits="kmemsize=9M:8M" && refuses default_limits="dummy=1:2" &&
		refuses default_limits="numproc=" && refuses default_limits="numproc=5:5,numproc=6:6" && refuses default_limits="numproc=1:2," &&
		refuses default_limits="numproc=x:y" && refuses default_limits="physpages=1:2"
}

need_module
need_programs
warm_up
[ -e "${BEANCOUNTER_MODULE-}" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"
ktap_plan 6
ktap_test "new containers begin with default_limits" begins_with_them
ktap_test "they are in force" are_in_force
ktap_test "they can be changed" can_be_changed
ktap_test "containers that ran before keep none" not_for_older_ones
ktap_test "it does not load with limits that make no sense" nonsense
ktap_test "it loads again without" reload
ktap_end
