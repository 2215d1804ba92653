#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# beanctl check --fail-nth 0: the first charge of a system call's work is refused, then
# the second, and so on until none was. The kernel does not complain (scripts/vm looks at
# its log), nothing hangs, nothing leaks but what this kernel is known to lose.
#
#   FAIL_NTH   which; `all` takes some twenty minutes and is for make soak (open mqueue)
. "$(dirname "$0")/lib.sh"

# The functions whose refusal leaks something on this kernel, and it is the kernel's fault: Documentation/found.md
known() { # kind
	case $1:$(uname -r) in
	# create_ipc_ns() leaves the mount that mq_init_ns() has made. 6.12 unmounts it.
	unshare:6.1.*) echo __register_sysctl_table setup_ipc_sysctls setup_mq_sysctls ;;
	esac
}

walk() { # kind
	local status=0 walked known found
	beanctl check --net --timeout 200 --fail-nth 0 --keep-going -- "$programs/one_call" "$1" >"$out" 2>&1 || status=$?
	grep -E "^(VERDICT|leaked)|leaked|crashed|hung" "$out"
	tail -n 1 "$out"
	walked=$(sed -nE 's/^([0-9]+) refusals walked.*/\1/p' "$out" | tail -n 1)
	# Something was refused, and it went to the end.
	[ "${walked:-0}" -gt 0 ] || return
	known=$(known "$1")
	if [ -z "$known" ]; then
		expect "beanctl's status" 0 "$status" && grep -q 'no leak, no crash, no hang' "$out"
		return
	fi
	found=$(sed -nE 's/^fail-nth [0-9]+: leaked: refused at ([^+]*).*/\1/p' "$out" | LC_ALL=C sort -u | paste -sd ' ')
	expect "beanctl's status" 1 "$status" && expect "leaks where this kernel is known to leak" "$known" "$found" &&
		! grep -E '^fail-nth [0-9]+: (crashed|hung)' "$out"
}

audit() { # enabled or not, what a failure is to do: 1 for a line in the log
	python3 -c 'import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) # NETLINK_AUDIT
status = struct.pack("10I", 1 | 2, int(sys.argv[1]), int(sys.argv[2]), 0, 0, 0, 0, 0, 0, 0) # enabled, failure
s.send(struct.pack("IHHII", 16 + len(status), 1001, 1 | 4, 1, 0) + status) # AUDIT_SET, acknowledged
error = struct.unpack_from("i", s.recv(4096), 16)[0]
sys.exit(error and "audit: error %d" % -error)' "$@"
}

# A host that wants to know of each call of some kind, or to stop where it cannot: what its audit takes is charged to whoever is looked at, and
# not refused.
audited() {
	local status=0 mark
	audit 1 1 || return
	mark_log
	beanctl check --timeout 200 --fail-nth 0 --keep-going -- "$programs/one_call" fork >"$out" 2>&1
	tail -n 1 "$out"
	expect_match "the walk's last line" '^[1-9][0-9]+ refusals walked' "$(tail -n 1 "$out")" || status=1
	log_since "$mark" | grep -E 'audit: (audit_lost|out of memory)|audit_lost=' && status=1
	audit 0 1
	return "$status"
}

need_module
need_programs
command -v beanctl >/dev/null || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
out=$(mktemp /tmp/fail_nth.XXXXXX)
trap 'rm -f "$out"' EXIT
read -ra kinds <<<"${FAIL_NTH:-open mqueue}"
[ "${FAIL_NTH-}" != all ] || kinds=(open pipe shm mqueue connect mount unshare exec)
ktap_plan $((${#kinds[@]} + 2))
for kind in "${kinds[@]}"; do
	"$programs/one_call" "$kind"	# what the host keeps for good is made by the host
	ktap_test "each allocation of $kind refused once" walk "$kind"
done
ktap_test "each allocation of a fork on an audited host refused once: the audit loses nothing" audited
ktap_test "nothing was missed" expect_healthy
ktap_end
