#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Can one container make another pay, read its rows, or keep its stop from ending? Each way is tried;
# what came of it is in Documentation/permissions.md.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

trap 'rm -rf "$talk_folder"' EXIT
socket=${talk_folder##*/} # an abstract one

# ok NAME WORD...: it does that, and it works.
ok() { tell "$@" && expect "$*" ok "$ANSWER"; }
refused() { # errors (a regular expression), name, words
	tell "${@:2}" && expect_match "${*:2}" "^($1)\$" "$ANSWER"
}
objects() { container_column "${talk_id[$1]}" objects; }
files() { resource "${talk_id[$1]}" numfile held; }
is() { [ "$(container_column "$1" state)" = "$2" ]; }

# Who pays has more. What it has used before may still be freed meanwhile (RCU).
no_more() { # what, before, after
	[ "$3" -le "$2" ] || fail "$1: $2, then $3"
}

# a has given b a memfd.
two_who_share() {
	start_talker a -- "$programs/share" && start_talker b -- "$programs/share" || return
	ok a listen "$socket" && ok b connect "$socket" && ok a accept && ok a give && ok b take
}

# What a descriptor refers to stays charged to who opened it, however many others get, and for as long as they keep it.
descriptors() {
	local a b before id
	two_who_share || return
	a=$(files a) b=$(files b)
	ok b dup 100 || return
	no_more "numfile of who has given" "$a" "$(files a)" || return
	no_more "numfile of who has taken" "$b" "$(files b)" || return
	end_talker a || return
	id=$CONTAINER_ID
	wait_verdict "$id" || return
	expect_state "$id" held || return
	grep -q "pid=$(container_column "${talk_id[b]}" init),comm=share,fd=" "$proc/$id/leaks" ||
		fail "the report does not name who keeps it" "$(cat "$proc/$id/leaks")" || return
	before=$(container_column "$id" objects)
	ok b fill 1024 || return	# and uses it
	no_more "objects of who has given" "$before" "$(container_column "$id" objects)" || return
	ok b drop || return
	end_clean b || return
	poll 60 is "$id" clean || expect_state "$id" clean
}

# Who writes pays for what the writing takes, also in somebody else's memory.
shared_memory() {
	local a b id
	two_who_share || return
	a=$(objects a) b=$(objects b)
	ok b fill 4096 || return
	no_more "objects of whose memory it is" "$a" "$(objects a)" || return
	echo "who writes 4 MiB: $b objects, then $(objects b)"
	[ "$(objects b)" -gt "$b" ] || fail "who writes pays nothing" || return
	end_talker b || return
	id=$CONTAINER_ID
	wait_verdict "$id" || return
	# the memory's tree is the other's page cache, and so its nodes are accounted for
	[ -z "$(column "$proc/$id/leaks" site verdict=leaked)" ] || fail "it is called a leak:" "$(cat "$proc/$id/leaks")" || return
	end_clean a || return
	poll 60 is "$id" clean || expect_state "$id" clean
}

# Nobody sees who is in another container.
out_of_reach() {
	local init
	start_talker a -- "$programs/share" && start_talker b -- "$programs/share" || return
	init=$(container_column "${talk_id[a]}" init)
	refused ESRCH b trace "$init" || return
	refused ENOENT b enter "/proc/$init/ns/pid" || return
	refused ENOENT b read "/proc/$init/status" || return
	end_clean a && end_clean b
}

# The same with the host's own proc mounted there: its tasks are seen, and still nobody is entered.
host_proc() {
	local init mount=$talk_folder/proc
	start_talker a -- "$programs/share" || return
	init=$(container_column "${talk_id[a]}" init)
	mkdir -p "$mount" && mount --bind /proc "$mount" || return
	start_talker b -- "$programs/share" || return
	umount "$mount"
	ok b read "$mount/$init/status" || return
	refused ESRCH b trace "$init" || return
	refused EINVAL b enter "$mount/$init/ns/pid" || return
	refused EACCES b read "$mount/beancounter/${talk_id[a]}/resources" || return
	refused EACCES b write "$mount/beancounter/${talk_id[b]}/resources" reset || return
	end_clean b && end_clean a
}

# Root of a user namespace is nobody here.
mapped_root() {
	start_talker a -- "$programs/share" && start_talker b --user -- "$programs/share" || return
	refused "EACCES|ENOENT" b read "$proc/${talk_id[a]}/resources" || return
	refused "EACCES|ENOENT" b write "$proc/${talk_id[b]}/resources" reset || return
	refused "EACCES|ENOENT" b write "$proc/control" self-check || return
	ok b read /proc/user_beancounters || return
	end_clean b && end_clean a
}

# A pid namespace that an open file keeps: its container stops all the same, once, and nobody can enter any more.
kept_namespace() {
	local fd id rows
	start_container -- sleep 1000 || return
	id=$CONTAINER_ID
	exec {fd}<"/proc/$(container_column "$id" init)/ns/pid"
	own_fds+=("$fd")
	kill_container || return
	expect_clean "$id" || return
	rows=$(newest_container)
	nsenter --pid="/proc/self/fd/$fd" true 2>"$talk_folder/nsenter" && fail "somebody came in" && return 1
	grep -q 'Cannot allocate memory' "$talk_folder/nsenter" || fail "nsenter: $(cat "$talk_folder/nsenter")" || return
	expect "containers made by that" "$rows" "$(newest_container)" || return
	expect_state "$id" clean || return
	still_counts || return
	exec {fd}<&-
	unset "own_fds[-1]"
	still_counts || return
	expect_state "$id" clean
}

need_module
need_programs
warm_up
ktap_plan 7
talk_test "descriptors that are passed: who opened pays, and the report says who keeps them" descriptors
talk_test "shared memory: who writes pays" shared_memory
talk_test "another container's tasks are out of reach" out_of_reach
talk_test "... also where the host's proc is mounted" host_proc
talk_test "root of a user namespace cannot write, and reads its own rows" mapped_root
ktap_test "a pid namespace kept by an open file: stopped, and nobody enters" kept_namespace
ktap_test "nothing was missed" expect_healthy
ktap_end
