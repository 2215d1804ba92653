#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   run.sh [NAME...]    clean, leak_one, ...; without: all that are for any machine
#   run.sh --half 1|2   of these: for two machines that take equally long
#
#   RUN_SAME=no         skips what looks at the module's own files, tables and tool alone, which is the same on each kernel
#
# Runs the selftests one after the other on the running kernel, in one boot: what
# they print, and `N passed, N failed, N skipped` as the last line. Exit status 0
# only if none failed.
cd "$(dirname "$0")" || exit 1

# What needs little first, and kept before any other may need what it is the first to need; those that load and unload the module last, and
# at the end what no boot comes back from. Not bombs, which are for a small machine, runtimes, which needs their packages, own_faults, for a
# debug kernel, cold, for one with KFENCE on, secure_boot, for one of tests/secure_boot.sh, smoke, which says less, load, which has a
# machine of its own, and ftrace_killed, which ends that one.
halves=(""
	"clean kept hooks leak_one leak_user leak_pid stacks corpus exploit exact old_format old_parsers views permissions
		limits limits_memory limits_disks stop give_back large above reserve terminals sockets holders first_use"
	"left_behind host_network set_up cgroups borders torn shared readers beanctl fail_nth sandboxes
		since_load limits_default exhausted cpus neighbours faces load_unload locked_down")
same="old_format old_parsers readers beanctl sandboxes exhausted"
# shellcheck disable=SC2048,SC2086 # words on purpose
case ${1-} in
'') set -- ${halves[*]} ;;
--half)
	[[ ${2-} == [12] ]] || { echo "run.sh: --half 1 or 2" >&2 && exit 2; }
	set -- ${halves[$2]}
	;;
esac

# What all CPUs have worked since boot, in hundredths of a second; not idle, nor waiting for a disk.
worked() {
	local user nice system irq softirq
	read -r _ user nice system _ _ irq softirq _ </proc/stat
	echo $((user + nice + system + irq + softirq))
}

# Made since boot: in the emulator most of a script's work.
processes() { sed -n 's/^processes //p' /proc/stat; }

passed=0 failed=0 skipped=0
log=$(mktemp /tmp/selftest.XXXXXX)
trap 'rm -f "$log"' EXIT
for name in "$@"; do
	echo "# $name.sh"
	if [ "${RUN_SAME-}" = no ] && [[ " $same " == *" $name "* ]]; then
		printf '%s\n' "KTAP version 1" "1..0 # SKIP the same on each kernel, and RUN_SAME=no"
		skipped=$((skipped + 1))
		continue
	fi
	start=$SECONDS status=0 work=$(worked) made=$(processes)
	"./$name.sh" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	echo "# $name.sh: status $status, $((SECONDS - start)) s, $((($(worked) - work) / 100)) s of work, $(($(processes) - made)) processes"
	s=$(grep -cE '^ok .* # SKIP|^1\.\.0 # SKIP' "$log")
	p=$(($(grep -c '^ok ' "$log") - $(grep -cE '^ok .* # SKIP' "$log")))
	f=$(grep -c '^not ok ' "$log")
	# One that ended before its time has failed too, whatever it printed.
	if [ "$f" -eq 0 ] && [ "$status" -ne 0 ] && [ "$status" -ne 4 ]; then
		echo "not ok $name.sh ended with status $status"
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
