#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The limit on kmemsize: exact to the byte with processes that race for the last of
# it; dead objects refuse nobody, no page fault fails. And the limit on dcachesize.
#
#   DEAD_FILES, DEAD_PROCESSES   objects that live and die at a limit of two more. Each
#                                second one may have to wait for RCU (3000, 1000;
#                                on 6.12, whose files do not, 100000)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh
. ./leaks.sh

cpus=$(nproc)
case $KERNEL in
6.1.*) dead_files=${DEAD_FILES:-3000} ;;
*) dead_files=${DEAD_FILES:-100000} ;;
esac
dead_processes=${DEAD_PROCESSES:-1000}
trap 'rm -rf "$talk_folder"' EXIT

kmemsize() { resource "$id" kmemsize "$1"; }

# limit_room BYTES: the limit is what is held now, and so much more.
limit_room() {
	limit=$(($(kmemsize held) + $1))
	set_limits "$id" reset "kmemsize $limit $limit"
}

# What is above the limit was forced, and said to be.
expect_within_limit() { # the sampler's answer is in ANSWER
	echo "limit $limit: $ANSWER, failcnt $(kmemsize failcnt), waited $(kmemsize waited)"
	[ "$(said samples)" -gt 10 ] || fail "only $(said samples) samples" || return
	expect "bytes above the limit and what was forced" 0 "$(said over)" || return
	[ "$(said maxheld)" -le $((limit + $(said forced))) ] || fail "maxheld is above the limit"
}

# race messages|mixed ROOM OPERATIONS
race() {
	local refused smallest left
	start_talker racers -- "$programs/race_limit" "$1" $((cpus * 2)) "$3" || return
	id=${talk_id[racers]}
	answer_of racers || return
	limit_room "$2" || return
	start_host_talker sampler -- "$programs/sample_held" "$proc/$id/resources" kmemsize || return
	tell racers go || return
	refused=$(said refused)
	send sampler stop && answer_of sampler || return
	expect_within_limit || return
	[ "${refused:-0}" -gt 0 ] || fail "nothing was refused" || return
	# At the fullest: what a task did before the race may be freed after it (RCU), and then there is room again.
	left=$((limit - $(kmemsize maxheld)))
	echo "$left bytes were left"
	if [ "$1" = messages ]; then
		expect forced 0 "$(said forced)" || return
		expect failcnt "$refused" "$(kmemsize failcnt)" || return
		smallest=$(message_size) || return
		[ "$left" -ge 0 ] && [ "$left" -lt "$smallest" ] ||
			fail "the smallest message, $smallest bytes, was refused with room for it" || return
	fi
	end_talker sampler && end_clean racers
}

# That of a message of 8 bytes: those charged to memory cgroups may have caches of their own.
message_size() {
	if [ -e /sys/kernel/slab/kmalloc-cg-64 ]; then
		slab_size kmalloc-cg-64
	else
		slab_size kmalloc-64
	fi
}

# Two more than what lives would do for ever, were the dead not counted.
dead_do_not_count() { # resource, kind, cycles
	start_talker probe -- "$programs/limit_probe" || return
	id=${talk_id[probe]}
	tell probe cycle "$2" 1 || return
	limit=$(($(resource "$id" "$1" held) + 2))
	set_limits "$id" reset "$1 $limit $limit" || return
	send probe cycle "$2" "$3" && answer_of probe $((120 + $3 / 20)) || return
	expect "answer to 'cycle $2 $3'" "made=$3 errno=0" "$ANSWER" || return
	echo "limit $limit, maxheld $(resource "$id" "$1" maxheld), waited $(resource "$id" "$1" waited)"
	expect failcnt 0 "$(resource "$id" "$1" failcnt)" || return
	[ "$(resource "$id" "$1" maxheld)" -le "$limit" ] || fail "maxheld is above the limit" || return
	end_clean probe
}

# --- hazard 2

faults() {
	start_talker toucher -- "$programs/at_limit" faults || return
	id=${talk_id[toucher]}
	answer_of toucher || return
	limit_room 262144 || return
	send toucher go && answer_of toucher || return
	echo "$ANSWER, failcnt $(kmemsize failcnt), forced $(kmemsize forced)"
	expect "faults that failed" 0 "$(said wrong)" || return
	[ "$(said worked)" -gt 40 ] || fail "only $(said worked) worked" || return
	[ "$(kmemsize forced)" -gt 0 ] || fail "nothing had to be forced: was it at its limit?" || return
	end_clean toucher
}

# --- what the kernel asks for again until it gets it: a maple tree the rest of the nodes for one step, once it has some of them
# (lib/maple_tree.c, mas_nomem(), 6.1 and 6.12)

# With room for none of them, for some, and for all: each step is done, or refused, and over.
never_for_ever() {
	local room node refused=0 forced=0 mappings=0
	node=$(slab_size maple_node)
	# shellcheck disable=SC2016
	start_talker trees -- sh -c 'mount -t tmpfs trees /mnt && cd /mnt && exec "$0"' "$(realpath "$programs")/limit_probe" || return
	id=${talk_id[trees]}
	for room in {0..40}; do
		if [ "$mappings" = 0 ]; then
			tell trees make mapping 3000 || return
			expect "mappings without a limit" "made=3000 errno=0" "$ANSWER" || return
		fi
		limit_room $((room * node / 2)) || return
		tell trees unmap || return
		expect_match "unmapped at a limit" '^unmapped=(0 errno=ENOMEM|3000 errno=0)$' "$ANSWER" || return
		mappings=$((3000 - $(said unmapped)))
		tell trees make name 200 || return
		expect_match "names at a limit" '^made=[0-9]+ errno=(ENOMEM|0)$' "$ANSWER" || return
		refused=$((refused + $(kmemsize failcnt))) forced=$((forced + $(kmemsize forced)))
		[ "$(kmemsize maxheld)" -le $((limit + $(kmemsize forced))) ] || fail "room $room: maxheld is above the limit" || return
		set_limits "$id" "kmemsize unlimited unlimited" || return
	done
	echo "refused $refused times, $forced bytes let through"
	[ "$refused" -gt 0 ] || fail "nothing was refused" || return
	[ "$forced" -gt 0 ] || fail "no step had some of its nodes, and was refused the rest" || return
	end_clean trees
}

