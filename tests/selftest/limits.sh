#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Limits: how they are written, and of everything that is counted in pieces that
# object N comes and N + 1 does not. Bytes are in limits_memory.sh.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

trap 'rm -rf "$talk_folder"' EXIT
charged=(kmemsize dcachesize numproc numfile numflock numsiginfo numtcpsock numothersock numpty)
uncharged=(numiptent lockedpages privvmpages shmpages physpages vmguarpages oomguarpages tcpsndbuf tcprcvbuf
	othersockbuf dgramrcvbuf)

# --- writing

limits_of() { column "$proc/$1/resources" "$2" "resource=$3"; }
all_limits() { awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
	{ print $1, $at["barrier"], $at["limit"] }' "$proc/$id/resources"; }

# becomes LINES RESOURCE BARRIER LIMIT
becomes() {
	set_limits "$id" "$1" || return
	expect "barrier after '$1'" "$3" "$(limits_of "$id" barrier "$2")" || return
	expect "limit after '$1'" "$4" "$(limits_of "$id" limit "$2")"
}

good_writes() {
	becomes "kmemsize 8388608 9437184" kmemsize 8388608 9437184 &&
		becomes "kmemsize 8M 9M" kmemsize 8388608 9437184 &&
		becomes "kmemsize 512K 1G" kmemsize 524288 1073741824 &&
		becomes "dcachesize 3M unlimited" dcachesize 3145728 unlimited &&
		becomes "numproc 1K 1K" numproc 1024 1024 &&
		becomes "numproc 9223372036854775807 9223372036854775807" numproc unlimited unlimited &&
		becomes $'numfile 700 800\nnumflock 90 91' numfile 700 800 &&
		expect "the second line's" "90 91" "$(limits_of "$id" barrier numflock) $(limits_of "$id" limit numflock)" &&
		becomes "numfile 900 900"$'\n'"reset" numfile 900 900
}

every_resource() {
	local resource
	for resource in "${charged[@]}"; do
		becomes "$resource 1000000 2000000" "$resource" 1000000 2000000 || return
		becomes "$resource unlimited unlimited" "$resource" unlimited unlimited || return
	done
}

# refused TEXT: with EINVAL, and nothing has changed.
refused() {
	local before said
	before=$(all_limits)
	if said=$(write_at_once "$proc/$id/resources" "$1"); then
		fail "accepted: '${1:0:100}'"
		return
	fi
	expect_match "the answer to '${1:0:100}'" "Invalid argument" "$said" || return
	expect "limits after '${1:0:100}'" "$before" "$(all_limits)"
}

refused_all() {
	local text status=0
	for text in "$@"; do
		refused "$text" || status=1
	done
	return "$status"
}

barrier_above_limit() { refused_all "kmemsize 9M 8M" "kmemsize unlimited 8M" "numproc 6 5" "numfile 1K 1023"; }

unknown_resources() {
	local resource
	refused_all "nosuch 1 2" "kmem 1 2" "kmemsizes 1 2" "KMEMSIZE 1 2" "dummy 1 2" "resource 1 2" || return
	for resource in "${uncharged[@]}"; do
		refused "$resource 1 2" || return
	done
}

bad_numbers() {
	refused_all "kmemsize 18446744073709551616 18446744073709551616" \
		"kmemsize 9223372036854775808 9223372036854775808" \
		"kmemsize 1 99999999999999999999999999" "kmemsize 9007199254740992K 9007199254740992K" \
		"kmemsize 8796093022208M 8796093022208M" "kmemsize 8589934592G 8589934592G" \
		"numproc -1 -1" "numproc -5 5" "numproc 1 -2" "numproc +5 +6" "numproc 0x10 0x20" \
		"kmemsize 1.5M 2M" "kmemsize 5KB 6KB" "kmemsize 5T 6T" "kmemsize K M" "numproc five six"
}

bad_forms() {
	refused_all "" "numproc" "numproc 5" "numproc 5 6 7" "numproc 5 6x" "numproc 5:6" "numproc=5:6" \
		"numproc 5,6" "5 6" "unlimited" "reset now" "reset 1" "RESET" "reset numproc" "# numproc 5 6" \
		"numproc 5 6;numfile 5 6"
}

one_bad_line() {
	refused_all $'numproc 11 12\nnumfile 13 12\nnumflock 5 6' $'numproc 11 12\nnonsense' \
		$'nonsense\nnumproc 11 12' $'numproc 11 12\ndummy 1 2' $'numproc 11 12\n\nnumfile 5'
}

# One write(), however long: bash's would come in pieces.
huge_write() {
	local before said size
	before=$(all_limits)
	for size in 70000 1048576; do
		yes "numproc 11 12" | head -c "$size" >"$talk_folder/huge"
		! said=$(LC_ALL=C dd if="$talk_folder/huge" of="$proc/$id/resources" bs=1M conv=notrunc 2>&1) ||
			fail "$size bytes are accepted" || return
		expect_match "the answer to $size bytes" "Invalid argument" "$said" || return
		expect "limits after $size bytes" "$before" "$(all_limits)" || return
	done
	printf 'numproc 5\0 6\n' >"$talk_folder/zero"
	! dd if="$talk_folder/zero" of="$proc/$id/resources" bs=1M conv=notrunc 2>/dev/null ||
		fail "a zero byte is accepted" || return
	expect "limits after a zero byte" "$before" "$(all_limits)"
}

all_unlimited() {
	local resource lines=()
	for resource in "${charged[@]}"; do
		lines+=("$resource unlimited unlimited")
	done
	set_limits "$id" "${lines[@]}" reset
}

# --- what is counted in pieces

held_is() { [ "$(resource "$id" "$1" held)" = "$2" ]; }
expect_held() { # resource, number; what RCU frees comes some moments later
	poll 20 held_is "$1" "$2" || fail "$1: held should be $2, is $(resource "$id" "$1" held)"
}

# What the probe has by itself: it, and the file it was started from, on overlayfs with
# the one below. It is only this where all is freed that was given back.
declare -A base=([numproc]=1 [numfile]=1 [numflock]=0 [numsiginfo]=0 [numtcpsock]=0 [numothersock]=0
	[numpty]=0)
base[numfile]=$(own_files "$programs/limit_probe")

give_all_back() {
	local kind
	for kind in process file tcp tcp6 udp unix netlink pty flock posix-lock signal message; do
		tell probe free "$kind" 20000 || return
	done
	all_unlimited
}

expect_answer() { # what is asked, made, errno
	expect "answer to '$1'" "made=$2 errno=$3" "$ANSWER"
}

last_refusal() { column "$proc/$id/refusals" "$1" | head -n 1; }

# exact RESOURCE KIND ERRNO SITE
exact() {
	local resource=$1 kind=$2 errno=$3 site=$4 room=7 limit
	give_all_back || return
	expect_held "$resource" "${base[$resource]}" || return
	limit=$((base[$resource] + room))
	set_limits "$id" reset "$resource $limit $limit" || return

	tell probe make "$kind" 100 || return
	expect_answer "make $kind 100" "$room" "$errno" || return
	expect held "$limit" "$(resource "$id" "$resource" held)" || return
	expect maxheld "$limit" "$(resource "$id" "$resource" maxheld)" || return
	expect failcnt 1 "$(resource "$id" "$resource" failcnt)" || return
	refusal_names "$resource" "$site" || return

	tell probe make "$kind" 1 || return
	expect_answer "make $kind 1, at the limit" 0 "$errno" || return
	tell probe free "$kind" 1 && tell probe make "$kind" 2 || return
	expect_answer "make $kind 2, when one was given back" 1 "$errno" || return
	expect held "$limit" "$(resource "$id" "$resource" held)" || return
	expect maxheld "$limit" "$(resource "$id" "$resource" maxheld)" || return
	failcnt_everywhere "$resource" 3 || return
	tell probe free "$kind" 1 || return
	expect_held "$resource" $((limit - 1)) || return

	set_limits "$id" "$resource unlimited unlimited" || return
	tell probe make "$kind" 20 || return
	expect_answer "make $kind 20, unlimited" 20 0 || return
	tell probe free "$kind" 1000 || return
	expect_held "$resource" "${base[$resource]}" || return
	expect "failcnt at the end" 3 "$(resource "$id" "$resource" failcnt)"
}

refusal_names() { # resource, site
	expect "refusals: resource" "$1" "$(last_refusal resource)" || return
	expect "refusals: task" limit_probe "$(last_refusal task)" || return
	expect "refusals: pid" "$(container_column "$id" init)" "$(last_refusal pid)" || return
	expect_match "refusals: cause" '^(barrier|limit)$' "$(last_refusal cause)" || return
	expect_match "refusals: bytes" '^[1-9][0-9]*$' "$(last_refusal bytes)" || return
	expect_match "refusals: age" '^[0-9]+$' "$(last_refusal age)" || return
	expect_match "refusals: site" "^($2)\\+0x[0-9a-f]+(\\[|$)" "$(last_refusal site)"
}

failcnt_everywhere() { # resource, number; no other resource was refused anything
	expect "failcnt in ID/resources" "$2" "$(resource "$id" "$1" failcnt)" || return
	expect "failcnt in containers" "$2" "$(container_column "$id" failcnt)" || return
	[ ! -e /proc/user_beancounters ] || expect "failcnt in /proc/user_beancounters" "$2" \
		"$("$programs/parse_beancounters" /proc/user_beancounters |
			awk -v id="$id" -v name="$1" '$1 == id && $2 == name { print $7 }')"
}

