#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who else wants the functions that are hooked: BPF programs, livepatches, kprobes, ftrace's own switch; and a build for another kernel. Each
# goes on beside us, or one of both is refused and the log says why. direct_user and the tracers are in hooks.sh.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
folder=$(mktemp -d /tmp/neighbours.XXXXXX)
trap 'rm -rf "$folder"' EXIT
case $KERNEL in
6.1.*) allocation=kmem_cache_alloc ;;
*) allocation=kmem_cache_alloc_noprof ;;
esac

# refused_to_load REGEX: insmod fails, nothing is left, and the log since the mark says so.
refused_to_load() {
	local status=0
	if insmod "$module" 2>"$folder/insmod"; then
		rmmod beancounter
		fail "insmod worked"
		return
	fi
	log_since "$mark" | grep -E "$1" || fail "the log does not say '$1':" "$(log_since "$mark")" || status=1
	grep -E 'bc_tramp|\[beancounter\]' /sys/kernel/tracing/enabled_functions && { fail "hooks were left behind" || status=1; }
	[ ! -e "$proc" ] && [ ! -e /proc/user_beancounters ] || fail "/proc was left behind" || status=1
	return "$status"
}

# beside WHO... REGEX: started before us by the function start_WHO, it is in the way; without it we load.
beside() {
	local status=0
	rmmod beancounter || return
	mark="mark-$$-$RANDOM-$1"
	echo "$mark" >/dev/kmsg
	"start_$1" && { refused_to_load "$2" || status=1; } || status=1
	"stop_$1" || status=1
	insmod "$module" || return
	[ "$status" -eq 0 ] || return
	still_counts
}

# --- BPF

start_fentry() { # [function]
	mkfifo "$folder/until" || return
	sleep 1000 >"$folder/until" &
	keeps_open=$!
	"$programs/fentry_user" "${1:-$allocation}" <"$folder/until" >"$folder/fentry" &
	user=$!
	poll 30 test -s "$folder/fentry"
	expect "the BPF program" attached "$(cat "$folder/fentry")"
}

stop_fentry() {
	kill "$keeps_open"
	wait "$keeps_open" "$user" 2>/dev/null
	rm "$folder/until"
}

later_fentry() {
	local function
	for function in kfree kmem_cache_free_bulk "$allocation"; do
		expect "a BPF program on $function" "attach: EBUSY" "$("$programs/fentry_user" "$function" </dev/null)" || return
	done
	expect "a BPF program on a function that is not ours" attached "$("$programs/fentry_user" do_exit </dev/null)" || return
	still_counts
}

# --- livepatch

start_livepatch() {
	insmod "$test_modules/livepatch_user.ko" || return
	poll 60 grep -qx 0 /sys/kernel/livepatch/livepatch_user/transition || fail "the livepatch does not come into force"
}

stop_livepatch() {
	echo 0 >/sys/kernel/livepatch/livepatch_user/enabled
	poll 60 test ! -e /sys/kernel/livepatch/livepatch_user || fail "the livepatch does not go" || return
	rmmod livepatch_user
}

later_livepatch() {
	if start_livepatch 2>"$folder/insmod"; then
		stop_livepatch
		fail "a livepatch of kmem_cache_free_bulk was let in"
		return
	fi
	grep -i 'busy' "$folder/insmod" || fail "insmod says: $(cat "$folder/insmod")" || return
	still_counts
}

# --- ftrace itself

start_switched_off() { sysctl -q kernel.ftrace_enabled=0; }
stop_switched_off() { sysctl -q kernel.ftrace_enabled=1; }

# --- kprobes, at a function's entry and within, before us and after: they are let be.

with_kprobes() {
	local events=/sys/kernel/tracing/kprobe_events status=0
	echo "p:selftest_entry kfree" >"$events" && echo 1 >/sys/kernel/tracing/events/kprobes/selftest_entry/enable || return
	rmmod beancounter && insmod "$module" || return
	echo "r:selftest_return $allocation" >>"$events" && echo 1 >/sys/kernel/tracing/events/kprobes/selftest_return/enable || status=1
	still_counts || status=1
	echo 0 >/sys/kernel/tracing/events/kprobes/enable
	grep -E '(kfree|alloc)' /sys/kernel/tracing/kprobe_profile
	# they have seen something, too
	[ "$(awk '$2 > 0' /sys/kernel/tracing/kprobe_profile | wc -l)" -eq 2 ] || fail "a kprobe was never hit" || status=1
	: >"$events"
	return "$status"
}

# --- a build for another kernel: by the checksum of what it takes from the kernel, or by the kernel's name where there are none.

start_other_build() {
	python3 - "$module" "$folder/other.ko" <<-'END' || return
		import re, sys
		text = open(sys.argv[1], "rb").read()
		at = text.find(b"module_layout\0" + b"\0" * 42) - 8
		if at > 0:
		    text = text[:at] + bytes([text[at] ^ 1]) + text[at + 1:]
		else:
		    text = re.sub(rb"(?<=\0vermagic=)\d", b"9", text)
		open(sys.argv[2], "wb").write(text)
	END
	cmp -s "$module" "$folder/other.ko" && { fail "nothing in $module says which kernel it is for" || return; }
	whole=$module module=$folder/other.ko
}
stop_other_build() { module=$whole; }

need_module
need_programs
need_test_module livepatch_user
ktap_plan 7
ktap_test "a BPF fentry program that comes later is refused" later_fentry
ktap_test "an earlier BPF fentry program: not loaded, and the log says which function" \
	beside fentry "beancounter: $allocation: another direct user of ftrace .*bpftool prog"
ktap_test "a livepatch that comes later is refused" later_livepatch
ktap_test "an earlier livepatch: not loaded, and the log says which function" \
	beside livepatch "beancounter: kmem_cache_free_bulk: .*livepatch"
ktap_test "ftrace switched off before: not loaded, and the log says how to switch it on" \
	beside switched_off "beancounter: .*sysctl kernel.ftrace_enabled=1"
ktap_test "kprobes on hooked functions, earlier and later: they are let be" with_kprobes
ktap_test "a build for another kernel: refused by the kernel, which says so" \
	beside other_build "beancounter: (disagrees about version of symbol module_layout|version magic '9.*' should be '$KERNEL )"
ktap_end
