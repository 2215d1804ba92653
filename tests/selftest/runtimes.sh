#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Containers as Debian's own runtimes make them: crun, runc, podman with either, LXC, systemd-nspawn. Each is started, works
# (on a tmpfs of its own and in its root file system, which is ext4), is entered from outside, and stopped by itself or by
# the runtime: it must be one container, known by its command and cgroup, and clean. What runtimes leave for a while
# and why: Documentation/runtimes.md.
#
# Needs the packages of `scripts/setup runtimes`, and 2 GiB of memory.
#
#   RUNTIMES_FEW   not empty: each runtime, but not each with everything
#
# A parent that reaps, as every container manager's shim is: the machine's own init may leave SIGCHLD pending.
[ -n "${RUNTIMES_REAP-}" ] || RUNTIMES_REAP=yes exec python3 -c 'import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) # PR_SET_CHILD_SUBREAPER
os.execv(sys.argv[1], sys.argv[1:])' "$(readlink -f "$0")" "$@"
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./holding.sh

disk=/run/runtimes
output=/tmp/runtimes.log # of the runtime in the background

# --- what runs in them

make_disk() {
	local tool
	for tool in crun runc podman lxc-start systemd-nspawn mkfs.ext4; do
		command -v "$tool" >/dev/null || ktap_skip_all "no $tool; scripts/setup runtimes installs it"
	done
	{
		mkdir -p "$disk"
		modprobe loop # no udev here to ask for it
		truncate -s 700M "$disk.image"
		mkfs.ext4 -q "$disk.image" && mount -o loop "$disk.image" "$disk"
	} >"$output" 2>&1 && make_rootfs "$disk/rootfs" && return
	diagnose <"$output"
	ktap_skip_all "no ext4 file system can be mounted at $disk"
}

make_rootfs() {
	local tool
	mkdir -p "$1"/{bin,dev,etc,proc,root,run,sbin,sys,tmp,usr,var,work} || return
	cp /bin/busybox "$programs/busy" "$1/bin/" || return
	for tool in sh cat echo grep head ls mkdir mkfifo mount ps rm sleep stat test touch true; do
		ln -s busybox "$1/bin/$tool"
	done
	echo root:x:0:0:root:/root:/bin/sh >"$1/etc/passwd"
	echo ID=selftest >"$1/etc/os-release"
	cat >"$1/bin/work" <<-'END'
		#!/bin/sh
		# What the container does until /tmp/stop is there, or somebody ends it.
		busy -d /tmp -p 10 -s 20 "$@" || exit
		mkdir -p /work/own && busy -d /work/own -p 2 -s 20 -o "files" || exit
		echo kept >/work/kept
		sleep 10000 &
		sleep 10000 | cat &
		: >/tmp/ready
		while [ ! -e /tmp/stop ]; do sleep 0.2; done
		echo ended
	END
	cat >"$1/bin/entered" <<-'END'
		#!/bin/sh
		# What a task does that comes in from outside.
		mkdir -p /tmp/entered && busy -d /tmp/entered -p 5 -s 10 && echo entered >/work/entered && echo entered
	END
	cat >"$1/bin/crowd" <<-'END'
		#!/bin/sh
		# Begins with more processes than a hook's limit lets it have: the shell that makes them gives up.
		echo ran >/work/ran
		sh -c 'while :; do sleep 10000 & done'
		: >/tmp/ready
		while [ ! -e /tmp/stop ]; do sleep 0.2; done
		echo ended
	END
	chmod 755 "$1/bin/work" "$1/bin/entered" "$1/bin/crowd"
}

# --- one container's life

# started COMMAND CGROUP: waits until the container that was made since $newest is at work, and looks at its face.
# Sets CONTAINER_ID and init. Both arguments are regular expressions.
started() {
	poll 300 at_work || {
		echo "no container at work:"
		cat "$proc/containers" "$output"
		return 1
	}
	expect "containers that were made" 1 "$(($(newest_container) - newest))" || return
	expect_match "its command" "^$1\$" "$(container_column "$CONTAINER_ID" command)" || return
	expect_match "its cgroup" "^$2\$" "$(container_column "$CONTAINER_ID" cgroup)" || return
	expect "its pid namespace" "$(container_column "$CONTAINER_ID" pidns)" "$(stat -L -c %i "/proc/$init/ns/pid")" || return
	[ "$(container_column "$CONTAINER_ID" objects)" -gt 100 ] || fail "hardly anything is charged to it"
}

at_work() {
	CONTAINER_ID=$(newest_container)
	[ "$CONTAINER_ID" -gt "$newest" ] || return
	init=$(container_column "$CONTAINER_ID" init)
	[ "$init" -gt 0 ] && [ -e "/proc/$init/root/tmp/ready" ]
}

