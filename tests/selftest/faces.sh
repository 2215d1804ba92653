#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container's folder, /proc/beancounter/ID: there for whom it is, and for nobody else, whatever comes late: who made the container may be
# held in his clone() for long, and an ID may be given back before the folder of its last owner is gone.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

number=${FACES:-20} # of renamings there and back
freezer=/tmp/freezer # of cgroup v1
trap '[ ! -d "$freezer" ] || { rmdir "$freezer/held"; umount "$freezer"; rmdir "$freezer"; }' EXIT

# Sets maker, who does not come back from clone(), child, which is what he has made, and the container's id.
hold() {
	"$programs/held_maker" &
	maker=$!
	poll 60 has_child || fail "no container is made" || return
	inum=$(readlink "/proc/$child/ns/pid") && inum=${inum//[^0-9]/} || return
	poll 60 is_listed || fail "the container is not listed"
}

is_listed() { id=$(column "$proc/containers" id "pidns=$inum" state=running) && [ -n "$id" ]; }

has_child() { child=$(pgrep -P "$maker"); }

# Asked each time: entering the cgroup wakes him (cgroup_freeze_task(), the other freezer's), and of who is on a CPU just then, on his way back to
# sleep, this freezer asks nothing more of its own (freezer_apply_state() asks once; 6.1, 6.12). That of a whole machine goes on to ask, too.
is_frozen() { echo FROZEN >"$freezer/held/freezer.state" && grep -qx FROZEN "$freezer/held/freezer.state"; }

# Frozen as a whole machine is: what comes meanwhile, the end of his child, does not wake him.
freeze() {
	[ -d "$freezer" ] || { mkdir "$freezer" && mount -t cgroup -o freezer freezer "$freezer" && mkdir "$freezer/held"; } || return
	echo "$maker" >"$freezer/held/cgroup.procs" && poll 60 is_frozen || fail "he is not frozen"
}

comes_back() {
	[ ! -d "$freezer/held" ] || echo THAWED >"$freezer/held/freezer.state" || return
	wait "$maker"
	expect "the maker's status" 0 "$?"
}

has_files() { [ -e "$proc/$id/resources" ]; }

by_the_worker() {
	hold || return
	poll 60 has_files || fail "no $proc/$id as long as its maker is held" || return
	kill -KILL "$child" && comes_back && expect_clean "$id"
}

# Held: he has his child's pid, and task_struct with all that it has, for that long.
ends_before_he_comes_back() {
	hold && freeze && kill -KILL "$child" && wait_verdict "$id" && expect_state "$id" held || return
	expect details "pid=$maker,comm=held_maker,by=clone" "$(column "$proc/$id/leaks" details | sort -u)"
}

his() {
	ends_before_he_comes_back && comes_back || return
	poll 300 container_is "$id" clean || fail "not clean: $(container_column "$id" state)" "$(cat "$proc/$id/leaks")"
}

is_evicted() { [ -z "$(container_column "$id" state)" ]; }

# The maker comes back when nobody has the ID any more.
for_nobody() {
	ends_before_he_comes_back && echo "dismiss $id" >"$proc/control" || return
	for _ in {1..66}; do unshare --fork --pid true || return; done
	poll 300 is_evicted || fail "container $id is still listed" || return
	poll 60 test ! -e "$proc/$id" || fail "$proc/$id is still there" || return
	comes_back || return
	[ ! -e "$proc/$id" ] || fail "$proc/$id has come back, and is nobody's"
}

# Both writes before the worker has removed the first folder, or not: whoever has the ID then has files.
renamed_there_and_back() {
	local away i
	start_container -- sleep 100000 || return
	id=$CONTAINER_ID away=$((CONTAINER_ID + 1000000))
	for ((i = 0; i < number; i++)); do
		echo "name $id there $away" >"$proc/control" && echo "name $away back $id" >"$proc/control" || return
		# They are looked at in this order: when the second is gone the first has been, too.
		poll 60 test ! -e "$proc/$away" || fail "$proc/$away is still there" || return
		poll 60 has_files || fail "$proc/$id is gone, and the container is there" || return
	done
	expect name back "$(container_column "$id" name)" || return
	kill_container && expect_clean "$CONTAINER_ID"
}

# Nobody can keep it from being unloaded, and nothing comes back to its text.
unloads() {
	hold || return
	unloaded || fail "not unloaded while a maker is held" || return
	kill -KILL "$child" && comes_back || return
	insmod "$BEANCOUNTER_MODULE" || fail "insmod failed:" "$(dmesg | tail -n 5)" || return
	still_counts
}

has_come() { [ "$(cat /sys/module/refuse_call/parameters/waiting)" = 1 ]; }

# insmod is held at a step that fails, when clone()s are looked at already, and meanwhile somebody makes a container.
insmod_fails() { # which of its return probes is refused
	local insmod status=0
	unloaded && load_test_module refuse_call function=register_kretprobe comm=insmod "nth=$1" || return
	insmod "$BEANCOUNTER_MODULE" &
	insmod=$!
	poll 60 has_come && hold && poll 60 test -e "$proc/containers" || fail "insmod does not come so far" || status=1
	echo 1 >/sys/module/refuse_call/parameters/go
	wait "$insmod" && fail "insmod worked" && status=1
	expect "calls refused" 1 "$(cat /sys/module/refuse_call/parameters/refused)" && unload_test_module refuse_call || status=1
	[ ! -e /sys/module/beancounter ] && [ ! -e "$proc" ] || fail "insmod has left something behind" || status=1
	kill -KILL "$child" && comes_back || status=1
	insmod "$BEANCOUNTER_MODULE" && still_counts && return "$status"
}

has_planted() { [ "$(cat /sys/module/plant_stack/parameters/waiting)" = 1 ]; }

# Somebody sleeps with what an old clone() has left on his stack, the lost pid's address among it.
his_no_more() {
	local init sleeper status=0
	load_test_module extra_get at=alloc_pid ret=1 offset=0 width=4 times=1 comm=unshare && start_container -- sleep 100000 || return
	expect "references taken" 1 "$(cat /sys/module/extra_get/parameters/taken)" || status=1
	unload_test_module extra_get
	init=$(container_column "$CONTAINER_ID" init)
	load_test_module plant_stack || return
	echo "$init" >/proc/plant_stack &
	sleeper=$!
	poll 60 has_planted && kill_container && wait_verdict "$CONTAINER_ID" &&
		expect_leak "$CONTAINER_ID" 1 "$(slab_size pid_2)" alloc_pid || status=1
	echo 1 >/sys/module/plant_stack/parameters/go
	wait "$sleeper" || status=1
	unload_test_module plant_stack
	return "$status"
}

need_module
need_programs
need_test_module extra_get
need_test_module plant_stack
need_test_module refuse_call
[ -e "${BEANCOUNTER_MODULE-}" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"
ktap_plan 8
ktap_test "a maker who is held at his clone(): the worker makes the folder" by_the_worker
ktap_test "who is frozen there beyond the container's end has its pid, by name" his
ktap_test "who has come back has it no more: what a clone() has left on a stack says nothing" his_no_more
ktap_test "who comes back after the container has been forgotten: no folder" for_nobody
ktap_test "renamed there and back $number times: it has its folder" renamed_there_and_back
ktap_test "the module is unloaded while a maker is held" unloads
ktap_test "insmod fails while a maker is held, at the probe of events" insmod_fails 1
ktap_test "insmod fails while a maker is held, at one of references" insmod_fails 3
ktap_end
