#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A leak of stock kernels, found with nothing armed: one struct pid a round. See
# workloads/cpu_clock_leak.c.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

rounds=20

# The cache of those on the second level, which a container's are: pid_2.

# By the versions it was seen on, and those it was seen to be gone from. Debian's
# 6.1.0-56 is 6.1.192. What is newer has to be looked at once.
expectation() {
	local newest
	case $KERNEL in
	6.1.0-*)
		newest=6.1.0-56
		KERNEL_NUMBER=6.1.0-${KERNEL#6.1.0-}
		KERNEL_NUMBER=${KERNEL_NUMBER%%-[a-z]*}
		;;
	6.1.*) newest=6.1.192 KERNEL_NUMBER=${KERNEL%%[-+]*} ;;
	6.12.*) newest=6.12.116 KERNEL_NUMBER=${KERNEL%%[-+]*} ;;
	*) echo unknown && return ;;
	esac
	if [ "$(printf '%s\n' "$KERNEL_NUMBER" "$newest" | sort -V | tail -n 1)" = "$newest" ]; then
		echo there
	elif [[ $KERNEL == 6.12.* ]]; then
		echo fixed
	else
		echo unknown
	fi
}

run_rounds() {
	run_container -- "$programs/cpu_clock_leak" "$rounds" || return
	wait_verdict "$CONTAINER_ID"
}

leaks_pids() {
	run_rounds || return
	expect_leak "$CONTAINER_ID" "$rounds" "$((rounds * $(slab_size pid_2)))" alloc_pid
}

is_fixed() {
	echo "fixed in this kernel ($KERNEL): clean is expected"
	run_rounds || return
	expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID"
}

# Whichever it is: the verdict has to say what the allocator says.
is_consistent() {
	run_rounds || return
	case $(container_column "$CONTAINER_ID" state) in
	clean) echo "$KERNEL: it is fixed here; please add this to leak_pid.sh" ;;
	*) leaks_pids && echo "$KERNEL: it is there; please add this to leak_pid.sh" ;;
	esac
}

# A put that is inlined cannot be skipped; a get too many at alloc_pid()'s return,
# of the first counter in struct pid, comes to the same on every kernel.
one_get_too_many() {
	local taken
	load_test_module extra_get at=alloc_pid ret=1 offset=0 width=4 times=1 comm=lost_user || return
	run_container -- "$programs/lost_user" pipe 3
	taken=$(cat /sys/module/extra_get/parameters/taken)
	unload_test_module extra_get
	expect "references taken" 1 "$taken" || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size pid_2)" alloc_pid
}

need_module
need_programs
need_test_module extra_get
warm_up
ktap_plan 2
ktap_test "one reference too many of a struct pid" one_get_too_many
case $(expectation) in
there) ktap_test "a struct pid is lost in do_cpu_nanosleep(), $rounds times" leaks_pids ;;
fixed) ktap_test "no struct pid is lost in do_cpu_nanosleep() any more" is_fixed ;;
*) ktap_test "do_cpu_nanosleep() on a kernel nobody has looked at" is_consistent ;;
esac
ktap_end
