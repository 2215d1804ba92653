#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hooks that would vanish, or do not fit: refused, with the reason in the log; and what else uses ftrace goes on beside us.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

tracing=/sys/kernel/tracing
module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}

# A container switches on the machine's first event: tracing's buffer grows, a page a kilobyte and more, and is the host's. Once in a boot,
# so that this comes before all that traces.
traced() {
	local status=0
	[ -e "$tracing/trace" ] || mount -t tracefs tracefs "$tracing" || skip "no tracing" || return
	grep -q expanded "$tracing/buffer_size_kb" || skip "somebody was first" || return
	run_container -- sh -c "echo 1 >$tracing/events/sched/sched_process_exec/enable" || status=1
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || status=1
	grep -q expanded "$tracing/buffer_size_kb" && { fail "it has not grown" || status=1; }
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	echo 0 >"$tracing/events/sched/sched_process_exec/enable"
	return "$status"
}

# ftrace_enabled=0 would take all hooks away without a word: the kernel has to refuse it while we are there.
not_switched_off() {
	if sysctl -q kernel.ftrace_enabled=0 2>/dev/null; then
		sysctl -q kernel.ftrace_enabled=1
		fail "sysctl kernel.ftrace_enabled=0 was accepted"
		return
	fi
	expect "kernel.ftrace_enabled" 1 "$(sysctl -n kernel.ftrace_enabled)" || return
	still_counts
}

# Somebody is on kfree() before us.
refused_when_late() {
	local status=0
	rmmod beancounter || return
	load_test_module direct_user function=kfree || status=1
	mark_log
	if [ "$status" -eq 0 ] && insmod "$module"; then
		fail "insmod worked beside another direct user of kfree" || status=1
		rmmod beancounter
	fi
	unload_test_module direct_user
	log_says "$mark" 'kfree: another direct user of ftrace is there already: .*\[direct_user\]' || fail "the log does not say which function and why:" \
		"$(log_since "$mark")" || status=1
	insmod "$module" || return
	[ "$status" -eq 0 ] || return
	still_counts
}

# Attached halfway: the last hook of the table fails, all others have to be gone again.
nothing_left_behind() {
	local status=0 last
	case $KERNEL in
	6.1.*) last=__kmalloc_large_node ;;
	*) last=___kmalloc_large_node ;;
	esac
	rmmod beancounter || return
	load_test_module direct_user "function=$last" || status=1
	if [ "$status" -eq 0 ] && insmod "$module" 2>/dev/null; then
		fail "insmod worked beside another direct user of $last" || status=1
		rmmod beancounter
	fi
	grep -E 'bc_tramp' "$tracing/enabled_functions" && { fail "hooks were left behind" || status=1; }
	[ ! -e /proc/beancounter ] || fail "/proc/beancounter was left behind" || status=1
	unload_test_module direct_user
	insmod "$module" || return
	[ "$status" -eq 0 ] || return
	still_counts
}

# Somebody is before us where references are watched: that is no reason not to load, and they are watched all the same.
references_beside() {
	local status=0
	rmmod beancounter || return
	load_test_module direct_user function=free_uid || status=1
	mark_log
	insmod "$module" || status=1
	log_since "$mark" | grep 'free_uid: another direct user.* kprobe' || fail "the log does not say so" || status=1
	start_container -- sh -c ': | :; exec sleep 61' || status=1
	poll 60 pgrep -xf 'sleep 61' >/dev/null
	expect_match "puts of pipes" '^[1-9]' "$(awk '/ free_pipe_info/ { print $8 }' "$proc/$CONTAINER_ID/references")" || status=1
	expect_match "gets of pipes" '^[1-9]' "$(awk '/ alloc_pipe_info/ { print $7 }' "$proc/$CONTAINER_ID/references")" || status=1
	kill -KILL "$(container_column "$CONTAINER_ID" init)"
	wait "$CONTAINER_PID" 2>/dev/null
	remove_cgroup
	rmmod beancounter
	unload_test_module direct_user
	insmod "$module" || return
	return "$status"
}

