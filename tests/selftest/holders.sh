#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a living task outside refers to by an open descriptor is held, and the report names the task; when it closes the
# descriptor the container is clean. Container managers keep such descriptors: Documentation/runtimes.md.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

# A container whose second task's pid, as the host sees it, is in $task.
start_two() {
	start_container -- sh -c 'sleep 1000; true' || return
	poll 10 second_task || fail "no second task"
}
second_task() { task=$(pgrep -P "$(container_column "$CONTAINER_ID" init)" -x sleep); }

# A holder outside: a program that says a word when it has what it holds, and ends when the test closes descriptor 6.
# What it holds it has as descriptor 7.
hold() {
	local program=$1
	shift
	rm -f /tmp/hold /tmp/held
	mkfifo /tmp/hold
	python3 -c "import os, socket, sys
def have(fd):
    os.dup2(fd, 7)
    os.close(fd)
    open('/tmp/held', 'w').close()
$program
sys.stdin.read()" "$@" 5>&- 6>&- </tmp/hold &
	holder=$!
	exec 6>/tmp/hold
	poll 20 test -e /tmp/held -o ! -d "/proc/$holder"
	[ -e /tmp/held ] || fail "the holder has nothing"
}

let_go() {
	exec 6>&-
	wait "$holder"
}

# expect_held SITE: it is held, and by whom; nothing has leaked; then the holder lets go.
expect_held() {
	local status=0 details
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" held || status=1
	expect "leaked groups" "" "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || status=1
	details=$(awk -v site="^$1[+.]" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "held" && $at["site"] ~ site { print $at["details"] }' "$proc/$CONTAINER_ID/leaks")
	expect "who holds $1" "pid=$holder,comm=python3,fd=7" "$details" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	let_go
	poll 60 is_clean || expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID" && return "$status"
}
is_clean() { [ "$(container_column "$CONTAINER_ID" state)" = clean ]; }

pidfd() {
	start_two || return
	hold 'have(os.pidfd_open(int(sys.argv[1])))' "$task" || return
	kill_container
	expect_held alloc_pid
}

proc_directory() {
	start_two || return
	hold 'have(os.open("/proc/" + sys.argv[1], os.O_RDONLY))' "$task" || return
	kill_container
	expect_held alloc_pid
}

address_space() {
	start_two || return
	hold 'have(os.open("/proc/" + sys.argv[1] + "/mem", os.O_RDONLY))' "$task" || return
	kill_container
	expect_held '(mm_alloc|dup_mm|copy_process)'
}

# A file that the container made in the host's /tmp, and that has no name any more.
deleted_file() {
	rm -f /tmp/holders.file
	start_container -- sh -c 'echo mine >/tmp/holders.file; sleep 1000; true' || return
	poll 10 test -s /tmp/holders.file || fail "no file" || return
	hold 'have(os.open("/tmp/holders.file", os.O_RDONLY))' || return
	rm /tmp/holders.file
	kill_container
	expect_held ovl_alloc_inode
}

# The host's end of a connection holds the container's, even when that is dead; its own was made by the container's connect().
unix_connection() {
	rm -f /tmp/holders.socket
	hold 's = socket.socket(socket.AF_UNIX)
s.bind("/tmp/holders.socket")
s.listen()
open("/tmp/held", "w").close()
have(s.accept()[0].detach())' || return
	start_container -- python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX)
s.connect("/tmp/holders.socket")
time.sleep(1000)' || return
	poll 20 test -e "/proc/$holder/fd/7" || fail "no connection" || return
	kill_container
	expect_held sk_prot_alloc
}

# No --net: ports in TIME_WAIT, neighbours and routes stay behind in the host's tables.
host_network() {
	run_container -- "$programs/busy" --net -d /dev/shm -o tcp || return
	wait_verdict "$CONTAINER_ID" || return
	cat "$proc/$CONTAINER_ID/leaks"
	expect_state "$CONTAINER_ID" clean && expect_nothing_held "$CONTAINER_ID"
}

need_module
need_programs
command -v python3 >/dev/null || ktap_skip_all "no python3"
warm_up
ktap_plan 6
ktap_test "a pidfd" pidfd
ktap_test "a descriptor of /proc/PID" proc_directory
ktap_test "a descriptor of /proc/PID/mem" address_space
ktap_test "a file without a name" deleted_file
ktap_test "a connection by a unix socket" unix_connection
ktap_test "connections in the host's network namespace leave nothing" host_network
ktap_end
