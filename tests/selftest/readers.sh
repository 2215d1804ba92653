#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every file is read all the time while all that is in it changes: no row is torn, no number negative, no name one that was
# never given. workloads/read_views.c says what it looks at.
#
#   READ_SECONDS   how long (10), but for CHANGES changes at least
. "$(dirname "$0")/lib.sh"
. ./containers.sh

CHANGES=20
seconds=${READ_SECONDS:-10}
bounds=("1073741824 2147483648" "3221225472 4294967296")
names=(a a-name-of-sixty-three-characters-which-is-as-long-as-may-be-123)
folder=$(mktemp -d /tmp/readers.XXXXXX)
trap 'rm -rf "$folder"' EXIT

# Containers come and go, the one that stays gets other bounds and names.
change() {
	local i=0 id=$CONTAINER_ID end=$((SECONDS + seconds))
	while [ "$SECONDS" -lt "$end" ] || [ "$i" -lt "$CHANGES" ]; do
		write_at_once "$proc/$id/resources" "kmemsize ${bounds[i % 2]}" || return
		write_at_once "$proc/control" "name $id ${names[i % 2]}" || return
		[ $((i % 3)) -ne 0 ] || unshare --pid --fork --mount-proc true || return
		[ $((i % 7)) -ne 0 ] || { echo self-check >"$proc/control" && echo reset >"$proc/$id/resources"; } || return
		i=$((i + 1))
	done
	echo "$i changes"
}

old_bounds() {
	local id
	for id in $(column "$proc/containers" id); do
		paste -d: <(column "$proc/$id/resources" barrier) <(column "$proc/$id/resources" limit)
	done | sort -u
}

read_and_change() {
	local status=0 reader pairs old_bounds old_names
	# Something to charge and free, and time for others.
	start_container -- sh -c 'while :; do /bin/true; sleep 0.1; done' || return
	# ... and those of containers that were there before, which nobody changes.
	mapfile -t old_bounds < <(old_bounds)
	mapfile -t old_names < <(column "$proc/containers" name | grep -vx -e - | sort -u)
	pairs=$(IFS=, && echo "unlimited:unlimited,${bounds[*]/ /:}${old_bounds[*]:+,${old_bounds[*]}}")
	"$programs/read_views" 1000000 --pairs "$pairs" --names "$(IFS=, && echo "${names[*]}${old_names[*]:+,${old_names[*]}}")" \
		>"$folder/out" &
	reader=$!
	change || status=1
	kill -TERM "$reader"
	wait "$reader" || status=1
	head -c 4000 "$folder/out"
	kill_container || return
	return "$status"
}

need_module
need_programs
ktap_plan 2
ktap_test "every file, read while everything changes" read_and_change
ktap_test "nothing was missed" expect_healthy
ktap_end
