#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What containers that set a machine up leave on purpose, as kube-proxy and a CNI daemon do, and that nobody has in his hands: network
# namespaces that have a name and no task, pinned programs and maps of BPF, elements of the host's sets, IPsec, IPVS, instances of tracing. It
# is held until somebody removes it. What is lost on the way is a leak.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh
. ./leaks.sh

# A namespace has hundreds of lines.
show() { { grep ^leaked "$proc/$CONTAINER_ID/leaks" || cat "$proc/$CONTAINER_ID/leaks"; } | head -n 30; }

# leaves COMMAND REMOVE [REGEX [AFTER]]: held, as details say in at least one line, also when the host has done AFTER; clean when it has been removed.
leaves() {
	local status=0
	run_container --shared-mounts -- bash -ec "$1" || return
	bash -ec "${4-}" || return
	nothing_but_held || status=1
	expect_match "who has it" "${3-}" "$(column "$proc/$CONTAINER_ID/leaks" details verdict=held)" || status=1
	[ "$status" -eq 0 ] || show
	bash -ec "$2" || return
	poll 300 is_clean # IPVS keeps a server that was removed for two minutes
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

# --- BPF

bpf_folder=/sys/fs/bpf
# Python for the call: maps, programs that do nothing, and names for both.
bpf='import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
kept = []
def at(data):
    kept.append(ctypes.create_string_buffer(data, len(data)))
    return ctypes.addressof(kept[-1])
def bpf(command, attributes):
    attributes = attributes.ljust(120, bytes(1))
    result = libc.syscall(321, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), command)
    return result
def make_map(kind, key, value, entries, flags=0, inner=0):
    return bpf(0, struct.pack("6I", kind, key, value, entries, flags, inner))
def update(fd, key, value):
    bpf(2, struct.pack("I4x3Q", fd, at(key), at(value), 0))