# A POSIX lock takes two more for a moment, so it may be refused below the limit.
posix_locks() {
	give_all_back || return
	set_limits "$id" reset "numflock 10 10" || return
	tell probe make posix-lock 100 || return
	expect_match "answer to 'make posix-lock 100'" '^made=([89]|10) errno=ENOLCK$' "$ANSWER" || return
	[ "$(resource "$id" numflock maxheld)" -le 10 ] || fail "maxheld is above the limit" || return
	tell probe free posix-lock 3 && tell probe make posix-lock 1 || return
	expect_answer "make posix-lock 1, when three were given back" 1 0 || return
	set_limits "$id" "numflock unlimited unlimited" && tell probe free posix-lock 100 && expect_held numflock 0
}

# IPv6 says it in another way, other families are another resource.
other_sockets() {
	local six=tcp6 errno=ENOBUFS
	[ -e /proc/net/tcp6 ] || six=tcp errno=ENOMEM	# a kernel without IPv6
	give_all_back || return
	set_limits "$id" reset "numtcpsock 3 3" || return
	tell probe make tcp 2 && tell probe make "$six" 9 || return
	expect_answer "make $six 9, one being left" 1 "$errno" || return
	tell probe make udp 9 || return
	expect_answer "make udp 9" 9 0 || return
	tell probe make unix 4 && expect_answer "make unix 4" 4 0 || return
	expect numothersock 13 "$(resource "$id" numothersock held)" || return
	set_limits "$id" "numothersock 15 15" || return
	tell probe make netlink 9 && expect_answer "make netlink 9, two being left" 2 ENOMEM || return
	tell probe make unix 1 && expect_answer "make unix 1, none being left" 0 ENOMEM || return
	tell probe free netlink 9 && tell probe free unix 9 && tell probe free udp 9 || return
	tell probe free tcp 9 && tell probe free tcp6 9 || return
	expect_held numtcpsock 0 && expect_held numothersock 0 && all_unlimited
}

