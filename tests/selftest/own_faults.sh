#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel refuses the module its own memory: when it is loaded, one allocation after the other, and while it works. For a kernel
# with fault injection, which the debug kernels have. 6.1 cannot tell by the stack who asks (on x86 it has no
# CONFIG_FAULT_INJECTION_STACKTRACE_FILTER): there insmod's walk begins with the kernel's own allocations for a module, and no more is tried.
#
#   INSMOD_STEP   every how-manieth allocation of insmod (7; 1 is for make soak)
#   INSMOD_FROM   the first of them (1): for a walk in parts
. "$(dirname "$0")/lib.sh"
. ./containers.sh

module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
step=${INSMOD_STEP:-7}
from=${INSMOD_FROM:-1}
kinds=(failslab fail_page_alloc)
out=$(mktemp /tmp/own-faults.XXXXXX)

set_all() { # attribute, value
	local kind
	for kind in "${kinds[@]}"; do
		echo "$2" >"$debugfs/$kind/$1" || return
	done
}

switch_off() {
	set_all probability 0 && set_all interval 1 || return
	[ -z "$by_stack" ] || { set_all require-start 0 && set_all require-end 0xffffffffffffffff; }
}
trap 'rm -f "$out"' EXIT

# within SYMBOL [module]: only what is asked for in that function or below it. The kernel's own symbols are in order. gcc may have
# split a function (.part.0), and padding has a symbol, too.
within() {
	local start end
	[ -n "$by_stack" ] || skip "this kernel does not tell by the stack whose allocations to refuse" || return
	read -r start end < <(case ${2-} in
	'') grep -A 9 " $1\$" /proc/kallsyms ;;
	*) grep "\\[$2\\]\$" /proc/kallsyms | sort ;;
	esac | awk -v name="$1" '
		$3 ~ /^__pfx_/ { next }
		index($3, name) == 1 { if (!start) start = $1; next }
		start && !done { print start, $1; done = 1 }')
	[ -n "${end-}" ] || fail "no function $1 ${2-} in /proc/kallsyms" || return
	set_all require-start "0x$start" && set_all require-end "0x$end" && set_all stacktrace-depth 32
}

prepare() {
	switch_off || return
	set_all times -1 && set_all verbose 0 && set_all task-filter N || return
	# Both would spare whoever may wait.
	set_all ignore-gfp-wait N || return
	echo N >"$debugfs/fail_page_alloc/ignore-gfp-highmem" && echo 0 >"$debugfs/fail_page_alloc/min-order"
}

# What this kernel has not got of what is used here: where a kind of fault is missing, the allocations of that kind are not tried at all.
lacks() {
	local kind
	for kind in "${kinds[@]}"; do
		[ -e "$debugfs/$kind/probability" ] || echo "$kind"
	done
	[ -e /proc/self/fail-nth ] || echo /proc/self/fail-nth
	[ -n "$by_stack" ] || [[ $KERNEL == 6.1.* ]] || echo require-start
}

nothing_there() {
	[ ! -e /sys/module/beancounter ] || fail "the module is there" || return
	[ ! -e "$proc" ] && [ ! -e /proc/user_beancounters ] || fail "files were left in /proc" || return
	! grep -E 'bc_tramp|beancounter' /sys/kernel/tracing/enabled_functions || fail "hooks were left" || return
	! grep beancounter "$debugfs/kprobes/list" || fail "kprobes were left"
}

# It has done without something: nobody is to miss that. Every few times a container is counted, which takes some seconds.
whole() { # how often it did without
	local file
	for file in "$proc/containers" "$proc/health" /proc/user_beancounters; do
		[ -n "$(cat "$file")" ] || fail "nothing in $file" || return
	done
	: >>"$proc/control" || fail "nobody can write to $proc/control" || return
	# By ftrace's own list, too: health's `hooks` are counted by the functions' text.
	expect "functions that are hooked" "$(health hooks_expected)" \
		"$(grep -cE 'bc_tramp_(flat|chunks)_' /sys/kernel/tracing/enabled_functions)" || return
	[ $(($1 % 4)) -ne 1 ] || still_counts
}

# Each allocation of the module's init, and of what it calls, refused once: it fails and leaves nothing, or does without and is whole.
insmod_walk() {
	local nth answer without=0 failed=0
	rmmod beancounter || fail "rmmod: status $?" || return
	[ -z "$by_stack" ] || within do_one_initcall || return
	for ((nth = from;; nth += step)); do
		answer=$("$programs/insmod_nth" "$nth" "$module") || fail "allocation $nth: insmod_nth: status $?, $answer" || return
		case $answer in
		"loaded whole") break ;;
		"loaded injected")
			without=$((without + 1))
			whole "$without" || fail "... loaded without allocation $nth" || return
			rmmod beancounter || fail "allocation $nth: rmmod: status $?" || return
			;;
		*" injected") failed=$((failed + 1)) ;;
		*) fail "allocation $nth: $answer" || return ;;
		esac
		nothing_there || fail "... after allocation $nth: $answer" || return
		[ "$nth" -lt 5000 ] || fail "no end" || return
	done
	echo "from the ${from}th to the ${nth}th allocation, every ${step}th: insmod failed $failed times, did without $without times"
	[ "$failed" -gt 0 ] || return
	switch_off
	still_counts
}

