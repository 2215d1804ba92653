#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Containers in the host's network namespace that end amid traffic. What they sent and the host has not read is held, by whom it was
# sent to; a connection that still has to send what was written goes by itself, or when the kernel gives it up.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

declare -A id
notes=$(mktemp -d /tmp/sockets.XXXXXX)

# All do their work before the first verdict, so that their settling is waited for together.
does() { # name, program
	start_container -- python3 -c "import socket
def tcp(port):
    s = socket.socket()
    s.connect(('127.0.0.1', port))
    return s
$2" && end_container || return
	expect "the status of $1" 0 "$CONTAINER_STATUS" && id[$1]=$CONTAINER_ID
}

# The host's program: as descriptor 17 what gets datagrams, as 18 what listens and accepts nobody, as 19 a connection of what listens and
# accepts one. At a word it reads one datagram: those after it then wait in another queue.
open_sockets() {
	mkfifo "$notes/orders"
	python3 -c 'import os, socket, sys
def place(s, number):
    os.dup2(s.fileno(), number)
    s.close()
    return socket.socket(fileno=number)
def note(name):
    open(sys.argv[1] + "/" + name, "w").close()
datagrams = socket.socket(type=socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 7001))
datagrams = place(datagrams, 17)
deaf = socket.create_server(("127.0.0.1", 7002))
deaf = place(deaf, 18)
server = socket.create_server(("127.0.0.1", 7003))
note("listening")
connection = place(server.accept()[0], 19)
note("accepted")
sys.stdin.readline()
datagrams.recv(100)
note("read")
sys.stdin.read()' "$notes" <"$notes/orders" 5>&- 6>&- &
	python=$!
	exec 6>"$notes/orders"
	poll 20 test -e "$notes/listening"
}
own_fds+=(6)

close_sockets() {
	exec 6>&-
	wait "$python"
}

# Packets to there go nowhere, and nobody says so.
make_nowhere() {
	modprobe dummy && ip link add nowhere type dummy && ip address add 192.0.2.2/24 dev nowhere && ip link set nowhere up
}

# was_held NAME FD: all that is held, by that descriptor; nothing has leaked.
was_held() {
	local container=${id[$1]-} details
	[ -n "$container" ] || fail "it did not do its work" || return
	wait_verdict "$container" || return
	cat "$proc/$container/leaks"
	expect_state "$container" held || return
	expect "leaked groups" "" "$(column "$proc/$container/leaks" site verdict=leaked)" || return
	details=$(column "$proc/$container/leaks" details verdict=held | sort -u)
	expect "who holds it" "pid=$python,comm=python3,fd=$2" "$details"
}

clean() { # name, class that was handed over
	[ -n "${id[$1]-}" ] || fail "it did not do its work" || return
	poll 60 container_is "${id[$1]}" clean || expect_state "${id[$1]}" clean || return
	expect_nothing_held "${id[$1]}" || return
	[ -z "${2-}" ] || column "$proc/${id[$1]}/leaks" class | grep -qx "$2" && return
	cat "$proc/${id[$1]}/leaks"
	fail "nothing of class $2"
}

need_module
command -v python3 >/dev/null || ktap_skip_all "no python3"
need_programs
warm_up
ip link set lo up
make_nowhere >"$notes/log" 2>&1 || { diagnose <"$notes/log" && ktap_skip_all "no network device that drops everything"; }
open_sockets || exit 1
does datagrams 's = socket.socket(type=socket.SOCK_DGRAM)
for i in range(4):
    s.sendto(b"x" * 100, ("127.0.0.1", 7001))'
does waiting 'tcp(7002).send(b"x" * 1000)'
# More than both ends take: the rest is the closed socket s to send, which asks now and then whether there is room.
does stuck 's = tcp(7003)
s.setblocking(False)
try:
    while s.send(b"x" * 100000):
        pass
except BlockingIOError:
    pass'
# A connection without a handshake, to where nobody is: what is written stays unanswered.
does unanswered 'repair = 19 # TCP_REPAIR
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, repair, 1)
s.bind(("192.0.2.2", 0))
s.connect(("192.0.2.1", 80))
s.setsockopt(socket.IPPROTO_TCP, repair, 0)
s.send(b"x" * 20000)'
echo >&6
poll 20 test -e "$notes/read"

ktap_plan 8
ktap_test "datagrams after the first, which was read" was_held datagrams 17
ktap_test "a connection that nobody has accepted" was_held waiting 18
ktap_test "a connection that nobody reads from" was_held stuck 19
ktap_test "a connection whose other end does not answer" clean unanswered tcp-orphan
close_sockets
ktap_test "closed: nothing is left of the datagrams" clean datagrams
ktap_test "... of the connection that nobody has accepted" clean waiting
ktap_test "... of the one that nobody read from" clean stuck
ktap_test "nothing was missed" expect_healthy
ip link del nowhere
rm -rf "$notes"
ktap_end