# entered COMMAND...: the runtime's way in.
entered() { expect "what ran in it" entered "$("$@" /bin/entered 2>&1 | tail -n 1)"; }

stopped_clean() {
	wait_verdict "$CONTAINER_ID" || return
	# Who asks why: what its classes excused.
	awk 'NR > 1 { print $1, $2, $3, $6, $8 }' "$proc/$CONTAINER_ID/leaks"
	expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID" || return
	expect_healthy
}

# tell_to_end COMMAND...: by the runtime's way in. Whether that has come back well is not asked: init may have seen the file, and be gone with
# all its namespace, before touch has ended. That it ends by itself, with its last word, expect_status() asks.
tell_to_end() { "$@" touch /tmp/stop || echo "it ended before who told it: status $?"; }

# The runtime's front end, in the background: its output is in $output.
in_background() {
	newest=$(newest_container)
	"$@" </dev/null >"$output" 2>&1 &
	front_end=$!
}

expect_status() { # of what runs in the background: wanted; its output's last line
	local status=0
	wait "$front_end" || status=$?
	expect "the runtime's status" "$1" "$status" && { [ -z "${2-}" ] || expect "its output's end" "$2" "$(tail -n 1 "$output")"; } || {
		cat "$output"
		return 1
	}
}

# --- OCI

# bundle RUNTIME NAME: of its own `spec`, without a terminal, with a tmpfs and a cgroup.
bundle() {
	local runtime=$1
	oci=$2
	bundle=$disk/$oci
	mkdir -p "$bundle" && cp -a "$disk/rootfs" "$bundle/" || return
	(cd "$bundle" && "$runtime" spec) || return
	python3 - "$bundle/config.json" "$oci" <<-'END'
		import json, sys
		path, name = sys.argv[1:]
		config = json.load(open(path))
		config["process"].update(terminal=False, args=["/bin/work"])
		config["root"]["readonly"] = False
		config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=1777"]})
		config["linux"]["cgroupsPath"] = "/runtimes/" + name
		json.dump(config, open(path, "w"))
	END
}

oci_run() {
	bundle "$1" "$1-run" || return
	in_background "$1" run -b "$bundle" "$oci"
	started work "/runtimes/$oci" || return
	entered "$1" exec "$oci" || return
	tell_to_end "$1" exec "$oci"
	expect_status 0 ended || return
	stopped_clean
}

# create, start, kill and delete: what a container manager calls. Nobody but its own shim waits for init.
oci_create() {
	bundle "$1" "$1-create" || return
	newest=$(newest_container)
	"$1" create -b "$bundle" "$oci" </dev/null >"$output" 2>&1 || { cat "$output" && return 1; }
	"$1" start "$oci" || return
	started work "/runtimes/$oci" || return
	entered "$1" exec "$oci" || return
	"$1" pause "$oci" && "$1" resume "$oci" || return
	"$1" kill "$oci" KILL || return
	poll 20 has_stopped "$1" || fail "$1 state: $("$1" state "$oci")" || return
	"$1" delete "$oci" || return
	stopped_clean
}
has_stopped() { "$1" state "$oci" | grep -q '"status": "stopped"'; }

# --- beanctl as a createRuntime hook: a name and limits before the container's first instruction

# hooked LIMIT: into the bundle's config.json.
hooked() {
	python3 - "$bundle/config.json" "$beanctl" "$1" <<-'END'
		import json, sys
		path, beanctl, limit = sys.argv[1:]
		config = json.load(open(path))
		config["process"]["args"] = ["/bin/crowd"]
		config["hooks"] = {"createRuntime": [{"path": beanctl, "args": ["beanctl", "oci-hook", "--name-from-id", "--limit", limit]}]}
		json.dump(config, open(path, "w"))
	END
}

# at_its_limit NAME: what the hook has set was there when the first process forked; and it is found by its name.
at_its_limit() {
	expect "its name" "$1" "$(container_column "$CONTAINER_ID" name)" || return
	expect "numproc's limit" 8 "$(resource "$CONTAINER_ID" numproc limit)" || return
	expect "numproc's maxheld" 8 "$(resource "$CONTAINER_ID" numproc maxheld)" || return
	[ "$(resource "$CONTAINER_ID" numproc failcnt)" -gt 0 ] || fail "no fork was refused" || return
	"$beanctl" set "$1" numproc=100 || return
	expect "numproc's limit, set by name" 100 "$(resource "$CONTAINER_ID" numproc limit)"
}

