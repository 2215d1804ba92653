# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/check and scripts/soak share: tests that are commands, counted. Sourced in the top folder; logs in build/logs.

mkdir -p build/logs
passed=0 failed=0 skipped=0
ended=0 # with what status the last command did
took=() # a line for each command: its numbers, how long it took
# What has failed and what it said, for the end: the output of two hours is long.
failures=build/logs/failures-$$
trap 'rm -f "$failures" "$failures.times"' EXIT

say() { printf '\n== %s\n' "$*"; }

# The numbers of a line `N passed, N failed, N skipped`, the last of that log, in BASH_REMATCH.
numbers_of() {
	[[ $(tr -d '\r' <"$1" | grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' | tail -n 1) =~ \
	^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]
}

# Seconds of CPU that the commands before have used, those that were waited for; in `cpu`.
cpu_used() {
	local user system
	times >"$failures.times" # not in a subshell, which has had no children
	read -r user system < <(tail -n 1 "$failures.times")
	cpu=$((${user%m*} * 60 + ${system%m*} * 60)) user=${user#*m} system=${system#*m}
	cpu=$((cpu + ${user%.*} + ${system%.*}))
}

# A command begins: the second, and the CPU seconds until then, in its caller's variables `start` and `before`, for count().
begin() {
	cpu_used
	start=$SECONDS before=$cpu
}

# It has ended: its name, what passed, failed, was skipped.
count() {
	cpu_used
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
	took+=("$(printf '%6d s %6d %6d %6d %7d  %s' $((SECONDS - start)) $((cpu - before)) "$2" "$3" "$4" "$1")")
}

# The tests that have failed in a log of KTAP, each with its diagnostics, which come before it; of another log its end.
remember() { # name, log
	{
		echo "# $1:"
		tr -d '\r' <"$2" | awk '
			{ last[NR % 20] = $0 }
			/^ *# / { said[++lines] = $0; next }
			/^ *not ok / { for (i = lines > 12 ? lines - 11 : 1; i <= lines; i++) print said[i]; print; found = 1 }
			{ lines = 0 }
			END { if (!found) for (i = NR - 19; i <= NR; i++) if (last[i % 20] != "") print "# " last[i % 20] }'
	} >>"$failures"
}

# One test that is a command: its name, then the command.
one() {
	local name=$1 status=0 start before
	begin
	shift
	say "$name"
	"$@" || status=$?
	ended=$status
	if [ "$status" -eq 0 ]; then
		echo "ok $name"
		count "$name" 1 0 0
	else
		echo "not ok $name (status $status): $*" | tee -a "$failures"
		count "$name" 0 1 0
	fi
}

# Runs a command with a log: both, and how it ended, in its caller's variables `log` and `status`.
logged() { # name, command...
	log=build/logs/${1// /-}.log
	say "$1"
	"${@:2}" 2>&1 | tee "$log" || status=$?
}

# A command that runs many tests and ends with the line of three numbers.
many() {
	local name=$1 log status=0 start before numbers
	begin
	logged "$@"
	numbers=(0 1 0)
	if ! numbers_of "$log"; then
		echo "not ok $name: it ended before its time (status $status); see $log"
	else
		numbers=("${BASH_REMATCH[@]:1}")
		# A kernel report fails a run whose tests have all passed.
		if [ "$status" -ne 0 ] && [ "${numbers[1]}" -eq 0 ]; then
			numbers[1]=1
			echo "not ok $name: status $status; see $log"
		fi
	fi
	# shellcheck disable=SC2034 # for scripts/soak
	ended=$status
	count "$name" "${numbers[@]}"
	[ "${numbers[1]}" -eq 0 ] || remember "$name" "$log"
}

# KTAP without a line of three numbers: counted here.
ktap() {
	local name=$1 log status=0 start before bad
	begin
	logged "$@"
	bad=$(grep -c '^not ok ' "$log") || true
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
		echo "not ok $name: status $status; see $log"
	fi
	count "$name" "$(grep -c '^ok ' "$log" || true)" "$bad" 0
	[ "$bad" -eq 0 ] || remember "$name" "$log"
}

# The end: how long each took, what failed, and the numbers as the last line. False if something has failed.
sum_up() {
	say "seconds, CPU seconds, passed, failed, skipped"
	[ ${#took[@]} -eq 0 ] || printf '%s\n' "${took[@]}"
	if [ -s "$failures" ]; then
		say failed
		cat "$failures"
	fi
	echo
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
