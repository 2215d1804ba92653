#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container hangs on something that it shares with somebody outside, an open file or a port: it stays as long as he has that.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

# What a container hangs on a file that it has open together with somebody outside.
locks_and_signals() {
	local status=0 made
	case $KERNEL in
	6.1.*) made=alloc_pid ;;
	*) made=file_f_owner_allocate ;;
	esac
	exec 8<>/tmp/shared-file || return
	run_container -- python3 -c 'import fcntl, os
fcntl.flock(8, fcntl.LOCK_EX)
fcntl.fcntl(8, fcntl.F_SETOWN, os.getpid())' || status=1
	expect_kept "$made" "pid=$$,.*fd=8" || status=1
	exec 8>&-
	becomes_clean || status=1
	return "$status"
}

larger_pipe() {
	local status=0
	rm -f /tmp/shared-pipe
	mkfifo /tmp/shared-pipe && exec 8<>/tmp/shared-pipe || return
	run_container -- python3 -c 'import fcntl
fcntl.fcntl(8, 1031, 1 << 20) # F_SETPIPE_SZ' || status=1
	expect_kept pipe_resize_ring "pid=$$,.*fd=8" || status=1
	exec 8>&-
	becomes_clean || status=1
	return "$status"
}

# Of a port that several listen on the first has made what they share.
port() {
	local status=0 port=1234 listen='import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", 1234))
s.listen()
'
	start_container -- python3 -c "${listen}time.sleep(1000)" || return
	poll 60 listens "$port" || fail "nobody listens" || status=1
	hold "${listen}have(s.detach())" || status=1
	kill_container
	expect_kept "(__)?reuseport_alloc" "pid=$holder,.*fd=7" || status=1
	let_go
	becomes_clean || status=1
	return "$status"
}
listens() { grep -q ":$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp; }

need_module
need_programs
warm_up
ktap_plan 3
ktap_test "a lock and an owner for signals, of an open file of the host's" locks_and_signals
ktap_test "a larger ring for a pipe of the host's" larger_pipe
ktap_test "a group of listeners, of which the host's is the second" port
ktap_end