oci_hook() {
	bundle "$1" "$1-hook" && hooked numproc=8 || return
	in_background "$1" run -b "$bundle" "$oci"
	started crowd "/runtimes/$oci" || return
	at_its_limit "$oci" || return
	entered "$1" exec "$oci" || return
	tell_to_end "$1" exec "$oci"
	expect_status 0 ended || return
	stopped_clean
}

# A hook that cannot do what it is told: nothing runs without its limit.
oci_hook_fails() {
	bundle "$1" "$1-hook-fails" && hooked nonsense=8 || return
	if "$1" run -b "$bundle" "$oci" </dev/null >"$output" 2>&1; then
		fail "$1 ran it all the same"
		return
	fi
	cat "$output"
	grep -q nonsense "$output" || fail "nobody says why"
	[ ! -e "$bundle/rootfs/work/ran" ] || fail "it has run"
}

podman_hook() {
	storage=$disk/podman driver=overlay
	mkdir -p "$disk/hooks.d" || return
	python3 - "$disk/hooks.d/beanctl.json" "$beanctl" <<-'END'
		import json, sys
		json.dump({"version": "1.0.0", "hook": {"path": sys.argv[2],
			"args": ["beanctl", "oci-hook", "--name-from-id", "--limit", "numproc=8"]},
			"when": {"annotations": {"^beancounter$": "^on$"}}, "stages": ["createRuntime"]}, open(sys.argv[1], "w"))
	END
	podman_image || return
	in_background podman_ "$1" --hooks-dir "$disk/hooks.d" run --rm --name four --network none --tmpfs /tmp \
		--annotation beancounter=on localhost/selftest /bin/crowd
	started crowd "/libpod_parent/libpod-[0-9a-f]{64}" || return
	at_its_limit "$(podman_ "$1" inspect --format '{{.Id}}' four | cut -c 1-12)" || return
	tell_to_end podman_ "$1" exec four
	expect_status 0 ended || return
	stopped_clean
}

# --- podman. An image of our own: there is no network. By its options, not by files in /etc.

podman_() { # runtime, command
	local runtime=$1
	shift
	podman --root "$storage" --runroot "/run/runtimes.podman/${storage//\//_}" --cgroup-manager cgroupfs \
		--storage-driver "$driver" --runtime "$runtime" "$@"
}

podman_image() {
	podman_ crun image exists localhost/selftest 2>/dev/null && return
	tar -C "$disk/rootfs" -cf - . | podman_ crun import - localhost/selftest >"$output" 2>&1 || { cat "$output" && return 1; }
}

podman_run() { # runtime, network, more of its options
	local runtime=$1 network=$2 net=
	shift 2
	[ "$network" = none ] || net=--net # busy may use it
	storage=$disk/podman driver=overlay
	podman_image || return
	in_background podman_ "$runtime" run --rm --name one --network "$network" --tmpfs /tmp "$@" \
		localhost/selftest /bin/work ${net:+"$net"}
	started work "/libpod_parent/libpod-[0-9a-f]{64}" || return
	entered podman_ "$runtime" exec one || return
	tell_to_end podman_ "$runtime" exec one
	expect_status 0 ended || return
	stopped_clean
}

podman_stop() {
	storage=$disk/podman driver=overlay
	podman_image || return
	newest=$(newest_container)
	podman_ "$1" run -d --name two --network none --tmpfs /tmp localhost/selftest /bin/work >"$output" 2>&1 ||
		{ cat "$output" && return 1; }
	started work "/libpod_parent/libpod-[0-9a-f]{64}" || return
	entered podman_ "$1" exec two || return
	podman_ "$1" stop --time 1 two >/dev/null || return
	stopped_clean || return
	podman_ "$1" rm two >/dev/null
}

# The layer of a container that is stopped and not removed is on a tmpfs here, where files have no other place than
# memory: those that the container made are the host's tmpfs's until they are removed.
podman_kept() {
	local status=0
	storage=/run/runtimes.tmpfs driver=vfs
	mkdir -p "$storage" && mount -t tmpfs -o size=300M runtimes "$storage" || return
	podman_image || return
	in_background podman_ crun run --name three --network none --tmpfs /tmp localhost/selftest /bin/work
	started work "/libpod_parent/libpod-[0-9a-f]{64}" || return
	tell_to_end podman_ crun exec three
	expect_status 0 ended || return
	nothing_but_held || status=1
	cat "$proc/$CONTAINER_ID/leaks"
	podman_ crun rm three >/dev/null || return
	becomes_clean || return
	umount -l "$storage"
	return "$status"
}

# --- LXC