# Hard ones fail above the barrier, and say so.
barrier_is_it() {
	give_all_back && expect_held numfile "${base[numfile]}" || return
	set_limits "$id" reset "numfile $((base[numfile] + 3)) $((base[numfile] + 9))" || return
	tell probe make file 20 || return
	expect_answer "make file 20" 3 ENOMEM || return
	expect "refusals: cause" barrier "$(last_refusal cause)" || return
	tell probe free file 9 && expect_held numfile "${base[numfile]}" && all_unlimited
}

# Below what is held: nothing happens to that, more is refused until it is less.
lowered() {
	give_all_back && expect_held numfile "${base[numfile]}" || return
	tell probe make file 10 || return
	becomes "numfile $((base[numfile] + 5)) $((base[numfile] + 5))" numfile $((base[numfile] + 5)) \
		$((base[numfile] + 5)) || return
	expect held $((base[numfile] + 10)) "$(resource "$id" numfile held)" || return
	tell probe make file 1 && expect_answer "make file 1, five above" 0 ENOMEM || return
	tell probe free file 5 && tell probe make file 1 && expect_answer "make file 1, at the limit" 0 ENOMEM || return
	tell probe free file 1 && tell probe make file 2 && expect_answer "make file 2, one below" 1 ENOMEM || return
	tell probe free file 100 && expect_held numfile "${base[numfile]}" && all_unlimited
}