# Neither is it that ftrace cannot do it just now. That is no other user, and the log does not say so.
references_refused() {
	local function=register_ftrace_direct status=0
	[[ $KERNEL != 6.1.* ]] || function+=_multi
	# the next after those of the allocator
	load_test_module refuse_call "function=$function" comm=insmod "nth=$(($(health hooks_expected) + 1))" go=1 || return
	rmmod beancounter && mark_log && insmod "$module" || status=1
	expect "calls refused" 1 "$(cat /sys/module/refuse_call/parameters/refused)" || status=1
	unload_test_module refuse_call || return
	log_since "$mark" | grep 'free_uid: hook refused (-12): watched by a kprobe' || fail "the log does not say so" || status=1
	log_since "$mark" | grep 'another direct user' && { fail "there is none" || status=1; }
	expect_match "how free_uid is watched" '\[FTRACE\]' "$(grep ' free_uid+' /sys/kernel/debug/kprobes/list)" || status=1
	still_counts && return "$status"
}

# Somebody comes later: it is he who is refused, and we count on.
others_refused() {
	if insmod "$test_modules/direct_user.ko" 2>/dev/null; then
		rmmod direct_user
		fail "a second direct user of kfree was let in"
		return
	fi
	still_counts
}

# A hook that does not call us any more, whoever took it: `hooks` is what is in place now, not what was asked for once.
one_goes() {
	local function=kmem_cache_alloc_bulk status=0 expected
	[[ $KERNEL == 6.1.* ]] || function+=_noprof
	expected=$(health hooks_expected)
	load_test_module take_hook "function=$function" || return
	expect "hooks with one taken away" $((expected - 1)) "$(health hooks)" || status=1
	unload_test_module take_hook || return
	[ "$status" -eq 0 ] || return
	still_counts
}

# The function tracer on hooked functions, while a container works.
beside_tracer() { # tracer
	local status=0
	grep -qw "$1" "$tracing/available_tracers" || skip "this kernel has no tracer $1" || return
	printf '%s\n' kfree 'kmem_cache_alloc*' 'kmem_cache_free*' >"$tracing/set_ftrace_filter" || return
	[ "$1" != function_graph ] || printf 'kfree\nkmem_cache_alloc*\n' >"$tracing/set_graph_function" 2>/dev/null
	echo "$1" >"$tracing/current_tracer" || return
	expect "hooks in place beside it" "$(health hooks_expected)" "$(health hooks)" || status=1
	start_container -- sh -c 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i + 1)); done; exec sleep 60' || status=1
	poll 60 pgrep -xf 'sleep 60' >/dev/null
	# a tracer that swaps return addresses must not become everybody's call site
	if column "$proc/$CONTAINER_ID/objects" site | grep 'return_to_handler'; then
		fail "call sites are the tracer's" || status=1
	fi
	kill -KILL "$(container_column "$CONTAINER_ID" init)"
	wait "$CONTAINER_PID" 2>/dev/null
	remove_cgroup
	echo nop >"$tracing/current_tracer"
	: >"$tracing/set_ftrace_filter"
	: >"$tracing/set_graph_function" 2>/dev/null
	[ "$status" -eq 0 ] || return
	expect_clean "$CONTAINER_ID"
}

need_module
need_programs
need_test_module direct_user
need_test_module take_hook
need_test_module refuse_call
warm_up
ktap_plan 10
ktap_test "the first event of the machine's is a container's: clean" traced
ktap_test "sysctl kernel.ftrace_enabled=0 is refused" not_switched_off
ktap_test "a later direct user is refused" others_refused
ktap_test "a hook that has gone shows in health" one_goes
ktap_test "beside the function tracer: clean" beside_tracer function
ktap_test "beside function_graph: clean" beside_tracer function_graph
ktap_test "an earlier direct user: not loaded, and the log says who" refused_when_late
ktap_test "an earlier direct user of the last hook: nothing left behind" nothing_left_behind
ktap_test "an earlier direct user of free_uid: loaded, and a kprobe watches it" references_beside
ktap_test "ftrace refuses a hook of the references: loaded, and the log says why" references_refused
ktap_end
