#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/vm promises: exit statuses, arguments, streams, the file system.
# Takes about a minute; it boots a kernel some ten times, two at a time.
#   tests/host/vm_test.sh [KERNEL]      (6.1)
# shellcheck disable=SC2016 # what is in single quotes is for the guest
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
kernel=${1-6.1}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

ok() { # name, command...
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok $((passed + failed)) - $name"
	else
		failed=$((failed + 1))
		echo "not ok $((passed + failed)) - $name"
	fi
}

# Runs in the background: NAME.out, NAME.err, NAME.status are what came of it.
vm() { # name, scripts/vm's arguments...
	local name=$1
	shift
	while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n || true; done
	{
		local status=0
		"${vm_script:-$repo/scripts/vm}" --kernel "$kernel" "$@" \
			>"$tmp/$name.out" 2>"$tmp/$name.err" || status=$?
		echo "$status" >"$tmp/$name.status"
	} &
}
status_is() { # name, status
	local got
	got=$(cat "$tmp/$1.status")
	[ "$got" = "$2" ] || {
		echo "# status $got, wanted $2; its messages:"
		tail -n 5 "$tmp/$1.err" | sed 's/^/#   /'
		return 1
	}
}
has() { grep -qF -- "$2" "$tmp/$1"; }
same() { diff "$tmp/$1" "$tmp/$2" | sed 's/^/#   /'; }

# A repository whose module is none. What has no Makefile is not built.
release=$("$repo/scripts/kernel" resolve "$kernel")
mkdir -p "$tmp/clone/build/$release" "$tmp/clone/tests" "$tmp/work dir"
cp -r "$repo/scripts" "$tmp/clone/scripts"
cp "$repo"/tests/debug-kernel*.config "$tmp/clone/tests/"
echo "no module" >"$tmp/clone/build/$release/beancounter.ko"

arguments=('a b' "it's" '"q"' '' $'two\nlines' '$HOME \ *' -- --kernel ünï)
printf '<%s>\n' "${arguments[@]}" >"$tmp/arguments.want"
marker=/etc/beancounter-vm-test

(
	cd "$tmp/work dir"
	echo before >file
	vm files --no-module --out "$tmp/kept" --keep-log "$tmp/files.log" -- bash -c '
		pwd
		cat file
		echo after >file && cat file
		echo x >'"$marker"' && cat '"$marker"'
		echo result >"$1/result"
		echo to-stderr >/dev/stderr
		echo "KERNEL=$KERNEL $(uname -r)"
		grep -c . /sys/fs/cgroup/cgroup.controllers
		exit 7' bash "$tmp/kept"
	wait
) &
# What the guest has copied is as the host's: the folders of programs and libraries, what is in them, and what some begin with.
programs='cd / && find . usr usr/bin usr/sbin usr/lib bin sbin lib lib64 -maxdepth 0 -printf "%p %M %U %G %l\n" &&
	find usr/bin usr/sbin usr/lib/x86_64-linux-gnu -maxdepth 1 \( -type f -printf "%p %M %U %G %s %TY-%Tm-%Td %TH:%TM\n" -o -type l -printf "%p %U %G %l\n" \) |
	sort &&
	sum usr/bin/bash usr/bin/env lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6'
bash -c "$programs" >"$tmp/programs.want"
vm arguments --no-module -- bash -c 'printf "<%s>\n" "$@" == && '"$programs" bash "${arguments[@]}"
vm signal --no-module -- bash -c 'sleep 1000 & echo left one behind; kill -TERM $$'
vm missing --no-module -- no-such-command
vm late --no-module --timeout 10 -- bash -c 'echo begun; sleep 60'
vm panic --no-module -- bash -c 'echo c >/proc/sysrq-trigger'
vm warning --no-module -- bash -c 'echo "WARNING: of the test" >/dev/kmsg'
vm allowed --no-module --allow 'WARNING: of the test$' -- bash -c '
	echo "WARNING: of the test" >/dev/kmsg; echo "WARNING: The mand mount option has been deprecated and" >/dev/kmsg; exit 3'
vm noboot --no-module --append rdinit=/none -- true
vm noqemu --no-module --mem none -- true
vm_script=$tmp/clone/scripts/vm vm unloadable -- true
vm usage --no-such-option -- true
# The guest's clock beside its RTC, which QEMU keeps by the host's clock. What it would measure at the boot of a machine that is busy elsewhere
# may be wrong several times: an emulated processor is told, to the kHz.
clock='rtc() { echo $(($(cat /sys/class/rtc/rtc0/since_epoch) * 100)); }
	at() { echo $(rtc) $(sed "s/\.\([0-9]*\) .*/\1/" /proc/uptime) $(rtc); }
	set -- $(at) && sleep 10 && echo $* $(at)
	! grep -q "^model name.*TCG" /proc/cpuinfo || told=$(sed -n "s/.*tsc_early_khz=\([0-9]*\).*/\1/p" /proc/cmdline)
	taken=$(dmesg | sed -n "s/.*tsc: Detected \([0-9]*\)\.\([0-9]*\) MHz.*/\1\2/p" | tail -n 1)
	echo "${told-$taken} ${taken:-0}"'
vm clock --no-module -- sh -c "$clock"
wait
sed '/^<==>$/,$d' "$tmp/arguments.out" >"$tmp/arguments.got"
sed '1,/^<==>$/d' "$tmp/arguments.out" >"$tmp/programs.got"

ok "status 0" status_is arguments 0
ok "status 7" status_is files 7
ok "a signal is 128 + 15, and a process left behind does not keep the machine" status_is signal 143
ok "no such command is 127" status_is missing 127
ok "arguments arrive exactly" same arguments.want arguments.got
printf '%s\n' "$tmp/work dir" before after x to-stderr "KERNEL=$release $release" 1 >"$tmp/files.want"
ok "same directory, writable, both streams, KERNEL, cgroup2" same files.want files.out
ok "programs and libraries are the host's" same programs.want programs.got
ok "the host's files are as they were" [ "$(cat "$tmp/work dir/file")" = before ]
ok "the host's root has no new file" [ ! -e "$marker" ]
ok "--out keeps what was written" [ "$(cat "$tmp/kept/result")" = result ]
ok "--keep-log" has files.log "reboot: Restarting system"
ok "time-out is 124" status_is late 124
ok "output before the time-out is there" has late.out begun
ok "a panic is 70" status_is panic 70
ok "the panic is printed" has panic.err "sysrq triggered crash"
ok "a warning is 70" status_is warning 70
ok "with an allowed warning, and the deprecated mount option's, it is the command's status" status_is allowed 3
ok "no boot is 71" status_is noboot 71
ok "no QEMU is 71" status_is noqemu 71
ok "a module that does not load is 71" status_is unloadable 71
ok "insmod's error is printed" has unloadable.err "insmod: ERROR:"
ok "wrong usage is 2" status_is usage 2
# In hundredths, each but the last begun. The RTC has whole seconds, and was read before and after: between its readings anything may pass.
clock_is_right() {
	local before up after before2 up2 after2 told taken
	{ read -r before up after before2 up2 after2 && read -r told taken; } <"$tmp/clock.out" && [ "$told" = "$taken" ] &&
		[ $((up2 - up)) -ge $((before2 - after - 101)) ] && [ $((up2 - up)) -le $((after2 - before + 101)) ] || {
		sed 's/^/# /' "$tmp/clock.out" "$tmp/clock.err"
		return 1
	}
}
ok "the guest's clock is right, by a rate that it need not measure" clock_is_right
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
