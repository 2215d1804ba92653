#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# /proc/user_beancounters to the byte, and as scripts and programs of its time
# read it.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

old=/proc/user_beancounters
names=(kmemsize lockedpages privvmpages shmpages dummy numproc physpages vmguarpages oomguarpages
	numtcpsock numflock numpty numsiginfo tcpsndbuf tcprcvbuf othersockbuf dgramrcvbuf
	numothersock dcachesize numfile dummy dummy dummy numiptent)
folder=$(mktemp -d /tmp/old-format.XXXXXX)
trap 'rm -rf "$folder"' EXIT
export LC_ALL=C

first_lines() {
	expect "first line" "Version: 2.5" "$(sed -n 1p "$1")" || return
	# %-12s for the resource: the header has the widths of the rows.
	expect "header" "$(printf '%10s  %-12s %20s %20s %20s %20s %20s' uid resource held maxheld barrier limit failcnt)" \
		"$(sed -n 2p "$1")"
}

row_bytes() {
	local wrong
	wrong=$(tail -n +3 "$1" | grep -nvE '^( {10}| *[0-9]{1,9}:)  [a-z]{5,12} +[0-9]+( +[0-9]+){4}$')
	[ -z "$wrong" ] || fail "rows of another form:" "$wrong" || return
	wrong=$(tail -n +3 "$1" | awk 'length($0) != 129 { print NR ": " length($0) " characters" }')
	[ -z "$wrong" ] || fail "rows that are not 129 long:" "$wrong" || return
	# Every number right-aligned in its 20, behind one blank.
	wrong=$(tail -n +3 "$1" | awk '{
		for (i = 0; i < 5; i++)
			if (substr($0, 25 + 21 * i, 1) != " " || substr($0, 26 + 21 * i, 20) !~ /^ *[0-9]+$/)
				print NR ": number " i + 1
		if (substr($0, 13, 12) !~ /^[a-z]+ *$/) print NR ": name"
		if (substr($0, 1, 10) !~ /^( *| *[0-9]+:)$/) print NR ": id" }')
	[ -z "$wrong" ] || fail "columns in another place:" "$wrong" || return
	[ "$(tail -c 1 "$1" | od -An -c | tr -d ' ')" = '\n' ] || fail "the last row has no newline" || return
	! grep -qP '\t| $' "$1" || fail "tabs or blanks at an end"
}

row_order() {
	local rows
	rows=$(tail -n +3 "$1" | wc -l)
	[ "$rows" -gt 0 ] && [ $((rows % ${#names[@]})) -eq 0 ] ||
		fail "$rows rows are no multiple of ${#names[@]}" || return
	expect "order of the resources" "$(for ((i = 0; i < rows; i += ${#names[@]})); do echo "${names[*]}"; done)" \
		"$(tail -n +3 "$1" | awk -v n=${#names[@]} '{
			name = $1 ~ /:$/ ? $2 : $1
			printf "%s%s", name, NR % n ? " " : "\n" }')" || return
	expect "rows with an id that are not kmemsize" "" "$(tail -n +3 "$1" | awk '/:/ && $2 != "kmemsize"')"
}

# The idiom of the old scripts: seven fields where there is an id, else six.
with_awk() {
	awk 'NR > 2 {
		if (NF == 7) { id = $1; sub(":", "", id); sub(/^ *[0-9]+: /, "") }
		else if (NF != 6) { print "row " NR " has " NF " fields"; next }
		if ($1 != "dummy") print id, $1, $2, $3, $4, $5, $6 }' "$1"
}

with_regex() {
	local line id=
	while IFS= read -r line; do
		if [[ $line =~ ^\ +(([0-9]+):)?\ \ +([a-z]+)\ +([0-9]+)\ +([0-9]+)\ +([0-9]+)\ +([0-9]+)\ +([0-9]+)$ ]]; then
			id=${BASH_REMATCH[2]:-$id}
			[ "${BASH_REMATCH[3]}" = dummy ] || echo "$id ${BASH_REMATCH[*]:3}"
		fi
	done < <(tail -n +3 "$1")
}

parsers_agree() {
	"$programs/parse_beancounters" "$1" >"$folder/c" || return
	with_awk "$1" >"$folder/awk"
	with_regex "$1" >"$folder/regex"
	[ -s "$folder/c" ] || fail "nothing was read" || return
	diff "$folder/c" "$folder/awk" && diff "$folder/c" "$folder/regex"
}

values() {
	local wrong
	wrong=$("$programs/parse_beancounters" "$1" | awk '
		$3 > $4 { print "held above maxheld: " $0 }
		$2 == "kmemsize" && $3 == 0 { print "no memory: " $0 }')
	[ -z "$wrong" ] || fail "$wrong"
}

ids() { awk 'NR > 2 && $1 ~ /:$/ { sub(":", "", $1); print $1 }' "$1"; }

host_ids() {
	local id seen=
	expect "the last id" 0 "$(ids "$1" | tail -n 1)" || return
	# Newest first.
	expect "order of the ids" "$(ids "$1" | sort -rn)" "$(ids "$1")" || return
	for id in $(column "$proc/containers" id state=running); do
		ids "$1" | grep -qx "$id" || fail "running container $id has no rows" || return
		seen=1
	done
	[ -n "$seen" ] || fail "no container is running"
}

need_module
[ -e "$old" ] || ktap_skip_all "no $old: it is switched off by a parameter"
need_programs
warm_up

start_container --out "$folder/inside" -- /bin/sh -c "cat $old; sleep 1000" || exit 1
first=$CONTAINER_ID first_pid=$CONTAINER_PID first_cgroup=$CONTAINER_CGROUP
start_container -- sleep 1000 || exit 1
poll 10 test -s "$folder/inside"
cat "$old" >"$folder/outside"

ktap_plan 13
for side in outside inside; do
	ktap_test "$side: version and header" first_lines "$folder/$side"
	ktap_test "$side: rows to the byte" row_bytes "$folder/$side"
	ktap_test "$side: the 24 resources in order" row_order "$folder/$side"
	ktap_test "$side: awk, sscanf and a regular expression read the same" parsers_agree "$folder/$side"
	ktap_test "$side: values" values "$folder/$side"
done
ktap_test "the host sees all, newest first, itself last" host_ids "$folder/outside"
ktap_test "a container sees itself only" expect "ids" "$first" "$(ids "$folder/inside")"

gone() { ! ids "$old" | grep -qx "$1"; }
row_goes() {
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean || return
	in_time 5 gone "$CONTAINER_ID" || fail "container $CONTAINER_ID is clean, its rows are still there"
}
kill_container
ktap_test "rows go when nothing is charged any more" row_goes
CONTAINER_PID=$first_pid CONTAINER_CGROUP=$first_cgroup
kill_container
ktap_end
