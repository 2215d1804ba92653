#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module's own room is at its end: too many containers, no memory for the ledger, no place for another call site or for another
# user whose references are watched. The kernel goes on, what is missed is counted, and nobody is called clean by what was not seen.
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

# Nothing was run, so there is nothing else to say.
no_row='^beanctl: the module has no container of its own for the pid namespace of process [0-9]+: containers_lost rose by [0-9]+ '\
'\(no memory, or more than its parameter max_containers\)$'

# Two have rows of their own, all others share one.
too_many() {
	local sleepers=() status=0 answer=0 mark
	again max_containers=2 || return
	mark_log
	for _ in 1 2 3 4; do sleeper || return; done
	expect "containers with a row" 2 "$(health containers)" || status=1
	[ "$(health containers_lost)" -ge 2 ] || fail "containers_lost is $(health containers_lost)" || status=1
	[ "$(column "$proc/containers" objects name=overflow)" -gt 0 ] || fail "nothing is charged to the row overflow" || status=1
	# One more gets no verdict.
	beanctl check -- true >"$out" 2>&1 || answer=$?
	cat "$out"
	expect "beanctl's status: no verdict" 4 "$answer" || status=1
	expect_match "what it says" "$no_row" "$(cat "$out")" || status=1
	poll 60 log_says "$mark" 'beancounter: no row for one more container beside 2: .*overflow' || fail "the log does not say so" || status=1
	end_sleepers
	poll 60 overflow_is_empty || fail "left in overflow:" "$(grep -w overflow "$proc/containers" /proc/user_beancounters)" || status=1
	return "$status"
}
# A stop hands over what the host's caches have of its files, a node of a page cache's tree; this row has no stop, so they let go here.
overflow_is_empty() {
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(column "$proc/containers" objects name=overflow)" = 0 ]
}

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

# check_is_blind WHY COMMAND...: no verdict, for the reason that matches.
check_is_blind() {
	local why=$1 status=0
	shift
	beanctl check --json -- "$@" >"$out" || status=$?
	expect "beanctl's status: no verdict" 4 "$status" || return
	python3 -c 'import json, re, sys
check = json.load(open(sys.argv[1]))["check"]
print(check["blind"])
sys.exit(not any(re.search(sys.argv[2], word) for word in check["blind"]))' "$out" "$why" ||
		fail "the reason is not there:" "$(cat "$out")"
}

# 32768 pairs of a call site and a cache, where the table takes seven eighths of as many. The table stays full until the module goes, so
# others lose sites, too, that come first now; what was known before is charged on.
sites_full() {
	local status=0
	again && load_test_module many_sites || return
	check_is_blind 'sites_lost rose by' sh -c 'echo all >/proc/many_sites' || status=1
	echo "sites: $(health sites), sites_lost: $(health sites_lost), missed: $(health missed)"
	expect "sites" $((32768 / 8 * 7)) "$(health sites)" || status=1
	[ "$(health sites_lost)" -gt 3000 ] || fail "sites_lost is $(health sites_lost)" || status=1
	[ "$(health missed)" -ge "$(health sites_lost)" ] || fail "fewer objects were missed than sites" || status=1
	expect "stale" 0 "$(health stale)" && expect "unknown" 0 "$(health unknown)" || status=1
	# 256 objects that stay, and of which nothing is known.
	check_is_blind 'missed rose by' sh -c 'echo keep >/proc/many_sites' || status=1
	beanctl check -- sh -c 'echo keep >/proc/many_sites' 2>&1 | grep -E 'not to be trusted: the module missed something' ||
		fail "the text says nothing of it: $(beanctl check -- sh -c 'echo keep >/proc/many_sites' 2>&1)" || status=1
	echo drop >/proc/many_sites
	busy || status=1
	poll 60 nothing_held || fail "still held: $(cat "$proc/containers")" || status=1
	echo self-check >"$proc/control" && expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || status=1
	unload_test_module many_sites && return "$status"
}

# Each user has a user_struct and a ucounts: 4096 places, of which seven eighths are taken. What is short is ID/references alone.
references_full() {
	local status=0 lost key
	again || return
	start_container --out "$out" -- python3 -c 'import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))
files = []
for uid in range(100000, 104000):
    os.setresuid(uid, 0, 0)
    files.append(os.open("/dev/null", os.O_RDONLY)) # has its credentials for as long as it is open
print("made", flush=True)
time.sleep(1000)' || return
	poll 120 grep -q made "$out" || fail "4000 users could not be made" || status=1
	lost=$(health references_lost)
	echo "references_lost: $lost, lines in ID/references: $(wc -l <"$proc/$CONTAINER_ID/references")"
	[ "$lost" -gt 0 ] || fail "none is lost" || status=1
	[ "$(column "$proc/$CONTAINER_ID/references" kind | sort | uniq -c | awk '{ n += $1 } END { print n }')" -ge 3584 ] ||
		fail "ID/references has fewer lines than objects are watched" || status=1
	beanctl references "$CONTAINER_ID" >/dev/null || fail "beanctl references: status $?" || status=1
	# All of what is charged is known, so the verdict is none that is doubtful.
	kill_container && expect_clean "$CONTAINER_ID" || status=1
	for key in missed sites_lost stale unknown clamped; do expect "$key" 0 "$(health "$key")" || status=1; done
	# They are gone, and with them their places: there is room again.
	lost=$(health references_lost)
	beanctl check -- "$programs/lost_user" pipe 50 >/dev/null || fail "beanctl check: status $?" || status=1
	expect "references lost once there is room" "$lost" "$(health references_lost)" || status=1
	return "$status"
}

# A place in the table is a call site's for as long as its cache lives, whatever else that was called.
name_goes() {
	local status=0
	again && load_test_module alias_cache || return
	if [ ! -L /sys/kernel/slab/selftest_first ] ||
		[ "$(readlink /sys/kernel/slab/selftest_first)" != "$(readlink /sys/kernel/slab/selftest_second)" ]; then
		unload_test_module alias_cache
		skip "this kernel does not merge caches"
		return
	fi
	rm -f /tmp/exhausted-in
	mkfifo /tmp/exhausted-in && exec 6<>/tmp/exhausted-in || return
	start_container --in /tmp/exhausted-in -- sh -c 'echo 10 >/proc/alias_cache; read -r word; echo 10 >/proc/alias_cache; exec sleep 1000' || return
	poll 60 taken_are 10 || fail "ten objects are not there" || status=1
	echo 0 >/proc/alias_cache
	echo on >&6
	poll 60 taken_are 20 || fail "they are counted at another place:" "$(grep alias_write "$proc/$CONTAINER_ID/objects")" || status=1
	kill_container
	exec 6>&-
	unload_test_module alias_cache
	return "$status"
}
taken_are() { [ "$(awk '/ alias_write\+/ { print $1 }' "$proc/$CONTAINER_ID/objects" | paste -sd ' ')" = "$1" ]; }

whole_again() { again && still_counts; }

need_module
need_programs
need_test_module many_sites
need_test_module alias_cache
command -v beanctl >/dev/null || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
warm_up # what the row `overflow` is the first to look at would stay there
ktap_plan 6
ktap_test "too many containers: one row for the rest, counted, no verdict" too_many
ktap_test "no memory for the ledger: missed, counted, no verdict" ledger_full
ktap_test "no place for a call site: missed, counted, no verdict" sites_full
ktap_test "no place for a user: counted, and the verdict is still one" references_full
ktap_test "a merged cache loses one of its names: its call sites keep their places" name_goes
ktap_test "loaded again: whole" whole_again
ktap_end
