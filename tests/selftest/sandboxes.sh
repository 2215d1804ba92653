#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sandboxes by the thousand, one after the other, made by an ordinary user: every browser does that. What the host does meanwhile,
# and how much memory stays, is printed.
#
#   SANDBOXES   how many (50; 10000 is for make soak)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

number=${SANDBOXES:-50}
trap 'rm -rf "$talk_folder"' EXIT

kib() { awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo; }
memory() { echo "Slab $(kib Slab) kB, Percpu $(kib Percpu) kB, ledger $(($(health ledger_bytes) / 1024)) KiB, containers $(health containers)"; }
all_settled() { [ -z "$(column "$proc/containers" id state=running)$(column "$proc/containers" id state=settling)" ]; }
expect_settled() { poll 120 all_settled || fail "not settled:" "$(grep -wE 'id|running|settling' "$proc/containers" | head -n 20)"; }

leaked() { column "$proc/containers" id state=leaked; }

# Some at first, that what is made once is there.
sandboxes() { # number
	# shellcheck disable=SC2016
	setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'i=0
		while [ $i -lt "$0" ]; do unshare -Urp --fork --mount-proc true || exit 1; i=$((i + 1)); done' "$1"
}

one_after_the_other() {
	local before after first leaked start alone loop
	sandboxes 20 || return
	expect_settled || return
	start_host_talker host -- "$programs/worker" || return
	tell host 3000 && tell host 3000 || return
	alone="$(said operations) operations in 3 s, longest stall $(($(said stall) / 1000)) ms"
	first=$(newest_container)
	leaked=$(leaked) # what others left
	echo "before: $(memory)"
	before=$(($(kib Slab) + $(kib Percpu)))
	start=$SECONDS
	sandboxes "$number" &
	loop=$!
	tell host 3000 || return
	echo "the host alone: $alone"
	echo "beside them: $(said operations) operations in 3 s, longest stall $(($(said stall) / 1000)) ms"
	expect "system calls of the host that failed" 0 "$(said failed)" || return
	wait "$loop" || fail "a sandbox could not be made" || return
	echo "$number sandboxes in $((SECONDS - start)) s"
	end_talker host
	expect_settled || return
	echo "after: $(memory)"
	after=$(($(kib Slab) + $(kib Percpu)))
	expect "containers that were made" "$number" "$(($(newest_container) - first))" || return
	expect "leaked containers" "$leaked" "$(leaked)" || return
	[ "$(column "$proc/containers" id state=clean | wc -l)" -le 64 ] || fail "$(health containers) rows are kept" || return
	# A container's structure alone is some KiB: had they stayed it would be more. With few of them the kernel's own caches are.
	[ "$number" -lt 5000 ] || [ $((after - before)) -lt "$number" ] || fail "$((after - before)) kB have stayed"
}

need_module
need_programs
[ "$(sysctl -n kernel.unprivileged_userns_clone 2>/dev/null || echo 1)" = 1 ] ||
	ktap_skip_all "ordinary users may not make user namespaces: kernel.unprivileged_userns_clone"
ktap_plan 2
talk_test "$number sandboxes of an ordinary user: all are clean, none stays" one_after_the_other
ktap_test "nothing was missed" expect_healthy
ktap_end