# lxc NAME STOP [CONFIGURATION]...: STOP is end or kill.
lxc() {
	local name=$1 stop=$2 line
	shift 2
	mkdir -p "$disk/lxc/$name" && cp -a "$disk/rootfs" "$disk/lxc/$name/" || return
	for line in "lxc.rootfs.path = dir:$disk/lxc/$name/rootfs" "lxc.uts.name = $name" "lxc.init.cmd = /bin/work" \
		"lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed" "lxc.mount.entry = tmpfs tmp tmpfs mode=1777 0 0" \
		"lxc.apparmor.profile = unconfined" "lxc.autodev = 1" "lxc.pty.max = 16" \
		"lxc.include = /usr/share/lxc/config/common.conf" "$@"; do
		echo "$line"
	done >"$disk/lxc/$name/config"
	newest=$(newest_container)
	lxc-start -P "$disk/lxc" -n "$name" -o "$output" </dev/null || { cat "$output" && return 1; }
	started work "/lxc\.payload\.$name" || return
	entered lxc-attach -P "$disk/lxc" -n "$name" -- || return
	if [ "$stop" = kill ]; then
		lxc-stop -P "$disk/lxc" -n "$name" -k || return
	else
		tell_to_end lxc-attach -P "$disk/lxc" -n "$name" --
	fi
	lxc-wait -P "$disk/lxc" -n "$name" -s STOPPED -t 30 2>&1 | grep -v "reset by peer\|get_init_pid"
	stopped_clean
}

# --- systemd-nspawn. Nothing here that it could register with, and no systemd to make a scope.

nspawn() { # name, end or kill, more of its options
	local name=$1 stop=$2
	shift 2
	cp -a "$disk/rootfs" "$disk/$name" || return
	in_background systemd-nspawn --quiet --console=pipe --register=no --keep-unit --directory "$disk/$name" --as-pid2 "$@" /bin/work
	started '\(sd-stubinit\)' /payload || return
	entered nsenter --target "$init" --all --wd=/ || return
	if [ "$stop" = kill ]; then
		kill -KILL "$init" || return
		wait "$front_end"
	else
		tell_to_end nsenter --target "$init" --all --wd=/
		expect_status 0 ended || return
	fi
	stopped_clean
}

# What a failed test left running would keep the machine busy, and this script's output open.
clean_up() {
	local pid
	for pid in $(column "$proc/containers" init state=running); do kill -KILL "$pid"; done
	pkill -KILL -x conmon
}

need_module
need_programs
beanctl=$(command -v beanctl) || ktap_skip_all "beanctl is not on PATH; make build/beanctl"
make_disk
trap clean_up EXIT
# Each runtime, way to end, namespace of users and of the network, and storage: in some test; then what they are like together.
tests=(
	"crun: run, exec, end|oci_run crun"
	"runc: create, start, exec, pause, kill, delete|oci_create runc"
	"crun: a hook's limit is in force before the first instruction, and its name is known|oci_hook crun"
	"runc: a hook that fails keeps it from running|oci_hook_fails runc"
	"podman and crun, a user namespace|podman_run crun none --uidmap 0:100000:65536"
	"podman: a stopped container's files on a tmpfs are held until it is removed|podman_kept"
	"LXC with a veth|lxc veth end|lxc.net.0.type = veth|lxc.net.0.flags = up|lxc.net.0.ipv4.address = 10.9.8.7/24"
	"systemd-nspawn: run, enter, killed|nspawn nspawn-killed kill"
)
more=(
	"runc: run, exec, end|oci_run runc"
	"crun: create, start, exec, pause, kill, delete|oci_create crun"
	"runc: a hook's limit is in force before the first instruction, and its name is known|oci_hook runc"
	"crun: a hook that fails keeps it from running|oci_hook_fails crun"
	"podman and crun: a hook's limit and name|podman_hook crun"
	"podman and crun: run, exec, end, removed|podman_run crun none"
	"podman and runc: run, exec, end, removed|podman_run runc none"
	"podman and crun, the host's network|podman_run crun host"
	"podman and crun: run, exec, stop|podman_stop crun"
	"LXC: start, attach, end|lxc ends end|lxc.net.0.type = empty"
	"LXC: start, attach, killed|lxc killed kill|lxc.net.0.type = empty"
	"systemd-nspawn: run, enter, end|nspawn nspawn-ends end"
	"systemd-nspawn with a user and a network namespace|nspawn nspawn-private end --private-users=131072 --private-users-ownership=chown --private-network"
)
[ -n "${RUNTIMES_FEW-}" ] || tests+=("${more[@]}")
ktap_plan ${#tests[@]}
for row in "${tests[@]}"; do
	IFS='|' read -r -a words <<<"$row"
	# shellcheck disable=SC2086 # its options are words; what has spaces in it comes after them
	ktap_test "${words[0]}" ${words[1]} "${words[@]:2}"
done
ktap_end
