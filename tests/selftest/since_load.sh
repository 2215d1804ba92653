#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container that is older than the module counts what it allocates from then on.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

need_module
need_programs
warm_up
[ -e "${BEANCOUNTER_MODULE-}" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"

go=$(mktemp -u /tmp/since-load.XXXXXX)
trap 'rm -f "$go"' EXIT

is_listed() {
	CONTAINER_ID=$(column "$proc/containers" id "pidns=$CONTAINER_NS" state=running)
	[ -n "$CONTAINER_ID" ] || fail "the container with pidns $CONTAINER_NS is not listed" || return
	expect since load "$(container_column "$CONTAINER_ID" since)" || return
	expect_match "init's host pid" '^[1-9][0-9]*$' "$(container_column "$CONTAINER_ID" init)"
}

counts() {
	local before
	before=$(container_column "$CONTAINER_ID" objects)
	: >"$go"
	poll 20 more_than "$before" || fail "objects stay at $before though it works"
}

more_than() { [ "$(container_column "$CONTAINER_ID" objects)" -gt "$1" ]; }

stops() {
	end_container || return
	expect "status of the container" 0 "$CONTAINER_STATUS" || return
	expect_clean "$CONTAINER_ID" || return
	expect_healthy
}

fresh() {
	run_container -- workloads/busy.sh || return
	expect since start "$(container_column "$CONTAINER_ID" since)" || return
	expect_clean "$CONTAINER_ID"
}

# Its first task has been killed, and is on its way out: past the place where the kernel says that it exits, and not yet
# gone. Who loads then is told of nothing.
exiting() {
	local status=0
	rmmod beancounter && insmod "$test_modules/linger.ko" || return
	# shellcheck disable=SC2016
	start_container -- /bin/bash -c 'exec 3</proc/linger; echo >"$0"; sleep 1000 3<&-; true' "$go" || return
	poll 20 test -e "$go" || fail "it has not opened the file" || return
	pkill -KILL -P "$CONTAINER_PID"
	poll 20 is_closing || fail "it is not on its way out" || return
	insmod "$BEANCOUNTER_MODULE" || return
	CONTAINER_ID=$(column "$proc/containers" id "pidns=$CONTAINER_NS")
	[ -n "$CONTAINER_ID" ] || fail "it is not listed" || status=1
	poll 20 is_settling || expect_state "$CONTAINER_ID" settling || status=1
	echo 1 >/sys/module/linger/parameters/go
	kill_container
	expect_clean "$CONTAINER_ID" || status=1
	rmmod linger && return "$status"
}
is_closing() { [ "$(cat /sys/module/linger/parameters/waiting)" -gt 0 ]; }
is_settling() { [ "$(container_column "$CONTAINER_ID" state)" = settling ]; }

rmmod beancounter || exit 1
start_container -- /bin/bash -c "
	exec 3< <(sleep 1000)
	until [ -e $go ]; do sleep 0.2; done
	workloads/busy.sh -r 2" || exit 1
insmod "$BEANCOUNTER_MODULE" || exit 1

ktap_plan 5
ktap_test "it is listed, since=load" is_listed
ktap_test "it counts what it allocates now" counts
ktap_test "frees of what it allocated before are no error; it is clean" stops
ktap_test "a fresh container is since=start and clean" fresh
rm -f "$go"
ktap_test "an init that is exiting when the module is loaded" exiting
ktap_end
