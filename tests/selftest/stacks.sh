#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whole stacks: `stacks ID on` keeps them for what the container allocates from
# then on, of every kind, and changes nothing else; `off` ends it.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh
. ./leaks.sh

writer='leak_one_write\+0x[0-9a-f]+\[leak_one\]<(proc_reg_write|pde_write)\+0x[0-9a-f]+<.*entry_SYSCALL_64_after_hwframe'

loser() { # start; loses an object of the size that it is told
	# shellcheck disable=SC2016
	start_talker "$1" -- /bin/sh -c 'while read -r size && [ "$size" != quit ]; do echo "$size" >/proc/leak_one && echo ok; done'
}

# stacks_of ID BYTES: of each leaked group of that many bytes, sorted. An object may be larger than its cache's name says: KASAN.
stacks_of() { column "$proc/$1/leaks" stack verdict=leaked "bytes=$2" | sort; }

on_and_off() {
	local id stacks status=0
	loser one || return
	id=${talk_id[one]}
	tell one 64 &&
		write_at_once "$proc/control" "stacks $id on" &&
		tell one 64 && tell one 40000 &&
		write_at_once "$proc/control" "stacks $id off" &&
		tell one 192 || status=1
	send one quit
	end_container
	[ "$status" -eq 0 ] || return
	wait_verdict "$id" && expect_state "$id" leaked || return
	stacks=$(stacks_of "$id" "$(slab_size kmalloc-64)")
	expect "groups of one site" 2 "$(wc -l <<<"$stacks")" || return
	expect "before" - "$(head -n 1 <<<"$stacks")" || return
	expect_match "the stack" "^leak_one_lost\\+0x[0-9a-f]+\\[leak_one\\]<$writer" "$(tail -n 1 <<<"$stacks")" || return
	expect_match "of pages" "^leak_one_lost\\+0x[0-9a-f]+\\[leak_one\\]<$writer" "$(stacks_of "$id" 65536)" || return
	expect "after" - "$(stacks_of "$id" "$(slab_size kmalloc-192)")" || return
	expect "sites" 1 "$(column "$proc/$id/leaks" site verdict=leaked | sort -u | wc -l)" || return
	echo free >/proc/leak_one
	poll 20 eval '[ "$(container_column '"$id"' state)" = clean ]' || expect_state "$id" clean
}

only_where_asked() {
	expect "a stopped container" "Invalid argument" \
		"$(write_at_once "$proc/control" "stacks $CONTAINER_ID on" | sed 's/.*: //')" || return
	expect "nobody" "No such file or directory" "$(write_at_once "$proc/control" "stacks 12345678 on" | sed 's/.*: //')"
}

# Everything that a container does, with the stack of each allocation: counted as ever.
busy_and_clean() {
	local id objects
	# shellcheck disable=SC2016
	start_container --in <(sleep 1; echo go) -- /bin/sh -c 'read -r _; exec workloads/busy.sh' || return
	id=$CONTAINER_ID
	write_at_once "$proc/control" "stacks $id on" || return
	poll 60 eval 'column "$proc/'"$id"'/objects" stack | grep -q "<"' || fail "no living object has a stack"
	objects=$?
	end_container
	expect "the workload's status" 0 "$CONTAINER_STATUS" || return
	[ "$objects" -eq 0 ] || return
	wait_verdict "$id" && expect_state "$id" clean || return
	expect_nothing_held "$id" && expect_healthy
}

need_module
need_programs
need_test_module leak_one
load_test_module leak_one || ktap_skip_all "leak_one.ko cannot be loaded"
warm_up
ktap_plan 3
ktap_test "stacks on and off, of small objects and of pages" on_and_off
ktap_test "not of a container that has stopped" only_where_asked
ktap_test "a busy container with stacks is clean" busy_and_clean
unload_test_module leak_one
ktap_end
