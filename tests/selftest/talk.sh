# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Workloads that are told what to do, a line at a time, and answer each line with
# one: so that nothing else of a container moves meanwhile, as a shell that starts
# programs would. Sourced after lib.sh and containers.sh.

talk_folder=$(mktemp -d /tmp/talk.XXXXXX)
declare -A talk_to=() talk_from=() talk_pid=() talk_id=() talk_cgroup=()

talk_open() { # name: fifos, opened for both, or the opening waits for the other side
	local fd
	rm -f "$talk_folder/$1.in" "$talk_folder/$1.out"
	mkfifo "$talk_folder/$1.in" "$talk_folder/$1.out"
	exec {fd}<>"$talk_folder/$1.in"
	talk_to[$1]=$fd
	exec {fd}<>"$talk_folder/$1.out"
	talk_from[$1]=$fd
	own_fds+=("${talk_to[$1]}" "${talk_from[$1]}")
}

# start_talker NAME [start_container's options] -- COMMAND...: in a container.
start_talker() {
	local name=$1
	shift
	talk_open "$name"
	start_container --in "$talk_folder/$name.in" --out "$talk_folder/$name.out" "$@" || return
	talk_pid[$name]=$CONTAINER_PID talk_id[$name]=$CONTAINER_ID talk_cgroup[$name]=$CONTAINER_CGROUP
}

# start_host_talker NAME -- COMMAND...: on the host.
start_host_talker() {
	local name=$1
	shift 2
	talk_open "$name"
	(
		exec <"$talk_folder/$name.in" >"$talk_folder/$name.out"
		close_own_fds
		exec "$@"
	) &
	talk_pid[$name]=$! talk_id[$name]=0 talk_cgroup[$name]=
}

send() { # name, words
	echo "${*:2}" >&"${talk_to[$1]}"
}

# The next line it says, in ANSWER: it comes for certain (as with poll()), and is waited for ten minutes at least.
answer_of() { # name, seconds
	local seconds=${2:-600}
	[ "$seconds" -ge 600 ] || seconds=600
	ANSWER=
	read -r -t "$seconds" -u "${talk_from[$1]}" ANSWER || fail "$1 does not answer within $seconds s"
}

# tell NAME WORD...: its answer is in ANSWER.
tell() {
	send "$@" && answer_of "$1"
}

# said KEY: the value in the last answer's KEY=VALUE.
said() {
	local word
	for word in $ANSWER; do
		[ "${word%%=*}" != "$1" ] || echo "${word#*=}"
	done
}

forget_talker() { # name
	local fd to=${talk_to[$1]} from=${talk_from[$1]} kept=()
	exec {to}>&- {from}>&-
	for fd in "${own_fds[@]}"; do
		[ "$fd" = "$to" ] || [ "$fd" = "$from" ] || kept+=("$fd")
	done
	own_fds=("${kept[@]}")
	rm -f "$talk_folder/$1.in" "$talk_folder/$1.out"
	unset "talk_to[$1]" "talk_from[$1]" "talk_pid[$1]" "talk_id[$1]" "talk_cgroup[$1]"
}

# end_talker NAME: kills it; of a container CONTAINER_ID is set, for its verdict.
end_talker() {
	CONTAINER_PID=${talk_pid[$1]} CONTAINER_ID=${talk_id[$1]} CONTAINER_CGROUP=${talk_cgroup[$1]}
	forget_talker "$1"
	if [ "$CONTAINER_ID" = 0 ]; then
		# Its input has ended, it may be gone by itself.
		kill -KILL "$CONTAINER_PID" 2>/dev/null
		wait "$CONTAINER_PID" 2>/dev/null
		return 0
	fi
	kill_container
}

# end_clean NAME: and then nothing may be left.
end_clean() {
	end_talker "$1" || return
	expect_clean "$CONTAINER_ID"
}

# talk_test NAME FUNCTION...: a test that may fail half-way; what it has started and
# the tests before did not, is ended.
talk_test() {
	local name before=" ${!talk_pid[*]} "
	ktap_test "$@"
	for name in "${!talk_pid[@]}"; do
		[[ $before == *" $name "* ]] || end_talker "$name" >/dev/null 2>&1
	done
}
