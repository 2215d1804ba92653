# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the bench's guests share: they print lines of KEY=VALUE that scripts/bench collects, nothing else on standard output.
# What cannot be measured is said with its reason. Sourced.
. "$(dirname "${BASH_SOURCE[0]}")/../selftest/lib.sh"
. ./containers.sh

# say KEY=VALUE...
say() { echo "bench $*"; }

# missing REASON KEY=VALUE...: the reason may have blanks, and is the last on its line.
missing() {
	local reason=$1
	shift
	echo "bench $* missing=$reason"
}

give_up() {
	echo "$*" >&2
	exit 1
}

load() { insmod "$test_modules/$1.ko" "${@:2}" || give_up "$1.ko does not load"; }
load_beancounter() { insmod "$repo/build/$KERNEL/beancounter.ko" "$@" || give_up "beancounter.ko does not load"; }

# The guest's clock leaps where it waits for the host's disk, over what the tests wait for, too: what containers start with is read before,
# and waiting is by looks, not by that clock. scripts/vm has the time-out.
poll() { # seconds, command
	local looks=$(($1 * 100))
	shift
	until "$@"; do
		looks=$((looks - 1))
		[ "$looks" -gt 0 ] || return 1
		sleep 0.1
	done
}
for program in sh bash unshare stat mv cat dd awk; do cat "$(command -v "$program")"; done >/dev/null
cat "$programs"/bench_* >/dev/null

# A file system of its own for what opens files, the same for all.
bench_folder=/run/bench
mkdir -p "$bench_folder" && mount -t tmpfs bench "$bench_folder" || give_up "no tmpfs"
mkfifo "$bench_folder/go"

# in_container COMMAND...: sets CONTAINER_ID; the command is run by go(), which waits for it. Without a cgroup of its own:
# memcg's costs are another column's.
in_container() {
	# shellcheck disable=SC2016
	start_container --no-cgroup --out "$bench_folder/out" -- \
		/bin/sh -c 'read -r word <"$0" && exec "$@"' "$bench_folder/go" "$@" || give_up "the container does not start"
}
go() {
	echo go >"$bench_folder/go"
	end_container
	[ "$CONTAINER_STATUS" -eq 0 ] || give_up "the container's command ended with $CONTAINER_STATUS"
}

# near_limit ID: bounds it a little above what it holds, so that it counts exactly from now on (src/core/bounds.h).
near_limit() {
	local held
	held=$(resource "$1" kmemsize held)
	set_limits "$1" "kmemsize $((held + 65536)) $((held + 65536))" || give_up "no limit"
}
