#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   scale.sh cpus N              charges in a container, far from its limit and near it, N CPUs being possible (--icount --smp N)
#   scale.sh slow N              how often the slow paths are entered when N CPUs charge one container (--smp N, no --icount)
#   scale.sh containers N...     what a change of containers costs when N take turns on one CPU (--icount)
#   scale.sh objects N...        N living objects in one container: charges, memory, reading, stop (--icount)
#   scale.sh sizes N SIZE...     what the ledger needs for N objects of a size, or as many as 512 MiB hold (--icount)
#   scale.sh stop N              the report of N survivors by the clock on the wall (no --icount)
#
# For scripts/vm --no-module --append init_on_alloc=0.
. "$(dirname "$0")/../bench/lib.sh"

# churning READS CPUS: in a container that is far or near, as $mode says. It holds 64 KiB of objects a CPU at a time.
margin=81920
churning() {
	local too_much=()
	[ "$mode" = far ] || too_much=($((margin * 5 / 4 * possible)))
	start_container --no-cgroup --out "$bench_folder/out" -- "$programs/bench_churn" "$bench_folder/go" "$1" "$2" \
		"${too_much[@]}" || give_up "the container does not start"
	exec 8>"$bench_folder/go" # opened when all its processes are there
}
begin_near() {
	local most
	[ "$mode" = near ] || return 0
	# Counted exactly from 96 KiB a CPU below the barrier: all the while, and what is asked for in the end is too much.
	most=$(($(resource "$CONTAINER_ID" kmemsize held) + margin * possible))
	set_limits "$CONTAINER_ID" "kmemsize $most $most" || give_up "no limit"
}
end_churning() { # charges
	local charges
	echo go >&8
	exec 8>&-
	end_container
	[ "$CONTAINER_STATUS" -eq 0 ] || give_up "$mode: the container's command ended with $CONTAINER_STATUS"
	echo 0 >/proc/bench_hold
	charges=$(awk '{ n += $2 } END { print n }' "$bench_folder/out")
	[ "$charges" -eq "$1" ] || give_up "$mode: $charges of $1 allocations were not refused"
}

# read_file ARGUMENT...: file, took, bytes, wait and pair of the one file.
read_file() {
	read -r file took bytes wait pair < <("$programs/bench_read" "$@")
	[ -n "$pair" ] || give_up "bench_read $* ended"
}

cpus() {
	local per_thousand charges
	echo go >"$bench_folder/go" &
	"$programs/bench_churn" "$bench_folder/go" 20 1 >"$bench_folder/out"
	read -r per_thousand charges <"$bench_folder/out"
	say table=cpus "cpus=$possible" mode=bare "per_thousand=$per_thousand"
	load_beancounter
	for mode in far near; do
		churning 20 1
		begin_near
		end_churning 20000
		read -r per_thousand charges <"$bench_folder/out"
		say table=cpus "cpus=$possible" "mode=$mode" "per_thousand=$per_thousand"
	done
}

# The core's functions that its sources call cold, by what the object file has in that section.
cold_functions() {
	objdump -t "$repo/build/$KERNEL/beancounter.ko" |
		awk '$4 == ".text.unlikely" && $3 == "F" { print $NF }
			$3 == ".text.unlikely" { print $NF }' | grep -E '^(_ZN2bc|bc_gated_)' | grep -vE '\.cold'
}

slow() {
	local functions
	functions=$(cold_functions | paste -sd,)
	[ -n "$functions" ] || give_up "no cold functions in beancounter.ko"
	load_beancounter
	for mode in far near; do
		churning 50 "$possible"
		begin_near
		load bench_slow "functions=$functions"
		end_churning $((50000 * possible))
		say table=slow "cpus=$possible" "mode=$mode" "charges=$((50000 * possible))" \
			"$(awk '$2 != 0 { print $1 "=" $2 }' /proc/bench_slow | short_names | paste -sd' ')"
		rmmod bench_slow
	done
}

# _ZN2bc4foldE...=12 -> fold=12
short_names() {
	c++filt | sed -E 's/\(anonymous namespace\)::|bc::|^void //g; s/(\(.*\)( const)?)?( \[clone [^]]*\])*(\.(constprop|isra|part)\.[0-9]+)*=/=/'
}

containers() {
	local n first second
	load_beancounter
	for n in "$@"; do
		"$programs/bench_switch" /proc/bench/switch "$n" 4 </dev/null >"$bench_folder/out" || give_up "bench_switch $n"
		read -r first second <"$bench_folder/out"
		say table=containers "containers=$n" "first=$first" "second=$second"
	done
}

churned() { [ "$(wc -l <"$bench_folder/out")" -ge "$1" ]; } # reads

