#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   container.sh [--net] [--user] [--no-cgroup] [--timeout S] -- COMMAND...
#
# runs a command in a fresh container, waits for the module's verdict and prints
# the container's line of /proc/beancounter/containers and what it left behind.
# Exit status: the command's; 125 where the container or the verdict failed.
here=$(dirname "$0")
command_folder=$PWD
# shellcheck source=../lib.sh
. "$here/../lib.sh"
# shellcheck source=../containers.sh
. ./containers.sh
cd "$command_folder" || exit 125
options=() timeout=60
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	if [ "$1" = --timeout ]; then
		timeout=$2
		shift
	else
		options+=("$1")
	fi
	shift
done
[ $# -gt 1 ] || { sed -n '4,9s/^# \{0,1\}//p' "$0" >&2 && exit 125; }

start_container "${options[@]}" "$@" && end_container && wait_verdict "$CONTAINER_ID" "$timeout" || exit 125
awk -v id="$CONTAINER_ID" 'NR == 1 || $1 == id' "$proc/containers"
cat "$proc/$CONTAINER_ID/leaks"
exit "$CONTAINER_STATUS"
