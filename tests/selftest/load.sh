#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything at once: stress-ng in containers at their limits, while the module is unloaded and loaded, every file read, limits changed,
# containers made and killed, function_graph, kprobes and a BPF program put on hooked functions and taken away. Afterwards the
# books are right: the module's own check finds nothing wrong, and every container is at zero.
#
#   LOAD_SECONDS   how long, but for one turn of each kind at least (60; 600 is for make soak)
. "$(dirname "$0")/lib.sh"
. ./containers.sh

seconds=${LOAD_SECONDS:-60}
module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
tracing=/sys/kernel/tracing
folder=$(mktemp -d /tmp/load.XXXXXX)
trap 'rm -rf "$folder"' EXIT
case $KERNEL in
6.1.*) allocation=kmem_cache_alloc ;;
*) allocation=kmem_cache_alloc_noprof ;;
esac

# What a container may do to itself, of stress-ng's classes: nothing that reaches for the machine (its clock, CPUs, modules).
classes=(os memory network filesystem scheduler)
declare -A stressors=(
	[os]="clone fork vfork exec pipe eventfd epoll timer timerfd sigq mq msg sem-sysv shm-sysv key dup close pty inotify futex seccomp"
	[memory]="mmap mmapfork mremap madvise memfd shm brk malloc mlock munmap fault"
	[network]="sock sockpair sockfd sockmany udp rawsock netlink-task sockabuse"
	[filesystem]="dentry dir dirmany fcntl flock lockf link symlink rename utime xattr fstat getdent chmod io-uring"
	[scheduler]="switch yield affinity schedpolicy daemon zombie sem"
)
declare -A namespaces=() pids=() cgroups=()

start_load() { # class
	local name words=""
	for name in ${stressors[$1]}; do words+=" --$name 1"; done
	# Each for a short while, over and over: a stressor that a limit has refused something may give up. It works on a tmpfs of its own.
	# shellcheck disable=SC2016
	start_container --net -- sh -c 'ip link set lo up && mount -t tmpfs load /mnt && cd /mnt && while :; do
		nice -n 15 stress-ng --quiet --temp-path /mnt --oomable --sequential 1 $0 --timeout 1s; done >/dev/null 2>&1' "$words" || return
	namespaces[$1]=$CONTAINER_NS pids[$1]=$CONTAINER_PID cgroups[$1]=$CONTAINER_CGROUP
}

id_of() { column "$proc/containers" id "pidns=${namespaces[$1]}" state=running; }

# One after the other gets one of three sets of bounds, which it meets, or none.
change_limits() {
	local class=${classes[turn % ${#classes[@]}]} id line
	id=$(id_of "$class") || return
	[ -n "$id" ] || fail "the container of $class is lost" || return
	case $((RANDOM % 3)) in
	0) line="kmemsize 400K 500K" ;;
	1) line=$'kmemsize 1M 1M\nnumproc 8 8\nnumfile 40 40' ;;
	2) line=$'kmemsize unlimited unlimited\nnumproc unlimited unlimited\nnumfile unlimited unlimited' ;;
	esac
	set_limits "$id" "$line"
}

set_all_limits() {
	local turn
	for turn in "${!classes[@]}"; do change_limits || return; done
}

unload_and_load() { rmmod beancounter && insmod "$module" && change_limits; }

with_function_graph() {
	grep -qw function_graph "$tracing/available_tracers" || return 0
	printf '%s\n' kfree 'kmem_cache_alloc*' 'kmem_cache_free*' >"$tracing/set_ftrace_filter" || return
	echo function_graph >"$tracing/current_tracer" || return
	sleep 1
	[ $((turn % 2)) -ne 0 ] || unload_and_load || return
	echo nop >"$tracing/current_tracer"
	: >"$tracing/set_ftrace_filter"
}

