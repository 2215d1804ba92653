#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads beancounter_kunit.ko, whose suites run then, and unloads it: what they
# print, and `N passed, N failed, N skipped` as the last line. Exit status 0 only
# if some passed and none failed.
#
#   KUNIT_PARAMETERS   of the module: churn_steps=120000
#
#   make build/RELEASE/beancounter_kunit.ko
#   scripts/vm --kernel debug --no-module -- tests/kunit/run.sh [MODULE]
set -u
cd "$(dirname "$0")/../.." || exit 1
module=${1:-build/${KERNEL:-$(uname -r)}/beancounter_kunit.ko}

stop() {
	echo "not ok $*"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}

[ -e "$module" ] || stop "there is no $module"
[ -d /sys/module/kunit ] || [ -d /sys/kernel/debug/kunit ] || stop "this kernel has no KUnit"

# KFENCE, where the kernel has it, is to take some of the suites' objects: switched on here, its pool is not full of others' yet.
kfence=/sys/module/kfence/parameters/sample_interval
[ ! -e $kfence ] || echo 1 >$kfence || stop "KFENCE cannot be switched on"

# An NMI in which the suites free some hundred objects is longer than the millisecond from which on the kernel reports one.
longest=/sys/kernel/debug/x86/nmi_longest_ns
[ ! -e $longest ] || echo 10000000000 >$longest

# The kernel log has it all, on 6.1 too, whose files in debugfs end after 2 KiB.
# It may be read once: what is printed here belongs to this run only.
mark="tests/kunit/run.sh: $$ loads ${module##*/}"
echo "$mark" >/dev/kmsg
# shellcheck disable=SC2086 # words on purpose
insmod "$module" ${KUNIT_PARAMETERS-} || stop "$module does not load: $(dmesg | tail -n 3)"
run=/sys/module/beancounter_kunit/parameters/run
[ ! -e $run ] || echo 1 >$run || echo "not ok the suites cannot be run" >/dev/kmsg
rmmod beancounter_kunit || stop "it does not unload"

# KTAP: results at the deepest level are counted, those above sum them up. One of
# those that is red without a red one below counts itself: a suite that could not
# be started. So does a plan that was not carried out.
dmesg | sed 's/^\[[^]]*\] //' | awk -v mark="$mark" '
	index($0, mark) { on = 1; next }
	!on || !/^(    |KTAP version|1\.\.[0-9]+$|# |ok [0-9]|not ok [0-9])/ { next }
	{ print; match($0, /^ */); level = RLENGTH / 4; line = substr($0, RLENGTH + 1) }
	line ~ /^1\.\./ { plan[level] = substr(line, 4); done[level] = 0 }
	line ~ /^(not )?ok / {
		red = line ~ /^not/
		done[level]++
		if (below[level + 1]) {
			if (red && !failed_below[level + 1]) failed++
			if ((level + 1) in plan && plan[level + 1] != done[level + 1]) {
				print "# " plan[level + 1] " were planned, " done[level + 1] " ran"
				failed++
			}
			red = red || failed_below[level + 1]
		} else if (red) failed++
		else if (line ~ /# SKIP/) skipped++
		else passed++
		below[level + 1] = failed_below[level + 1] = 0
		delete plan[level + 1]
		below[level] = 1
		failed_below[level] = failed_below[level] || red
	}
	END {
		for (level = 1; level < 4; level++) if (below[level]) unfinished = 1
		if (0 in plan && plan[0] != done[0]) unfinished = 1
		if (unfinished) { print "not ok a suite did not end"; failed++ }
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit !(passed && !failed)
	}'
