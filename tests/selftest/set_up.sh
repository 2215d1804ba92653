#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What containers that set a machine up leave on purpose, as a CNI daemon does, and that nobody has in his hands: network
# namespaces that have a name and no task. It is held until somebody removes it. What is lost on the way is a leak.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh
. ./leaks.sh

# A namespace has hundreds of lines.
show() { { grep ^leaked "$proc/$CONTAINER_ID/leaks" || cat "$proc/$CONTAINER_ID/leaks"; } | head -n 30; }

# leaves COMMAND REMOVE [REGEX]: held, as details say in at least one line; clean when it has been removed.
leaves() {
	local status=0
	run_container --shared-mounts -- bash -ec "$1" || return
	nothing_but_held || status=1
	expect_match "who has it" "${3-}" "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || status=1
	[ "$status" -eq 0 ] || show
	bash -ec "$2" || return
	becomes_clean && return "$status"
}

# --- namespaces with a name

# A network that a pod is to have: with an end in the host's.
named() {
	leaves 'ip netns add left
ip link add left0 type veth peer name eth0 netns left
ip link set left0 up && ip address add 192.0.2.1/24 dev left0
ip -n left link set lo up && ip -n left link set eth0 up && ip -n left address add 192.0.2.2/24 dev eth0
ip -n left route add default via 192.0.2.1 && ip -n left rule add fwmark 7 table 4711
ip netns exec left nft "add table ip left; add chain ip left c { type filter hook input priority 0; }; add rule ip left c counter"
ip netns exec left sysctl -q net.ipv4.ip_forward=1' 'ip netns del left; ! ip link del left0 2>/dev/null || :' 'by=(mount|netns)'
}

# The namespace is the host's.
in_named() {
	ip netns add host && ip -n host link set lo up && ip -n host rule add fwmark 8 table 4711 &&
		ip -n host route add 203.0.113.128/25 dev lo table 4711 && ip -n host route add 198.51.100.0/24 dev lo || return
	leaves 'ip -n host link add left type dummy && ip -n host link set left up && ip -n host address add 192.0.2.3/24 dev left
ip -n host route add 203.0.113.0/24 dev left && ip -n host rule add fwmark 7 table 4711' 'ip -n host link del left; ip -n host rule del fwmark 7' by=netns || return
	ip netns del host
}

# What is open and has lost its name is the host's who has it open, and all that is in it.
open() {
	local status=0
	run_container --shared-mounts -- bash -ec 'ip netns add left; ip -n left link add left type dummy; ip -n left link set left up
ip -n left address add 192.0.2.3/24 dev left && ip -n left route add 203.0.113.0/24 dev left' || return
	hold 'have(os.open("/run/netns/left", os.O_RDONLY))' && ip netns del left || return
	nothing_but_held || status=1
	expect_match "who has it" "pid=$holder,comm=python3,fd=7" "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || status=1
	[ "$status" -eq 0 ] || show
	let_go
	becomes_clean && return "$status"
}

# In one that the host has open, and nobody is in.
in_open() {
	local status=0
	ip netns add host && ip -n host link set lo up && ip -n host route add 198.51.100.0/24 dev lo && hold 'have(os.open("/run/netns/host", os.O_RDONLY))' || return
	run_container -- bash -ec 'ip -n host link add left type dummy; ip -n host link set left up
ip -n host address add 192.0.2.3/24 dev left; ip -n host route add 203.0.113.0/24 dev left' && ip netns del host || return
	nothing_but_held || status=1
	[ "$status" -eq 0 ] || show
	let_go
	becomes_clean && return "$status"
}

# Of another kind, with a queue in it.
named_ipc() {
	leaves ': >/run/netns/ipc; mount --bind /proc/self/ns/ipc /run/netns/ipc; ipcmk -Q; ipcmk -M 10000' \
		'umount /run/netns/ipc; rm /run/netns/ipc' by=mount
}

# In the same place, and lost.
lost_beside() {
	run_container --shared-mounts -- bash -ec 'ip netns add left; ip -n left link set lo up; echo 100 >/proc/leak_one' || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || return
	expect "bytes leaked" "$(slab_size kmalloc-128)" "$(leaked "$CONTAINER_ID" bytes)" || return
	expect_match "allocation site" '^leak_one_lost' "$(leaked "$CONTAINER_ID" site)" || return
	ip netns del left || return
	poll 60 one_left || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || return
	echo free >/proc/leak_one
}
one_left() { [ "$(container_column "$CONTAINER_ID" objects)" = 1 ]; }

own_fds+=(6)
need_module
need_programs
need_test_module leak_one
command -v python3 >/dev/null || ktap_skip_all "no python3"
command -v ip >/dev/null || ktap_skip_all "no ip"
warm_up
ip link set lo up
modprobe -q dummy && modprobe -q veth || ktap_skip_all "no devices"
# The host has had one: the folder is shared with the containers, and what the first of all makes is there.
ip netns add first && ip -n first link set lo up && ip -n first link add first0 type dummy && ip -n first address add 192.0.2.3/24 dev first0 &&
	ip netns exec first nft 'add table ip t' && ip netns del first || ktap_skip_all "no network namespaces, or no nftables"
load_test_module leak_one || exit 1
ktap_plan 7
ktap_test "a network namespace with a name" named
ktap_test "in one of the host's with a name" in_named
ktap_test "one that the host has open" open
ktap_test "in one of the host's that is open" in_open
ktap_test "an ipc namespace with a name" named_ipc
ktap_test "an object lost beside one is a leak" lost_beside
ktap_test "nothing was missed" expect_healthy
unload_test_module leak_one
ktap_end