nothing_at_all() {
	give_all_back || return
	set_limits "$id" reset "numsiginfo 0 0" || return
	tell probe make signal 1 && expect_answer "make signal 1, limit 0" 0 EAGAIN && all_unlimited
}

reset_clears() {
	local wrong before
	give_all_back && expect_held numfile "${base[numfile]}" || return
	set_limits "$id" "numfile $((base[numfile] + 2)) $((base[numfile] + 2))" || return
	tell probe make file 9 && tell probe free file 9 && expect_held numfile "${base[numfile]}" || return
	[ "$(container_column "$id" failcnt)" -gt 0 ] || fail "nothing to reset" || return
	before=$(all_limits)
	set_limits "$id" reset || return
	wrong=$(awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["failcnt"] || $at["forced"] || $at["waited"] || $at["held"] != $at["maxheld"]' "$proc/$id/resources")
	[ -z "$wrong" ] || fail "not reset: $wrong" || return
	expect "failcnt in containers" 0 "$(container_column "$id" failcnt)" || return
	expect "limits after a reset" "$before" "$(all_limits)" && all_unlimited
}

# One resource refuses, another one had room: that one's maxheld does not show it.
refused_by_another() {
	give_all_back && expect_held numfile "${base[numfile]}" || return
	set_limits "$id" "kmemsize 0 0" "numfile 1000 1000" reset || return
	tell probe make file 3 && expect_answer "make file 3" 0 ENOMEM || return
	expect "failcnt of kmemsize" 1 "$(resource "$id" kmemsize failcnt)" || return
	expect "failcnt of numfile" 0 "$(resource "$id" numfile failcnt)" || return
	expect "held of numfile" "${base[numfile]}" "$(resource "$id" numfile held)" || return
	expect "maxheld of numfile" "${base[numfile]}" "$(resource "$id" numfile maxheld)" || return
	expect "refusals: resource" kmemsize "$(last_refusal resource)" && all_unlimited
}

# A limit is one container's. It is no matter of the host's tasks or another's.
others_untouched() {
	give_all_back || return
	set_limits "$id" reset "numfile 0 0" "numproc 0 0" "kmemsize 0 0" "numtcpsock 0 0" || return
	tell probe make file 1 && expect_answer "make file 1" 0 ENOMEM || return
	start_host_talker host -- "$programs/limit_probe" || return
	start_talker neighbour -- "$programs/limit_probe" || return
	local who kind
	for who in host neighbour; do
		for kind in file process tcp signal message; do
			tell "$who" make "$kind" 50 || return
			expect "$who: answer to 'make $kind 50'" "made=50 errno=0" "$ANSWER" || return
		done
	done
	expect "the neighbour's failcnt" 0 "$(container_column "${talk_id[neighbour]}" failcnt)" || return
	end_talker host && end_clean neighbour && all_unlimited
}

refusals_keep_sixteen() {
	local i
	give_all_back && set_limits "$id" reset "numsiginfo 1 1" || return
	for ((i = 0; i < 20; i++)); do
		tell probe make signal 2 || return
	done
	expect "rows in ID/refusals" 16 "$(column "$proc/$id/refusals" resource | wc -l)" || return
	expect "of numsiginfo" 16 "$(column "$proc/$id/refusals" resource resource=numsiginfo | wc -l)" || return
	expect failcnt 20 "$(resource "$id" numsiginfo failcnt)" || return
	tell probe free signal 9 && all_unlimited
}

log_says_who() {
	grep -qE "beancounter: container $id: [1-9][0-9]* charges refused; last numsiginfo of limit_probe\[[0-9]+\] at __sigqueue_alloc\+0x" \
		<(dmesg)
}

log_line() { in_time 20 log_says_who || fail "the log does not say who was refused:" "$(dmesg | tail -n 5)"; }

trace_event() {
	local tracing=/sys/kernel/tracing instance status=0
	[ -d "$tracing/events/beancounter" ] || fail "no $tracing/events/beancounter" || return
	instance=$tracing/instances/limits-$$
	mkdir "$instance" && echo 1 >"$instance/events/beancounter/charge_refused/enable" || return
	give_all_back && set_limits "$id" "numsiginfo 2 2" && tell probe make signal 9 || status=1
	grep charge_refused: "$instance/trace" >"$talk_folder/trace"
	rmdir "$instance"
	tell probe free signal 9 && all_unlimited || status=1
	[ "$status" -eq 0 ] || return
	expect "events" 1 "$(wc -l <"$talk_folder/trace")" || return
	expect_match "the event" "limit_probe-.*id=$id resource=numsiginfo cause=barrier bytes=[1-9][0-9]* site=__sigqueue_alloc\\+0x" \
		"$(cat "$talk_folder/trace")"
}

probe_is_clean() { end_clean probe && expect_healthy; }

# --- tasks that come from outside, sockets that come from the network

entering() {
	local init entered
	start_talker shell -- sh -c 'read -r line' || return
	id=${talk_id[shell]}
	expect_held numproc 1 || return
	init=$(container_column "$id" init)
	nsenter --target "$init" --pid --mount sleep 1000 &
	entered=$!
	expect_held numproc 2 || return
	# Who comes from outside is not refused, but counted and said to be forced; inside, it is.
	set_limits "$id" reset "numproc 2 2" || return
	nsenter --target "$init" --pid --mount true || fail "a task cannot enter" || return
	expect "forced in" 1 "$(resource "$id" numproc forced)" || return
	! nsenter --target "$init" --pid --mount sh -c 'true & wait' 2>/dev/null ||
		fail "a task that entered above the limit forks" || return
	[ "$(resource "$id" numproc failcnt)" -gt 0 ] || fail "failcnt is 0" || return
	pkill -KILL -P "$entered"
	wait "$entered" 2>/dev/null
	expect_held numproc 1 && end_clean shell
}

has_accepted() { tell "$1" make accept 1000 && accepted=$((accepted + $(said made))) && [ "$accepted" -ge "$2" ]; }

# connected CLIENT SERVER NUMBER: so many connections, all accepted.
connected() {
	local port accepted=0
	tell "$2" listen && [ "$(said port)" -gt 0 ] || fail "$2 cannot listen: $ANSWER" || return
	port=$(said port)
	tell "$1" connect "$port" "$3" || return
	expect "$1: answer to connect" "made=$3 errno=0" "$ANSWER" || return
	poll 20 has_accepted "$2" "$3" || fail "$accepted of $3 connections are accepted"
}

expect_tcp() { # talker, number
	id=${talk_id[$1]}
	expect_held numtcpsock "$2" || fail "... of $1"
}

# The host's network remembers routes and neighbours: it shall have looked first.
warm_network() {
	start_host_talker warm -- "$programs/limit_probe" && connected warm warm 1 && end_talker warm
}

server_counts() { # client, "" or --net
	local client=$1 number=12 more=0
	shift
	warm_network || return
	start_talker server "$@" -- "$programs/limit_probe" || return
	case $client in
	server) more=$number ;;
	host) start_host_talker host -- "$programs/limit_probe" || return ;;
	*) start_talker client "$@" -- "$programs/limit_probe" || return ;;
	esac
	connected "$client" server "$number" || return
	expect_tcp server $((number + more + 1)) || return
	[ "$client" != client ] || expect_tcp client "$number" || return
	tell "$client" free connect 1000 && tell server free accept 1000 || return
	expect_tcp server 1 || return
	case $client in
	host) end_talker host || return ;;
	client) end_clean client || return ;;
	esac
	end_clean server
}

