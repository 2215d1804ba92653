#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container makes in the host's network namespace stays when it stops, as agents want that set up a machine's network: held by
# that namespace, until somebody removes it. What is removed and lost on the way is a leak.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh
. ./leaks.sh

# leaves COMMAND REMOVE: held by the namespace; clean when it has been removed.
leaves() {
	local status=0
	run_container -- sh -ec "$1" || return
	nothing_but_held || status=1
	expect_match "who has it" 'by=netns' "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	sh -ec "$2" || return
	becomes_clean && return "$status"
}

devices() {
	modprobe -q dummy || skip "no dummy device" || return
	leaves 'for i in 1 2 3; do
	ip link add left$i type dummy && ip link set left$i up
	ip address add 198.51.100.$i/32 dev left$i && ip address add 2001:db8::$i/64 dev left$i nodad
done' 'for i in 1 2 3; do ip link del left$i; done'
}

# Of a device of the host's, behind those of the host's.
addresses() {
	ip address add 192.0.2.1/24 dev lo && ip address add 2001:db8:1::1/64 dev lo || return
	leaves 'for i in 2 3 4; do ip address add 192.0.2.$i/24 dev lo && ip address add 2001:db8:1::$i/64 dev lo; done' \
		'for i in 2 3 4; do ip address del 192.0.2.$i/24 dev lo && ip address del 2001:db8:1::$i/64 dev lo; done' || return
	ip address del 192.0.2.1/24 dev lo && ip address del 2001:db8:1::1/64 dev lo
}

# Enough of them for nodes on several levels of both trees; and in a table of its own, which stays when it is empty.
routes() {
	leaves 'for i in $(seq 0 8 255); do
	ip route add 10.$i.0.0/16 dev lo && ip route add 10.$i.$i.0/24 dev lo && ip -6 route add 2001:db8:$i::/48 dev lo
done
ip route add 203.0.113.0/24 dev lo table 4711' 'for i in $(seq 0 8 255); do
	ip route del 10.$i.0.0/16 dev lo && ip route del 10.$i.$i.0/24 dev lo && ip -6 route del 2001:db8:$i::/48 dev lo
done
ip route del 203.0.113.0/24 dev lo table 4711'
}

# (What the first rule of a namespace makes stays with it: tables that were one are two.)
rules() { leaves 'ip rule add fwmark 7 table 4711 && ip -6 rule add fwmark 7 table 4711' 'ip rule del fwmark 7 && ip -6 rule del fwmark 7'; }

tables() {
	command -v nft >/dev/null && nft list tables || skip "no nftables" || return
	leaves 'nft -f - <<E
table inet left {
	set addresses { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7, 203.0.113.0/25 }; }
	map ports { type inet_service : verdict; elements = { 22 : accept, 80 : drop }; }
	counter of_mine { }
	chain input { type filter hook input priority 0; policy accept;
		ip saddr @addresses counter name of_mine
		tcp dport vmap @ports
		ip daddr { 192.0.2.1, 192.0.2.2 } counter accept comment "of mine"
	}
	chain other { counter return; }
}
E' 'nft delete table inet left'
}

# In a chain of the host's.
chain_of_the_host() {
	command -v nft >/dev/null && nft list tables || skip "no nftables" || return
	nft 'add table ip host; add chain ip host c; add rule ip host c counter' || return
	leaves 'for i in 1 2 3; do nft add rule ip host c ip saddr 192.0.2.$i counter; done' \
		'for handle in $(nft -a list chain ip host c | sed -n "s/.*192.0.2.*# handle //p"); do nft delete rule ip host c handle $handle; done' || return
	nft delete table ip host
}

# The old kind: a table is one piece of memory, made anew with each rule.
old_tables() {
	local status=0
	command -v iptables-legacy >/dev/null && iptables-legacy -L >/dev/null || skip "no iptables" || return
	leaves 'for i in 1 2 3; do iptables-legacy -A INPUT -s 192.0.2.$i -j ACCEPT; done' 'iptables-legacy -F INPUT; rmmod iptable_filter' || status=1
	return "$status"
}

# In the same place, and lost.
lost() {
	load_test_module leak_one || return
	run_container -- sh -ec 'ip address add 192.0.2.9/32 dev lo; echo 100 >/proc/leak_one; ip address del 192.0.2.9/32 dev lo' || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || return
	expect_leak "$CONTAINER_ID" 1 "$(slab_size kmalloc-128)" leak_one_lost || return
	unload_test_module leak_one
}

# A namespace that has lost its last put, beside the host's in the list of all: there are no others.
lost_neighbour() {
	load_test_module skip_put in=free_nsproxy callee=__put_net times=1 comm=net_left || return
	cp "$(command -v sleep)" /tmp/net_left && run_container -- unshare --net /tmp/net_left 0 || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked
	local status=$?
	expect_match "what leaked" '(^|[^_])copy_net_ns' "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || status=1
	unload_test_module skip_put && rm /tmp/net_left
	return "$status"
}

# exec COMMAND in a namespace of its own that has a timer running. By ioctl(): a socket of netlink's, which ip has, keeps its namespace until RCU
# has freed it, and whose put is the last is chance then.
timed='import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack("16sh14x", b"lo", 0x49)) # SIOCSIFFLAGS
fcntl.ioctl(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), 0x8916, socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack("Ii", 64, 1))
os.execv(sys.argv[1], sys.argv[1:])'

# Between two that live: its device and its counters for each CPU stand between theirs in the lists of all the machine's, its timer between
# theirs, that run until about the same time.
lost_between() {
	local before after status=0 sleep
	sleep=$(command -v sleep)
	load_test_module skip_put in=free_nsproxy callee=__put_net times=1 comm=net_left && cp "$sleep" /tmp/net_left || return
	unshare --net python3 -c "$timed" "$sleep" 100000 &
	before=$!
	run_container -- unshare --net python3 -c "$timed" /tmp/net_left 0 || status=1
	unshare --net python3 -c "$timed" "$sleep" 100000 &
	after=$!
	expect "calls left out" 1 "$(cat /sys/module/skip_put/parameters/skipped)" || status=1
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || status=1
	expect "what is held" "" "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held | sort | uniq -c)" || status=1
	kill "$before" "$after"
	unload_test_module skip_put && rm /tmp/net_left
	return "$status"
}

need_module
need_programs
need_test_module leak_one
need_test_module skip_put
command -v ip >/dev/null || ktap_skip_all "no ip"
warm_up
ip link set lo up
ip rule add fwmark 8 table 4711 && ip -6 rule add fwmark 8 table 4711 && ip route add 203.0.113.128/25 dev lo table 4711 ||
	ktap_skip_all "no rules, or no tables of routes"
ktap_plan 10
ktap_test "devices with addresses" devices
ktap_test "addresses of the host's device" addresses
ktap_test "routes" routes
ktap_test "rules" rules
ktap_test "a table of nftables" tables
ktap_test "rules in a chain of the host's" chain_of_the_host
ktap_test "a table of iptables" old_tables
ktap_test "what is lost there is a leak" lost
ktap_test "a lost namespace is a leak" lost_neighbour
ktap_test "one between two that live is a leak" lost_between
ktap_end
