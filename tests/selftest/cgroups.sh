#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Cgroups that a container made, below one that was delegated to it, as systemd does. One that was removed lives on as long as something
# is charged to it, and so does what it is made of: held, by whom, until that goes.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh
. ./leaks.sh

shared=/tmp/cgroups.shared # a file system of the host's
delegated=$cgroup_root/delegated
host=

delegate() {
	local controller
	mkdir "$delegated" || return
	for controller in $(<"$delegated/cgroup.controllers"); do
		echo "+$controller" >"$delegated/cgroup.subtree_control" || return
	done
	grep -qw memory "$delegated/cgroup.subtree_control" || fail "no memory controller"
}

# Whatever was charged goes. A CPU lets go of what it keeps for the next object when that is another cgroup's (mm/memcontrol.c,
# refill_obj_stock()).
take_back() {
	local cpu
	rm -f "$shared"/*
	[ -z "$host" ] || { kill "$host" && wait "$host"; }
	host=
	find "$delegated" -mindepth 1 -depth -type d -exec rmdir {} +
	mkdir "$delegated/other"
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		(echo "$BASHPID" >"$delegated/other/cgroup.procs" && taskset -pc "$cpu" "$BASHPID" >/dev/null && : >"$shared/$cpu")
	done
	rm -f "$shared"/*
	rmdir "$delegated/other"
	poll 10 rmdir "$delegated" 2>/dev/null || fail "$delegated cannot be removed"
	echo 1 >/proc/sys/vm/drop_caches # empties the CPUs' lists of pages, too
}

# in_cgroup NAME COMMAND: for the container's shell, a task there that does that, and ends.
in_cgroup() { echo "(echo 0 >$delegated/$1/cgroup.procs && $2)"; }

# What a container does that makes a cgroup in another, writes there to a file that stays, and removes both.
write_and_remove="mkdir $delegated/outer && echo +memory >$delegated/outer/cgroup.subtree_control && mkdir $delegated/outer/inner &&
	$(in_cgroup outer/inner "head -c 4000000 /dev/zero >$shared/file") && rmdir $delegated/outer/inner $delegated/outer"

# kept_until_taken_back [SITE WHOM]...: as expect_kept(), and clean when the host has taken back.
kept_until_taken_back() {
	local status=0
	expect_kept "$@" || status=1
	take_back
	becomes_clean && return "$status"
}

page_cache() {
	delegate && run_container -- sh -c "$write_and_remove" || return
	kept_until_taken_back 'cgroup_(create|mkdir)' by=cgroup 'mem_cgroup_(css_)?alloc' by=memcg percpu_ref_init 'by=(cgroup|memcg)'
}

# Nothing but objects: the memory cgroup itself goes, what they were charged to becomes its parent's.
objects() {
	delegate && run_container -- sh -c "mkdir $delegated/made && $(in_cgroup made ": >$shared/file") && rmdir $delegated/made" || return
	kept_until_taken_back '(obj_cgroup_alloc|mem_cgroup_css_online|memcg_online_kmem)' by=memcg percpu_ref_init by=memcg
}

# One of the host's, with a task of the host's, which has the set of controllers that the container was the first to need.
joined() {
	delegate && mkdir "$delegated/made" && start_container -- sh -c "$(in_cgroup made 'sleep 1000; true')" || return
	poll 10 grep -q . "$delegated/made/cgroup.procs" || fail "no task in the cgroup" || return
	sleep 1000 5>&- &
	host=$!
	echo "$host" >"$delegated/made/cgroup.procs" || return
	kill_container
	kept_until_taken_back find_css_set by=cgroup
}

# One more shrinker than there was room for makes room in all memory cgroups, for good.
shrinkers() {
	local so_far
	so_far=$(cat /run/selftest-shrinkers 2>/dev/null)
	so_far=$((${so_far:-0} + 200)) # in this boot
	echo "$so_far" >/run/selftest-shrinkers
	run_container -- python3 -c 'import ctypes, sys
mount = ctypes.CDLL(None).mount
assert not any(mount(b"many", sys.argv[1].encode(), b"tmpfs", 0, None) for i in range(int(sys.argv[2])))' "$shared" "$so_far" || return
	expect_kept '[a-z_]*shrinker[a-z_]*' by=memcg
}

# What a slice that stays has for a device was made by the first container in it that wrote there.
device() {
	local status=0
	modprobe -q brd rd_nr=1 rd_size=4096 || skip "no module brd" || return
	delegate || return
	grep -qw io "$delegated/cgroup.subtree_control" || skip "no io controller" || status=$?
	[ "$status" -ne 0 ] || device_written || status=1
	take_back
	rmmod brd
	[ "$status" -ne 0 ] || becomes_clean && return "$status"
}

device_written() {
	run_container -- sh -c "mkdir $delegated/made &&
		$(in_cgroup made 'dd if=/dev/zero of=/dev/ram0 bs=4096 count=1 oflag=direct 2>/dev/null') && rmdir $delegated/made" || return
	echo 1 >/proc/sys/vm/drop_caches # dd itself
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || return
	expect_match "what is kept for the device" blkcg "$(column "$proc/$CONTAINER_ID/leaks" class verdict=cached)"
}

lost_nevertheless() {
	local status=0
	delegate && run_container -- sh -c "echo 100 >/proc/leak_one; $write_and_remove" || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" leaked || status=1
	expect_match site '^leak_one_lost' "$(leaked "$CONTAINER_ID" site)" || status=1
	expect "objects leaked" 1 "$(leaked "$CONTAINER_ID" count)" || status=1
	take_back
	echo free >/proc/leak_one
	becomes_clean && return "$status"
}

need_module
need_programs
need_loaded leak_one
command -v python3 >/dev/null || ktap_skip_all "no python3"
warm_up
# The names of these are not to be the cgroup's.
dd if=/dev/zero bs=4096 count=1 2>/dev/null | head -c 1 >/dev/null
mkdir "$shared" && mount -t tmpfs cgroups "$shared" || exit 1
ktap_plan 6
ktap_test "a removed cgroup with page cache of a file that stays" page_cache
ktap_test "a removed cgroup with objects that stay" objects
ktap_test "a cgroup that a task of the host's has joined" joined
ktap_test "more shrinkers than there was room for" shrinkers
ktap_test "what a cgroup that stays has for a device" device
ktap_test "beside a removed cgroup a lost object is leaked" lost_nevertheless
umount "$shared" && rmdir "$shared"
unload_test_module leak_one
ktap_end
