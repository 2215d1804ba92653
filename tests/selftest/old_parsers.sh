#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# /proc/user_beancounters with limits in it and refusals, read in the habits of the
# scripts and programs of its time: awk's fields, C's sscanf() and widths, a regular
# expression. Every value is that of ID/resources.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

old=/proc/user_beancounters
folder=$talk_folder
trap 'rm -rf "$talk_folder"' EXIT
export LC_ALL=C

# Each reader prints `id resource held maxheld barrier limit failcnt` a row.

with_awk() {
	awk '/^Version/ || $1 == "uid" { next }
		$1 ~ /:$/ { id = $1; sub(/:/, "", id); $1 = ""; $0 = $0 }
		$1 != "dummy" { print id, $1, $2, $3, $4, $5, $6 }' "$1"
}

with_sscanf() { "$programs/parse_beancounters" "$1"; }
with_widths() { "$programs/parse_beancounters" -w "$1"; }

with_regex() {
	python3 -c '
import re, sys
row = re.compile(r"^\s*(?:(\d+):)?\s+(\w+)" + r"\s+(\d+)" * 5 + "$")
for line in open(sys.argv[1]):
    found = row.match(line)
    if found:
        container = found.group(1) or container
        if found.group(2) != "dummy":
            print(container, *found.groups()[1:])
' "$1"
}

# The idiom of a check for a monitor: one awk, what was refused, on whose behalf.
with_monitor() {
	awk '/[0-9]+:/ { id = substr($1, 1, length($1) - 1) }
		$NF ~ /^[0-9]+$/ && $NF > 0 { print id, $(NF - 5), $NF }' "$1"
}

# What our own file says of ID, in the same form.
truth() { # id, file
	awk -v id="$1" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		function old(value) { return value == "unlimited" ? "9223372036854775807" : value }
		{ print id, $1, $at["held"], $at["maxheld"], old($at["barrier"]), old($at["limit"]), $at["failcnt"] }' "$2"
}

# The old file between two readings of ours that say the same: none of them moves then.
still() {
	local name id
	for name in "${!talk_id[@]}"; do
		id=${talk_id[$name]}
		cat "$proc/$id/resources" >"$folder/$id.before" || return
	done
	cat "$old" >"$folder/outside"
	for name in "${!talk_id[@]}"; do
		id=${talk_id[$name]}
		cat "$proc/$id/resources" >"$folder/$id.after"
		cmp -s "$folder/$id.before" "$folder/$id.after" || return
	done
}

reads() { # reader
	local name id
	"$1" "$folder/outside" >"$folder/read" || return
	for name in "${!talk_id[@]}"; do
		id=${talk_id[$name]}
		truth "$id" "$folder/$id.after" >"$folder/truth"
		[ -s "$folder/truth" ] || fail "container $id has no resources" || return
		# New resources are in our own file only.
		awk 'NR == FNR { known[$2] = 1; next } $2 in known' "$folder/read" "$folder/truth" >"$folder/expected"
		grep "^$id " "$folder/read" | diff "$folder/expected" - || fail "container $id" || return
		expect "resources of container $id" 20 "$(wc -l <"$folder/expected")" || return
	done
}

reads_inside() { # reader
	"$1" "$folder/inside" >"$folder/read" || return
	truth "${talk_id[first]}" "$folder/${talk_id[first]}.after" >"$folder/truth"
	# Looking took memory of its own: what was set and refused is compared.
	diff <(awk '{ print $1, $2, $5, $6, $7 }' "$folder/truth") <(awk '{ print $1, $2, $5, $6, $7 }' "$folder/read")
}

monitored() {
	local first=${talk_id[first]}
	with_monitor "$folder/outside" >"$folder/refused"
	expect "what was refused" "$first numproc 2"$'\n'"$first numfile 1" "$(grep "^$first " "$folder/refused")" || return
	expect "what the other was refused" "" "$(grep "^${talk_id[second]} " "$folder/refused")"
}

host_is_unlimited() {
	expect "barriers and limits of the host" "9223372036854775807 9223372036854775807" \
		"$(with_sscanf "$folder/outside" | awk '$1 == 0 { print $5, $6 }' | sort -u)" || return
	expect "failcnt of the host" 0 "$(with_sscanf "$folder/outside" | awk '$1 == 0 { print $7 }' | sort -u)"
}

need_module
[ -e "$old" ] || ktap_skip_all "no $old: it is switched off by a parameter"
need_programs
command -v python3 >/dev/null || ktap_skip_all "no python3"
warm_up

start_talker first -- "$programs/limit_probe" || exit 1
start_talker second -- "$programs/limit_probe" || exit 1
set_limits "${talk_id[first]}" "kmemsize 12345678 23456789" "dcachesize 3M unlimited" "numproc 5 5" \
	"numtcpsock 100 9223372036854775806" "numflock 0 0" || exit 1
set_limits "${talk_id[second]}" "numproc 999999999 unlimited" || exit 1
tell first make process 9 && tell first make process 1 || exit 1
set_limits "${talk_id[first]}" "numfile 1 1" && tell first make file 1 || exit 1
tell second make process 3 && tell second make file 20 || exit 1
# Of the first container itself: a task that enters it is one of it, if it is let in.
set_limits "${talk_id[first]}" "numproc 20 20" "numfile 50 50" || exit 1
nsenter --target "$(container_column "${talk_id[first]}" init)" --pid --mount cat "$old" >"$folder/inside"
poll 30 still || exit 1

ktap_plan 10
ktap_test "awk reads it by fields" reads with_awk
ktap_test "C reads it with sscanf()" reads with_sscanf
ktap_test "C reads it by widths" reads with_widths
ktap_test "a regular expression reads it" reads with_regex
ktap_test "awk reads it inside" reads_inside with_awk
ktap_test "C reads it inside with sscanf()" reads_inside with_sscanf
ktap_test "C reads it inside by widths" reads_inside with_widths
ktap_test "a regular expression reads it inside" reads_inside with_regex
ktap_test "a monitor finds what was refused" monitored
ktap_test "the host has no limits" host_is_unlimited
for name in first second; do
	end_talker "$name"
done
ktap_end