# What the living ones cost, then what they cost as survivors.
objects() {
	local n file took bytes wait pair state id at_load after per_thousand
	load_beancounter
	at_load=$(health ledger_bytes)
	for n in "$@"; do
		: >"$bench_folder/out"
		# shellcheck disable=SC2016
		start_container --no-cgroup --out "$bench_folder/out" -- /bin/sh -c '
			[ "$0" -eq 0 ] || echo "$0 64" >/proc/bench_hold || exit
			dd if=/proc/bench/churn bs=64 count=20 2>/dev/null
			read -r word <"$1"' "$n" "$bench_folder/go" || give_up "the container does not start"
		poll 300 churned 20 || give_up "$n objects were not made"
		exec 8>"$bench_folder/go"
		after=$(health ledger_bytes)
		per_thousand=$(awk '{ charges += $1; took += $2 } END { printf "%.1f\n", took * 1000 / charges }' "$bench_folder/out")
		say table=objects "objects=$n" "per_thousand=$per_thousand" "ledger=$((after - at_load))"
		for file in /proc/user_beancounters $proc/{containers,health} "$proc/$CONTAINER_ID"/{resources,refusals,objects,leaks}; do
			read_file --in "/proc/$CONTAINER_PID/ns/pid_for_children" "$file"
			say table=read "objects=$n" "file=${file/$CONTAINER_ID/ID}" "took=$took" "bytes=$bytes" "longest_wait=$wait" "pair=$pair"
		done
		echo 0 >/proc/bench_hold
		exec 8>&-
		end_container
		wait_verdict "$CONTAINER_ID" >&2
		say table=given_back "objects=$n" "ledger=$(($(health ledger_bytes) - at_load))"

		read -r id state took wait < <("$programs/bench_stop" "$n" 64)
		say table=stop "objects=$n" "state=$state" "took=$took"
		for file in "$proc/$id"/{objects,leaks}; do
			read_file "$file"
			say table=read_stopped "objects=$n" "file=${file/$id/ID}" "took=$took" "bytes=$bytes" "longest_wait=$wait"
		done
		echo 0 >/proc/bench_hold
		read -r id state took wait < <("$programs/bench_stop" "$n" 64 watch)
		say table=stop_watched "objects=$n" "state=$state" "longest_wait=$wait"
		echo 0 >/proc/bench_hold
	done
	read_file /proc/version
	say table=read "file=$file" "took=$took" "bytes=$bytes" "longest_wait=$wait"
}

# The module anew for each size: what was made for one size stays, and is used by the next.
sizes() {
	local n=$1 size count at_load ram table
	shift
	ram=$(awk '/ : System RAM$/ { split($1, at, "-"); print "0x" at[1], "0x" at[2] }' /proc/iomem | {
		sum=0
		while read -r from to; do sum=$((sum + to - from + 1)); done
		echo "$sum"
	})
	[ "$ram" -gt 0 ] || give_up "/proc/iomem says nothing of RAM"
	for size in "$@"; do
		count=$((512 << 20))
		count=$((count / size < n ? count / size : n))
		load_beancounter
		table=$(health ledger_bytes)
		# shellcheck disable=SC2016
		start_container --no-cgroup --out "$bench_folder/out" -- /bin/sh -c '
			read -r word <"$2" && echo "$0 $1" >/proc/bench_hold && echo made && read -r word <"$2"' \
			"$count" "$size" "$bench_folder/go" || give_up "the container does not start"
		at_load=$(health ledger_bytes)
		echo go >"$bench_folder/go"
		poll 300 grep -q made "$bench_folder/out" || give_up "$count objects of $size bytes were not made"
		say table=sizes "size=$size" "objects=$count" "ledger=$(($(health ledger_bytes) - at_load))" "table_bytes=$table" "ram=$ram"
		echo 0 >/proc/bench_hold
		go
		rmmod beancounter || give_up "beancounter.ko does not unload"
	done
}

# With one survivor, too: what drains and reading take by themselves.
stop() {
	local n took state id start least
	load_beancounter
	for n in 1 "$1"; do
		read -r id state took _ < <("$programs/bench_stop" "$n" 64)
		[ "$state" = leaked ] || give_up "$n survivors are $state"
		least=''
		for _ in 1 2 3; do
			start=$(date +%s%N)
			cat "$proc/$id/leaks" >"$bench_folder/report" || give_up "no report"
			start=$(($(date +%s%N) - start))
			[ -n "$least" ] && [ "$start" -ge "$least" ] || least=$start
		done
		awk -v n="$n" '$1 == "leaked" && $2 == n { found = 1 } END { exit !found }' "$bench_folder/report" ||
			give_up "the report of $n survivors: $(cat "$bench_folder/report")"
		say table=stop_vm "objects=$n" "took=$took" "report=$least"
		echo 0 >/proc/bench_hold
		wait_verdict "$id" >&2
	done
}

case $1 in
cpus | slow)
	load bench
	load bench_hold
	possible=$2
	[ "$(sed 's/.*-//' /sys/devices/system/cpu/possible)" -eq $((possible - 1)) ] || give_up "not $possible CPUs"
	"$1"
	;;
containers | objects | sizes | stop)
	load bench
	load bench_hold
	"$@"
	;;
*) give_up "what is $1?" ;;
esac
