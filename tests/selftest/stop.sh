#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# When a container has stopped, what it waits for until then, and that stopping
# many costs nothing that stays.
#
#   STOP_LOOPS   how many (300)
. "$(dirname "$0")/lib.sh"
. ./containers.sh

loops=${STOP_LOOPS:-300}

waits_for() {
	[[ "$(container_column "$CONTAINER_ID" state) $(container_column "$CONTAINER_ID" waits)" =~ ^settling\ .*$1 ]]
}

expect_waits_for() {
	poll 10 waits_for "$1" ||
		fail "should be settling and wait for '$1', is '$(container_column "$CONTAINER_ID" state)'" \
			"and waits for '$(container_column "$CONTAINER_ID" waits)'"
}

dead() { [[ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null || echo X)" == [ZX]* ]]; }

# stop_parent PID: not before it is stopped is its child to die: it may have been woken in its wait(), and looks for dead children first, for
# signals then (kernel/exit.c, do_wait()).
stop_parent() {
	kill -STOP "$1" && poll 10 is_stopped "$1" || fail "$1 does not stop"
}
is_stopped() { [[ "$(sed 's/.*) //' "/proc/$1/stat")" == T* ]]; }

# init is dead, but its parent, which is stopped, does not look.
unreaped_init() {
	local init status=0
	start_container -- sleep 1000 || return
	init=$(container_column "$CONTAINER_ID" init)
	stop_parent "$CONTAINER_PID" || return
	kill -KILL "$init"
	poll 10 dead "$init" || fail "init, $init, does not die"
	expect_waits_for "zombie:$init,parent:$CONTAINER_PID:unshare" || status=1
	kill -CONT "$CONTAINER_PID"
	end_container
	[ "$status" -eq 0 ] && expect_clean "$CONTAINER_ID"
}

# A task of the container whose parent, nsenter, is outside, dead and not reaped: it holds
# up init's own end.
zombie_from_outside() {
	local init zombie parent status=0
	start_container -- sleep 1000 || return
	init=$(container_column "$CONTAINER_ID" init)
	nsenter --target "$init" --pid sleep 1000 &
	parent=$!
	poll 10 pgrep -P "$parent" -x sleep >/dev/null || fail "nsenter has no child" || return
	zombie=$(pgrep -P "$parent" -x sleep)
	stop_parent "$parent" || return
	kill -KILL "$zombie"
	poll 10 dead "$zombie"
	kill -KILL "$init"
	expect_waits_for "zombie:$zombie,parent:$parent:nsenter" || status=1
	kill -CONT "$parent"
	wait "$parent"
	end_container
	[ "$status" -eq 0 ] && expect_clean "$CONTAINER_ID"
}

odd_init() {
	start_container -- "$programs/odd_init" "$1" || return
	end_container
	expect_clean "$CONTAINER_ID"
}

is_at_work() { [ "$(container_column "$CONTAINER_ID" objects)" -gt 100 ]; }

killed() {
	start_container -- workloads/busy.sh -r 100 || return
	poll 10 is_at_work || fail "it holds $(container_column "$CONTAINER_ID" objects) objects only" || return
	kill_container
	expect_clean "$CONTAINER_ID"
}

# A pid namespace inside a container is the container's.
nested() {
	run_container -- unshare --pid --fork --mount-proc unshare --pid --fork --mount-proc \
		sh -c 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i + 1)); done' || return
	expect "containers that were added" "$CONTAINER_ID" "$(newest_container)" || return
	expect_clean "$CONTAINER_ID"
}

# A daemon in the container keeps nobody waiting: it dies with init.
daemon() {
	run_container -- sh -c 'setsid sleep 1000 </dev/null >/dev/null 2>&1 & setsid sleep 1000 &' || return
	expect_clean "$CONTAINER_ID"
}

nothing_unsettled() {
	[ -z "$(column "$proc/containers" id state=settling)$(column "$proc/containers" id state=running)" ]
}

many() {
	local i
	for ((i = 0; i < $1; i++)); do
		unshare -Urp --fork true || return
	done
	poll 60 nothing_unsettled || fail "still unsettled: $(column "$proc/containers" state | sort | uniq -c | xargs)"
}

# What is neither free nor anybody's cache.
used_kilobytes() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '{ kb[$1] = $2 } END { print kb["MemTotal:"] - kb["MemFree:"] - kb["Buffers:"] - kb["Cached:"] - kb["SReclaimable:"] }' /proc/meminfo
}

# Pages that the CPUs' lists may hold back: their `high` marks.
in_lists_kilobytes() { awk '$1 == "high:" { pages += $2 } END { print pages * 4 }' /proc/zoneinfo; }

# Twice as many: the second half must cost no memory. A kilobyte that stayed of each container would show as one kilobyte a loop in slab
# memory, a page as four in all, and an array of the ledger, for the page that an object of 64 bytes lies in, as 512 bytes: half of each
# is the bound. (The ledger keeps the arrays of pages that containers once had, and so grows a little as these wander.)
memory_flat() {
	local slab used ledger rows first status=0
	first=$(newest_container)	# leaks of tests before are listed still
	many $((loops / 2)) || return
	used=$(used_kilobytes) slab=$(unreclaimable) ledger=$(health ledger_bytes)
	many "$loops" || return
	used=$(($(used_kilobytes) - used)) slab=$((($(unreclaimable) - slab) / 1024)) ledger=$(($(health ledger_bytes) - ledger))
	echo "$loops containers later: unreclaimable slab memory $slab kB more, memory in use $used kB, the ledger $ledger bytes"
	rows=$(column "$proc/containers" state | grep -cx clean)
	[ "$rows" -le 64 ] || fail "$rows clean containers are listed, not 64 at most" || return
	expect "leaked containers" "" "$(column "$proc/containers" id state=leaked | awk -v first="$first" '$1 > first')" || return
	# With KASAN the sums are those of its quarantine, which makes slabs come to other pages, too.
	if has_kasan; then
		expect_healthy
		return
	fi
	[ "$ledger" -lt $((loops * 512 / 2)) ] || fail "$ledger bytes more ledger" || status=1
	[ "$slab" -lt $((loops / 2 + 1024)) ] || fail "$slab kB more slab memory" || status=1
	[ "$used" -lt $((loops * 4 / 2 + $(in_lists_kilobytes))) ] ||
		fail "$used kB more in use, where the CPUs' lists may hold $(in_lists_kilobytes)" || status=1
	expect_healthy && return "$status"
}

need_module
need_programs
warm_up
ktap_plan 10
ktap_test "an init that nobody reaps" unreaped_init
ktap_test "a zombie whose parent is outside" zombie_from_outside
ktap_test "an init whose thread calls exec()" odd_init thread-exec
ktap_test "an init whose leader ends first" odd_init leader-first
ktap_test "an init that ends with threads" odd_init threads
ktap_test "an init that ends with children" odd_init children
ktap_test "a busy container that is killed" killed
ktap_test "daemons die with init" daemon
ktap_test "nested pid namespaces belong to the container" nested
ktap_test "$loops stops in a row leave nothing, neither with the host nor in the ledger" memory_flat
ktap_end
