#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A search for whoever has what a container left that a change tears, again and again: nobody is accused, and it does not go on.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

moved() { cat "/sys/module/move_chunk/parameters/$1"; }
is_torn() { [ "$(moved moved)" -ge "$1" ]; }

per_cpu_chunk() {
	local before status=0
	load_test_module move_chunk times=0 || return
	before=$(health walks_torn)
	run_container -- sh -c 'echo 100 >/proc/leak_one' || return
	poll 60 is_torn 4 || fail "the chunk was moved $(moved moved) times" || status=1
	expect_state "$CONTAINER_ID" settling || status=1
	expect "what it waits for" search "$(container_column "$CONTAINER_ID" waits)" || status=1
	[ "$(health walks_torn)" -ge $((before + 3)) ] || fail "torn walks: $before before, $(health walks_torn) now" || status=1
	expect "walks that went on from another slot's head" 0 "$(moved rounds)" || status=1
	unload_test_module move_chunk
	[ "$status" -eq 0 ] || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost
}

need_module
need_test_module move_chunk
need_loaded leak_one
warm_up
ktap_plan 1
ktap_test "a chunk of per-CPU memory that is moved to another slot each time: no verdict, and then the right one" per_cpu_chunk
unload_test_module leak_one
ktap_end
