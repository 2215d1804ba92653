#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that is locked down, or takes signed modules only: a module without a signature is refused by the kernel itself, which says so;
# one that is there already goes on, and can be unloaded. There is no way back from either: the last of a boot.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
lockdown=/sys/kernel/security/lockdown

lock_down() { # integrity or confidentiality
	echo "$1" >"$lockdown" && grep -q "\[$1\]" "$lockdown"
}

goes_on() {
	lock_down "$1" || fail "cannot be locked down: $(cat "$lockdown")" || return
	still_counts
}

signed_only() {
	echo Y >/sys/module/module/parameters/sig_enforce || return
	insmod_refused "$module" 'Loading of (unsigned module|module with unavailable key) is rejected'
}

need_module
[ -e "$lockdown" ] || mount -t securityfs securityfs /sys/kernel/security
[ -e "$lockdown" ] || ktap_skip_all "this kernel has no lockdown LSM, or it is not in use: $(cat /sys/kernel/security/lsm)"
ktap_plan 5
ktap_test "loaded, then lockdown=integrity: goes on" goes_on integrity
ktap_test "loaded, then lockdown=confidentiality: goes on" goes_on confidentiality
ktap_test "locked down: unloads" unloaded
ktap_test "locked down: an unsigned module is refused, and the kernel says so" insmod_refused "$module" 'Lockdown: insmod: unsigned module loading is restricted'
ktap_test "module.sig_enforce: an unsigned module is refused, and the kernel says so" signed_only
ktap_end
