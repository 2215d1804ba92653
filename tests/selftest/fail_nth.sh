#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# beanctl check --fail-nth 0: the first charge of a system call's work is refused, then
# the second, and so on until none was. The kernel does not complain (scripts/vm looks at
# its log), nothing hangs, nothing leaks.
#
#   FAIL_NTH   which; `all` takes some twenty minutes and is for make soak (open mqueue)
. "$(dirname "$0")/lib.sh"

walk() { # kind
	local status=0 walked
	beanctl check --net --timeout 60 --fail-nth 0 --keep-going -- "$programs/one_call" "$1" >"$out" 2>&1 || status=$?
	grep -E "^(VERDICT|leaked)|leaked|crashed|hung" "$out"
	tail -n 1 "$out"
	expect "beanctl's status" 0 "$status" || return
	walked=$(sed -nE 's/^([0-9]+) refusals walked.*/\1/p' "$out" | tail -n 1)
	# Something was refused, and it went to the end.
	[ "${walked:-0}" -gt 0 ] && grep -q 'no leak, no crash, no hang' "$out"
}

need_module
need_programs
command -v beanctl >/dev/null || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
out=$(mktemp /tmp/fail_nth.XXXXXX)
trap 'rm -f "$out"' EXIT
read -ra kinds <<<"${FAIL_NTH:-open mqueue}"
[ "${FAIL_NTH-}" != all ] || kinds=(open pipe shm mqueue connect mount unshare exec)
ktap_plan $((${#kinds[@]} + 1))
for kind in "${kinds[@]}"; do
	"$programs/one_call" "$kind"	# what the host keeps for good is made by the host
	ktap_test "each allocation of $kind refused once" walk "$kind"
done
ktap_test "nothing was missed" expect_healthy
ktap_end
