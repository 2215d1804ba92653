#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may see and do what: the host's administrator all, a container's root its own
# rows, everybody else nothing; decided by who opens, not through which proc.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

old=/proc/user_beancounters
folder=$(mktemp -d /tmp/views.XXXXXX)
trap 'rm -rf "$folder"' EXIT
denied='Permission denied|Operation not permitted'

# refused COMMAND...: has to fail for want of rights.
refused() {
	local said
	if said=$("$@" 2>&1 >/dev/null); then
		fail "is allowed: $*"
	else
		# Of the file, not of setpriv.
		expect_match "$*" "/proc/.*($denied)" "$said"
	fi
}

ids() { awk 'NR > 2 && $1 ~ /:$/ { sub(":", "", $1); print $1 }' "$1"; }

# inside [start_container's options] -- SCRIPT: its output is in $folder/out.
inside() {
	: >"$folder/out"
	chmod 666 "$folder/out"
	start_container --out "$folder/out" "${@:1:$#-1}" /bin/sh -c "exec 2>&1; ${*: -1}" || return
	end_container
}

as_nobody() { refused setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

nobody() {
	as_nobody cat "$proc/containers" || return
	as_nobody cat "$proc/health" || return
	as_nobody sh -c "echo self-check >$proc/control" || return
	as_nobody cat "$old"
}

# Root, but without the one capability that counts.
root_without_capability() {
	refused setpriv --bounding-set -sys_admin --inh-caps -sys_admin cat "$proc/containers"
}

own_rows() {
	inside "$@" -- "cat $old" || return
	expect "ids seen" "$CONTAINER_ID" "$(ids "$folder/out")"
}

# The host's row is what slab has less what the containers have. Both move: looked at while slab's totals stand still, and by this
# process itself, since another one's stack and descriptors are slab memory, too.
host_row_now() {
	local before rows again after
	mapfile -t before </proc/meminfo
	mapfile -t rows <"$old"
	mapfile -t again <"$old"
	mapfile -t after </proc/meminfo
	[ "${rows[*]}" = "${again[*]}" ] || return # within a reading, too, the containers may move, in slabs that stay
	total=$(printf '%s\n' "${after[@]}" | unreclaimable_of)
	[ "$total" = "$(printf '%s\n' "${before[@]}" | unreclaimable_of)" ] || return
	printf '%s\n' "${rows[@]}" >"$folder/rows"
	host=$(awk '$1 == "0:" && $2 == "kmemsize" { print $3 }' "$folder/rows")
	others=$(awk '$1 ~ /^[1-9][0-9]*:$/ && $2 == "kmemsize" { sum += $3 } END { print sum + 0 }' "$folder/rows")
	rest=$((total - others))
}

host_row() {
	local host others rest total
	start_container -- sleep 1000 || return
	poll 30 host_row_now || fail "slab's total does not stand still" || return
	kill_container
	echo "the host has $host, the containers $others"
	[ "$others" -gt 0 ] || fail "the container has nothing" || return
	expect "the host's kmemsize" "$rest" "$host"
}

# Who shares the host's pid namespace is the host, whatever else is its own.
no_container() {
	local before
	before=$(newest_container)
	unshare --mount --uts --ipc --net true || return
	expect "containers that were made" "$before" "$(newest_container)"
}

# Through the host's own proc it is still the container that opens.
host_proc() {
	unshare --pid --fork --mount sh -c "cat $old" >"$folder/out" 2>&1
	expect "number of ids seen" 1 "$(ids "$folder/out" | wc -l)" || return
	! ids "$folder/out" | grep -qx 0 || fail "a container sees the host's rows"
}

nothing_else() {
	inside "$@" -- "for file in containers health control; do cat $proc/\$file && echo allowed \$file; done;
		echo self-check >$proc/control && echo allowed writing; true" || return
	! grep allowed "$folder/out" || fail "a container may open what is the host's" || return
	[ "$(grep -cE "$denied|No such file" "$folder/out")" -ge 3 ] || fail "said: $(cat "$folder/out")"
}

nobody_inside() {
	inside -- "setpriv --reuid 65534 --regid 65534 --clear-groups cat $old && echo allowed; true" || return
	! grep allowed "$folder/out" || fail "nobody in a container may open $old" || return
	expect_match "nobody in a container" "$denied" "$(cat "$folder/out")"
}

# A descriptor that the host opened is no right to write.
passed_descriptor() {
	local init name
	start_container -- sleep 1000 || return
	init=$(container_column "$CONTAINER_ID" init)
	nsenter --target "$init" --pid bash -c "echo name $CONTAINER_ID passed >&3 && echo allowed" \
		>"$folder/out" 2>&1 3>"$proc/control"
	name=$(container_column "$CONTAINER_ID" name)
	kill_container
	expect "name afterwards" - "$name" || return
	expect_match "the answer to a write through it" "$denied" "$(cat "$folder/out")"
}

administrator() {
	local file
	for file in containers health; do
		cat "$proc/$file" >/dev/null || return
	done
	expect "ids of the host" 0 "$(ids "$old" | tail -n 1)" || return
	expect "mode of $proc" 500 "$(stat -c %a "$proc")"
}

understands() { ! { echo "$1" >"$proc/control"; } 2>/dev/null || fail "'$1' is accepted"; }

nonsense() {
	understands "" && understands "nonsense" && understands "name" && understands "name 0 x" &&
		understands "name 999999999 x" && understands "dismiss" && understands "dismiss -1" &&
		understands "name 1 a:b" && understands "$(printf 'name 1 %064d' 0)"
}

naming() {
	start_container -- sleep 1000 || return
	echo "name $CONTAINER_ID web.1_a-b" >"$proc/control" || return
	kill_container
	wait_verdict "$CONTAINER_ID" || return
	expect name web.1_a-b "$(container_column "$CONTAINER_ID" name)"
}

need_module
[ -e "$old" ] || ktap_skip_all "no $old: it is switched off by a parameter"
ktap_plan 14
ktap_test "the host's administrator sees all" administrator
ktap_test "nobody gets EACCES or EPERM" nobody
ktap_test "root without CAP_SYS_ADMIN gets EACCES or EPERM" root_without_capability
ktap_test "a container's root sees its own rows" own_rows
ktap_test "so does the root of a user namespace" own_rows --user
ktap_test "nobody in a container sees none" nobody_inside
ktap_test "the host's proc shows a container its own rows" host_proc
ktap_test "a container's root cannot open the host's files" nothing_else
ktap_test "nor can the root of a user namespace" nothing_else --user
ktap_test "a passed descriptor is no right" passed_descriptor
ktap_test "what control does not understand it refuses" nonsense
ktap_test "a container can be named" naming
ktap_test "the host's row is slab's total less the containers'" host_row
ktap_test "without a pid namespace of its own it is the host" no_container
ktap_end