# --- what may not be refused, or not yet

# Asks alloc_paths.ko for what it is told, and answers yes or no. Sets id.
start_asker() {
	# It opens nothing any more at its limit.
	# shellcheck disable=SC2016
	start_talker asker -- bash -c 'exec 9>/proc/alloc_paths 2>/dev/null; while read -r line; do
		if echo "$line" >&9; then echo yes; else echo no; fi; done' || return
	id=${talk_id[asker]}
}

# asked_for BYTES WAY WORKED: 1,000 objects of BYTES, asked for in that way at a limit; WORKED is no or yes.
# Sets above: how far over the limit it has come.
asked_for() {
	limit_room 65536 || return
	tell asker "alloc kmalloc_var 1000 $1 $2" || return
	above=$(($(kmemsize held) - limit))
	echo "$2: $ANSWER, $above bytes above the limit, failcnt $(kmemsize failcnt), forced $(kmemsize forced)"
	expect "$2" "$3" "$ANSWER" || return
	[ "$above" -le "$(kmemsize forced)" ] || fail "more than was forced" || return
	tell asker "free each" && set_limits "$id" "kmemsize unlimited unlimited"
}

# GFP_ATOMIC has its slack above the limit, GFP_NOWAIT none. A file system's transaction and what must not fail are let through.
ways_of_asking() {
	local slack above
	slack=$(($(cat /sys/module/beancounter/parameters/atomic_slack_kb) * 1024))
	start_asker || return
	asked_for 2048 nowait no || return
	[ "$above" -le 0 ] || fail "GFP_NOWAIT passes the limit" || return
	asked_for 2048 atomic no || return
	# It cannot wait for an exact sum: some KiB a CPU early (CAVEATS.md).
	[ "$above" -le "$slack" ] && [ "$above" -gt $((slack - 32768 * cpus - 2048)) ] || fail "the slack is $slack" || return
	asked_for 2048 nofs yes || return
	asked_for 2048 nofail yes || return
	[ "$above" -gt $((1000 * 1024)) ] || fail "the limit was not met" || return
	end_clean asker
}

# More than there can be: who asks for it is told so, and goes on.
ask_too_much() {
	start_asker || return
	limit_room 10000000 || return
	tell asker "alloc overflown 1 1" || return
	expect "SIZE_MAX bytes with a limit" no "$ANSWER" || return
	expect "the path that was asked" overflown "$(column /proc/alloc_paths path)" || return
	expect failcnt 0 "$(kmemsize failcnt)" || return
	end_clean asker
}

# --- dcachesize

dentries() {
	local files
	# A sleep without a program: starting one takes dentries.
	start_container --out "$talk_folder/dentries" -- /bin/bash -c '
		exec {nothing}<><(:)
		mount -t tmpfs dentries /mnt || exit
		i=0
		until [ -e /mnt/go ]; do read -rt 0.1 -u "$nothing"; done
		while : >"/mnt/$i"; do i=$((i + 1)); done 2>/mnt/go
		read -r why </mnt/go
		echo "made=$i $why"
		read -r -u "$nothing"' || return
	id=$CONTAINER_ID
	poll 10 grep -q dentries "/proc/$(container_column "$id" init)/mounts" || return
	limit=$(($(resource "$id" dcachesize held) + 100000))
	set_limits "$id" reset "dcachesize $limit $limit" || return
	: >"/proc/$(container_column "$id" init)/root/mnt/go"
	poll 60 test -s "$talk_folder/dentries" || fail "it makes files for ever" || return
	files=$(cat "$talk_folder/dentries")
	echo "$files, held $(resource "$id" dcachesize held) of $limit"
	expect_match "files" '^made=[1-9][0-9]+ .*Cannot allocate memory' "$files" || return
	[ "$(resource "$id" dcachesize held)" -le $((limit + $(resource "$id" dcachesize forced))) ] &&
		[ "$(resource "$id" dcachesize maxheld)" -le $((limit + $(resource "$id" dcachesize forced))) ] ||
		fail "above the limit" || return
	[ "$(resource "$id" dcachesize failcnt)" -gt 0 ] || fail "failcnt is 0" || return
	kill_container && wait_verdict "$id" && expect_state "$id" clean && expect_nothing_held "$id"
}

need_module
need_programs
need_loaded alloc_paths
warm_up
ktap_plan 10
talk_test "$((cpus * 2)) processes race for the last byte, with messages" race messages 1048576 200
talk_test "$((cpus * 2)) processes race for the last byte, with everything" race mixed 2097152 200
talk_test "$dead_files files opened and closed at a limit of two more" dead_do_not_count numfile file "$dead_files"
talk_test "$dead_processes processes forked and waited for at a limit of two more" \
	dead_do_not_count numproc process "$dead_processes"
talk_test "no page fault fails at the limit" faults
talk_test "what the kernel would ask for again and again is refused once, or not at all" never_for_ever
talk_test "atomic, nowait, nofs, nofail" ways_of_asking
talk_test "more than there can be" ask_too_much
talk_test "dcachesize is limited" dentries
talk_test "nothing was missed" expect_healthy
unload_test_module alloc_paths
ktap_end