# Connections come in softirqs and are never refused, but counted, and said to be forced.
server_limited() {
	local accepted=0 port
	start_talker server --net -- "$programs/limit_probe" || return
	id=${talk_id[server]}
	tell server listen || return
	port=$(said port)
	# The listener, a client and what the server has of it, a second client: and there comes a fifth.
	set_limits "$id" reset "numtcpsock 4 4" || return
	tell server connect "$port" 6 || return
	expect "answer to connect" "made=2 errno=ENOMEM" "$ANSWER" || return
	poll 20 has_accepted server 2 || fail "$accepted of 2 connections are accepted" || return
	expect held 5 "$(resource "$id" numtcpsock held)" || return
	expect forced 1 "$(resource "$id" numtcpsock forced)" || return
	expect failcnt 1 "$(resource "$id" numtcpsock failcnt)" || return
	tell server free accept 9 && tell server free connect 9 && expect_held numtcpsock 1 && end_clean server
}

# Who frees memory by his I/O may ask not to be sent to do I/O for it, for his life. It is no way out of a limit.
io_flusher() {
	command -v beanctl >/dev/null || skip "beanctl is not on PATH" || return
	expect_match "opened, and the error" '^[1-4][0-9] ENOMEM$' "$(beanctl run --limit numfile=50:50 -- python3 -c 'import ctypes, errno, os
opened = 0
try:
    os.close(os.open("/dev/null", os.O_RDONLY))
    assert ctypes.CDLL(None).prctl(57, 1, 0, 0, 0) == 0 # PR_SET_IO_FLUSHER
    while opened < 200:
        os.open("/dev/null", os.O_RDONLY)
        opened += 1
except OSError as error:
    print(opened, errno.errorcode[error.errno])')"
}

