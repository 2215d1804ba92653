#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container that is the first to look at the host's files, killed while it does: names, inodes and what hangs on them (9p's handles, an
# overlay's entries) are the caches' then, or the host's by whom it is said; nothing has leaked. With KFENCE at every chance
# (kfence.sample_interval=1) many of them lie where nothing else does.
#
#   COLD_ROUNDS   15: before objects at the end of their page were read two of these were red
. "$(dirname "$0")/lib.sh"
. ./containers.sh

cold() {
	echo 3 >/proc/sys/vm/drop_caches
	start_container -- sleep 1000 && kill_container || return
	wait_verdict "$CONTAINER_ID" || return
	expect_match "state" '^(clean|held)$' "$(container_column "$CONTAINER_ID" state)" && return
	cat "$proc/$CONTAINER_ID/leaks"
	return 1
}

need_module
need_programs
rounds=${COLD_ROUNDS:-15}
ktap_plan "$rounds"
for ((round = 1; round <= rounds; round++)); do ktap_test "the first to look at the host's files, round $round" cold; done
ktap_end
