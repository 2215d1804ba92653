# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Containers as a runtime makes them, from util-linux alone: fresh pid, mount (with
# an own /proc), ipc and uts namespaces, net and user on request, in a memory
# cgroup of their own. Sourced after lib.sh.

cgroup_root=/sys/fs/cgroup
container_serial=0

# The test's own ends of pipes to its containers, which they are not to inherit.
own_fds=(5 "$never")
close_own_fds() {
	local fd
	for fd in "${own_fds[@]}"; do
		exec {fd}>&-
	done
}

# start_container [--net] [--user] [--host-ipc] [--no-cgroup] [--shared-mounts] [--in FILE] [--out FILE] -- COMMAND...
#
# starts it in the background and sets CONTAINER_PID (of its unshare, which ends
# with the command's status), CONTAINER_NS and, where the module is there, CONTAINER_ID.
start_container() {
	local options=(--fork --kill-child --pid --mount --mount-proc --uts) ipc=--ipc rows COLUMN id
	local cgroup=yes in=/dev/null out='' note newest

	while [ "${1-}" != -- ]; do
		case ${1-} in
		--net) options+=(--net) ;;
		--user) options=(--user --map-root-user "${options[@]}") ;;
		--host-ipc) ipc='' ;;
		--no-cgroup) cgroup= ;;
		--shared-mounts) options+=(--propagation unchanged) ;;
		--in)
			in=$2
			shift
			;;
		--out)
			out=$2
			shift
			;;
		*)
			echo "start_container: what is '${1-}'?"
			return 2
			;;
		esac
		shift
	done
	shift

	container_serial=$((container_serial + 1))
	CONTAINER_CGROUP=
	if [ -n "$cgroup" ]; then
		CONTAINER_CGROUP=$cgroup_root/selftest-$$-$container_serial
		mkdir "$CONTAINER_CGROUP" || return
		[ -e "$CONTAINER_CGROUP/memory.max" ] ||
			fail "no memory controller in $cgroup_root/cgroup.subtree_control" || return
	fi
	note=$ktap_folder/container-$container_serial
	find_newest
	(
		[ -z "$CONTAINER_CGROUP" ] || echo "$BASHPID" >"$CONTAINER_CGROUP/cgroup.procs" || exit 125
		exec <"$in"
		[ -z "$out" ] || exec >"$out"
		close_own_fds
		# Inode numbers of namespaces are used again: this one's is of now.
		# shellcheck disable=SC2016
		exec unshare "${options[@]}" ${ipc:+"$ipc"} -- /bin/sh -c '
			stat -L -c %i /proc/self/ns/pid >"$0" || exit 125
			exec "$@"' "$note" "$@"
	) &
	CONTAINER_PID=$!
	poll 30 test -s "$note" -o ! -d "/proc/$CONTAINER_PID"
	CONTAINER_NS=
	{ read -r CONTAINER_NS <"$note"; } 2>/dev/null
	rm -f "$note" # what a container makes on a tmpfs of the host's is held until it goes
	[ -n "$CONTAINER_NS" ] || fail "the container did not start" || return
	CONTAINER_ID=
	[ -r "$proc/containers" ] || return 0	# since_load.sh: the module comes later
	table "$proc/containers" && pick id "pidns=$CONTAINER_NS" || return
	for id in "${COLUMN[@]}"; do [ "$id" -le "$newest" ] || [ "$id" -ge 900000 ] || CONTAINER_ID=$id; done
	[ -n "$CONTAINER_ID" ] ||
		fail "no container with pidns $CONTAINER_NS in $proc/containers"
}

# 999999999 is the row that those without one share.
# By the numbers that the module counts: those that tests choose begin at 900000, and the overflow's is above them.
find_newest() { # in its caller's variable `newest`
	# shellcheck disable=SC2034 # rows is table()'s, for pick()
	local rows COLUMN=() id
	newest=0
	[ -r "$proc/containers" ] && table "$proc/containers" && pick id || return
	for id in "${COLUMN[@]}"; do
		[ "$id" -ge 900000 ] || [ "$id" -le "$newest" ] || newest=$id
	done
}
newest_container() {
	local newest
	find_newest
	echo "$newest"
}

# Waits for its end; the command's status is in CONTAINER_STATUS.
end_container() {
	CONTAINER_STATUS=0
	wait "$CONTAINER_PID" || CONTAINER_STATUS=$?
	remove_cgroup
}

# Its init, not its unshare: an orphan's SIGCHLD goes to the machine's own init, which
# may leave it pending, and so holds an object of the container.
kill_container() {
	local init=
	{ read -r init _ <"/proc/$CONTAINER_PID/task/$CONTAINER_PID/children"; } 2>/dev/null
	kill -KILL "${init:-$CONTAINER_PID}" 2>/dev/null
	wait "$CONTAINER_PID" 2>/dev/null
	remove_cgroup
}

# Its last task may need a moment to leave it.
remove_cgroup() {
	[ -z "$CONTAINER_CGROUP" ] || poll 10 rmdir "$CONTAINER_CGROUP" 2>/dev/null ||
		fail "$CONTAINER_CGROUP cannot be removed: $(cat "$CONTAINER_CGROUP/cgroup.procs")"
}

# What a container is the first to look at of the host's files stays cached, and is
# held by the host's file systems: for tests that want exactly nothing else, the host
# looks first. clean.sh has a test of the other case. What the host keeps it keeps until the next boot.
warm=/run/selftest-is-warm
warm_up() {
	[ ! -e "$warm" ] || return 0
	cat "$programs"/* >/dev/null
	# shellcheck disable=SC2016
	unshare --mount --ipc -- /bin/sh -c '
		touch "$0" && stat -L -c %i "$0" >"$0.new" && mv "$0.new" "$0" && rm "$0"
		setsid true
		exec workloads/busy.sh -p 2 -s 2' "$(mktemp -u /tmp/warm-up.XXXXXX)" ||
		echo "# workloads/busy.sh failed on the host"
	: >"$warm"
}

# Python for a program of BPF on a socket: attach(N), of N instructions that load a word and one that returns, kept in `sockets`.
# shellcheck disable=SC2034 # for those that source it
python_filters='import ctypes, socket, struct, time
sockets = []
def attach(loads):
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x20, 0, 0, 0) * loads + struct.pack("HBBI", 6, 0, 0, 0xffff))
    sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sockets[-1].setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", loads + 1, ctypes.addressof(program))) # SO_ATTACH_FILTER'

# run_container [start_container's options] -- COMMAND...: start, end, status 0.
run_container() {
	start_container "$@" || return
	end_container || return
	expect "the status of the container's command" 0 "$CONTAINER_STATUS"
}

# The module is there, whole, and charges.
still_counts() {
	expect "hooks in place" "$(health hooks_expected)" "$(health hooks)" || return
	start_container -- sleep 1000 || return
	[ "$(container_column "$CONTAINER_ID" objects)" -gt 0 ] || fail "nothing is charged to container $CONTAINER_ID" || return
	kill_container || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean || return
	expect_healthy
}