# refused_in SYMBOL COUNTER SAID: all memory that the module asks for there, while containers work. They do work, it is counted, and
# beanctl has no verdict and says why.
refused_in() {
	local before status=0 answer=0
	before=$(health "$2")
	within "$1" beancounter && set_all probability 100 || return
	unshare --pid --fork --mount-proc workloads/busy.sh -p 2 -s 5 >"$out" 2>&1 || fail "a container did not work:" "$(cat "$out")" || status=1
	beanctl check -- "$programs/busy" -d /dev/shm -p 2 -s 2 >"$out" 2>&1 || answer=$?
	switch_off || return
	expect "beanctl's status: no verdict" 4 "$answer" || status=1
	expect_match "the reason" "$3" "$(tail -n 1 "$out")" || status=1
	tail -n 1 "$out"
	echo "$2: $before, then $(health "$2")"
	[ "$(health "$2")" -gt "$before" ] || fail "it is not counted" || status=1
	return "$status"
}

# The files' texts, a report's survey: the reader hears ENOMEM.
refused_to_readers() {
	local file status=0
	within bc_render beancounter || return
	start_container -- sleep 1000 && set_all probability 100 || return
	for file in containers health "$CONTAINER_ID/resources" "$CONTAINER_ID/objects"; do
		cat "$proc/$file" >/dev/null 2>"$out" && { fail "$file was read without memory" || status=1; }
		grep -q 'Cannot allocate memory' "$out" || fail "$file: $(cat "$out")" || status=1
	done
	switch_off
	kill_container || return
	return "$status"
}

# What there is not of containers' files: id...
lacking() {
	local id file
	for id in "$@"; do
		for file in resources objects leaks refusals references; do [ -e "$proc/$id/$file" ] || echo "$id/$file"; done
	done
}
all_there() { [ -z "$(lacking "$@")" ]; }

# A container's folder and its files: each second allocation for them, each third, and so on. What was not to be had is there later.
refused_to_folders() {
	local interval i refused status=0 ids=() pids=() cgroups=()
	within bc_face_add beancounter && set_all times 10000 && set_all probability 100 || return
	for interval in {2..7} {2..7}; do
		set_all interval "$interval" && start_container -- sleep 1000 || { status=1 && break; }
		ids+=("$CONTAINER_ID") pids+=("$CONTAINER_PID") cgroups+=("$CONTAINER_CGROUP")
	done
	refused=$((10000 - $(cat "$debugfs/failslab/times")))
	switch_off && set_all times -1 || return
	echo "$refused allocations refused, ${#ids[@]} containers"
	[ "$refused" -gt 0 ] || fail "nothing was refused" || status=1
	poll 120 all_there "${ids[@]}" || fail "there is still not:" "$(lacking "${ids[@]}" | xargs)" || status=1
	for i in "${!ids[@]}"; do
		CONTAINER_PID=${pids[i]} CONTAINER_CGROUP=${cgroups[i]}
		kill_container || status=1
	done
	return "$status"
}

healthy_again() {
	rmmod beancounter && insmod "$module" && still_counts
}

need_module
need_programs
mount_debugfs
by_stack=$([ ! -e "$debugfs/failslab/require-start" ] || echo yes)
missing=$(lacks | xargs)
if [ -n "$missing" ]; then
	[[ $KERNEL == *debug* ]] ||
		ktap_skip_all "this kernel injects no faults, it lacks $missing (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, CONFIG_FAULT_INJECTION_DEBUG_FS)"
	echo "# a debug kernel that lacks $missing: see tests/debug-kernel.config"
	exit 1
fi
command -v beanctl >/dev/null || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
trap 'switch_off; rm -f "$out"' EXIT
prepare || ktap_skip_all "fault injection cannot be set up"
warm_up
not_seen='not to be trusted: the module missed something meanwhile \((.*, )?missed rose by [0-9]+'
no_row='^beanctl: the module has no container of its own for the pid namespace of process [0-9]+: containers_lost rose by [0-9]+ \('
ktap_plan 6
ktap_test "insmod, refused memory at each step" insmod_walk
ktap_test "no memory for the ledger" refused_in _ZN2bc6Ledger11record_slow missed "$not_seen"
ktap_test "no memory for containers" refused_in _ZN2bc10Containers12find_or_make containers_lost "$no_row"
ktap_test "no memory for a file's text" refused_to_readers
ktap_test "no memory for a container's files: they come later" refused_to_folders
ktap_test "loaded again: whole" healthy_again
ktap_end