with_kprobes() {
	printf 'p:load_free kfree\nr:load_alloc %s\n' "$allocation" >"$tracing/kprobe_events" || return
	echo 1 >"$tracing/events/kprobes/enable" || return
	[ $((turn % 2)) -ne 0 ] || unload_and_load || return
	sleep 1
	echo 0 >"$tracing/events/kprobes/enable" && : >"$tracing/kprobe_events"
}

# A program that is there keeps us out, and takes its place under load; one that comes later is kept out.
with_bpf() {
	expect "a BPF program on kfree" "attach: EBUSY" "$("$programs/fentry_user" kfree </dev/null)" || return
	rmmod beancounter || return
	sleep 1000 | "$programs/fentry_user" "$allocation" >"$folder/fentry" &
	poll 30 test -s "$folder/fentry"
	expect "a BPF program" attached "$(cat "$folder/fentry")" || return
	insmod "$module" 2>/dev/null && fail "loaded beside a BPF program" && return 1
	pkill -KILL -x fentry_user
	pkill -KILL -P $$ -f 'sleep 1000'
	poll 30 insmod "$module" 2>/dev/null || fail "insmod does not work after the BPF program" || return
	change_limits
}

others_come_and_go() {
	local i pid
	for i in 1 2 3; do
		unshare --pid --fork --kill-child --mount-proc workloads/busy.sh -p 2 >/dev/null 2>&1 &
		pid=$!
		[ "$i" -ne 2 ] || sleep 0.3
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
	done
	echo self-check >"$proc/control"
}

all_at_once() {
	local end=$((SECONDS + seconds)) status=0 turn act reader acts=(change_limits unload_and_load others_come_and_go with_function_graph
		change_limits with_kprobes others_come_and_go with_bpf)
	# The load is nice to those who turn the wheel.
	nice -n 5 "$programs/read_views" 1000000 >"$folder/reader" &
	reader=$!
	for ((turn = 0; SECONDS < end || turn < ${#acts[@]}; turn++)); do
		act=${acts[turn % ${#acts[@]}]}
		"$act" || { fail "turn $turn, $act failed" && status=1 && break; }
		kill -0 "$reader" 2>/dev/null || break
	done
	kill -TERM "$reader" 2>/dev/null
	wait "$reader" || status=1
	head -c 4000 "$folder/reader"
	echo "$turn turns of ${#acts[@]} kinds beside ${stressors[*]}"
	set_all_limits || status=1
	for class in "${classes[@]}"; do
		[ "$status" -ne 0 ] || awk -v class="$class" '$1 == "kmemsize" { print class ": maxheld " $3 ", failcnt " $6 ", forced " $7 }' \
			"$proc/$(id_of "$class")/resources"
	done
	return "$status"
}

settled_all() { [ -z "$(column "$proc/containers" id state=running)$(column "$proc/containers" id state=settling)" ]; }

at_zero() {
	local class leaked
	for class in "${classes[@]}"; do
		CONTAINER_PID=${pids[$class]} CONTAINER_CGROUP=${cgroups[$class]}
		kill_container || return
	done
	poll 180 settled_all || fail "not settled:" "$(cat "$proc/containers")" || return
	leaked=$(column "$proc/containers" id state=leaked)
	for class in $leaked; do cat "$proc/$class/leaks"; done
	expect "leaked containers" "" "$leaked"
}

books_are_right() {
	echo self-check >"$proc/control" || return
	echo "looked at $(health self_check_slots) objects"
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || return
	expect_healthy
}

need_module
need_programs
command -v stress-ng >/dev/null || ktap_skip_all "no stress-ng; scripts/setup vm installs it"
[ -e "$module" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"
for class in "${classes[@]}"; do start_load "$class" || exit 1; done
ktap_plan 4
ktap_test "everything at once" all_at_once
ktap_test "afterwards every container is at zero" at_zero
ktap_test "and the books are right" books_are_right
ktap_test "a fresh container is clean" still_counts
ktap_end
