#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Can one container make another pay, read its rows, or keep its stop from ending? Each way is tried;
# what came of it is in Documentation/permissions.md.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

trap 'rm -rf "$talk_folder"; ipcrm -M "$key" 2>/dev/null' EXIT
key=$((0x62630000 + $$ % 65536))
socket=${talk_folder##*/} # an abstract one

# ok NAME WORD...: it does that, and it works.
ok() { tell "$@" && expect "$*" ok "$ANSWER"; }
refused() { # errors (a regular expression), name, words
	tell "${@:2}" && expect_match "${*:2}" "^($1)\$" "$ANSWER"
}
objects() { container_column "${talk_id[$1]}" objects; }
files() { resource "${talk_id[$1]}" numfile held; }
is() { [ "$(container_column "$1" state)" = "$2" ]; }

nothing_left() { [ "$(container_column "$1" objects)" = 0 ]; }

# kept ID WHOM CACHE...: what another container has, otherwise than by a descriptor, is held, and the report says by whom.
kept() {
	local cache
	wait_verdict "$1" && expect_state "$1" held || return
	expect "leaked groups" "" "$(column "$proc/$1/leaks" site verdict=leaked)" || return
	for cache in "${@:3}"; do
		expect_match "who has its $cache" "$2" "$(column "$proc/$1/leaks" details verdict=held "cache=$cache")" ||
			fail "$(cat "$proc/$1/leaks")" || return
	done
}
# whom NAME: a container's first task, in details
whom() { echo "pid=$(container_column "${talk_id[$1]}" init),comm=share"; }

# Both have nothing any more when the second is gone; the socket between them held something of the first until then.
end_both() { # names
	local id
	end_talker "$1" || return
	id=$CONTAINER_ID
	wait_verdict "$id" || return
	expect_state "$id" held || return
	end_clean "$2" || return
	poll 60 is "$id" clean || expect_state "$id" clean
}

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

# The same mapped, and kept by nothing else after its owner's end.
shared_mapping() {
	local a b id
	two_who_share || return
	a=$(objects a) b=$(objects b)
	ok b map && ok b touch || return
	no_more "objects of whose memory it is" "$a" "$(objects a)" || return
	echo "who maps and touches 4 MiB: $b objects, then $(objects b)"
	[ "$(objects b)" -gt "$b" ] || fail "who touches pays nothing" || return
	ok b drop || return
	end_talker a || return
	id=$CONTAINER_ID
	kept "$id" "$(whom b),by=map" filp shmem_inode_cache || return
	ok b detach || return
	end_clean b || return
	poll 60 nothing_left "$id" || expect_nothing_held "$id"
}

# System V shared memory where both are in the host's ipc namespace: whoever makes it pays for the segment, whoever touches it for the
# pages' tree. The segment outlives its maker, and goes with the last who has it once it is removed.
shared_segment() {
	local a b id
	start_talker a --host-ipc -- "$programs/share" && start_talker b --host-ipc -- "$programs/share" || return
	b=$(objects b)
	ok a segment "$key" || return
	no_more "objects of the other" "$b" "$(objects b)" || return
	ok b attach "$key" || return
	a=$(objects a) b=$(objects b)
	ok b touch || return
	no_more "objects of whose segment it is" "$a" "$(objects a)" || return
	echo "who touches 4 MiB: $b objects, then $(objects b)"
	[ "$(objects b)" -gt "$b" ] || fail "who touches pays nothing" || return
	end_talker a || return
	id=$CONTAINER_ID
	kept "$id" "$(whom b),by=map" filp shmem_inode_cache || return
	grep -qE '^held .* newseg[+].* by=ipc ' "$proc/$id/leaks" || fail "newseg() is not named:" "$(cat "$proc/$id/leaks")" || return
	ok b remove && ok b detach || return
	end_clean b || return
	poll 60 nothing_left "$id" || expect_nothing_held "$id"
}

# Who has another's pidfd has his descriptors, as far as ptrace() would allow: what they refer to stays the other's.
stolen_descriptor() {
	local a b
	two_who_share && ok a dup 1 && ok a givepid && ok b take || return
	a=$(files a) b=$(files b)
	ok b steal 500 || return
	no_more "numfile of whose it is" "$a" "$(files a)" || return
	no_more "numfile of who takes it" "$b" "$(files b)" || return
	a=$(objects a)
	ok b fill 1024 || return
	no_more "objects of whose it is" "$a" "$(objects a)" || return
	ok b drop || return
	end_both b a
}

# Root of a user namespace has the pidfd, and not what it takes to use it.
stolen_by_mapped_root() {
	start_talker a -- "$programs/share" && start_talker b --user -- "$programs/share" || return
	ok a listen "$socket" && ok b connect "$socket" && ok a accept && ok a give && ok b take || return
	ok a dup 1 && ok a givepid && ok b take || return
	refused EPERM b steal 500 || return
	end_both b a
}

# Nobody sees who is in another container.
out_of_reach() {
	local init
	start_talker a -- "$programs/share" && start_talker b -- "$programs/share" || return
	init=$(container_column "${talk_id[a]}" init)
	refused ESRCH b trace "$init" || return
	refused ENOENT b enter "/proc/$init/ns/pid" || return
	refused ENOENT b read "/proc/$init/status" || return
	ok a room || return
	refused ESRCH b vmwrite "$init" || return
	refused ESRCH b steal 1 "$init" || return
	refused ENOENT b memwrite "/proc/$init/mem" || return
	end_clean a && end_clean b
}

# The same with the host's own proc mounted there: its tasks are seen, and still nobody is entered. Their memory is written to, as any
# root may who sees them: who writes pays.
host_proc() {
	local init a b id mount=$talk_folder/proc
	start_talker a -- "$programs/share" || return
	init=$(container_column "${talk_id[a]}" init)
	mkdir -p "$mount" && mount --bind /proc "$mount" || return
	start_talker b -- "$programs/share" || return
	umount "$mount"
	ok b read "$mount/$init/status" || return
	refused ESRCH b trace "$init" || return
	refused ESRCH b vmwrite "$init" || return
	refused ESRCH b steal 1 "$init" || return
	refused EINVAL b enter "$mount/$init/ns/pid" || return
	ok a room || return
	a=$(objects a) b=$(objects b)
	ok b memwrite "$mount/$init/mem" || return
	echo "who writes 4 MiB of the other's: $b objects, then $(objects b); the other: $a, then $(objects a)"
	no_more "objects of whose memory it is" "$a" "$(objects a)" || return
	[ "$(objects b)" -gt "$b" ] || fail "who writes pays nothing" || return
	refused EACCES b read "$mount/beancounter/${talk_id[a]}/resources" || return
	refused EACCES b write "$mount/beancounter/${talk_id[b]}/resources" reset || return
	# What describes that memory is the writer's as long as the other lives.
	end_talker b || return
	id=$CONTAINER_ID
	kept "$id" "$(whom a),by=map" anon_vma anon_vma_chain || return
	end_clean a || return
	poll 60 nothing_left "$id" || expect_nothing_held "$id"
}

# Root of a user namespace is nobody here.
mapped_root() {
	start_talker a -- "$programs/share" && start_talker b --user -- "$programs/share" || return
	refused EACCES b read "$proc/${talk_id[a]}/resources" || return
	refused EACCES b write "$proc/${talk_id[b]}/resources" reset || return
	refused EACCES b write "$proc/control" self-check || return
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
ktap_plan 11
talk_test "descriptors that are passed: who opened pays, and the report says who keeps them" descriptors
talk_test "shared memory: who writes pays" shared_memory
talk_test "... mapped: who touches pays" shared_mapping
talk_test "a segment of System V: who makes it pays for it, who touches for the pages' tree" shared_segment
talk_test "a descriptor taken by a pidfd stays its owner's" stolen_descriptor
talk_test "... which root of a user namespace cannot" stolen_by_mapped_root
talk_test "another container's tasks are out of reach" out_of_reach
talk_test "... also where the host's proc is mounted" host_proc
talk_test "root of a user namespace cannot write, and reads its own rows" mapped_root
ktap_test "a pid namespace kept by an open file: stopped, and nobody enters" kept_namespace
ktap_test "nothing was missed" expect_healthy
ktap_end
