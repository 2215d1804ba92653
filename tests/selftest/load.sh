#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything at once: stress-ng in containers at their limits, while the module is unloaded and loaded, every file read, limits changed,
# containers made and killed, function_graph, kprobes and a BPF program put on hooked functions and taken away. That each of these has
# happened is counted. Afterwards the books are right: of every container the ledger has what the counters say, each is at
# zero when it has stopped, and nothing was lost.
#
#   LOAD_SECONDS   how long, but for LOAD_ROUNDS (2) turns of each kind, once every stressor and a refusal of each kind at least (60;
#                  600 is for make soak)
#   LOAD_CLASSES   of stress-ng's stressors: os memory network filesystem scheduler, a container each
. "$(dirname "$0")/lib.sh"
. ./containers.sh

seconds=${LOAD_SECONDS:-60}
rounds=${LOAD_ROUNDS:-2}
module=${BEANCOUNTER_MODULE:-$repo/build/$KERNEL/beancounter.ko}
tracing=/sys/kernel/tracing
folder=$(mktemp -d /tmp/load.XXXXXX)
trap 'rm -rf "$folder"' EXIT
case $KERNEL in
6.1.*) allocation=kmem_cache_alloc ;;
*) allocation=kmem_cache_alloc_noprof ;;
esac

# What a container may do to itself, of stress-ng's classes: nothing that reaches for the machine (its clock, CPUs, modules).
read -ra classes <<<"${LOAD_CLASSES:-os memory network filesystem scheduler}"
bounded=(kmemsize numproc numfile) # what has to have refused somebody
declare -A stressors=(
	[os]="clone fork vfork pipe eventfd epoll timer timerfd sigq mq msg sem-sysv shm-sysv key dup close pty inotify futex seccomp"
	[memory]="mmap mmapfork mremap madvise memfd shm brk malloc mlock munmap fault"
	[network]="sock sockpair sockfd sockmany udp rawsock netlink-task sockabuse"
	[filesystem]="dentry dir dirmany fcntl flock lockf link symlink rename utime fstat getdent chmod io-uring"
	[scheduler]="switch yield affinity schedpolicy daemon zombie sem"
)
declare -A namespaces=() pids=() cgroups=() failed=() forced=() written_down=()
declare -A did=([unloaded]=0 [made]=0 [function_graph]=0 [kprobes]=0 [bpf]=0 [self-checks]=0 [loaded-while-traced]=0)

start_load() { # class
	# It works on a tmpfs of its own. What it says goes by a pipe: a file would hold what it was the first to write to.
	mkfifo "$folder/$1.pipe" || return
	cat "$folder/$1.pipe" >"$folder/$1.said" &
	# shellcheck disable=SC2016
	start_container --net --out "$folder/$1.pipe" -- sh -c 'ip link set lo up && mount -t tmpfs load /mnt && cd /mnt &&
		exec nice -n 15 "$@" 2>&1' sh "$programs/over_and_over" 30 \
		stress-ng --quiet --metrics-brief --temp-path /mnt --oomable --mmap-bytes 4M --mremap-bytes 4M '--{}' 1 --timeout 1s -- \
		${stressors[$1]} || return
	namespaces[$1]=$CONTAINER_NS pids[$1]=$CONTAINER_PID cgroups[$1]=$CONTAINER_CGROUP
	# Until then it is a shell, which a limit would end.
	poll 300 is_running "$(container_column "$CONTAINER_ID" init)" || fail "$1 has not begun"
}

is_running() { [ "$(cat "/proc/$1/comm")" = over_and_over ]; }

id_of() { column "$proc/containers" id "pidns=${namespaces[$1]}" state=running; }

# Those of which no run has come to one operation yet: "stress-ng: metrc: [7] fork 956 1.00 ...".
still_to_work() { # class
	awk -v words="${stressors[$1]}" '$1 == "stress-ng:" && $2 == "metrc:" && $5 > 0 { worked[$4] = 1 }
		END { n = split(words, word, " "); for (i = 1; i <= n; i++) if (!(word[i] in worked)) print word[i] }' "$folder/$1.said"
}

