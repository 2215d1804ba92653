#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a living task outside refers to by an open descriptor is held, and the report names the task; when it closes the
# descriptor the container is clean. Container managers keep such descriptors: Documentation/runtimes.md.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

# A container whose second task's pid, as the host sees it, is in $task.
start_two() {
	start_container -- sh -c 'sleep 1000; true' || return
	poll 10 second_task || fail "no second task"
}
second_task() { task=$(pgrep -P "$(container_column "$CONTAINER_ID" init)" -x sleep); }

# expect_held SITE: it is held, and by whom; nothing has leaked; then the holder lets go.
expect_held() {
	local status=0 details
	nothing_but_held || status=1
	details=$(awk -v site="^$1[+.]" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "held" && $at["site"] ~ site { print $at["details"] }' "$proc/$CONTAINER_ID/leaks" | sort -u)
	expect "who holds $1" "pid=$holder,comm=python3,fd=7" "$details" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	let_go
	becomes_clean && return "$status"
}

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

# What the container did where the host watches, and the host has not read.
unread_event() {
	rm -rf /tmp/holders.events
	mkdir /tmp/holders.events
	hold 'import ctypes
libc = ctypes.CDLL(None)
watches = libc.inotify_init()
libc.inotify_add_watch(watches, b"/tmp/holders.events", 0x100) # IN_CREATE
have(watches)' || return
	start_container -- sh -c ': >/tmp/holders.events/made; sleep 1000; true' || return
	poll 10 test -e /tmp/holders.events/made || fail "no file" || return
	kill_container
	rm -r /tmp/holders.events
	expect_held inotify_handle_inode_event
}

# What the host has to permit, and has heard of and not yet answered; whoever asked is gone.
unanswered_event() {
	local group='import ctypes
libc = ctypes.CDLL(None, use_errno=True)
group = libc.fanotify_init(4, 0) # FAN_CLASS_CONTENT
mask = ctypes.c_uint64(0x10000 | 0x08000000) # FAN_OPEN_PERM, FAN_EVENT_ON_CHILD
if group < 0 or libc.fanotify_mark(group, 1, mask, -100, b"/tmp/holders.events"):
    raise OSError(ctypes.get_errno(), "fanotify")'
	rm -rf /tmp/holders.events /tmp/holders.asked
	mkdir /tmp/holders.events && : >/tmp/holders.events/file || return
	if python3 -c "$group" 2>&1 | grep -q 'Invalid argument\|Errno 22'; then
		skip "the kernel asks nobody for permission: no CONFIG_FANOTIFY_ACCESS_PERMISSIONS"
		return
	fi
	hold "$group"'
have(group)
os.read(7, 4096)
open("/tmp/holders.asked", "w").close()' || return
	start_container -- sh -c 'cat /tmp/holders.events/file; sleep 1000; true' || return
	poll 20 test -e /tmp/holders.asked || fail "the container has not asked" || return
	kill_container
	expect_held 'fanotify_[a-z_]*'
	local status=$?
	rm -r /tmp/holders.events
	return "$status"
}

# Behind more of the host's own than a walk was allowed to see once, so that none of the container's leads there.
long_queue() {
	hold 's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 25) # SO_RCVBUFFORCE
s.bind(("127.0.0.1", 7100))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    other.sendto(b"x", ("127.0.0.1", 7100))
have(s.detach())' || return
	rm -f /tmp/holders.sent
	start_container -- python3 -c 'import socket, time
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 7100))
open("/tmp/holders.sent", "w").close()
time.sleep(1000)' || return
	poll 60 test -e /tmp/holders.sent || fail "nothing was sent" || return
	rm /tmp/holders.sent
	kill_container
	expect_held __alloc_skb
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

# --- What the kernel itself holds, and what is under way. One container for each is made and ended, then all are judged at once, and
# then everything is let go: the seconds of a verdict pass once.

declare -A kept # the container of each
notes=$(mktemp -d /tmp/holders.XXXXXX)
shared=$notes/shared # file systems of the host's
on_overlay=/tmp/holders.watch

# start_maker PLACE COMMAND: a container that does that, until PLACE is there, and then waits.
start_maker() {
	start_container -- sh -c "$2; sleep 1000; true" || return
	poll 10 test -e "$1" || fail "the container has not made $1"
}

make_name() {
	start_maker "$shared/name" "echo mine >$shared/name" && kill_container
}

