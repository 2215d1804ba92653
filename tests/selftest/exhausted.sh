#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module's own room is at its end: too many containers, no memory for the ledger. The kernel goes on, what is missed is counted,
# and nobody is called clean by what was not seen.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
out=$(mktemp /tmp/exhausted.XXXXXX)
trap 'rm -f "$out"' EXIT

again() { # parameters
	rmmod beancounter && insmod "$module" "$@"
}

sleeper() {
	unshare --pid --fork --kill-child --mount-proc sleep 1000 &
	sleepers+=($!)
	poll 20 pgrep -P $! -x sleep >/dev/null
}

end_sleepers() {
	local pid
	for pid in "${sleepers[@]}"; do
		pkill -KILL -P "$pid"
		wait "$pid" 2>/dev/null
	done
}

# Two have rows of their own, all others share one.
too_many() {
	local sleepers=() status=0
	again max_containers=2 || return
	for _ in 1 2 3 4; do sleeper || return; done
	expect "containers with a row" 2 "$(health containers)" || status=1
	[ "$(health containers_lost)" -ge 2 ] || fail "containers_lost is $(health containers_lost)" || status=1
	[ "$(column "$proc/containers" objects name=overflow)" -gt 0 ] || fail "nothing is charged to the row overflow" || status=1
	# One more gets no verdict.
	beanctl check -- true >"$out" 2>&1 && { fail "a container without a row is called clean" || status=1; }
	cat "$out"
	end_sleepers
	poll 60 overflow_is_empty || fail "left in overflow: $(cat "$proc/999999999/resources")" || status=1
	return "$status"
}
overflow_is_empty() { [ "$(column "$proc/containers" objects name=overflow)" = 0 ]; }

# 8 bytes an object: more objects than a MiB of them.
ledger_full() {
	local status=0 empty most
	# What the host's file systems keep of these files is made here: a part of an inode that was itself missed would look lost.
	busy || return
	again ledger_mb=1 || return
	# The table of pages is there before and not part of the bound. Each CPU may be about to make one more array.
	empty=$(health ledger_bytes)
	most=$((empty + (1 << 20) + 4096 * $(nproc)))
	beanctl check --json -- "$programs/messages" 140000 >"$out" || status=$?
	expect "beanctl's status: no verdict" 4 "$status" || return
	python3 -c 'import json, sys
check = json.load(open(sys.argv[1]))["check"]
print(check["blind"])
sys.exit(not any("missed" in word for word in check["blind"]))' "$out" || fail "the reason is not there:" "$(cat "$out")" || return
	echo "missed: $(health missed), ledger_bytes: $(health ledger_bytes)"
	[ "$(health missed)" -gt 0 ] || return
	[ "$(health ledger_bytes)" -le "$most" ] || fail "the ledger has grown past its bound, $empty when it was empty" || return
	# No more can be recorded in new places, but nothing hangs, and what was recorded goes.
	busy || return
	poll 60 nothing_held || fail "still held: $(cat "$proc/containers")"
}
busy() { unshare --pid --fork --mount-proc workloads/busy.sh -p 1 -s 5 || fail "a container does not work"; }
nothing_held() { [ -z "$(awk 'NR > 1 && $4 != 0' "$proc/containers")" ]; }

whole_again() { again && still_counts; }

need_module
need_programs
command -v beanctl >/dev/null || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
ktap_plan 3
ktap_test "too many containers: one row for the rest, counted, no verdict" too_many
ktap_test "no memory for the ledger: missed, counted, no verdict" ledger_full
ktap_test "loaded again: whole" whole_again
ktap_end