# Bounds that the container meets, mostly a bit above what it holds now, for processes also one below; sometimes none, that it can begin
# something again.
bounds() { # id, kind
	local kind=${2:-$((RANDOM % 6))} more=$((RANDOM % 16))
	awk -v kind=$kind -v more=$more '
		function bound(name, barrier, limit) { print name, barrier, limit }
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		{ held[$at["resource"]] = $at["held"] }
		END {
			bytes = held["kmemsize"] + (more + 1) * 32768
			if (kind == 0) bound("kmemsize", "unlimited", "unlimited")
			else if (kind == 1) bound("kmemsize", "400K", "500K")
			else bound("kmemsize", bytes, bytes + 65536)
			some = kind == 2 || kind == 3
			n = split("numproc numfile numothersock numtcpsock numflock", name, " ")
			for (i = 1; i <= n; i++) {
				pieces = held[name[i]] + (name[i] == "numproc" ? more % 3 - 1 : more)
				if (pieces < 0) pieces = 0 # a module that was loaded just now has seen no process start
				bound(name[i], some ? pieces : "unlimited", some ? pieces : "unlimited")
			}
		}' "$proc/$1/resources"
}

# The module is not there now and then, and then containers have other numbers: `instance` is what the wheel below says of it.
change_limits() { # class
	local id lines instance
	instance=$(cat "$folder/instance")
	if id=$(id_of "$1") && [ -n "$id" ] && lines=$(bounds "$id") && set_limits "$id" "$lines"; then
		echo "$1" >>"$folder/changes"
	elif [ "$instance" != gone ] && [ "$(cat "$folder/instance")" = "$instance" ]; then
		fail "instance $instance of the module: $1, container '$id', does not take: $lines"
	fi
} 2>&1

keep_changing() {
	local why
	while :; do
		why=$(change_limits "${classes[RANDOM % ${#classes[@]}]}") || { echo "$why" >"$folder/changer" && return 1; }
		sleep 0.2
	done
} 2>/dev/null # the files go

set_all_limits() {
	local class
	for class in "${classes[@]}"; do change_limits "$class" || return; done
}

refusals_of() { # class: each resource and its number
	local file
	file=$proc/$(id_of "$1")/resources
	paste -d ' ' <(column "$file" resource) <(column "$file" failcnt)
}

# What this instance of the module has counted, before it goes: refusals, and its own losses.
harvest() {
	local class id resource count
	for class in "${classes[@]}"; do
		id=$(id_of "$class") && [ -n "$id" ] || fail "the container of $class is lost:" "$(cat "$proc/containers")" || return
		while read -r resource count; do
			failed[$class]=$((${failed[$class]-0} + count))
			failed[$resource]=$((${failed[$resource]-0} + count))
		done < <(refusals_of "$class")
		forced[$class]=$((${forced[$class]-0} + $(resource "$id" kmemsize forced)))
		count=$(column "$proc/$id/refusals" cause | grep -cx 'barrier\|limit')
		written_down[$class]=$((${written_down[$class]-0} + count))
	done
	echo self-check >"$proc/control" || return
	did[self-checks]=$((did[self-checks] + 1))
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || return
	expect "hooks in place" "$(health hooks_expected)" "$(health hooks)" || return
	expect "references without a place" 0 "$(health references_lost)" || return
	expect_healthy
}

take_away() {
	harvest || return
	echo gone >"$folder/instance"
	rmmod beancounter
}

here_again() {
	did[unloaded]=$((did[unloaded] + 1))
	echo "${did[unloaded]}" >"$folder/instance"
	set_all_limits
}

unload_and_load() { take_away && insmod "$module" && here_again; }

