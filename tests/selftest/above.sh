#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the kernel keeps above the slab allocator, or for something that outlives the container that made it: thread stacks, skbs of a
# CPU, what io_uring and BPF put by, tables and file systems of the host's. A container fills it and stops: it is clean, and where it is
# certain that something stays, the report says under which class.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

disk=/run/above
declare -A id

make_disks() {
	modprobe loop # no udev here to ask for it
	mkdir -p "$disk" && truncate -s 64M "$disk.image" && mkfs.ext4 -q "$disk.image" && mount -o loop "$disk.image" "$disk" || return
	# All that is the host's to make: names, inodes, blocks.
	dd if=/dev/zero of="$disk/file" bs=4k count=16 status=none && dd if=/dev/zero of="$disk/swap" bs=64k count=16 status=none || return
	chmod 600 "$disk/swap" && mkswap -q "$disk/swap" && sync
}

# fill NAME COMMAND...: all of them one after the other, so that their settling is waited for together.
fill() {
	local name=$1
	shift
	start_container --net -- "$@" && end_container && [ "$CONTAINER_STATUS" -eq 0 ] && id[$name]=$CONTAINER_ID
}

# stays NAME [CLASS]
stays() {
	[ -n "${id[$1]-}" ] || fail "it did not do its work" || return
	wait_verdict "${id[$1]}" || return
	expect_state "${id[$1]}" clean || return
	expect_nothing_held "${id[$1]}" || return
	[ -z "${2-}" ] || column "$proc/${id[$1]}/leaks" class | grep -qx "$2" || {
		cat "$proc/${id[$1]}/leaks"
		fail "nothing of class $2"
	}
}

need_module
need_programs
if ! make_disks >/tmp/above.log 2>&1; then
	diagnose </tmp/above.log
	ktap_skip_all "no ext4 file system can be mounted at $disk"
fi
warm_up
watched=
[[ $KERNEL == 6.1.* ]] || watched=superblock
fill stacks "$programs/above" stacks
fill maps "$programs/above" maps
fill ring "$programs/above" ring
fill bpf "$programs/above" bpf
fill skbs "$programs/busy" --net -d /dev/shm -o tcp
fill watch "$programs/above" watch "$disk"
fill direct "$programs/above" direct "$disk/file"
fill swap "$programs/above" swap "$disk/swap"
fill console "$programs/above" console /dev/tty40
# shellcheck disable=SC2016
fill levels sh -c 'unshare --pid --fork unshare --pid --fork unshare --pid --fork true'
ktap_plan 11
ktap_test "thread stacks that the CPUs keep for the next fork" stays stacks
ktap_test "maple nodes that are allocated ahead" stays maps
ktap_test "io_uring's requests" stays ring
ktap_test "BPF's elements" stays bpf
ktap_test "skbs that the CPUs keep" stays skbs
ktap_test "a file system that is watched for the first time" stays watch "$watched"
ktap_test "a file system that is written to directly for the first time" stays direct
ktap_test "a swap area that is off" stays swap swap-area
if [ -e /dev/tty40 ]; then
	ktap_test "a virtual console" stays console console
else
	ktap_test "a virtual console" skip "no virtual consoles in this kernel"
fi
ktap_test "caches made for a level of pid namespaces" stays levels
ktap_test "nothing was missed" expect_healthy
umount -l "$disk"
ktap_end
