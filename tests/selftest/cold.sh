#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container that is the first to look at the host's files, killed while it does: names, inodes and what hangs on them (9p's handles, an
# overlay's entries) are the caches' then, or the host's by whom it is said; nothing has leaked. Nor of files that it leaves to the host: of a
# tree of pages the root alone knows the nodes. With KFENCE at every chance (kfence.sample_interval=1) many of all these lie where nothing
# else does.
#
#   COLD_ROUNDS   15: before objects at the end of their page were read two of these were red
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

cold() {
	echo 3 >/proc/sys/vm/drop_caches
	start_container -- sleep 1000 && kill_container || return
	wait_verdict "$CONTAINER_ID" || return
	expect_match "state" '^(clean|held)$' "$(container_column "$CONTAINER_ID" state)" && return
	cat "$proc/$CONTAINER_ID/leaks"
	return 1
}

# On a tmpfs of the host's: two nodes and a root each.
files=/tmp/cold.files
files_that_stay() {
	local status=0
	mkdir "$files" && mount -t tmpfs cold "$files" || return
	# shellcheck disable=SC2016
	run_container -- sh -c 'for i in $(seq 60); do head -c 270000 /dev/zero >"$0/$i" || exit; done' "$files" || return
	expect_kept || status=1
	umount "$files" && rmdir "$files"
	becomes_clean && return "$status"
}

need_module
need_programs
rounds=${COLD_ROUNDS:-15}
ktap_plan $((rounds + 1))
for ((round = 1; round <= rounds; round++)); do ktap_test "the first to look at the host's files, round $round" cold; done
ktap_test "files that stay, made by a container" files_that_stay
ktap_end
