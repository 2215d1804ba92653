#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module on a machine with Secure Boot on, as its operator gets it there: a key of one's own is put into the firmware's db in setup mode,
# a kernel signed with it is booted and locks itself down, the module is signed with scripts/sign-file of the kernel's headers.
#
#   tests/secure_boot.sh [KERNEL]    6.1 (the default), 6.12, ...: one of Debian's; three boots
cd "$(dirname "$0")/.." || exit 1

kernel=${1:-6.1}
passed=0 failed=0 skipped=0 number=0
work=$(mktemp -d /tmp/secure_boot.XXXXXX)
log=$work/log
trap 'rm -rf "$work"' EXIT

result() { # ok|not ok, name with its directive
	number=$((number + 1))
	echo "$1 $number $2"
	case $1:$2 in
	ok:*'# SKIP'*) skipped=$((skipped + 1)) ;;
	ok:*) passed=$((passed + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
}

end() {
	echo "1..$number"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

# step NAME COMMAND...: what comes after it needs it.
step() {
	local name=$1 status=0
	shift
	"$@" >"$log" 2>&1 || status=$?
	tr -d '\r' <"$log" | sed 's/\x1b\[[=0-9;]*[A-Za-z]//g; s/^/# /' # UEFI clears its screen
	if [ "$status" -ne 0 ]; then
		result "not ok" "$kernel: $name"
		end
	fi
	result ok "$kernel: $name"
}

machine() { scripts/vm --kernel "$kernel" --no-module --timeout 900 "$@"; }

# One key is all: the platform's, that of the exchange, the one in db, as efi-updatevar takes them.
keys() {
	local name guid
	guid=$(cat /proc/sys/kernel/random/uuid)
	mkdir "$work/own" "$work/foreign" "$work/signed"
	for name in own foreign; do
		openssl req -new -x509 -newkey rsa:2048 -sha256 -nodes -days 36500 -subj "/CN=beancounter's $name key/" \
			-keyout "$work/$name/db.key" -out "$work/$name/db.crt" 2>/dev/null || return
	done
	cert-to-efi-sig-list -g "$guid" "$work/own/db.crt" "$work/own/db.esl" || return
	for name in db KEK PK; do
		sign-efi-sig-list -g "$guid" -k "$work/own/db.key" -c "$work/own/db.crt" "$name" "$work/own/db.esl" "$work/own/$name.auth" >"$work/said" || {
			cat "$work/said"
			return 1
		}
	done
}

sign() { # whose key, module, signed module
	"$headers/scripts/sign-file" sha256 "$work/$1/db.key" "$work/$1/db.crt" "$2" "$3"
}

signed_modules() {
	local built=build/$release
	make --no-print-directory "$built/beancounter.ko" "$built/tests/modules" workloads >"$work/said" 2>&1 || {
		cat "$work/said"
		return 1
	}
	sign own "$built/beancounter.ko" "$work/signed/beancounter.ko" &&
		sign own "$built/tests/leak_one.ko" "$work/signed/leak_one.ko" &&
		sign foreign "$built/beancounter.ko" "$work/signed/foreign.ko" &&
		/sbin/modinfo -F signer "$work"/signed/*.ko
}

# PK is the last: with it setup mode is over.
enroll() {
	# shellcheck disable=SC2016 # expands in there
	machine --uefi "$work/own" -- sh -ec 'grep -F "[none]" /sys/kernel/security/lockdown
		mount -t efivarfs efivarfs /sys/firmware/efi/efivars
		for name in db KEK PK; do efi-updatevar -f "$0/$name.auth" "$name"; done
		ls /sys/firmware/efi/efivars | grep -E "^(db|KEK|PK)-"' "$work/own"
}

# The firmware's own word, in scripts/vm's tail of the log.
foreign_kernel() {
	local status=0
	cp "$work/own/vars.fd" "$work/foreign/"
	machine --uefi "$work/foreign" -- echo booted >"$work/boot" 2>&1 || status=$?
	cat "$work/boot"
	[ "$status" -eq 71 ] && grep -q 'BdsDxe: failed to load .*: Access Denied' "$work/boot"
}

scripts/setup host module vm uefi || exit
release=$(scripts/kernel resolve "$kernel") && scripts/kernel image "$release" >"$log" 2>&1 && headers=$(scripts/kernel headers "$release" 2>>"$log")
status=$?
if [ "$status" -eq 3 ]; then
	sed 's/^/# /' "$log"
	result ok "$kernel # SKIP Debian does not serve this kernel (any more)"
	end
fi
[ "$status" -eq 0 ] || { cat "$log" >&2 && exit 1; }

step "keys" keys
step "modules, signed" signed_modules
step "in setup mode the kernel is not locked down, and the key goes into the firmware" enroll
step "a kernel signed with a foreign key: refused by the firmware" foreign_kernel

status=0
machine --uefi "$work/own" -- env SIGNED="$work/signed" SIGNER="beancounter's own key" BEANCOUNTER_MODULE="$work/signed/beancounter.ko" \
	TEST_MODULES="$work/signed" tests/selftest/run.sh secure_boot >"$log" 2>&1 || status=$?
before=$failed
while read -r line; do
	case $line in
	"ok "[0-9]*) result ok "$kernel: ${line#ok * }" ;;
	"not ok "[0-9]*) result "not ok" "$kernel: ${line#not ok [0-9]* }" ;;
	*) echo "# ${line#\# }" ;;
	esac
done < <(tr -d '\r' <"$log")
# A kernel report, or an end before its time.
if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then
	result "not ok" "$kernel: the machine's exit status is $status"
elif [ "$status" -eq 0 ] && ! grep -q '^9 passed, 0 failed, 0 skipped' "$log"; then
	result "not ok" "$kernel: not all of secure_boot.sh ran"
fi
end