need_module
need_programs
warm_up
start_talker probe -- "$programs/limit_probe" || exit 1
id=${talk_id[probe]}

ktap_plan 35
talk_test "what may be written" good_writes
talk_test "every resource that is charged can be limited" every_resource
talk_test "a barrier above the limit is refused" barrier_above_limit
talk_test "resources that are not known or not charged are refused" unknown_resources
talk_test "numbers that are none, or too large, are refused" bad_numbers
talk_test "lines of another form are refused" bad_forms
talk_test "one bad line among good ones: nothing changes" one_bad_line
talk_test "a write that is too long is refused" huge_write
talk_test "all unlimited again" all_unlimited
talk_test "numproc is exact" exact numproc process ENOMEM 'dup_task_struct|copy_process'
talk_test "numfile is exact" exact numfile file ENOMEM '(__)?alloc_(empty_)?file'
talk_test "numtcpsock is exact" exact numtcpsock tcp ENOMEM 'sk_prot_alloc|sk_alloc'
talk_test "numothersock is exact" exact numothersock unix ENOMEM 'sk_prot_alloc|sk_alloc'
talk_test "numflock is exact" exact numflock flock ENOMEM 'locks_alloc_lock|flock_lock_inode'
talk_test "numsiginfo is exact" exact numsiginfo signal EAGAIN '__sigqueue_alloc'
talk_test "numpty is exact" exact numpty pty ENOMEM 'alloc_tty_struct'
talk_test "POSIX locks" posix_locks
talk_test "sockets of other families" other_sockets
talk_test "a barrier below the limit is what counts" barrier_is_it
talk_test "a limit may be set below what is held" lowered
talk_test "a limit of nothing" nothing_at_all
talk_test "reset clears what has been, and no limit" reset_clears
talk_test "what one resource refuses is not in another one's maxheld" refused_by_another
talk_test "the host and the neighbour are untouched" others_untouched
talk_test "the last 16 refusals are kept" refusals_keep_sixteen
talk_test "the log says who was refused what, and where" log_line
talk_test "each refusal is a trace event" trace_event
talk_test "the container that did all this is clean" probe_is_clean
talk_test "one shell is one process, one that enters a second" entering
talk_test "a server's connections count, with itself" server_counts server --net
talk_test "a server's connections count, with another container" server_counts client
talk_test "a server's connections count, with the host" server_counts host
talk_test "a server's connections are limited" server_limited
talk_test "who does I/O to free memory has his limit" io_flusher
talk_test "nothing was missed" expect_healthy
ktap_end