def load(kind, length, fd=None):
    code = struct.pack("BBhi", 0xb7, 0, 0, 1) * length + struct.pack("BBhi", 0x95, 0, 0, 0)
    if fd is not None: # which it has
        code = struct.pack("BBhiBBhi", 0x18, 0x11, 0, fd, 0, 0, 0, 0) + code
    return bpf(5, struct.pack("IIQQ", kind, len(code) // 8, at(code), at(b"GPL" + bytes(1))))
def name(fd, name):
    bpf(6, struct.pack("QI", at(b"/sys/fs/bpf/" + name.encode() + bytes(1)), fd))
def attach(directory, fd):
    bpf(8, struct.pack("4I", os.open(directory, os.O_RDONLY), fd, 0, 2)) # BPF_CGROUP_INET_INGRESS, BPF_F_ALLOW_MULTI
'

# pins PROGRAM [REGEX]: it has made things with names that begin with "left".
pins() {
	leaves "python3 -c '$bpf$1'" "rm $bpf_folder/left*" "${2-by=bpffs}"
}

# Small ones and large, of fixed size and with elements of their own, and one that has others.
maps() {
	pins 'name(make_map(2, 4, 8, 10), "left_array")
name(make_map(2, 4, 8, 100000), "left_large_array")
name(make_map(1, 4, 8, 1000), "left_hash")
own = make_map(1, 4, 8, 10000, 1)
name(own, "left_hash_of_own")
for i in range(500):
    update(own, struct.pack("I", i), bytes(8))
name(make_map(9, 4, 8, 1000), "left_lru")
name(make_map(6, 4, 8, 10), "left_array_by_cpu")
name(make_map(5, 4, 8, 1000), "left_hash_by_cpu")
trie = make_map(11, 8, 8, 1000, 1)
name(trie, "left_trie")
for i in range(50):
    update(trie, struct.pack("IBBBB", 24, 10, i, i, 0), bytes(8))
name(make_map(22, 0, 8, 100), "left_queue")
name(make_map(27, 0, 0, 4096), "left_ring")
of_maps = make_map(13, 4, 4, 10, 0, own)
name(of_maps, "left_of_maps")
update(of_maps, bytes(4), struct.pack("I", make_map(1, 4, 8, 10000, 1)))'
}

programs_of_bpf() { pins 'name(load(1, 10, make_map(1, 4, 8, 100)), "left_filter")
name(load(6, 2000), "left_xdp")'; }

# In maps that the host has.
elements_of_bpf() {
	python3 -c "$bpf"'name(make_map(1, 4, 8, 100000, 1), "host_hash")
name(make_map(11, 8, 8, 100000, 1), "host_trie")
own = make_map(1, 4, 8, 10)
name(make_map(12, 4, 4, 1000, 0, own), "host_of_maps")
name(make_map(3, 4, 4, 1000), "host_programs")' || return
	leaves "python3 -c '$bpf"'
def have(name):
    return bpf(7, struct.pack("Q", at(b"/sys/fs/bpf/" + name + bytes(1))))
own, trie, maps = have(b"host_hash"), have(b"host_trie"), have(b"host_of_maps")
for i in range(500):
    update(own, struct.pack("I", i), bytes(8))
for i in range(50):
    update(trie, struct.pack("IBBBB", 24, 10, i, i, 0), bytes(8))
update(maps, bytes(4), struct.pack("I", make_map(1, 4, 8, 10)))
update(have(b"host_programs"), bytes(4), struct.pack("I", load(1, 10, make_map(1, 4, 8, 10))))'"'" "rm $bpf_folder/host*" '' || return
}

# To a cgroup of the host's, and to a device.
attached() {
	local directory=$cgroup_root/left-$$
	mkdir "$directory" || return
	leaves "python3 -c '$bpf"'
attach(sys.argv[1], load(8, 10))
attach(sys.argv[1], load(8, 20, make_map(2, 4, 8, 10)))'"' $directory" "rmdir $directory" by=cgroup
}
# (What the first program of a device makes for its calls is the machine's for ever.)
attached_to_device() {
	python3 -c "$bpf"'name(load(6, 10), "host")' && ip link set dev lo xdpgeneric pinned "$bpf_folder/host" && ip link set dev lo xdpgeneric off &&
		rm "$bpf_folder/host" || return
	leaves "python3 -c '$bpf"'
name(load(6, 10, make_map(1, 4, 8, 10)), "left")'"'
ip link set dev lo xdpgeneric pinned $bpf_folder/left; rm $bpf_folder/left" 'ip link set dev lo xdpgeneric off' by=netns
}

# A map whose last put is left out, with its number.
lost_map() {
	load_test_module skip_put in=bpf_map_release callee=bpf_map_put times=1 comm=python3 ||
		load_test_module skip_put in=bpf_map_release callee=bpf_map_put_with_uref times=1 comm=python3 || return
	run_container -- python3 -c "$bpf"'
make_map(2, 4, 8, 10)' || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked || return
	expect "maps that leaked" 1 "$(column "$proc/$CONTAINER_ID/leaks" count verdict=leaked | head -n 1)"
	local status=$?
	[ "$status" -eq 0 ] || show
	unload_test_module skip_put
	return "$status"
}

# --- tracing

instance() {
	local instances=/sys/kernel/tracing/instances
	run_container -- bash -ec "mkdir $instances/left; echo 1 >$instances/left/events/sched/sched_switch/enable; cat $instances/left/trace >/dev/null" || return
	wait_verdict "$CONTAINER_ID" || return
	container_is "$CONTAINER_ID" held clean || expect_state "$CONTAINER_ID" clean || return
	rmdir $instances/left && becomes_clean
}

# --- what the host's tables have

sets() {
	leaves 'nft -f - <<E
add element inet host by_size { 192.0.2.1, 192.0.2.2 }
add element inet host growing { $(for i in $(seq 200); do echo "10.0.0.$i timeout 1h,"; done) }
add element inet host ranges { 192.0.2.0/24, 198.51.100.7, 203.0.113.0/25 }
add element inet host pairs { 192.0.2.0/24 . 1-100, 198.51.100.7 . 22 }
add element inet host ports { 22, 80-90 comment "of mine" }
add element inet host counted { 192.0.2.7 counter }
add element inet host verdicts { 22 : accept, 80 : jump c }
E' 'for set in by_size growing ranges pairs ports counted; do nft flush set inet host $set; done; nft flush map inet host verdicts'
}

# In one of the host's, and of its own.
ipsets() {
	command -v ipset >/dev/null && ipset create host hash:ip comment timeout 0 || skip "no ipset" || return
	leaves 'for i in $(seq 200); do ipset add host 10.0.0.$i comment mine timeout 1000; done
ipset create left hash:ip,port && ipset add left 192.0.2.1,tcp:80
ipset create left-ports bitmap:port range 1-10000 comment && ipset add left-ports 22 comment mine
ipset create left-nets hash:net && ipset add left-nets 192.0.2.0/24
ipset create left-all list:set && ipset add left-all left-nets' \
		'ipset flush host; ipset destroy left-all; for set in left left-ports left-nets; do ipset destroy $set; done' || return
	ipset destroy host
}

services() {
	command -v ipvsadm >/dev/null && modprobe -q ip_vs && ipvsadm -A -t 192.0.2.1:80 -s rr || skip "no IPVS" || return
	leaves 'ipvsadm -a -t 192.0.2.1:80 -r 192.0.2.10:80 -m
for i in 2 3; do ipvsadm -A -t 192.0.2.$i:80 -s rr -p 100; ipvsadm -a -t 192.0.2.$i:80 -r 192.0.2.10:80 -m -w 2; done
ipvsadm -A -u 192.0.2.4:53 -s sh; ipvsadm -a -u 192.0.2.4:53 -r 192.0.2.10:53 -m' 'ipvsadm -C'
}

ipsec_states='state="src 192.0.2.1 dst 192.0.2.2 proto esp spi"
for i in 1 2 3; do ip xfrm state add $state $i mode tunnel reqid $i auth "hmac(sha1)" 0x0102030405060708090a0b0c0d0e0f1011121314 enc "cbc(aes)" 0x0102030405060708090a0b0c0d0e0f10; done
ip xfrm state add $state 4 mode transport encap espinudp 4500 4500 0.0.0.0 aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1001020304 128'
ipsec() { # between the host's
	bash -ec "${ipsec_states//192.0.2/198.18.0}; ip xfrm policy add src 198.18.0.0/24 dst 198.51.0.0/16 dir out" || return
	leaves "$ipsec_states"'
for i in 1 2 3; do ip xfrm policy add src 192.0.2.$i/32 dst 198.51.100.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid $i mode tunnel; done
ip xfrm policy add src 192.0.0.0/16 dst 198.51.0.0/16 dir out' 'ip xfrm state flush; ip xfrm policy flush' '' "${ipsec_states//192.0.2/203.0.113}"'
ip xfrm policy add src 203.0.113.0/24 dst 198.51.0.0/16 dir out'
}

# A state that has been deleted, and is never freed.
lost_state() {
	load_test_module skip_put in=xfrm_state_flush callee=__xfrm_state_destroy times=1 comm=ip || return
	run_container -- bash -ec "$ipsec_states; ip xfrm state flush" || return
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" leaked
	local status=$?
	expect_match "allocation sites" 'xfrm_state_alloc' "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || status=1
	expect "states that leaked" 1 "$(column "$proc/$CONTAINER_ID/leaks" count verdict=leaked class=ipsec | head -n 1)" || status=1
	[ "$status" -eq 0 ] || show
	unload_test_module skip_put
	return "$status"
}

own_fds+=(6)
need_module
need_programs
need_test_module leak_one
need_test_module skip_put
command -v python3 >/dev/null || ktap_skip_all "no python3"
command -v ip >/dev/null || ktap_skip_all "no ip"
warm_up
ip link set lo up
modprobe -q dummy && modprobe -q veth || ktap_skip_all "no devices"
# The host has had one: the folder is shared with the containers, and what the first of all makes is there.
ip netns add first && ip -n first link set lo up && ip -n first link add first0 type dummy && ip -n first address add 192.0.2.3/24 dev first0 &&
	ip netns exec first nft 'add table ip t' && ip netns del first || ktap_skip_all "no network namespaces, or no nftables"
mountpoint -q "$bpf_folder" || mount -t bpf bpf "$bpf_folder" || ktap_skip_all "no BPF"
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing || ktap_skip_all "no tracing"
load_test_module leak_one || exit 1
# What the machine has had before: algorithms, random numbers, tables of the host's.
modprobe -qa esp4 xfrm_user ip_set_hash_ip ip_set_hash_ipport ip_set_hash_net ip_set_bitmap_port ip_set_list_set ip_vs_rr ip_vs_sh
eval "$ipsec_states" && ip xfrm state flush || ktap_skip_all "no IPsec"
nft -f - <<'E' || ktap_skip_all "no nftables"
add table inet host
add chain inet host c
add set inet host by_size { type ipv4_addr; size 1000; }
add set inet host growing { type ipv4_addr; flags timeout; }
add set inet host ranges { type ipv4_addr; flags interval; auto-merge; }
add set inet host pairs { type ipv4_addr . inet_service; flags interval; }
add set inet host ports { type inet_service; flags interval; }
add set inet host counted { type ipv4_addr; counter; }
add map inet host verdicts { type inet_service : verdict; }
E
ktap_plan 19
ktap_test "a network namespace with a name" named
ktap_test "in one of the host's with a name" in_named
ktap_test "one that the host has open" open
ktap_test "in one of the host's that is open" in_open
ktap_test "an ipc namespace with a name" named_ipc
ktap_test "an object lost beside one is a leak" lost_beside
ktap_test "pinned maps of BPF" maps
ktap_test "pinned programs" programs_of_bpf
ktap_test "elements of the host's maps" elements_of_bpf
ktap_test "programs of a cgroup of the host's" attached
ktap_test "a program of a device" attached_to_device
ktap_test "a map that is lost is a leak" lost_map
ktap_test "an instance of tracing" instance
ktap_test "elements of the host's sets" sets
ktap_test "ipsets" ipsets
ktap_test "services of IPVS" services
ktap_test "states and policies of IPsec" ipsec
ktap_test "a lost state is a leak" lost_state
ktap_test "nothing was missed" expect_healthy
unload_test_module leak_one
ktap_end
