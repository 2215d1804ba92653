#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container is the first to need, and the kernel keeps for whoever is the next: the work queue of a loop device, a tool of the
# crypto library's, a flow of a packet scheduler. No leak: something of the kernel's own points to it. Their like that nothing points to are leaks.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

folder=$(mktemp -d /tmp/kept.XXXXXX)
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	ip link del kept 2>/dev/null
	loop_device 0x4C81 2>/dev/null
	rm -rf "$folder"
}
trap cleanup EXIT

# LOOP_CTL_ADD is 0x4C80, LOOP_CTL_REMOVE 0x4C81.
loop_device() { python3 -c "import fcntl, os
fcntl.ioctl(os.open('/dev/loop-control', os.O_RDWR), $1, 41)"; }

# A device that nobody has used yet, and that has its work queue until it is removed.
loop_queue() {
	local status=0
	modprobe -q loop && loop_device 0x4C80 && poll 30 test -b /dev/loop41 || skip "no loop device" || return
	truncate -s 1M "$folder/disk"
	# shellcheck disable=SC2016
	run_container -- sh -ec 'losetup /dev/loop41 "$0"; head -c 4096 /dev/loop41 >/dev/null; losetup -d /dev/loop41' "$folder/disk" || status=1
	[ "$status" -ne 0 ] || expect_excused kept || status=1
	loop_device 0x4C81 || return
	return "$status"
}

# One that the container itself makes is the machine's, too.
new_device() {
	local status=0
	[ -e /dev/loop-control ] || skip "no loop device" || return
	run_container -- python3 -c "import fcntl, os
fcntl.ioctl(os.open('/dev/loop-control', os.O_RDWR), 0x4C80, 41)" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || status=1
	loop_device 0x4C81 || return
	[ "$status" -eq 0 ] && expect_healthy
}

# used NAME: somebody has an algorithm of that name. What the machine needs once for all is somebody's first once in a boot.
used() {
	awk -v name="$1" '$1 == "name" { its = $3 == name } its && $1 == "refcnt" && $3 > 1 { found = 1 } END { exit !found }' /proc/crypto
}

# By AF_ALG; IPsec does the same for each of its states. What the transformation itself needs the host has had. The machine has one generator.
random_numbers() {
	python3 -c "$python_cipher
cipher('rfc4106(gcm(aes))')" && modprobe -q seqiv && modprobe -q drbg || skip "no AF_ALG, or not these ciphers" || return
	! used stdrng || skip "the machine has its random numbers already" || return
	run_container -- python3 -c "$python_cipher
cipher('seqiv(rfc4106(gcm(aes)))')" || return
	expect_excused kept
}
python_cipher='import socket
def cipher(name):
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(("aead", name))
'

# On 6.1 the first key makes them for all, for good; later kernels give them back with the last.
md5_signatures() {
	local for_good=
	grep -q ' tcp_md5_do_add$' /proc/kallsyms || skip "this kernel does not know TCP's MD5 signatures" || return
	! grep -q ' tcp_md5sig_pool$' /proc/kallsyms || for_good=yes
	[ -z "$for_good" ] || ! used md5 || skip "the machine has signed already" || return
	run_container -- python3 -c 'import socket, struct
s = socket.socket()
key = struct.pack("=HHI120xBBHi80s", socket.AF_INET, 0, 0x0100007f, 0, 0, 4, 0, b"mine")
s.setsockopt(socket.IPPROTO_TCP, 14, key) # TCP_MD5SIG' || return
	if [ -n "$for_good" ]; then expect_excused kept; else expect_clean "$CONTAINER_ID"; fi
}

# A flow that has nothing to send stays with its queue, until that has too many. One that has a rate is no fast one.
flows() {
	local status=0
	modprobe -q dummy && modprobe -q sch_fq && ip link add kept type dummy || skip "no dummy device, or no fq" || return
	"$@" && ip link set kept up && ip address add 192.0.2.1/24 dev kept &&
		ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev kept || status=1
	[ "$status" -ne 0 ] || run_container -- python3 -c 'import socket
for i in range(20):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 47, 10000000) # SO_MAX_PACING_RATE
    s.connect(("192.0.2.2", 4711))
    s.send(b"mine")' || status=1
	[ "$status" -ne 0 ] || expect_excused kept || status=1
	ip link del kept || return
	return "$status"
}

# loses WHAT SITES COMMAND...: beside what is kept of the same kind, one that nothing points to: each object of it is a leak, and stays one.
loses() {
	local what=$1 sites=$2 site status=0
	shift 2
	load_test_module lose_kept || return
	run_container -- sh -ec "$*; echo $what >/proc/lose_kept" || status=1
	[ "$status" -ne 0 ] || wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || status=1
	for site in $sites; do
		grep -qE "^leaked .* ${site}[+.]" "$proc/$CONTAINER_ID/leaks" || fail "nothing of $site has leaked" || status=1
	done
	expect "what is neither kept nor leaked" "" "$(column "$proc/$CONTAINER_ID/leaks" site verdict=held)" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	echo free >/proc/lose_kept && becomes_clean || status=1
	unload_test_module lose_kept
	return "$status"
}

lost_queue() {
	local status=0
	loop_device 0x4C80 && poll 30 test -b /dev/loop41 || skip "no loop device" || return
	loses queue 'alloc_workqueue(_noprof)? alloc_workqueue_attrs(_noprof)? alloc_unbound_pwq' \
		"losetup /dev/loop41 $folder/disk; losetup -d /dev/loop41" || status=1
	[ "$(column_sum "$proc/$CONTAINER_ID/leaks" count class=kept)" -gt 0 ] || fail "the loop device's is not kept" || status=1
	loop_device 0x4C81 || return
	return "$status"
}

# The machine's own is there by now.
lost_generator() {
	[ -e /proc/crypto ] && modprobe -q drbg || skip "no crypto library, or no generator" || return
	loses random 'crypto_alloc_tfmmem jent_entropy_collector_alloc drbg_kcapi_seed' true
}

for_all() { tc qdisc add dev kept root fq; }

# Others of its like are beside it; it has two trees for all flows.
below() {
	tc qdisc add dev kept root handle 1: prio && tc qdisc add dev kept parent 1:1 handle 10: fq buckets 2 &&
		tc qdisc add dev kept parent 1:2 handle 20: fq buckets 2 && tc qdisc add dev kept parent 1:3 handle 30: sfq
}

need_module
need_programs
need_test_module lose_kept
command -v python3 >/dev/null && command -v ip >/dev/null && command -v tc >/dev/null || ktap_skip_all "no python3, or no iproute2"
warm_up
ktap_plan 8
ktap_test "the work queue of a loop device" loop_queue
ktap_test "a loop device" new_device
ktap_test "random numbers of the crypto library's" random_numbers
ktap_test "TCP's MD5 signatures" md5_signatures
ktap_test "flows of the packet scheduler fq" flows for_all
ktap_test "... that is below another" flows below
ktap_test "a work queue that nothing points to is a leak" lost_queue
ktap_test "... and a generator of random numbers" lost_generator
ktap_end