make_mount() {
	start_maker "$shared/mount" "mkdir $shared/mount" && mkdir "$notes/place" || return
	mount --bind "$shared/mount" "$notes/place" && rmdir "$shared/mount" && kill_container
}

device=
make_loop() {
	modprobe -q loop || { echo "the kernel has no loop devices" >"$notes/loop.skip" && return 1; }
	start_maker "$shared/loop" "head -c 65536 /dev/zero >$shared/new; mv $shared/new $shared/loop" || return
	device=$(losetup -f --show "$shared/loop") && rm "$shared/loop" && kill_container
}

# The host's end has not taken yet what the container sent.
make_flight() {
	start_container -- python3 -c 'import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect("/tmp/holders.socket")
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.unlink(sys.argv[1])
socket.send_fds(s, [b"x"], [fd])
os.mkdir(sys.argv[1])
time.sleep(1000)' "$shared/flight" || return
	poll 20 test -e "$shared/flight" || fail "nothing was sent" || return
	kill_container && rmdir "$shared/flight"
}

make_watch() {
	# Renamed: what is written where it is watched already waits as an event, and is unread_event()'s.
	start_maker "$on_overlay/file" "mkdir $on_overlay && echo mine >$on_overlay/new && mv $on_overlay/new $on_overlay/file" || return
	poll 20 test -e "$notes/watching" || fail "the host does not watch it" || return
	kill_container
}

make_propagated() {
	start_container --shared-mounts -- sh -c "mount -t tmpfs made $shared/shared/shared && touch $shared/shared/shared/made; sleep 1000; true" || return
	poll 10 test -e "$shared/shared/shared/made" || fail "it is not mounted here" || return
	kill_container
}

make_all() {
	local name
	rm -rf "$on_overlay" /tmp/holders.socket
	mkdir "$shared" && mount -t tmpfs holders "$shared" && mkdir "$shared/shared" || return
	mount -t tmpfs holders "$shared/shared" && mount --make-shared "$shared/shared" && mkdir "$shared/shared/shared" || return
	hold 'import ctypes, time
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/holders.socket")
s.listen()
open("/tmp/held", "w").close()
have(s.accept()[0].detach())
libc = ctypes.CDLL(None)
watches = libc.inotify_init()
while libc.inotify_add_watch(watches, (sys.argv[1] + "/file").encode(), 2) < 0:
    time.sleep(0.1)
open(sys.argv[2] + "/watching", "w").close()' "$on_overlay" "$notes" || return
	for name in "$@"; do
		"make_$name" >"$notes/$name" 2>&1 && kept[$name]=$CONTAINER_ID
	done
}

let_all_go() {
	let_go
	umount "$notes/place"
	[ -z "$device" ] || losetup -d "$device"
	rm -r "$on_overlay" "$shared/name"
	umount "$shared/shared/shared" && umount "$shared/shared" && umount "$shared"
}

