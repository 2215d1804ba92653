#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One object of a hundred bytes lost in a busy container is found, and is all that
# is found. What the kernel says of a stop, and where the object is, to whom.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh
. ./leaks.sh

trap 'rm -rf "$talk_folder"' EXIT

lose_one() {
	run_container "$@" -- /bin/sh -c '
		workloads/busy.sh -p 50 -s 50 &
		echo 100 >/proc/leak_one
		wait $!' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || return
	expect_match site '\[leak_one\]$' "$(leaked "$CONTAINER_ID" site)" || return
	expect cache kmalloc-128 "$(leaked "$CONTAINER_ID" cache)"
}

nothing_left() { [ "$(container_column "$1" held)" = 0 ]; }

# A leaked object that is freed at last is uncharged, by whoever frees it.
freed_later() {
	echo free >/proc/leak_one || return
	in_time 10 nothing_left "$1" || fail "held is still $(container_column "$1" held)" || return
	expect_nothing_held "$1"
}

three_of_two_sizes() {
	run_container -- /bin/sh -c 'for n in 100 3000 100; do echo $n >/proc/leak_one; done' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" leaked || return
	expect "groups" "1:kmalloc-4k 2:kmalloc-128" "$(
		paste -d: <(column "$proc/$CONTAINER_ID/leaks" count verdict=leaked) \
			<(column "$proc/$CONTAINER_ID/leaks" cache verdict=leaked) | sort | xargs
	)" || return
	freed_later "$CONTAINER_ID"
}

twin() {
	run_container -- /bin/sh -c '
		workloads/busy.sh -p 50 -s 50 &
		echo 100 >/proc/leak_one; echo free >/proc/leak_one
		wait $!' || return
	expect_clean "$CONTAINER_ID"
}

# --- what the kernel says: trace events, and its log

# stop_named NAME [SIZE]...: a container of that name loses so much, and stops. Its events and the log's lines of it are in `events` and
# `lines`, without where in a function.
stop_named() {
	local instance=/sys/kernel/tracing/instances/leak_one-$$ event status=0
	# shellcheck disable=SC2016
	start_talker loser -- sh -c 'while read -r sizes; do for n in $sizes; do echo "$n" >/proc/leak_one; done; echo done; done' || return
	id=${talk_id[loser]}
	write_at_once "$proc/control" "name $id $1" || return
	mkdir "$instance" || return
	mark_log
	for event in container_stop leak; do
		echo 1 >"$instance/events/beancounter/$event/enable" || status=1
	done
	tell loser "${@:2}" && end_talker loser && wait_verdict "$id" || status=1
	events=$(sed -nE "s/.* (container_stop|leak): id=$id /\\1 /p" "$instance/trace" | sed 's/+0x[0-9a-f]*//' | LC_ALL=C sort)
	lines=$(log_since "$mark" | sed -nE "s/.*beancounter: (container $id )/\\1/p" | sed 's/+0x[0-9a-f]*//')
	rmdir "$instance"
	return "$status"
}

# Two groups, of one site.
said_of_a_leak() {
	local id events lines small large all status=0
	small=$((2 * $(slab_size kmalloc-128))) large=$(slab_size kmalloc-4k)
	all=$((small + large))
	stop_named loses-three 100 3000 100 && expect_state "$id" leaked || return
	expect "its events" "container_stop name=loses-three state=leaked objects=3 bytes=$all
leak verdict=leaked cache=kmalloc-128 site=leak_one_lost[leak_one] objects=2 bytes=$small
leak verdict=leaked cache=kmalloc-4k site=leak_one_lost[leak_one] objects=1 bytes=$large" "$events" || status=1
	expect "the log's lines" "container $id loses-three stopped leaked: 3 objects, $all bytes; first leak_one_lost[leak_one];\
 see /proc/beancounter/$id/leaks" "$lines" || status=1
	freed_later "$id" && return "$status"
}

said_of_a_clean_one() {
	local id events lines
	stop_named loses-nothing && expect_clean "$id" || return
	expect "its events" "container_stop name=loses-nothing state=clean objects=0 bytes=0" "$events" || return
	expect "the log's lines" "" "$lines"
}

# --- where the object is: kptr_restrict says who may know (with 0 it is what %p shows)

# address_in FILE [COMMAND]...: as who is started by that reads it.
address_in() {
	"${@:2}" cat "$proc/$id/$1" >"$talk_folder/$1" && column "$talk_folder/$1" addresses "site=$site"
}

who_may_know() {
	local id=$CONTAINER_ID site file at
	site=$(leaked "$id" site) && at=$(printf %016x $(($(cat /sys/module/leak_one/parameters/last)))) || return
	echo 1 >"$restrict" || return
	for file in objects leaks; do
		expect "$file, to root" "$at" "$(address_in "$file")" || return
		expect "$file, without CAP_SYSLOG" "$zeros" "$(address_in "$file" setpriv --bounding-set -syslog)" || return
	done
	expect_match "references, to root" '^ffff[0-9a-f]{12}$' "$(column "$proc/$id/references" address | head -n 1)" || return
	echo 2 >"$restrict" || return
	for file in objects leaks; do
		expect "$file, to nobody" "$zeros" "$(address_in "$file")" || return
	done
	! grep -E '(^|[^0-9a-f])ffff[0-9a-f]{12}' "$proc/$id"/{objects,leaks,references} || fail "kptr_restrict=2: an address is shown"
}

addresses() {
	local restrict=/proc/sys/kernel/kptr_restrict zeros=0000000000000000 before status=0
	before=$(cat "$restrict")
	# A pipe takes references of its user.
	run_container -- /bin/sh -c ': | :; echo 100 >/proc/leak_one' && wait_verdict "$CONTAINER_ID" || return
	who_may_know || status=1
	echo "$before" >"$restrict"
	freed_later "$CONTAINER_ID" && return "$status"
}

need_module
need_programs
need_loaded leak_one
warm_up
ktap_plan 8
ktap_test "one lost object in a busy container" lose_one
ktap_test "freed by the host later, it is uncharged" freed_later "$CONTAINER_ID"
ktap_test "one lost object in a busy container with --user --net" lose_one --user --net
echo free >/proc/leak_one
ktap_test "three objects of two sizes are two groups" three_of_two_sizes
ktap_test "the same with the object freed is clean" twin
talk_test "a stop with a leak: its trace events, and a line in the log" said_of_a_leak
talk_test "a clean stop: its trace event, and no line" said_of_a_clean_one
ktap_test "addresses are for whom kptr_restrict lets know them" addresses
unload_test_module leak_one
ktap_end
