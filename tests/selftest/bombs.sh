#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A container with 8 MiB of kmemsize that takes all it can get: it gets its ENOMEM,
# and nobody else anything. For a machine of 512 MiB (scripts/vm --mem 512M).
#
# A bomb also burns processor time, and so would anybody: that is the scheduler's to
# share out. So bomb, neighbour and host have cgroups of equal weight, and what the
# neighbour and the host do beside the bomb is compared with what they do beside a
# harmless container that burns as much: what the bomb does beyond that is what is
# missing. Both stand ready and run by short turns, the other one frozen. Run it with
# scripts/vm --icount: then time is counted in instructions of the guest, and what else
# the real machine does meanwhile does not show. Without that, how fast the machine was in
# the one's turns and in the other's, a program that only computes tells, in operations for
# a second of its processor time, and what the others did is divided by it. Both ratios are
# shown.
#
#   BOMBS                      which (fork fd socket keyring message vma)
#   BOMB_TURNS, BOMB_TURN_MS   turns, how long one is (4, 200)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./talk.sh

declare -A names=([fork]="fork" [fd]="file-descriptor" [socket]="socket" [keyring]="keyring" [message]="System V message" [vma]="mapping")
read -r -a bombs <<<"${BOMBS:-fork fd socket keyring message vma}"
turns=${BOMB_TURNS:-4}
turn_ms=${BOMB_TURN_MS:-200}
cpus=$(nproc)
limit=$((8 * 1024 * 1024))
workers=(neighbour host)
measures=()	# that only compute, one for each processor
trap 'rm -rf "$talk_folder"' EXIT

# One round: adds what each did to bomb[] and spin[], keeps the longest stalls.
declare -A bomb=() spin=() stall_bomb=() stall_spin=() failed=()
round() {
	local who pipes=()
	for who in "${workers[@]}" "${measures[@]}"; do
		pipes+=("$talk_folder/$who.in" "$talk_folder/$who.out")
	done
	"$programs/turns" "$turns" "$turn_ms" "${talk_cgroup[bomb]}" "${talk_cgroup[spin]}" "${pipes[@]}" \
		>"$talk_folder/turns" || return
	exec 9<"$talk_folder/turns"
	for who in "${workers[@]}" "${measures[@]}"; do
		read -r -u 9 ANSWER || fail "turns says nothing of $who" || return
		[[ $who != measure* ]] || who=measure
		bomb[$who]=$((${bomb[$who]-0} + $(said a)))
		spin[$who]=$((${spin[$who]-0} + $(said b)))
		failed[$who]=$((${failed[$who]-0} + $(said failed_a)))
		[ "${stall_bomb[$who]-0}" -ge "$(said stall_a)" ] || stall_bomb[$who]=$(said stall_a)
		[ "${stall_spin[$who]-0}" -ge "$(said stall_b)" ] || stall_spin[$who]=$(said stall_b)
	done
	exec 9<&-
}

percent() { echo $((100 * ${bomb[$1]} * ${spin[measure]} / (${spin[$1]} * ${bomb[measure]}))); }
go_on() { [ "$(percent neighbour)" -ge 90 ] && [ "$(percent host)" -ge 90 ]; }

# Beside the bomb, from its first moment on.
disturbed() {
	local who
	start_host_talker sampler -- "$programs/sample_held" "$proc/$id/resources" kmemsize 20000 || return
	bomb=() spin=() stall_bomb=() stall_spin=() failed=()
	send bomb go
	round || return
	answer_of bomb || return
	echo "the bomb: $ANSWER, failcnt $(resource "$id" kmemsize failcnt), waited $(resource "$id" kmemsize waited)"
	# ENFILE is what the kernel says where there is no memory for a socket's inode.
	expect_match "the bomb's word" '^made=[1-9][0-9]* errno=(ENOMEM|ENFILE)$' "$ANSWER" || return
	send sampler stop && answer_of sampler || return
	echo "kmemsize: $ANSWER"
	expect "bytes above 8 MiB and what was forced" 0 "$(said over)" || return
	[ "$(said maxheld)" -le $((limit + $(said forced))) ] || fail "maxheld is above the limit" || return
	[ "$(resource "$id" kmemsize failcnt)" -gt 0 ] || fail "failcnt is 0" || return
	for who in "${workers[@]}"; do
		echo "$who: ${bomb[$who]} operations beside the bomb, ${spin[$who]} beside the harmless one:" \
			"$((100 * ${bomb[$who]} / ${spin[$who]})) %, $(percent "$who") % at the same speed of the machine;" \
			"longest stall $((${stall_bomb[$who]} / 1000)) ms, $((${stall_spin[$who]} / 1000)) ms"
		expect "$who: system calls that were refused" 0 "${failed[$who]}" || return
	done
	go_on || fail "they are held up"
}

bomb() { # kind
	local status=0
	start_talker bomb -- "$programs/bomb" "$1" "$cpus" || return
	id=${talk_id[bomb]}
	set_limits "$id" "kmemsize 8M 8M" || return
	disturbed || status=1
	# A frozen init does not reap.
	echo 0 >"${talk_cgroup[bomb]}/cgroup.freeze"
	[ -z "${talk_to[sampler]-}" ] || end_talker sampler
	end_clean bomb || status=1
	return "$status"
}

still_there() {
	local who
	expect "the neighbour's failcnt" 0 "$(container_column "${talk_id[neighbour]}" failcnt)" || return
	echo 0 >"${talk_cgroup[spin]}/cgroup.freeze"
	for who in spin host "${measures[@]}"; do
		end_talker "$who" || return
	done
	end_clean neighbour && expect_healthy
}

# start_host_worker NAME CGROUP CPU [compute]
start_host_worker() {
	mkdir -p "$cgroup_root/$2" && start_host_talker "$1" -- taskset -c "$3" "$programs/worker" "${@:4}" || return
	echo "${talk_pid[$1]}" >"$cgroup_root/$2/cgroup.procs"
}

need_module
need_programs
warm_up
[ -e "$cgroup_root/cpu.stat" ] && grep -qw cpu "$cgroup_root/cgroup.subtree_control" ||
	ktap_skip_all "no cpu controller in $cgroup_root/cgroup.subtree_control"

# The neighbour and the host have a processor each to share, where there are two.
start_talker spin -- "$programs/bomb" spin "$cpus" || exit 1
send spin go
start_talker neighbour -- taskset -c 0 "$programs/worker" || exit 1
start_host_worker host bombs-host $((cpus - 1)) || exit 1
for ((cpu = 0; cpu < cpus; cpu++)); do
	measures+=("measure$cpu")
	start_host_worker "measure$cpu" bombs-measure "$cpu" compute || exit 1
done
# The first time is not counted: memory is fresh, code is not cached.
for who in "${workers[@]}"; do
	tell "$who" 300 || exit 1
done

ktap_plan $((${#bombs[@]} + 1))
for kind in "${bombs[@]}"; do
	talk_test "a ${names[$kind]} bomb" bomb "$kind"
done
talk_test "the neighbour is clean and was refused nothing" still_there
rmdir "$cgroup_root/bombs-host" "$cgroup_root/bombs-measure"
ktap_end
