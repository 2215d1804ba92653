#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container at its limit of kmemsize writes to file systems of the host, and the
# refusal meets each allocation of its work once: they stay writable and whole. What a
# file system's transaction needs is not refused.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

disks=$(mktemp -d /tmp/disks.XXXXXX)
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	umount -R "$disks"/* 2>/dev/null
	rm -rf "$talk_folder" "$disks"
}
trap cleanup EXIT

kmemsize() { resource "$id" kmemsize "$1"; }

need_tools() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "no $tool" || return
	done
}

make_disk() { # type
	mkdir -p "$disks/tmpfs" "$disks/$1" && mount -t tmpfs -o size=200M disks "$disks/tmpfs" || return
	case $1 in
	ext4) truncate -s 64M "$disks/tmpfs/disk" && mkfs.ext4 -q "$disks/tmpfs/disk" ;;
	xfs) truncate -s 300M "$disks/tmpfs/disk" && mkfs.xfs -q "$disks/tmpfs/disk" ;;
	btrfs) truncate -s 128M "$disks/tmpfs/disk" && mkfs.btrfs -q "$disks/tmpfs/disk" >/dev/null 2>&1 ;;
	esac && mount -o loop "$disks/tmpfs/disk" "$disks/$1"
}

check_disk() { # type; not mounted
	case $1 in
	ext4) e2fsck -fn "$disks/tmpfs/disk" ;;
	xfs) xfs_repair -n -f "$disks/tmpfs/disk" ;;
	btrfs) btrfs check "$disks/tmpfs/disk" ;;
	esac >"$talk_folder/check" 2>&1 || {
		tail -n 30 "$talk_folder/check"
		fail "$1 is damaged"
	}
}

has_room() { [ "$(kmemsize held)" -le $((limit + $(kmemsize forced))) ]; }

at_limit() { # type, rounds
	local options status=0
	start_talker writer -- "$programs/at_limit" files "$disks/$1" "$2" || return
	id=${talk_id[writer]}
	answer_of writer || return
	limit=$(($(kmemsize held) + 262144))
	set_limits "$id" reset "kmemsize $limit $limit" || return
	send writer go && answer_of writer || return
	echo "$ANSWER, failcnt $(kmemsize failcnt), forced $(kmemsize forced), waited $(kmemsize waited)"
	expect "operations that failed in another way than with ENOMEM" 0 "$(said wrong)" || status=1
	[ "$(said worked)" -gt 0 ] && [ "$(said refused)" -gt 0 ] || fail "both have to happen" || status=1
	has_room || fail "held is $(kmemsize held), the limit $limit and forced $(kmemsize forced)" || status=1
	# The host's own writes, into a file system that has to be there still.
	echo "after it" >"$disks/$1/host" && sync -f "$disks/$1/host" || status=1
	options=$(awk -v at="$disks/$1" '$2 == at { print $4 }' /proc/self/mounts)
	[[ ,$options, == *,rw,* ]] || fail "$1 is mounted $options" || status=1
	end_talker writer || status=1
	return "$status"
}

file_system() { # type, its tools
	local status=0 said
	need_tools "${@:2}" || return
	{ modprobe -q loop && modprobe -q "$1"; } || skip "the kernel has no loop devices, or no $1" || return
	make_disk "$1" || fail "no $1 to test with" || return
	dmesg -C
	at_limit "$1" 72 || status=1
	[ "$1" != btrfs ] || btrfs scrub start -B "$disks/$1" >"$talk_folder/scrub" 2>&1 ||
		fail "scrub: $(cat "$talk_folder/scrub")" || status=1
	umount "$disks/$1" && check_disk "$1" || status=1
	umount "$disks/tmpfs" || status=1
	said=$(dmesg | grep -iE 'error|abort|shut.?down|corrupt|read-only|readonly|remount')
	[ -z "$said" ] || fail "the kernel says: $said" || status=1
	return "$status"
}

reload() { rmmod beancounter && insmod "${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}" "$@"; }

# With quotas btrfs asks for a word by GFP_ATOMIC and does not go on without. Far above its limit, where it has no slack, a container gets it.
quotas() {
	local status=0
	reload atomic_slack_kb=0 && with_quotas || status=$?
	reload || status=1
	return "$status"
}
with_quotas() {
	local status=0
	need_tools mkfs.btrfs btrfs || return
	{ modprobe -q loop && modprobe -q btrfs; } || skip "the kernel has no loop devices, or no btrfs" || return
	make_disk btrfs && btrfs quota enable "$disks/btrfs" || fail "no btrfs to test with" || return
	mkfifo "$talk_folder/quotas" && exec 6<>"$talk_folder/quotas" || return
	start_container --in "$talk_folder/quotas" --out "$talk_folder/said" -- "$programs/dirty_pages" "$disks/btrfs/file" 1000 || return
	poll 60 grep -q ready "$talk_folder/said" || fail "nothing is written" || status=1
	id=$CONTAINER_ID
	echo 1 >/proc/sys/vm/drop_caches
	set_limits "$id" "kmemsize 1 1" && echo on >&6
	poll 60 grep -q 'done' "$talk_folder/said" || fail "it does not come to its end" || status=1
	exec 6>&-
	cat "$talk_folder/said"
	column "$proc/$id/refusals" site | sort | uniq -c
	echo "forced: $(kmemsize forced), failcnt $(kmemsize failcnt)"
	end_container || status=1
	umount "$disks/btrfs" && check_disk btrfs || status=1
	umount "$disks/tmpfs" || status=1
	return "$status"
}

need_module
need_programs
warm_up
ktap_plan 5
talk_test "ext4 stays whole" file_system ext4 mkfs.ext4 e2fsck
talk_test "xfs stays whole" file_system xfs mkfs.xfs xfs_repair
talk_test "btrfs stays whole" file_system btrfs mkfs.btrfs btrfs
talk_test "btrfs with quotas: what it cannot bear to miss is not refused" quotas
ktap_test "nothing was missed" expect_healthy
ktap_end
