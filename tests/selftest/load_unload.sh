#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module goes and comes under load.
#
#   LOAD_CYCLES   how often (2)
. "$(dirname "$0")/lib.sh"
. ./containers.sh

cycles=${LOAD_CYCLES:-2}

need_module
need_programs
need_test_module sleeper
warm_up
[ -e "${BEANCOUNTER_MODULE-}" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"

# Two containers at work all the time, one that sleeps, and the host.
namespaces=() pids=() cgroups=()
for work in "workloads/busy.sh -r 100000" "workloads/busy.sh -r 100000 -p 20" "sleep 100000"; do
	# shellcheck disable=SC2086 # options are words
	start_container -- $work || exit 1
	namespaces+=("$CONTAINER_NS") pids+=("$CONTAINER_PID") cgroups+=("$CONTAINER_CGROUP")
done
(while :; do /bin/true; done) &
host_load=$!
limits=$(mktemp /tmp/limits.XXXXXX)
trap 'rm -f "$limits"' EXIT

# Bounds that are near, then far: each write asks the worker for something, and waits for it. Until the file is gone; how often is what it says.
write_limits() { # id
	local n=0
	while echo "kmemsize $((1 + n % 2 * 1000000))K unlimited" >"$proc/$1/resources"; do n=$((n + 1)); done 2>/dev/null
	echo "$n"
}

cycle() {
	local start=$SECONDS gone namespace id folder writer before
	exec {folder}<"$proc"	# somebody has it open for longer than the module lives
	# The one that sleeps needs nothing.
	id=$(column "$proc/containers" id "pidns=${namespaces[2]}" state=running)
	write_limits "$id" >"$limits" &
	writer=$!
	rmmod beancounter || return
	wait "$writer"
	before=$(cat "$limits")
	[ "$before" -gt 0 ] || fail "no limits were written until the file was gone" || return
	gone=$((SECONDS - start))
	[ ! -e "$proc" ] || fail "$proc is still there" || return
	stat -L "/proc/self/fd/$folder" >/dev/null && ls "/proc/self/fd/$folder/" || return
	exec {folder}<&-
	insmod "$BEANCOUNTER_MODULE" || {
		dmesg | tail -n 5
		return 1
	}
	for namespace in "${namespaces[@]}"; do
		id=$(column "$proc/containers" id "pidns=$namespace" state=running)
		[ -n "$id" ] || fail "the container with pidns $namespace is lost" || return
		expect since load "$(container_column "$id" since)" || return
	done
	# Not back to back: let some of the load be charged before the next one.
	poll 10 works || fail "nothing is charged" || return
	expect_healthy || return
	echo "$((SECONDS - start)) s, $gone of them for rmmod; limits were written $before times meanwhile"
}

# The busy containers allocate, and free what the last instance has seen.
works() {
	[ "$(column "$proc/containers" objects "pidns=${namespaces[0]}" state=running)" -gt 10 ]
}

end_load() {
	local i
	kill "$host_load"
	wait "$host_load" 2>/dev/null
	for i in "${!pids[@]}"; do
		CONTAINER_PID=${pids[i]} CONTAINER_CGROUP=${cgroups[i]}
		kill_container || return
	done
	poll 60 no_container_runs || fail "a container is not settled" || return
	expect "leaked containers" "" "$(column "$proc/containers" id state=leaked)"
}

no_container_runs() {
	[ -z "$(column "$proc/containers" id state=running)$(column "$proc/containers" id state=settling)" ]
}

# Who sleeps in the allocator returns to the module's text: rmmod waits, and says for whom.
waits_for_a_sleeper() {
	local sleeper status=0 # of a container: others' allocations do not come back to the wrapper
	load_test_module sleeper || return
	mark_log
	start_container -- cat /proc/sleeper || return
	sleeper=$(pgrep -P "$CONTAINER_PID")
	poll 30 grep -qx 1 /sys/module/sleeper/parameters/waiting || fail "nobody sleeps in a constructor" || status=1
	rmmod beancounter &
	poll 600 log_says "$mark" "beancounter: rmmod waits for cat, pid $sleeper: " || fail "the log does not name it:" "$(log_since "$mark")" || status=1
	kill -0 "$!" || fail "rmmod has ended" || status=1
	echo 1 >/sys/module/sleeper/parameters/go
	wait "$!" || fail "rmmod: status $?" || status=1
	end_container || status=1
	[ ! -e "$proc" ] || fail "$proc is still there" || status=1
	insmod "$BEANCOUNTER_MODULE" && unload_test_module sleeper && return "$status"
}

fresh() {
	run_container -- workloads/busy.sh || return
	expect_clean "$CONTAINER_ID" || return
	expect_healthy
}

ktap_plan $((cycles + 3))
for ((i = 1; i <= cycles; i++)); do
	ktap_test "unload and load, number $i" cycle
done
ktap_test "the containers under way stop without a leak" end_load
ktap_test "a task asleep in the allocator: rmmod waits, and names it" waits_for_a_sleeper
ktap_test "a fresh container is clean" fresh
ktap_end
