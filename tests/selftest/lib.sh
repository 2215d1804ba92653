# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the selftests share: KTAP output, the module's files by the names of their
# columns, test modules. Containers are in containers.sh. Sourced, after which the
# working directory is tests/selftest.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
repo=$(cd ../.. && pwd)
KERNEL=${KERNEL:-$(uname -r)}
programs=$repo/build/selftest
test_modules=${TEST_MODULES:-$repo/build/$KERNEL/tests}
proc=/proc/beancounter

# --- KTAP. A test is a function: 0 is ok, $SKIP with $skip_reason set is a skip,
# anything else has failed. What it prints becomes a diagnostic.

SKIP=4
ktap_number=0
ktap_failed=0
ktap_plan=0
ktap_folder=$(mktemp -d /tmp/ktap.XXXXXX)

# A pipe that nobody writes to, to wait at: a process for every `sleep 0.1` is most of what a poll costs in the emulator.
mkfifo "$ktap_folder/never" && exec {never}<>"$ktap_folder/never"
pause() { ! read -r -t "$1" -u "$never"; } # seconds

# How many tests there will be.
ktap_plan() {
	ktap_plan=$1
	echo "KTAP version 1"
	echo "1..$1"
}

diagnose() { sed 's/^/# /'; }

ktap_result() { # ok|not ok, name, directive
	ktap_number=$((ktap_number + 1))
	echo "$1 $ktap_number $2${3:+ # $3}"
}

# ktap_test NAME FUNCTION [ARG]...
ktap_test() {
	# Its own file: what a test before has left running may still write to that one's.
	local name=$1 status=0 start=$SECONDS log=$ktap_folder/$((ktap_number + 1))
	shift
	skip_reason=
	"$@" >"$log" 2>&1 || status=$?
	[ ! -s "$log" ] || diagnose <"$log"
	case $status in
	0) ktap_result ok "$name" ;;
	"$SKIP") ktap_result ok "$name" "SKIP ${skip_reason:-no reason was given}" ;;
	*)
		ktap_failed=$((ktap_failed + 1))
		ktap_result "not ok" "$name"
		;;
	esac
	[ $((SECONDS - start)) -lt 20 ] || echo "# $name took $((SECONDS - start)) s"
}

skip() {
	skip_reason=$*
	return "$SKIP"
}

# Nothing of the whole script can run.
ktap_skip_all() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $*"
	exit "$SKIP"
}

ktap_end() {
	rm -rf "$ktap_folder"
	if [ "$ktap_number" -ne "$ktap_plan" ]; then
		echo "# $ktap_plan tests were planned, $ktap_number ran"
		exit 1
	fi
	[ "$ktap_failed" -eq 0 ]
	exit
}

fail() {
	echo "$*"
	return 1
}

