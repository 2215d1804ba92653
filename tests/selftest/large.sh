#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who asked for what is too large for a cache? The allocator's own functions are passed over on the stack, and some of those align it, so
# that the way up differs by a word from caller to caller. 1024 iovecs are 16 KiB; each task of a container has them for a call of
# another kind, in which it waits.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

notes=$(mktemp -d /tmp/large.XXXXXX)
kinds=(readv preadv recvmsg recvmmsg writev sendmsg vmsplice)

# large_objects [FUNCTION]: how many page-backed ones the container has, of all or of that allocating function.
large_objects() {
	awk -v name="${1-}" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["cache"] == "kmalloc-large" && index($at["site"], name) == 1 { n += $at["count"] }
		END { print n + 0 }' "$notes/objects"
}

all_wait() {
	cat "$proc/$CONTAINER_ID/objects" >"$notes/objects"
	[ "$(large_objects)" -ge "${#kinds[@]}" ]
}

each_by_its_caller() {
	start_container -- python3 -c 'import ctypes, mmap, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
page = mmap.mmap(-1, 1 << 20)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("iov", ctypes.c_void_p), ("iovs", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int)]
class Messages(ctypes.Structure):
    _fields_ = [("message", Message), ("length", ctypes.c_uint)]
iovecs = (Iovec * 1024)(*[Iovec(base, 1000)] * 1024)
message = Messages(Message(iov=ctypes.addressof(iovecs), iovs=1024))
at = ctypes.byref
def full(fd):
    os.set_blocking(fd, False)
    try:
        while os.write(fd, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(fd, True)
    return fd
def readv():
    libc.readv(os.pipe()[0], iovecs, 1024)
def preadv():
    libc.preadv2(os.pipe()[0], iovecs, 1024, ctypes.c_long(-1), 0)
def recvmsg():
    libc.recvmsg(socket.socketpair()[0].detach(), at(message), 0)
def recvmmsg():
    libc.recvmmsg(socket.socketpair()[0].detach(), at(message), 1, 0, None)
def writev():
    libc.writev(full(os.pipe()[1]), iovecs, 1024)
def sendmsg():
    libc.sendmsg(full(socket.socketpair()[0].detach()), at(message), 0)
def vmsplice():
    libc.vmsplice(full(os.pipe()[1]), iovecs, 1024, 0)
for name in sys.argv[1:]:
    keep = []
    if not os.fork():
        socketpair = socket.socketpair
        socket.socketpair = lambda: keep.extend(socketpair()) or keep
        globals()[name]()
        os._exit(1)
time.sleep(1000)' "${kinds[@]}" || return
	poll 30 all_wait
	grep -E '^ *count|kmalloc-large' "$notes/objects"
	kill_container
	expect "objects of iovec_from_user()" "${#kinds[@]}" "$(large_objects iovec_from_user)"
}

need_module
need_programs
ktap_plan 2
ktap_test "page-backed objects by who asked for them" each_by_its_caller
ktap_test "nothing was missed" expect_healthy
rm -rf "$notes"
ktap_end
