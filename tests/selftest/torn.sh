#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A search for whoever has what a container left that a change tears, again and again: nobody is accused, and it does not go on.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh
. ./holding.sh

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

# A user's own, each in the one before, deeper than KEYCTL_LINK looks, and all in his session's: nobody's leak is excused by that.
deep_keyrings() {
	local status=0
	hold 'import ctypes
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(250, 1, b"deep") > 0 # KEYCTL_JOIN_SESSION_KEYRING
last = -3 # the session keyring
for i in range(100):
    ring = call(248, b"keyring", b"deep%d" % i, None, 0, -3) # add_key()
    assert ring > 0 and call(250, 8, ring, last) == 0, ctypes.get_errno() # KEYCTL_LINK
    last = ring
have(os.open("/dev/null", os.O_RDONLY))' || return
	run_container -- sh -c 'echo 100 >/proc/leak_one' || status=1
	wait_verdict "$CONTAINER_ID" && expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || status=1
	let_go
	return "$status"
}

need_module
need_test_module move_chunk
need_loaded leak_one
warm_up
ktap_plan 2
ktap_test "a chunk of per-CPU memory that is moved to another slot each time: no verdict, and then the right one" per_cpu_chunk
ktap_test "a hundred keyrings, one in the other: the right one" deep_keyrings
unload_test_module leak_one
ktap_end
