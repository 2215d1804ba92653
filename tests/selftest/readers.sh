#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every file is read all the time while all that is in it changes: no row is torn, no number negative, no name one that was
# never given. workloads/read_views.c says what it looks at. Meanwhile a container is at its limit, one leaks, and slab caches go whose
# objects are in the files.
#
#   READ_SECONDS   how long (10), but for CHANGES changes at least
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

CHANGES=15
seconds=${READ_SECONDS:-10}
bounds=("1073741824 2147483648" "3221225472 4294967296")
names=(a a-name-of-sixty-three-characters-which-is-as-long-as-may-be-123)
folder=$(mktemp -d /tmp/readers.XXXXXX)
trap 'rm -rf "$folder" "$talk_folder"' EXIT

# The reader has come by it since this was called.
is_read() { # COLUMN=WORD
	local before
	before=$(times_read "$1")
	poll 300 read_again "$1" "$before" || fail "nobody has read $1 in 300 s"
}
times_read() { grep -cx "saw $1" "$folder/out"; }
read_again() { [ "$(times_read "$1")" -gt "$2" ]; }

# Up to the limit, refused there, and back again.
fill_up() {
	tell full make message 5000 || return
	expect_match "at the limit" '^made=[1-9][0-9]* errno=ENOMEM$' "$ANSWER" || return
	tell full free message "$(said made)"
}

# A cache comes, a container dies that has objects of it, and it is destroyed.
cache() {
	local status=0
	load_test_module alloc_paths || return
	unshare --pid --fork --mount-proc sh -c 'echo alloc kmem_cache 100 0 >/proc/alloc_paths; exec sleep 1000' &
	is_read cache=alloc_paths || status=1
	pkill -KILL -P $!
	wait $! 2>/dev/null
	echo free each >/proc/alloc_paths && unload_test_module alloc_paths && return "$status"
}

lose() {
	unshare --pid --fork --mount-proc sh -c 'echo 100 >/proc/leak_one' || return
	leaking=$(newest_container)
}

# What was lost is found, read, and freed at last.
find_leak() {
	wait_verdict "$1" && expect_state "$1" leaked && is_read verdict=leaked || return
	echo free >/proc/leak_one || return
	poll 20 nothing_left "$1" || fail "held is still $(container_column "$1" held)"
}
nothing_left() { [ "$(container_column "$1" held)" = 0 ]; }

# Containers come and go, the one that stays gets other bounds and names.
change() {
	local i=0 id=$CONTAINER_ID end=$((SECONDS + seconds))
	while [ "$SECONDS" -lt "$end" ] || [ "$i" -lt "$CHANGES" ]; do
		write_at_once "$proc/$id/resources" "kmemsize ${bounds[i % 2]}" || return
		write_at_once "$proc/control" "name $id ${names[i % 2]}" || return
		[ $((i % 3)) -ne 0 ] || unshare --pid --fork --mount-proc true || return
		[ $((i % 4)) -ne 0 ] || fill_up || return
		[ "$i" -ne 2 ] || lose || return
		[ "$i" -ne 5 ] || cache || return
		[ $((i % 7)) -ne 0 ] || { echo self-check >"$proc/control" && echo reset >"$proc/$id/resources"; } || return
		i=$((i + 1))
	done
	echo "$i changes"
	[ "$(container_column "${talk_id[full]}" failcnt)" -ge $((i / 4)) ] || fail "no refusal is counted" || return
	is_read cause=barrier || return
	find_leak "$leaking"
}

old_bounds() {
	local id
	for id in $(column "$proc/containers" id); do
		paste -d: <(column "$proc/$id/resources" barrier) <(column "$proc/$id/resources" limit)
	done | sort -u
}

read_and_change() {
	local status=0 reader pairs old_bounds old_names leaking full_at
	start_talker full -- "$programs/limit_probe" && tell full make message 1 || return
	full_at=$(($(resource "${talk_id[full]}" kmemsize held) + 32768))
	set_limits "${talk_id[full]}" "kmemsize $full_at $full_at" || return
	# Something to charge and free, and time for others.
	start_container -- sh -c 'while :; do /bin/true; sleep 0.1; done' || return
	# ... and those of containers that were there before, which nobody changes.
	mapfile -t old_bounds < <(old_bounds)
	mapfile -t old_names < <(column "$proc/containers" name | grep -vx -e - | sort -u)
	pairs=$(IFS=, && echo "unlimited:unlimited,$full_at:$full_at,${bounds[*]/ /:}${old_bounds[*]:+,${old_bounds[*]}}")
	"$programs/read_views" 1000000 --pairs "$pairs" --names "$(IFS=, && echo "${names[*]}${old_names[*]:+,${old_names[*]}}")" \
		--caches kmalloc-large,alloc_paths --tell cache=alloc_paths,cause=barrier,verdict=leaked >"$folder/out" &
	reader=$!
	change || status=1
	kill -TERM "$reader"
	wait "$reader" || status=1
	grep -v '^saw ' "$folder/out" | head -c 4000
	kill_container || return
	end_talker full || return
	return "$status"
}

need_module
need_programs
need_test_module alloc_paths
need_loaded leak_one
warm_up
ktap_plan 2
talk_test "every file, read while everything changes" read_and_change
unload_test_module alloc_paths
unload_test_module leak_one
ktap_test "nothing was missed" expect_healthy
ktap_end
