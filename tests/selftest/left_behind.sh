#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container leaves on purpose where others live: in an ipc namespace that it shares, segments, queues, semaphores and what is in
# them; and files that nobody has open any more, and a living task has mapped. They are held, by the namespace or by the mapping, until
# somebody removes them. What is lost beside them is a leak as ever.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh
. ./leaks.sh
. ./talk.sh

key=$((0x62650000 + $$ % 65536))
queue=/left-behind-$$
socket=${talk_folder##*/} # an abstract one
trap 'rm -rf "$talk_folder" /dev/shm/left-behind; remove_all 2>/dev/null' EXIT

remove_all() {
	ipcrm -M "$key"
	ipcrm -Q "$key"
	ipcrm -S "$key"
	python3 -c "$calls
call(libc.mq_unlink, queue)"
}

# Python for the calls: the key and the queue's name, and call(FUNCTION, ARGUMENT...), which does not fail.
calls="import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
key, queue = $key, b'$queue'
MAKE = 0o1666 # IPC_CREAT
def call(function, *arguments):
    result = function(*arguments)
    if result in (-1, 2 ** 64 - 1):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def message(length):
    return struct.pack('l', 1) + b'x' * length
def operation(number, how, flags):
    return struct.pack('Hhh', number, how, flags)
def open_queue(flags):
    attributes = struct.pack('8l', 0, 8, 8192, 0, 0, 0, 0, 0)
    return call(libc.mq_open, queue, 2 | flags, 0o600, attributes)
def send(to, *lengths):
    for priority, length in enumerate(lengths):
        call(libc.mq_send, to, b'x' * length, ctypes.c_size_t(length), priority)
def receive(of, number):
    buffer = ctypes.create_string_buffer(8192)
    for i in range(number):
        call(libc.mq_receive, of, buffer, ctypes.c_size_t(8192), None)"

# leave PROGRAM: a container in the host's ipc namespace does that, and ends.
leave() {
	run_container --host-ipc -- python3 -c "$calls
$1"
}

# kept WHOM SITE...: all that is left is held, and what was made at each of those says by whom.
kept() {
	local site
	for site in "${@:2}"; do
		expect_kept "$site" "$1" || return
	done
}

in_namespace='[ ]by=ipc '
file='(__alloc_file|alloc_empty_file)'
text='(load_msg|alloc_msg)'

segment() {
	leave 'segment = call(libc.shmget, key, 1 << 20, MAKE)
ctypes.memset(call(libc.shmat, segment, None, 0), 1, 1 << 20)' || return
	kept "$in_namespace" newseg "$file" || return
	ipcrm -M "$key" && becomes_clean
}

# Who locks it is counted as its user, and had nothing else.
locked_segment() {
	leave 'os.setresuid(41007, 41007, 41007)
call(libc.shmctl, call(libc.shmget, key, 4096, MAKE), 11, None) # SHM_LOCK' || return
	kept "$in_namespace" newseg alloc_ucounts || return
	ipcrm -M "$key" && becomes_clean
}

# It is marked to be removed, and goes with the last who has it.
attached_segment() {
	local id
	start_container --host-ipc -- python3 -c "$calls
call(libc.shmget, key, 4 << 20, MAKE)
time.sleep(1000)" || return
	id=$CONTAINER_ID
	poll 30 ipcs_has -m || fail "no segment" || return
	start_host_talker b -- "$programs/share" || return
	tell b attach "$key" && expect attach ok "$ANSWER" || return
	CONTAINER_ID=$id
	kill_container
	ipcrm -M "$key" || return
	kept 'by=(ipc|map) ' newseg "$file" || return
	tell b detach && expect detach ok "$ANSWER" || return
	becomes_clean && end_talker b
}
ipcs_has() { ipcs "$1" | grep -q "^0x0*$(printf %x "$key") "; }

# In a namespace that has nobody any more: whoever came, attached it and went home has it.
visited_segment() {
	local mapper status=0
	rm -f /tmp/left-behind.{made,attached}
	start_container -- python3 -c "$calls
call(libc.shmget, key, 4096, MAKE)
open('/tmp/left-behind.made', 'w').close()
time.sleep(1000)" || return
	poll 30 test -e /tmp/left-behind.made || fail "no segment" || return
	rm /tmp/left-behind.made
	python3 -c "$calls
home = os.open('/proc/self/ns/ipc', 0)
call(libc.setns, os.open('/proc/' + sys.argv[1] + '/ns/ipc', 0), 0)
call(libc.shmat, call(libc.shmget, key, 0, 0), None, 0)
call(libc.setns, home, 0)
os.closerange(3, 100)
open('/tmp/left-behind.attached', 'w').close()
time.sleep(1000)" "$(container_column "$CONTAINER_ID" init)" 5>&- &
	mapper=$!
	poll 30 test -e /tmp/left-behind.attached || fail "it is not attached" || status=1
	kill_container
	[ "$status" -ne 0 ] || kept "[ ]pid=$mapper,comm=python3,by=map " newseg "$file" || status=1
	kill "$mapper"
	wait "$mapper"
	[ "$status" -eq 0 ] && becomes_clean
}

# ... or has it open.
open_namespace() {
	local holder status=0
	rm -f /tmp/left-behind.{made,open}
	start_container -- python3 -c "$calls
to = call(libc.msgget, key, MAKE)
call(libc.msgsnd, to, message(100), ctypes.c_size_t(100), 0)
send(open_queue(0o100), 10)
open('/tmp/left-behind.made', 'w').close()
time.sleep(1000)" || return
	poll 30 test -e /tmp/left-behind.made || fail "no queue" || return
	rm /tmp/left-behind.made
	python3 -c "import os, sys, time
fd = os.open('/proc/' + sys.argv[1] + '/ns/ipc', 0)
open('/tmp/left-behind.open', 'w').close()
time.sleep(1000)" "$(container_column "$CONTAINER_ID" init)" 5>&- &
	holder=$!
	poll 30 test -e /tmp/left-behind.open || fail "it is not open" || status=1
	kill_container
	[ "$status" -ne 0 ] || kept "[ ]pid=$holder,comm=python3,fd=" newque "$text" '(do_mq_timedsend|__x64_sys_mq_timedsend)' || status=1
	kill "$holder"
	wait "$holder"
	[ "$status" -eq 0 ] && becomes_clean
}

messages() {
	leave 'to = call(libc.msgget, key, MAKE)
for length in 0, 100, 5000, 8000:
    call(libc.msgsnd, to, message(length), ctypes.c_size_t(length), 0)' || return
	kept "$in_namespace" newque "$text" || return
	ipcrm -Q "$key" && becomes_clean
}

# In a queue of the host's, which knows who was the last to send.
messages_for_others() {
	python3 -c "$calls
to = call(libc.msgget, key, MAKE)
call(libc.msgsnd, to, message(10), ctypes.c_size_t(10), 0)" || return
	leave 'to = call(libc.msgget, key, 0)
for length in 5000, 8000:
    call(libc.msgsnd, to, message(length), ctypes.c_size_t(length), 0)' || return
	kept "$in_namespace" "$text" alloc_pid || return
	ipcrm -Q "$key" && becomes_clean
}

# 250 of them, and 32,000, which may be no object of the allocator's.
semaphores() {
	local n
	for n in 250 32000; do
		leave "call(libc.semget, key, $n, MAKE)" || return
		kept "$in_namespace" '(newary|sem_alloc|[a-z_]*kvmalloc_node[a-z_]*)' || return
		ipcrm -S "$key" && becomes_clean || return
	done
}

# A set of the host's knows who was the last at each of its semaphores.
last_at_semaphore() {
	python3 -c "$calls
call(libc.semget, key, 250, MAKE)" || return
	leave 'call(libc.semop, call(libc.semget, key, 0, 0), operation(249, 1, 0), ctypes.c_size_t(1))' || return
	kept "$in_namespace" alloc_pid || return
	ipcrm -S "$key" && becomes_clean
}

# What is to be undone is its process's, unless others share it (CLONE_SYSVSEM): when the last of them ends.
undo() {
	local parent newest status=0
	python3 -c "$calls
call(libc.semget, key, 4, MAKE)" || return
	rm -f /tmp/left-behind.undo
	newest=$(newest_container)
	python3 -c "$calls
child = call(libc.syscall, 56, 0x20040011, 0, 0, 0, 0) # clone(CLONE_NEWPID | CLONE_SYSVSEM | SIGCHLD)
if not child:
    call(libc.semop, call(libc.semget, key, 0, 0), operation(1, 1, 0x1000), ctypes.c_size_t(1)) # SEM_UNDO
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
open('/tmp/left-behind.undo', 'w').close()
time.sleep(1000)" 5>&- &
	parent=$!
	poll 30 test -e /tmp/left-behind.undo || fail "nothing was done" || status=1
	CONTAINER_ID=$(newest_container)
	[ "$CONTAINER_ID" -gt "$newest" ] || fail "no container" || status=1
	[ "$status" -ne 0 ] || kept "[ ](pid=$parent,comm=python3,)?by=ipc " '(find_alloc_undo|__do_semtimedop|do_semtimedop|[a-z_]*kvmalloc_node[a-z_]*)' || status=1
	kill "$parent"
	wait "$parent"
	ipcrm -S "$key"
	[ "$status" -eq 0 ] && becomes_clean
}

posix_queue() {
	leave 'send(open_queue(0o100), 10, 5000, 8192)' || return
	kept "$in_namespace" '(mqueue_alloc_inode|alloc_inode)' '(do_mq_timedsend|__x64_sys_mq_timedsend)' "$text" || return
	python3 -c "$calls
call(libc.mq_unlink, queue)" && becomes_clean
}

posix_queue_of_others() {
	python3 -c "$calls
send(open_queue(0o100), 1)" || return
	leave 'send(open_queue(0), 10, 5000, 8192)' || return
	kept "$in_namespace" '(do_mq_timedsend|__x64_sys_mq_timedsend)' "$text" || return
	python3 -c "$calls
receive(open_queue(0), 4)" && becomes_clean || return
	# Who receives puts a node by, for the next message.
	python3 -c "$calls
send(open_queue(0), 1)" || return
	leave 'receive(open_queue(0), 1)' || return
	kept "$in_namespace" '(do_mq_timedreceive|__x64_sys_mq_timedreceive)' || return
	python3 -c "$calls
call(libc.mq_unlink, queue)" && becomes_clean
}
# ok NAME WORD...: it does that, and it works.
ok() { tell "$@" && expect "$*" ok "$ANSWER"; }

# A memfd that the container has sent, and of which the host has no descriptor.
mapped_file() {
	local pid
	start_talker a -- "$programs/share" && start_host_talker b -- "$programs/share" || return
	pid=${talk_pid[b]}
	ok b listen "$socket" && ok a connect "$socket" && ok b accept && ok a give && ok b take || return
	ok b map && ok b touch && ok b drop || return
	end_talker a || return
	kept "[ ]pid=$pid,comm=share,by=map " "$file" shmem_alloc_inode || return
	ok b detach || return
	# The connection is there as before, and no file.
	poll 60 no_file || fail "the file is still there:" "$(cat "$proc/$CONTAINER_ID/leaks")" || return
	end_talker b # which forgets whose verdict that was
}
no_file() { ! grep -qE " ${file}[+]" "$proc/$CONTAINER_ID/leaks"; }

# Maps it, and has it open no more: Python's own mmap would.
map_file="libc.mmap.restype = ctypes.c_void_p
fd = os.open(sys.argv[1], os.O_RDWR)
call(libc.mmap, None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
os.close(fd)
open('/tmp/left-behind.mapped', 'w').close()
time.sleep(1000)"

# Of a file without a name that the host itself has opened, mapped and closed.
mapped_name() {
	local mapper status=0
	rm -f /tmp/left-behind.mapped
	run_container -- sh -c 'head -c 65536 /dev/zero >/dev/shm/left-behind' || return
	python3 -c "$calls
$map_file" /dev/shm/left-behind 5>&- &
	mapper=$!
	poll 30 test -e /tmp/left-behind.mapped || fail "it is not mapped" || status=1
	rm /dev/shm/left-behind
	[ "$status" -ne 0 ] || kept "[ ]pid=$mapper,comm=python3,by=map " __d_alloc shmem_alloc_inode || status=1
	kill "$mapper"
	wait "$mapper"
	[ "$status" -eq 0 ] && becomes_clean
}

# Of a file system, and an overlay on it, that the container itself has mounted: they live as long.
mapped_mount() {
	local path=$1 mapper status=0
	rm -f /tmp/left-behind.{made,mapped}
	# shellcheck disable=SC2016
	start_container -- sh -c 'mount -t tmpfs left /mnt && mkdir /mnt/lower /mnt/upper /mnt/work /mnt/all &&
		mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work left /mnt/all &&
		head -c 65536 /dev/zero >/mnt/all/file && >/tmp/left-behind.made; sleep 1000; true' || return
	poll 30 test -e /tmp/left-behind.made || fail "no file" || return
	rm /tmp/left-behind.made
	python3 -c "$calls
$map_file" "/proc/$(container_column "$CONTAINER_ID" init)/root$path" 5>&- &
	mapper=$!
	poll 30 test -e /tmp/left-behind.mapped || fail "it is not mapped" || status=1
	kill_container
	[ "$status" -ne 0 ] || kept "[ ]pid=$mapper,comm=python3,by=map " alloc_vfsmnt shmem_alloc_inode || status=1
	kill "$mapper"
	wait "$mapper"
	[ "$status" -eq 0 ] && becomes_clean
}

# lost_beside PROGRAM: among what that leaves, one object that nobody has. It alone is a leak, and stays one when the rest goes.
lost_beside() {
	leave "$1
open('/proc/leak_one', 'w').write('100')" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || return
	expect count 1 "$(leaked "$CONTAINER_ID" count)" || return
	expect_match site '^leak_one_lost[+].*\[leak_one\]$' "$(leaked "$CONTAINER_ID" site)" || return
	expect_match "what is held" 'by=ipc' "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || return
	remove_all 2>/dev/null
	poll 60 one_left || fail "more than it is left" "$(cat "$proc/$CONTAINER_ID/leaks")" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || return
	echo free >/proc/leak_one && becomes_clean
}

# ... while the host uses its own, as fast as it can.
lost_amid() {
	local status=0 user
	python3 -c "$calls
own = call(libc.msgget, 0, MAKE)
while True:
    call(libc.msgsnd, own, message(100), ctypes.c_size_t(100), 0)
    call(libc.shmctl, call(libc.shmget, 0, 4096, MAKE), 0, None)
    call(libc.msgrcv, own, ctypes.create_string_buffer(200), ctypes.c_size_t(100), 0, 0)" 5>&- &
	user=$!
	lost_beside "$1" || status=1
	kill "$user"
	wait "$user"
	ipcrm --all=msg --all=shm
	return "$status"
}

one_left() { [ "$(container_column "$CONTAINER_ID" objects)" = 1 ]; }

# What a test that failed has left is not the next one's.
left_test() { # name, function, arguments
	talk_test "$1" tidily "${@:2}"
}
tidily() {
	local status=0
	"$@" || status=$?
	[ "$status" -eq 0 ] || remove_all 2>/dev/null
	return "$status"
}

need_module
need_programs
command -v python3 >/dev/null || ktap_skip_all "no python3"
[ -e /proc/sysvipc/shm ] || ktap_skip_all "the kernel has no System V IPC"
need_loaded leak_one
warm_up
python3 -c "$calls" # what it is started from, too
ktap_plan 20
left_test "a segment of System V, with pages" segment
left_test "... that a user has locked" locked_segment
left_test "... that the host has attached" attached_segment
left_test "... of a namespace that has nobody any more, attached by a visitor" visited_segment
left_test "queues of a namespace that has nobody any more, and is open" open_namespace
left_test "a queue with messages" messages
left_test "messages in the host's queue, and who was the last to send" messages_for_others
left_test "a set of semaphores" semaphores
left_test "who was the last at a semaphore of the host's" last_at_semaphore
left_test "what is to be undone, shared with the host's" undo
left_test "a POSIX queue with messages" posix_queue
left_test "messages in the host's POSIX queue" posix_queue_of_others
left_test "a file that the host has mapped and not open" mapped_file
left_test "... opened by the host, and without a name" mapped_name
left_test "... of a file system of the container's" mapped_mount /mnt/upper/file
left_test "... of an overlay of the container's" mapped_mount /mnt/all/file
left_test "an object lost beside a segment and a queue is a leak" lost_beside 'call(libc.shmget, key, 4096, MAKE)
call(libc.msgsnd, call(libc.msgget, key, MAKE), message(5000), ctypes.c_size_t(5000), 0)'
left_test "... and beside a POSIX queue" lost_beside 'send(open_queue(0o100), 10, 5000)'
left_test "... and while the host uses its own" lost_amid 'call(libc.shmget, key, 4096, MAKE)'
ktap_test "nothing was missed" expect_healthy
unload_test_module leak_one
ktap_end
