#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What charging costs: guest instructions of an allocation and its free, bare, with the hooks for a task of the host, and in a
# container, side by side in one boot. For scripts/vm --icount --no-module; the budget is at the end.
. "$(dirname "$0")/lib.sh"

ktap_plan 3
insmod "$test_modules/cost.ko" || ktap_skip_all "no cost.ko: make build/$KERNEL/tests/modules"

bare=$(cat /proc/cost)
insmod "$repo/build/$KERNEL/beancounter.ko" || ktap_skip_all "beancounter.ko does not load"
host=$(cat /proc/cost)
container=$(unshare -pf --mount-proc cat /proc/cost)

value() { awk -v k="$2" '$1 == k { print $2 }' <<<"$1"; }

printf '# %-20s %8s %8s %8s\n' "instructions a pair" bare host container
for name in $(awk '{ print $1 }' <<<"$bare"); do
	printf '# %-20s %8d %+8d %+8d\n' "$name" "$(value "$bare" "$name")" \
		$(($(value "$host" "$name") - $(value "$bare" "$name"))) \
		$(($(value "$container" "$name") - $(value "$bare" "$name")))
done

clock_counts() {
	local nops
	nops=$(value "$bare" nops_1000)
	[ "$nops" -ge 990 ] && [ "$nops" -le 1010 ] || fail "1000 nops took $nops: not a machine that counts instructions (scripts/vm --icount)"
}
# within TEXT KEY MOST: at most MOST above bare
within() {
	local more=$(($(value "$1" kmalloc_64) - $(value "$bare" kmalloc_64)))
	[ "$more" -le "$2" ] || fail "$more instructions more, and the budget is $2"
}
ktap_test "the clock counts instructions" clock_counts
ktap_test "a pair of the host's tasks: at most 25 more" within "$host" 25
ktap_test "a pair of a container's: at most 250 more" within "$container" 250
ktap_end