expect() { # what, expected, actual
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

expect_match() { # what, extended regular expression, actual
	[[ $3 =~ $2 ]] || fail "$1: expected something like '$2', got '$3'"
}

# in_time SECONDS COMMAND...: until it is true, or the time is over. Less and less often, up to twice a second: what reads a table ten times a
# second is a third of an emulated processor's work, and others of the machine wait for that.
in_time() {
	local end=$((SECONDS + $1)) tenths=1
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		pause "0.$tenths"
		[ "$tenths" -eq 5 ] || tenths=$((tenths + 1))
	done
}

# poll SECONDS COMMAND...: for what comes for certain, where all is right. A machine that is busy elsewhere may take for it ten times what it
# takes alone, so that it is waited for two minutes at least.
poll() { in_time $(($1 > 120 ? $1 : 120)) "${@:2}"; }

# --- the kernel

debugfs=/sys/kernel/debug
mount_debugfs() { mountpoint -q "$debugfs" || mount -t debugfs debugfs "$debugfs"; }

# What is freed waits in its quarantine, of up to a 32nd of the memory, with what is written in it.
has_kasan() { grep -q ' kasan_report$' /proc/kallsyms; }
unreclaimable_of() { awk '$1 == "SUnreclaim:" { print $2 * 1024 }' "$@"; }
unreclaimable() { unreclaimable_of /proc/meminfo; }

# --- the module's files

# By the names of their columns: some may be added, and are not counted on here. In bash itself, and without a subshell where that is
# possible: most tables are short, and in the emulator a process costs more.

# table FILE: its rows, for pick().
table() { mapfile -t rows <"$1"; }

# pick NAME [KEY=VALUE]...: COLUMN becomes the column NAME of the rows of table() where column KEY is VALUE.
pick() {
	local - titles row fields condition i at='' wanted=()
	set -f # a field may be a pattern
	COLUMN=()
	# shellcheck disable=SC2206 # split into words
	titles=(${rows[0]-})
	for condition in "$@"; do
		for ((i = 0; i < ${#titles[@]}; i++)); do
			[ "${titles[i]}" != "${condition%%=*}" ] || break
		done
		if [ "$i" -eq "${#titles[@]}" ]; then
			echo "there is no column ${condition%%=*}, but ${titles[*]}" >&2
			return 1
		fi
		if [ -z "$at" ]; then at=$i; else wanted[i]=${condition#*=}; fi
	done
	for row in "${rows[@]:1}"; do
		for i in "${!wanted[@]}"; do # before the row is split, which takes longer
			[[ $row == *"${wanted[i]}"* ]] || continue 2
		done
		# shellcheck disable=SC2206
		fields=($row)
		for i in "${!wanted[@]}"; do
			[ "${fields[i]-}" = "${wanted[i]}" ] || continue 2
		done
		COLUMN+=("${fields[at]-}")
	done
}

# column FILE NAME [KEY=VALUE]...: as pick(), one line each.
column() {
	local rows COLUMN
	table "$1" && pick "${@:2}" || return
	[ ${#COLUMN[@]} -eq 0 ] || printf '%s\n' "${COLUMN[@]}"
}

# Of numbers.
column_sum() { # as column()
	local rows COLUMN n sum=0
	table "$1" && pick "${@:2}" || return
	for n in "${COLUMN[@]}"; do sum=$((sum + n)); done
	echo "$sum"
}

# What a program that is running has open by itself: the file it was started from, on overlayfs with the one below.
own_files() { [ "$(stat -f -c %T "$1")" != overlayfs ] && echo 1 || echo 2; }

container_column() { column "$proc/containers" "$2" "id=$1"; }
resource() { column "$proc/$1/resources" "$3" "resource=$2"; }
health() { column "$proc/health" value "key=$1"; }

# container_is ID STATE...: in one of these.
container_is() {
	local rows COLUMN
	table "$proc/containers" && pick state "id=$1" && [ -n "${COLUMN[0]-}" ] && [[ " ${*:2} " == *" ${COLUMN[0]} "* ]]
}
is_clean() { container_is "$CONTAINER_ID" clean; }

# write_at_once FILE TEXT: in one write(); bash itself writes a line at a time.
write_at_once() {
	{ LC_ALL=C cat >"$1"; } 2>&1 <<<"$2"
}

# set_limits ID LINE...
set_limits() {
	local id=$1 lines
	shift
	lines=$(printf '%s\n' "$@")
	write_at_once "$proc/$id/resources" "$lines" || fail "container $id refuses: $lines"
}

# Everything that has to be zero for the other numbers to be worth anything. Not `forced`, what a limit lets through by design, nor
# `handed_over` and `growing_classes`, which speak of the kernel's own caches; nor `references_lost`, which rises with each event of a user once
# exploit.sh has lost more of them than the table takes.
expect_healthy() {
	local rows COLUMN key status=0
	table "$proc/health" || return
	for key in missed unknown reentered stale sites_lost containers_lost clamped switched_off self_check_bad; do
		pick value "key=$key" || return
		[ "${COLUMN[0]-}" = 0 ] || { echo "health: $key is ${COLUMN[0]-not there}" && status=1; }
	done
	return "$status"
}

# expect_state ID STATE: else shows what the module has to say about it.
expect_state() {
	! container_is "$1" "$2" || return 0
	local state
	state=$(container_column "$1" state)
	echo "container $1: expected $2, is '${state:-not listed}'"
	grep -E "^ *(id|$1) " "$proc/containers"
	head -n 30 "$proc/$1/leaks"
	return 1
}

# No resource of container $1 has anything charged.
expect_nothing_held() {
	local rows COLUMN what resources i left=''
	table "$proc/containers" || return
	for what in held objects; do
		pick "$what" "id=$1" && expect "$what of container $1" 0 "${COLUMN[0]-}" || return
	done
	table "$proc/$1/resources" && pick resource || return
	resources=("${COLUMN[@]}")
	pick held || return
	for i in "${!resources[@]}"; do
		[ "${COLUMN[i]}" = 0 ] || left+=" ${resources[i]}=${COLUMN[i]}"
	done
	[ ${#resources[@]} -gt 0 ] && [ -z "$left" ] || fail "container $1 still holds:$left"
}

settled() { container_is "$1" clean held leaked; }

# wait_verdict ID [SECONDS]
wait_verdict() {
	poll "${2:-300}" settled "$1" && return
	echo "container $1 has no verdict after ${2:-300} s; waits for" \
		"'$(container_column "$1" waits)', state '$(container_column "$1" state)'"
	return 1
}

# A stop that leaves nothing.
expect_clean() { # id
	wait_verdict "$1" || return
	expect_state "$1" clean || return
	expect_nothing_held "$1"
}

# The kernel log from here on: $mark, for the other two.
mark_log() {
	mark="mark-$$-$RANDOM"
	echo "$mark" >/dev/kmsg
}
log_since() { dmesg | awk -v mark="$1" 'found; index($0, mark) { found = 1 }'; }
log_says() { log_since "$1" | grep -qE "$2"; } # mark, regex

# insmod_refused MODULE [REGEX]: it is, by the kernel, whose log says why; nothing is left behind.
insmod_refused() {
	local mark status=0
	mark_log
	insmod "$1" && fail "insmod worked" && return 1
	[ -z "${2-}" ] || log_since "$mark" | grep -E "$2" || fail "the log does not say '$2':" "$(log_since "$mark")" || status=1
	[ ! -e "$proc" ] || fail "$proc was left behind" || status=1
	return "$status"
}

unloaded() {
	rmmod beancounter && [ ! -e "$proc" ] && ! grep -E 'bc_tramp' /sys/kernel/tracing/enabled_functions
}

# --- what the tests need

need_module() {
	[ -r "$proc/containers" ] || ktap_skip_all "the module beancounter is not loaded"
}

# Usually there already; the machine that runs this may write below a tmpfs only.
need_programs() {
	make -s OUT="$programs" >/tmp/make.log 2>&1 && return
	diagnose </tmp/make.log
	ktap_skip_all "the workloads do not build; see make -C tests/selftest"
}

need_test_module() {
	[ -e "$test_modules/$1.ko" ] ||
		ktap_skip_all "no $test_modules/$1.ko; make -C tests/modules KDIR=... OUT=$test_modules"
}

load_test_module() { # name, parameters
	local name=$1
	shift
	insmod "$test_modules/$name.ko" "$@" && return
	dmesg | grep "$name:" | tail -n 12
	fail "$name.ko $* cannot be loaded"
}

# Nothing of the whole script can run without it: name, parameters.
need_loaded() {
	need_test_module "$1"
	load_test_module "$@" || exit 1
}

unload_test_module() {
	[ ! -d "/sys/module/$1" ] || rmmod "$1"
}
