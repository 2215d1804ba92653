#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who else wants the functions that are hooked: BPF programs, livepatches, kprobes, ftrace's own switch; a build for another kernel; a kernel
# that lacks what is hooked, or whose allocator is laid out otherwise. Each goes on beside us, or one of both is refused and the log says why.
# direct_user and the tracers are in hooks.sh.
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
	grep . $debugfs/kprobes/list && { fail "kprobes were left behind" || status=1; }
	[ ! -e "$proc" ] && [ ! -e /proc/user_beancounters ] || fail "/proc was left behind" || status=1
	[ ! -e /sys/module/beancounter ] || fail "the module was left behind" || status=1
	return "$status"
}

# beside WHO... REGEX: started before us by the function start_WHO, it is in the way; without it we load.
beside() {
	local status=0
	rmmod beancounter || return
	mark_log
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

# --- a kernel that is not what this build takes it for. We have one kernel, so it is the module's words of it that are changed: the names
# of functions and members that it asks the kernel for.

# takes OLD NEW...: the module with other words, none longer than what it was, in its strings.
takes() {
	whole=$module
	python3 - "$module" "$folder/other.ko" "$@" <<-'END' || return
		import struct, sys
		text = bytearray(open(sys.argv[1], "rb").read())
		at, size, number, names = struct.unpack_from("<Q10xHHH", text, 40)
		sections = [struct.unpack_from("<I20xQQ", text, at + i * size) for i in range(number)]
		words = iter(sys.argv[3:])
		for old, new in zip(words, words):
		    old, new, found = old.encode() + b"\0", new.encode(), 0
		    for name, start, length in sections:
		        begin = sections[names][1] + name
		        if not text[begin:text.index(0, begin)].startswith(b".rodata"): # of KASAN's kernels they are not apart
		            continue
		        place = text.find(old, start, start + length)
		        while place >= 0:
		            if place == start or text[place - 1] == 0:
		                text[place:place + len(old)] = new.ljust(len(old), b"\0")
		                found += 1
		            place = text.find(old, place + 1, start + length)
		    if not found:
		        sys.exit(f"{old} is not in the module")
		open(sys.argv[2], "wb").write(text)
	END
	module=$folder/other.ko
}

# unlike REGEX OLD NEW...: with these words it is refused, and the log says so.
unlike() {
	local why=$1 status=0
	shift
	mark_log
	takes "$@" && { refused_to_load "$why" || status=1; } || status=1
	module=$whole
	return "$status"
}

# refused_as FUNCTION: by a kernel that is so. Nothing is hooked, made or taken by then, and the whole module finds all as it was.
refused_as() {
	local status=0
	rmmod beancounter || return
	"$1" || status=1
	insmod "$module" || return
	[ "$status" -eq 0 ] || return
	still_counts
}

lacks_something() {
	unlike 'beancounter: kmem_cache_frex: no such function in this kernel' kmem_cache_free kmem_cache_frex || return
	unlike 'beancounter: 2 of [0-9]+ hooks are missing: not loaded' kfree kfrex "$allocation" kmem_cache_gone || return
	unlike 'beancounter: memset: ftrace cannot hook it' kmem_cache_free_bulk memset || return
	unlike 'beancounter: the kernel has no ftrace_location: CONFIG_DYNAMIC_FTRACE is needed' ftrace_location ftrace_locatiox || return
	unlike 'beancounter: no kprobe on kallsyms_lookup_name \(-2\): ' kallsyms_lookup_name kallsyms_lookup_namx || return
	unlike 'beancounter: the kernel has no kallsyms_lookup_size_offset' kallsyms_lookup_size_offset kallsyms_lookup_size_offsex || return
	unlike 'beancounter: the kernel does not say how much memory it has' max_pfn max_pfx max_possible_pfn max_possible_pfx
}

is_laid_out_otherwise() {
	unlike 'beancounter: struct kmem_cache has cpu_partial at offset [0-9]+, not at [0-9]+$' object_size cpu_partial || return
	unlike 'beancounter: struct kmem_cache has no member red_left_pax in this kernel.s BTF' red_left_pad red_left_pax || return
	unlike 'beancounter: this build is for another layout of the slab allocator: not loaded' slab slax
}
with_another_layout() {
	[ -e /sys/kernel/btf/vmlinux ] || skip "this kernel has no BTF, and no layout is compared" || return
	refused_as is_laid_out_otherwise
}
need_module
need_programs
need_test_module livepatch_user
mount_debugfs
ktap_plan 9
ktap_test "a BPF fentry program that comes later is refused" later_fentry
ktap_test "an earlier BPF fentry program: not loaded, and the log says which function" \
	beside fentry "beancounter: $allocation: another direct user of ftrace is there already: bpf_trampoline_.*bpftool prog"
ktap_test "a livepatch that comes later is refused" later_livepatch
ktap_test "an earlier livepatch: not loaded, and the log says which function" \
	beside livepatch "beancounter: kmem_cache_free_bulk: .*livepatch"
ktap_test "ftrace switched off before: not loaded, and the log says how to switch it on" \
	beside switched_off "beancounter: .*sysctl kernel.ftrace_enabled=1"
ktap_test "kprobes on hooked functions, earlier and later: they are let be" with_kprobes
ktap_test "a build for another kernel: refused by the kernel, which says so" \
	beside other_build "beancounter: (disagrees about version of symbol module_layout|version magic '9.*' should be '$KERNEL )"
ktap_test "a kernel without what is hooked, or is asked for: not loaded, and the log says what" refused_as lacks_something
ktap_test "a kernel whose allocator is laid out otherwise: not loaded, and the log says where" with_another_layout
ktap_end
