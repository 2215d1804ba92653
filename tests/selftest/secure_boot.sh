#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that UEFI's Secure Boot has locked down: the module is refused as long as no key of the firmware's has signed it, and works then.
# tests/secure_boot.sh makes the machine and, in $SIGNED, the module as it was signed.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

variables=/sys/firmware/efi/efivars
lockdown=/sys/kernel/security/lockdown
built=$repo/build/$KERNEL/beancounter.ko

# The last byte is the value, behind four of attributes.
variable() { od -An -v -t u1 "$variables/$1-8be4df61-93ca-11d2-aa0d-00e098032b8c" | awk '{ print $NF }'; }

by_itself() {
	expect SecureBoot 1 "$(variable SecureBoot)" || return
	expect SetupMode 0 "$(variable SetupMode)" || return
	! grep -E 'lockdown|sig_enforce' /proc/cmdline || fail "it was asked for" || return
	# Secure Boot does that beyond the lockdown (CONFIG_IMA_ARCH_POLICY): with the lockdown alone it is N, and the log says something else (locked_down.sh).
	expect sig_enforce Y "$(cat /sys/module/module/parameters/sig_enforce)" || return
	expect "$lockdown" "none [integrity] confidentiality" "$(cat "$lockdown")" || return
	dmesg | grep -E 'Kernel is locked down from EFI Secure Boot' || fail "the log does not say so"
}

knows_key() {
	# What else boots meanwhile may say something between the two lines, but not as `integrity`.
	dmesg | grep 'integrity: ' | grep -A 1 'Loading X.509 certificate: UEFI:db' | grep "Loaded X.509 cert '$SIGNER: " ||
		fail "the log does not say so:" "$(dmesg | grep -A 5 X.509)"
}

# In a byte of what it says of itself: only the signature tells.
changed() {
	local copy=/run/changed.ko said
	sed 's/description=./description=!/' "$SIGNED/beancounter.ko" >"$copy"
	! cmp -s "$SIGNED/beancounter.ko" "$copy" || fail "nothing was changed" || return
	said=$(insmod_refused "$copy" 2>&1) || fail "$said" || return
	expect_match "what insmod says" 'Key was rejected by service' "$said"
}

loads() {
	insmod "$SIGNED/beancounter.ko" || fail "insmod failed:" "$(dmesg | tail -n 5)" || return
	# Out of the tree, but not unsigned (E).
	expect "the module's taint" O "$(cat /sys/module/beancounter/taint)" || return
	still_counts
}

smoke() { ./smoke.sh || return 1; } # a skip is none here

in_confidence() {
	echo confidentiality >"$lockdown" && grep -q '\[confidentiality\]' "$lockdown" || fail "cannot be locked down" || return
	loads && unloaded
}

[ -d "${SIGNED-}" ] || ktap_skip_all "for the machine of tests/secure_boot.sh"
mountpoint -q "$variables" || mount -t efivarfs efivarfs "$variables" || ktap_skip_all "this machine has no UEFI"
ktap_plan 9
ktap_test "Secure Boot is on, and by that alone the kernel is locked down and takes signed modules only" by_itself
ktap_test "the kernel has taken the key from the firmware's db" knows_key
ktap_test "unsigned: refused, and the kernel says so" insmod_refused "$built" 'Loading of unsigned module is rejected'
ktap_test "signed with a foreign key: refused, and the kernel says so" insmod_refused "$SIGNED/foreign.ko" 'Loading of module with unavailable key is rejected'
ktap_test "signed, then changed: refused" changed
ktap_test "signed with the firmware's key: loads, and counts" loads
ktap_test "smoke.sh, its test module signed, too" smoke
ktap_test "unloads" unloaded
ktap_test "lockdown=confidentiality, too: loads, counts, unloads" in_confidence
ktap_end