# was_held NAME SITE DETAILS HOLDERS: nothing has leaked or is unexplained, and the report says who has its address.
was_held() {
	local row
	[ ! -e "$notes/$1.skip" ] || skip "$(cat "$notes/$1.skip")" || return
	[ -n "${kept[$1]-}" ] || { cat "$notes/$1" && return 1; }
	expect "verdicts" held "$(sed 1d "$notes/$1.leaks" | cut -d' ' -f1 | grep -vE '^(reclaimable|cached|deferred)' | sort -u | xargs)" ||
		{ cat "$notes/$1.leaks" && return 1; }
	row=$(awk -v site="^$2[+.]" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "held" && $at["site"] ~ site { print $at["details"] " " $at["holders"]; exit }' "$notes/$1.leaks")
	# A closed file waits in KASAN's quarantine unmarked (CAVEATS.md).
	if has_kasan && [[ $KERNEL == 6.12.* && $4 != *filp* ]]; then
		row=$(sed -E 's/,filp:[0-9]+//; s/ filp:[0-9]+,/ /' <<<"$row")
	fi
	# Of a stack that somebody is on just now, the unused part cannot be told from the rest (CAVEATS.md).
	row=$(sed -E 's/,stack:[0-9]+//; s/ stack:[0-9]+,/ /' <<<"$row")
	expect_match "who has the address of $2" "^$3 $4\$" "$row" && return
	cat "$notes/$1.leaks"
	return 1
}

all_clean() {
	local name
	for name in "${!kept[@]}"; do
		CONTAINER_ID=${kept[$name]}
		becomes_clean || return
	done
}

# Where no task is named: who has the address of every dentry and inode that is held? The searches take turns. A reference that was there
# for a moment, counted before a search and gone in it, is nobody's until the next one: what is lost stays so.
searched() {
	awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "held" && $at["class"] ~ /^(dentry|inode)$/ && $at["holders"] ~ /^-$|unexplained/ { missing = 1 }
		$at["details"] ~ /^pid=/ { named = 1 }
		END { exit missing && !named }' "$proc/$1/leaks"
}

keep_reports() {
	local name
	for name in "${!kept[@]}"; do
		wait_verdict "${kept[$name]}" 120 && poll 120 searched "${kept[$name]}"
		cat "$proc/${kept[$name]}/leaks" >"$notes/$name.leaks"
	done
}

# No --net: ports in TIME_WAIT, neighbours and routes stay behind in the host's tables.
host_network() {
	run_container -- "$programs/busy" --net -d /dev/shm -o tcp || return
	wait_verdict "$CONTAINER_ID" || return
	cat "$proc/$CONTAINER_ID/leaks"
	expect_state "$CONTAINER_ID" clean && expect_nothing_held "$CONTAINER_ID"
}

# Without a user namespace of its own a container has the host's users' keyrings, and what it puts there stays.
keyrings() {
	run_container -- python3 -c 'import ctypes, errno
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(248, b"user", b"holders", b"mine", 4, -4) > 0 # add_key() to the user keyring
assert call(250, 22, -1, -2) > 0 or ctypes.get_errno() == errno.EOPNOTSUPP # KEYCTL_GET_PERSISTENT' || return
	expect_kept key_alloc 'pid=[0-9]+,comm=[^, ]+,by=keyring'
}

# add_keys FIRST LAST [COMMAND...]: that many to the user keyring.
add_keys() {
	"${@:3}" python3 -c 'import ctypes, sys
call = ctypes.CDLL(None, use_errno=True).syscall
for i in range(int(sys.argv[1]), int(sys.argv[2])):
    if call(248, b"user", b"holders%d" % i, b"mine", 4, -4) < 0: # add_key()
        raise OSError(ctypes.get_errno(), "add_key")' "$1" "$2"
}

# Among more of the host's own than a walk was allowed to see once. They go when that is cleared.
many_keys() {
	local status=0
	add_keys 0 50000 && add_keys 50000 50200 run_container -- || return
	nothing_but_held || status=1
	python3 -c 'import ctypes
assert ctypes.CDLL(None).syscall(250, 7, -4) == 0 # KEYCTL_CLEAR' || return
	[ "$status" -eq 0 ] || head -n 40 "$proc/$CONTAINER_ID/leaks"
	return "$status"
}

# kexec_image: loaded until somebody unloads it. A page at 16 MiB, which nobody jumps to; with a second argument it is the
# image for a crash, with a page there.
kexec_load='import ctypes, sys
call = ctypes.CDLL(None, use_errno=True).syscall
page = ctypes.create_string_buffer(4096)
at, flags = (int(sys.argv[2], 16), 1) if len(sys.argv) > 2 else (16 << 20, 0)
segment = (ctypes.c_ulong * 4)(ctypes.addressof(page), 4096, at, 4096)
if call(246, ctypes.c_ulong(at), ctypes.c_ulong(int(sys.argv[1])), segment, ctypes.c_ulong(flags)):
    sys.exit(f"kexec_load: {ctypes.get_errno()}")'

# image_kept [START]: loaded by a container, held by the machine, clean when it has been unloaded.
image_kept() {
	local status=0
	run_container -- python3 -c "$kexec_load" 1 "$@" || return
	nothing_but_held || status=1
	expect_match "who has the image" 'by=kexec' "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	python3 -c "$kexec_load" 0 "$@" || return
	becomes_clean && return "$status"
}

crash_kernel() {
	local start
	start=$(sed -nE 's/^ *([0-9a-f]+)-.*Crash kernel$/0x\1/p' /proc/iomem)
	[ -n "$start" ] || skip "no memory for a crash kernel: boot with crashkernel=32M" || return
	image_kept "$start"
}

kexec() {
	grep -q ' kexec_image$' /proc/kallsyms || skip "the kernel has no kexec" || return
	image_kept
}

# Registers that a driver has mapped: who maps them, too, and lets go, may leave his entry in x86's list of memory types to the driver.
registers() {
	mount_debugfs
	[ -e "$debugfs/x86/pat_memtype_list" ] || skip "the kernel keeps no list of mapped registers: PAT is off" || return
	run_container -- python3 -c 'import glob, mmap, os
mapped = 0
for name in glob.glob("/sys/bus/pci/devices/*/resource[0-5]"):
    try:
        file = os.open(name, os.O_RDWR)
        for at in range(0, min(os.fstat(file).st_size, 1 << 16) - 4095, 4096):
            mmap.mmap(file, 4096, mmap.MAP_SHARED, mmap.PROT_READ, offset=at).close()
            mapped += 1
        os.close(file)
    except OSError:
        pass # ports
assert mapped' || return
	expect_kept memtype_reserve by=ioremap
}

# A pack of BPF programs, 2 MiB on one node, that a container's filters are the first in, and the host's is the last. Each, of more than 40 bytes
# an instruction, is larger than what may be left of the pack before, and more than a socket may have.
bpf_pack() {
	local status=0 most
	[ "$(sysctl -n net.core.bpf_jit_enable)" -ne 0 ] || skip "no JIT for BPF" || return
	most=$(sysctl -n net.core.optmem_max)
	sysctl -q net.core.optmem_max=1000000
	pack_of_filters || status=1
	sysctl -q net.core.optmem_max="$most"
	return "$status"
}

pack_of_filters() {
	local status=0
	rm -f /tmp/holders.filters
	start_container -- python3 -c "$python_filters
for i in range(80):
    attach(1500)
open('/tmp/holders.filters', 'w').close()
time.sleep(1000)" || return
	poll 30 test -e /tmp/holders.filters || fail "no filters" || return
	hold "$python_filters
attach(1500)
have(sockets[0].detach())" || return
	rm /tmp/holders.filters
	kill_container
	expect_kept '(alloc_new_pack|bpf_prog_pack_alloc)' by=bpf || status=1
	let_go
	becomes_clean && return "$status"
}

need_module
need_programs
command -v python3 >/dev/null || ktap_skip_all "no python3"
warm_up
ktap_plan 22
ktap_test "a pidfd" pidfd
ktap_test "a descriptor of /proc/PID" proc_directory
ktap_test "a descriptor of /proc/PID/mem" address_space
ktap_test "a file without a name" deleted_file
ktap_test "an event that the host has not read" unread_event
ktap_test "an event that the host has not answered" unanswered_event
ktap_test "a connection by a unix socket" unix_connection
ktap_test "a datagram that the host has not received, behind 3000 others" long_queue
make_all name mount loop flight watch propagated || exit 1
keep_reports
let_all_go
# 6.12 has a tree of a directory's names. Every container that is there has a mount like the host's.
ktap_test "a file with a name, in a file system that lives in memory" was_held name __d_alloc references=1 'file_system:1(,maple_node:1)?'
ktap_test "a directory without a name, under a mount of the host's" was_held mount __d_alloc references=[0-9]+,deleted mnt_cache:[0-9]+
ktap_test "a file without a name, under a loop device" was_held loop __d_alloc references=1,deleted filp:1
ktap_test "a file without a name, sent and not received" was_held flight '(__alloc_file|alloc_empty_file)' "pid=$holder,comm=python3,fd=7" '[^ ]+'
ktap_test "a file that the host watches" was_held watch ovl_alloc_inode 'ino=[0-9]+,references=1' 'names:1,[a-z0-9_-]+:1'
ktap_test "a mount in the host's name space, by propagation" was_held propagated alloc_vfsmnt 'pid=[0-9]+,comm=[^, ]+,by=mount' '[^ ]+'
ktap_test "... all let go: clean" all_clean
ktap_test "connections in the host's network namespace leave nothing" host_network
ktap_test "keys in the host's keyrings" keyrings
ktap_test "200 keys among 50,000 in the host's user keyring" many_keys
ktap_test "an image that was loaded for kexec" kexec
ktap_test "an image that was loaded for a crash" crash_kernel
ktap_test "registers that a driver has, too" registers
ktap_test "a pack of BPF programs, the last of which is the host's" bpf_pack
rm -rf "$notes"
ktap_end