# In every second round of the wheel the module goes and comes while somebody else is on its functions.
beside_another() {
	[ $((turn / ${#acts[@]} % 2)) -eq 0 ] || return 0
	unload_and_load || return
	did[loaded-while-traced]=$((did[loaded-while-traced] + 1))
}

with_function_graph() {
	local seen
	printf '%s\n' kfree 'kmem_cache_alloc*' 'kmem_cache_free*' >"$tracing/set_ftrace_filter" || return
	echo function_graph >"$tracing/current_tracer" || return
	beside_another && sleep 1 || return
	seen=$(cat "$tracing"/per_cpu/cpu*/stats | awk '/^(entries|overrun):/ { n += $2 } END { print n }')
	[ "${seen:-0}" -gt 0 ] || fail "function_graph has seen nothing" || return
	did[function_graph]=$((did[function_graph] + seen))
	echo nop >"$tracing/current_tracer"
	: >"$tracing/set_ftrace_filter"
}

with_kprobes() {
	local seen
	printf 'p:load_free kfree\nr:load_alloc %s\n' "$allocation" >"$tracing/kprobe_events" || return
	echo 1 >"$tracing/events/kprobes/enable" || return
	beside_another && sleep 1 || return
	echo 0 >"$tracing/events/kprobes/enable"
	seen=$(awk '$1 ~ /^load_/ && $2 > 0 { n++; hits += $2 } END { if (n == 2) print hits }' "$tracing/kprobe_profile")
	: >"$tracing/kprobe_events"
	[ -n "$seen" ] || fail "a kprobe on a hooked function was not hit" || return
	did[kprobes]=$((did[kprobes] + seen))
}

# A program that is there keeps us out, and takes its place under load; one that comes later is kept out.
with_bpf() {
	expect "a BPF program on kfree" "attach: EBUSY" "$("$programs/fentry_user" kfree </dev/null)" || return
	take_away || return
	: >"$folder/fentry" # here, and not when the job gets to it: the last turn's answer would be taken for this one's
	sleep 1000 | "$programs/fentry_user" "$allocation" >>"$folder/fentry" &
	# It waits for grace periods, as long as the load makes them.
	poll 300 test -s "$folder/fentry" || fail "no BPF program after 300 s" || return
	expect "a BPF program" attached "$(cat "$folder/fentry")" || return
	insmod "$module" 2>/dev/null && fail "loaded beside a BPF program" && return 1
	dmesg | tail -n 50 | grep -q "beancounter: $allocation: another direct user of ftrace is there" ||
		fail "insmod fails for another reason:" "$(dmesg | tail -n 5)" || return
	pkill -KILL -x fentry_user
	pkill -KILL -P $$ -f 'sleep 1000'
	poll 300 insmod "$module" 2>/dev/null || fail "insmod does not work after the BPF program" || return
	did[bpf]=$((did[bpf] + 1))
	here_again
}

others_come_and_go() {
	local i pid before
	before=$(newest_container)
	for i in 1 2 3; do
		unshare --pid --fork --kill-child --mount-proc workloads/busy.sh -p 2 >/dev/null 2>&1 &
		pid=$!
		case $i in
		2) sleep 0.3 ;;
		3) poll 30 another_than "$before" || fail "no container is made" || return ;;
		esac
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
	done
	did[made]=$((did[made] + $(newest_container) - before))
}

another_than() { [ "$(newest_container)" -gt "$1" ]; }

# Of the module that was, and of this one.
all_have_refused() {
	local class what resource count
	local -A now=()
	for what in "${!failed[@]}"; do now[$what]=${failed[$what]}; done
	for class in "${classes[@]}"; do
		while read -r resource count; do
			now[$class]=$((${now[$class]-0} + count)) now[$resource]=$((${now[$resource]-0} + count))
		done < <(refusals_of "$class")
	done
	for what in "${classes[@]}" "${bounded[@]}"; do
		[ "${now[$what]-0}" -gt 0 ] || { last_idle=$what && return 1; }
	done
}

over() {
	local class idle=''
	[ "$SECONDS" -ge "$end" ] && [ "$turn" -ge $((rounds * ${#acts[@]})) ] || return
	for class in "${classes[@]}"; do idle+=" $(still_to_work "$class" | xargs)"; done
	[ -z "${idle// /}" ] || { last_idle=$(xargs <<<"$idle") && return 1; }
	all_have_refused
}

all_at_once() {
	local end=$((SECONDS + seconds)) last=$((SECONDS + 4 * seconds + 900)) status=0 turn=0 act reader changer last_idle=''
	local acts=(unload_and_load others_come_and_go with_function_graph with_kprobes others_come_and_go with_bpf)
	echo 0 >"$folder/instance"
	: >"$folder/changes"
	set_all_limits || return
	keep_changing &
	changer=$!
	# The load is nice to those who turn the wheel.
	nice -n 5 "$programs/read_views" 1000000 >"$folder/reader" &
	reader=$!
	until over; do
		act=${acts[turn % ${#acts[@]}]}
		"$act" || { fail "turn $turn, $act failed" || status=1 && break; }
		kill -0 "$reader" 2>/dev/null || { fail "the reader has ended" || status=1 && break; }
		kill -0 "$changer" 2>/dev/null || { fail "$(cat "$folder/changer")" || status=1 && break; }
		[ "$SECONDS" -lt "$last" ] || { fail "no end" || status=1 && break; }
		turn=$((turn + 1))
	done
	kill -TERM "$reader" "$changer" 2>/dev/null
	wait "$changer" 2>/dev/null
	wait "$reader" || status=1
	head -c 4000 "$folder/reader"
	[ "$status" -ne 0 ] || harvest || status=1
	echo "$((SECONDS - end + seconds)) s, $turn turns of ${#acts[@]} kinds beside ${stressors[*]}${last_idle:+; the last to come to an operation, or to refuse one: $last_idle}"
	return "$status"
}

# Each of what the name says.
each_has_happened() {
	local what class status=0
	for what in "${!did[@]}"; do
		echo "$what: ${did[$what]}"
		[ "${did[$what]}" -gt 0 ] || fail "$what: never" || status=1
	done
	for class in "${classes[@]}"; do
		what=$(still_to_work "$class")
		[ -z "$what" ] || fail "$class: not one operation of" $what || status=1
		echo "$class: $(grep -c '^ended ' "$folder/$class.said") runs of a stressor, $(grep -c '^refused ' "$folder/$class.said") times no" \
			"process for one, $(grep -c '^killed ' "$folder/$class.said") killed"
	done
	[[ $(tail -n 1 "$folder/reader") =~ ^([0-9]+)\ files,\ ([0-9]+)\ rows,\ ([0-9]+)\  ]] || fail "the reader says nothing" || return
	[ "${BASH_REMATCH[1]}" -gt 0 ] && [ "${BASH_REMATCH[2]}" -gt 0 ] || fail "nothing was read" || status=1
	return "$status"
}

each_was_at_its_limits() {
	local class changes status=0
	for class in "${classes[@]}"; do
		changes=$(grep -cx "$class" "$folder/changes")
		echo "$class: limits changed $changes times, refused ${failed[$class]-0} charges, ${written_down[$class]-0} of them in refusals," \
			"${forced[$class]-0} bytes let through"
		[ "$changes" -gt 1 ] || fail "$class: its limits were not changed" || status=1
		[ "${failed[$class]-0}" -gt 0 ] || fail "$class: nothing was refused" || status=1
		[ "${written_down[$class]-0}" -gt 0 ] || fail "$class: no refusal was written down" || status=1
	done
	for class in "${bounded[@]}"; do
		echo "$class: refused ${failed[$class]-0}"
		[ "${failed[$class]-0}" -gt 0 ] || fail "$class has refused nobody" || status=1
	done
	return "$status"
}

# What the ledger has, by ID/objects, as what the counters say: bytes of each kind, and the number of objects.
in_ledger() { # id
	awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		{ bytes[$at["resource"]] += $at["bytes"]; objects += $at["count"] }
		END { print bytes["kmemsize"] + 0, bytes["dcachesize"] + 0, objects + 0 }' "$proc/$1/objects"
}
in_counters() { echo "$(resource "$1" kmemsize held) $(resource "$1" dcachesize held) $(container_column "$1" objects)"; }
same_in_both() {
	ledger=$(in_ledger "$1") counters=$(in_counters "$1")
	[ "$ledger" = "$counters" ] && [ "${ledger##* }" -gt 0 ]
}
is_frozen() { grep -qx 'frozen 1' "$1/cgroup.events"; }

# Who is in the kernel, and where.
kernel_stacks() {
	local pid
	for pid in $(cat "$1/cgroup.procs"); do
		grep -q do_freezer_trap "/proc/$pid/stack" || { cat "/proc/$pid/comm" && head -n 12 "/proc/$pid/stack"; }
	done 2>/dev/null
}

# At rest, and with something of its own: where the module was loaded a moment ago all that it has may be older, and the last limits that it
# was given too low for anything more.
freeze_full() { # class
	local cgroup=${cgroups[$1]} id
	id=$(id_of "$1")
	echo 1 >"$cgroup/cgroup.freeze" && poll 180 is_frozen "$cgroup" || fail "$1 is not frozen:" "$(kernel_stacks "$cgroup")" || return
	[ "$(container_column "$id" objects)" -gt 0 ] && return
	set_limits "$id" "$(bounds "$id" 0)"
	echo 0 >"$cgroup/cgroup.freeze"
	return 1
}

# At rest, full. RCU still frees for a while.
ledger_is_held() {
	local class id ledger counters status=0
	[ -e "$proc" ] || fail "the module is not there" || return
	for class in "${classes[@]}"; do
		poll 60 freeze_full "$class" || fail "$class is not frozen with anything in it" || return
	done
	for class in "${classes[@]}"; do
		id=$(id_of "$class")
		[ -n "$id" ] || fail "the container of $class is lost" || return
		poll 60 same_in_both "$id" ||
			fail "$class: kmemsize, dcachesize, objects: '$ledger' in the ledger, '$counters' in the counters" || status=1
		echo "$class: $ledger in both"
	done
	return "$status"
}

settled_all() { [ -z "$(column "$proc/containers" id state=running)$(column "$proc/containers" id state=settling)" ]; }

at_zero() {
	local class id leaked status=0 ids=()
	[ -e "$proc" ] || fail "the module is not there" || return
	for class in "${classes[@]}"; do
		ids+=("$(id_of "$class")")
		echo 0 >"${cgroups[$class]}/cgroup.freeze"
		CONTAINER_PID=${pids[$class]} CONTAINER_CGROUP=${cgroups[$class]}
		kill_container || return
	done
	poll 180 settled_all || fail "not settled:" "$(cat "$proc/containers")" || return
	for id in "${ids[@]}"; do
		expect_state "$id" clean && expect_nothing_held "$id" || status=1
	done
	leaked=$(column "$proc/containers" id state=leaked)
	for id in $leaked; do cat "$proc/$id/leaks"; done
	expect "leaked containers" "" "$leaked" && return "$status"
}

# `forced` is what no limit may stop: page faults, a file system's transactions, tasks that exit (CAVEATS.md).
books_are_right() {
	echo self-check >"$proc/control" || return
	echo "looked at $(health self_check_slots) objects"
	awk 'NR > 1 && $2 != 0' "$proc/health"
	expect "what the module's own check found wrong" 0 "$(health self_check_bad)" || return
	expect "references without a place" 0 "$(health references_lost)" || return
	expect_healthy
}

need_module
need_programs
command -v stress-ng >/dev/null || ktap_skip_all "no stress-ng; scripts/setup vm installs it"
[ -e "$module" ] || ktap_skip_all "BEANCOUNTER_MODULE is not the path of the module"
for class in "${classes[@]}"; do start_load "$class" || exit 1; done
ktap_plan 7
ktap_test "everything at once" all_at_once
ktap_test "each of it has happened" each_has_happened
ktap_test "each container was at its limits" each_was_at_its_limits
ktap_test "the ledger is what is held, of each container" ledger_is_held
ktap_test "afterwards every container is at zero" at_zero
ktap_test "and the books are right" books_are_right
ktap_test "a fresh container is clean" still_counts
ktap_end
