#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A leak of a stock kernel and the kernel that ended it: what beanctl check says of the same program on both.
#
#   tests/pair.sh    boots Debian's 6.12.115 and 6.12.117; a kernel that Debian serves no more is a skip
#
# The program is selftest/workloads/cpu_clock_leak.c: a reference of a struct pid is lost in do_cpu_nanosleep() up to 6.12.115.
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0
log=$(mktemp /tmp/pair.XXXXXX)
trap 'rm -f "$log"' EXIT

result() { # ok|not ok, name, directive
	echo "$1 $2${3:+ # $3}"
}

# says KERNEL STATUS REGEX: beanctl check's exit status, and lines that it prints, the last one's verdict among them.
says() {
	local kernel=$1 wanted=$2 status=0 line
	shift 2
	echo "# $kernel"
	scripts/kernel image "$kernel" >"$log" 2>&1 && scripts/kernel headers "$kernel" >>"$log" 2>&1 || status=$?
	if [ "$status" -eq 3 ]; then
		sed 's/^/# /' "$log"
		result ok "$kernel" "SKIP Debian does not serve this kernel (any more)"
		skipped=$((skipped + 1))
		return
	fi
	status=0
	scripts/vm --kernel "$kernel" --timeout 300 -- beanctl check -- "$PWD/build/selftest/cpu_clock_leak" 1 >"$log" 2>&1 || status=$?
	sed 's/^/# /' "$log"
	if [ "$status" -eq "$wanted" ]; then
		for line; do
			grep -Eq "$line" "$log" && continue
			echo "# no line like: $line"
			status=none
		done
	fi
	if [ "$status" = "$wanted" ]; then
		result ok "$kernel: exit status $wanted"
		passed=$((passed + 1))
	else
		result "not ok" "$kernel: exit status $wanted and what goes with it"
		failed=$((failed + 1))
	fi
}

make --no-print-directory workloads || exit 1
says 6.12.115+deb12 1 '^leaked +1 +.* alloc_pid' '^container [0-9]+: leaked, 1 object of'
says 6.12.117+deb12 0 '^container [0-9]+: clean$'
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
