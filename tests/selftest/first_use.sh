#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container is the first to need of something that the host has, and that stays with it: a part of a cached inode, a node of
# sysfs that is open, an entry in a table of the network's. No leak of the container's, who has only come first. (Tracing's buffer: hooks.sh,
# which comes before anybody else has traced.)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

folder=$(mktemp -d /tmp/first.XXXXXX)
out=$folder/out
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	umount "$folder"/* 2>/dev/null
	rm -rf "$folder"
}
trap cleanup EXIT

# does COMMAND...: a container does it, and has said so.
does() {
	: >"$out"
	start_container --out "$out" -- "$@" || return
	poll 60 grep -q 'done' "$out" || fail "it has not done it"
}

# The host has looked at the file, so that its inode is cached, and has not written to it.
journal() {
	command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4" || return
	modprobe -q loop
	mkdir -p "$folder/tmpfs" "$folder/ext4" && mount -t tmpfs -o size=100M first "$folder/tmpfs" || return
	truncate -s 64M "$folder/tmpfs/disk" && mkfs.ext4 -q "$folder/tmpfs/disk" && mount -o loop "$folder/tmpfs/disk" "$folder/ext4" ||
		skip "no loop device, or no ext4" || return
	touch "$folder/ext4"/{a,b,c} && sync -f "$folder/ext4" && umount "$folder/ext4" && mount -o loop "$folder/tmpfs/disk" "$folder/ext4" || return
	stat -c %n "$folder/ext4"/* || return
	# shellcheck disable=SC2016
	run_container -- sh -c 'for name in a b c; do echo mine >>"$0/$name"; done' "$folder/ext4" || return
	expect_excused ext4-journal
}

# More names in one directory than a look at it counts: the rest are its children, too, and nobody else's.
many_names() {
	[ -d "$folder/ext4/lost+found" ] || skip "no ext4" || return
	mkdir "$folder/ext4/many" && (cd "$folder/ext4/many" && seq 5000 | xargs touch) && umount "$folder/ext4" &&
		mount -o loop "$folder/tmpfs/disk" "$folder/ext4" || return
	# shellcheck disable=SC2016
	run_container -- sh -c 'ls -l "$0" >/dev/null' "$folder/ext4/many" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID"
}

# An ACL, extended attributes and a policy, of a file of the host's.
attributes() {
	local status=0
	mkdir -p "$folder/acl" && mount -t tmpfs first "$folder/acl" && truncate -s 64K "$folder/acl/file" || return
	run_container -- python3 -c 'import ctypes, mmap, os, struct, sys
with open(sys.argv[1], "r+b") as file:
    m = mmap.mmap(file.fileno(), 0)
call = ctypes.CDLL(None, use_errno=True).syscall
memory = ctypes.addressof(ctypes.c_char.from_buffer(m))
assert call(237, ctypes.c_ulong(memory), ctypes.c_ulong(8192), 2, ctypes.byref(ctypes.c_ulong(1)), ctypes.c_ulong(64), 0) == 0 # mbind()
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in ((1, 6, 2**32-1), (2, 6, 4711), (4, 4, 2**32-1), (16, 6, 2**32-1), (32, 4, 2**32-1)))
os.setxattr(sys.argv[1], "system.posix_acl_access", acl)
for i in range(5):
    os.setxattr(sys.argv[1], f"trusted.first{i}", b"mine" * 20)' "$folder/acl/file" || return
	expect_kept '(posix_acl_alloc|posix_acl_from_xattr|set_posix_acl|posix_acl_clone)' by=inode || status=1
	expect_kept simple_xattr_alloc by=inode '(sp_alloc|mpol_set_shared_policy)' by=inode || status=1
	umount "$folder/acl" || return
	becomes_clean && return "$status"
}

python_watch='import ctypes
call = ctypes.CDLL(None, use_errno=True)
def watch(name):
    group = call.inotify_init()
    assert group >= 0 and call.inotify_add_watch(group, name.encode(), 2) >= 0
    return group
'

# Both watch it, the container first: all watches of an inode have one connector. What python has of this the host has looked at.
connector() {
	local status=0
	echo >"$folder/watched"
	python3 -c "$python_watch
watch('$folder')" || return
	does python3 -c "$python_watch
import sys, time
watch(sys.argv[1])
print('done', flush=True)
time.sleep(1000)" "$folder/watched" || return
	hold "$python_watch
have(watch(sys.argv[1]))" "$folder/watched" || return
	kill_container
	expect_kept '(fsnotify_attach_connector_to_object|fsnotify_add_mark_locked)' by=inode || status=1
	let_go
	becomes_clean && return "$status"
}

# All who have a file of sysfs open share what describes that.
open_node() {
	local status=0 file=/sys/kernel/fscaps
	does sh -c "exec <$file; echo done; sleep 1000; true" || return
	hold "have(os.open('$file', os.O_RDONLY))" || return
	kill_container
	expect_kept '(kernfs_fop_open|kernfs_get_open_node)' by=sysfs || status=1
	let_go
	becomes_clean && return "$status"
}

# Of a cgroup of the host's, which has one of the host's.
node_attributes() {
	local status=0 cgroup=/sys/fs/cgroup/first_use
	mkdir "$cgroup" && python3 -c 'import os, sys
os.setxattr(sys.argv[1], "trusted.first1x", b"the host")' "$cgroup" || return
	run_container -- python3 -c 'import os, sys
for i in range(3):
    os.setxattr(sys.argv[1], f"trusted.first{i}", b"mine" * 20)' "$cgroup" || return
	expect_kept simple_xattr_alloc by=cgroupfs || status=1
	rmdir "$cgroup" || return
	becomes_clean && return "$status"
}

# A datagram to nobody, and a connection, in the host's network namespace, which live on in conntrack for half a minute and longer.
connections() {
	[ -e /proc/net/stat/nf_conntrack ] || modprobe nf_conntrack enable_hooks=1 || skip "no conntrack" || return
	run_container -- python3 -c 'import socket
for i in range(20):
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b.bind(("127.0.0.1", 0))
    a.sendto(b"mine", b.getsockname())
    b.recv(10)' || return
	[ "$(wc -l </proc/net/nf_conntrack 2>/dev/null || cat /proc/sys/net/netfilter/nf_conntrack_count)" -gt 0 ] || fail "none is tracked" || return
	expect_excused conntrack
}

# ksmd is stopped while it knows the container's pages.
merged() {
	local status=0 ksm=/sys/kernel/mm/ksm
	[ -e "$ksm/run" ] || skip "no KSM" || return
	does python3 -c 'import mmap, time
m = mmap.mmap(-1, 1 << 22, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m.write(b"mine" * (1 << 20))
m.madvise(12) # MADV_MERGEABLE
print("done", flush=True)
time.sleep(1000)' || return
	echo 10000 >$ksm/pages_to_scan && echo 1 >$ksm/run || return
	poll 60 shared_by_ksmd || fail "nothing is merged: $(grep . $ksm/*)" || status=1
	echo 0 >$ksm/run
	kill_container
	expect_kept __ksm_enter by=ksm || status=1
	expect_kept __anon_vma_prepare by=ksm || status=1
	echo 2 >$ksm/run && echo 0 >$ksm/run || return # all is as it was
	becomes_clean && return "$status"
}
shared_by_ksmd() { [ "$(cat /sys/kernel/mm/ksm/pages_sharing)" -gt 500 ]; }

# A file of the host's that the container swaps out to memory: where its pages are is the host's.
swapped() {
	local status=0
	mkdir -p "$folder/swapped" && mount -t tmpfs -o size=100M first "$folder/swapped" || return
	modprobe -q zram num_devices=1 && echo 64M >/sys/block/zram0/disksize && mkswap -q /dev/zram0 && swapon /dev/zram0 ||
		skip "no zram" || return
	head -c 8M /dev/urandom >"$folder/swapped/file"
	run_container -- python3 -c 'import ctypes, mmap, sys
with open(sys.argv[1], "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    sum(m[i] for i in range(0, len(m), 4096))
    m.madvise(21) # MADV_PAGEOUT' "$folder/swapped/file" || return
	[ "$(awk '{ print $3 }' /sys/block/zram0/mm_stat)" -gt 1000000 ] || fail "nothing was swapped: $(cat /sys/block/zram0/mm_stat)" || status=1
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || status=1
	swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset
	return "$status"
}

# What a module is made of, and has made in its init, is its own, whoever has called insmod.
module_of_its_own() {
	local module=$test_modules/leak_one.ko
	[ -e "$module" ] && ! grep -q '^leak_one ' /proc/modules || skip "no module to load" || return
	run_container -- insmod "$module" || return
	grep '^leak_one ' /proc/modules || fail "it is not loaded" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || { cat "$proc/$CONTAINER_ID/leaks" && return 1; }
	# And nothing else is: it is asked whether it still charges whoever has loaded.
	run_container -- sh -c 'rmmod leak_one && insmod "$0" && echo 100 >/proc/leak_one' "$module" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || return
	expect "what has leaked" leak_one_lost "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked | sed 's/[+.].*//')" || return
	rmmod leak_one
}

# A stock one with much to do.
stock_module() {
	modprobe -n -q sctp && ! grep -q '^sctp ' /proc/modules || skip "no sctp, or it is there" || return
	run_container -- modprobe sctp || return
	grep '^sctp ' /proc/modules || fail "it is not loaded" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || { cat "$proc/$CONTAINER_ID/leaks" && return 1; }
}

need_module
need_programs
command -v python3 >/dev/null || ktap_skip_all "no python3"
warm_up
ktap_plan 11
ktap_test "ext4's journal: an inode that the host has cached" journal
ktap_test "a directory of 5000 names" many_names
ktap_test "an ACL and attributes of the host's file" attributes
ktap_test "what a file is watched by" connector
ktap_test "a file of sysfs that is open" open_node
ktap_test "attributes of the host's cgroup" node_attributes
ktap_test "connections in the host's network namespace, as conntrack knows them" connections
ktap_test "pages that ksmd knows" merged
ktap_test "the host's pages, swapped out" swapped
ktap_test "a module that the container loads" module_of_its_own
ktap_test "a stock module, and those that it needs" stock_module
ktap_end
