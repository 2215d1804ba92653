#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   column.sh NAME
#
# One column of the table of costs, in a boot of its own: what was used in a boot once (memcg's accounting, a tracer) leaves
# switches behind. For scripts/vm --icount --no-module --append init_on_alloc=0.
. "$(dirname "$0")/../bench/lib.sh"
column=$1
pairs=/proc/bench/pairs

# rows pairs|syscalls [COLUMN]: what /proc/bench or bench_syscalls have said, as lines of the bench.
rows() {
	local kind=$1 column=${2:-$column} name a b c d
	while read -r name a b c d; do
		case $kind,$a in
		*,failed) missing "$b of its allocations failed" "column=$column" "row=$name" ;;
		pairs,*) say "column=$column" "row=$name" "total=$a" "pairs=$b" ${c:+"seen=$c" "seen_frees=$d"} ;;
		syscalls,*) say "column=$column" "row=$name" "median=$a" "least=$b" ${counter:+"objects=$c"} ;;
		esac
	done <"$bench_folder/out"
}

counter=''
host() {
	cat "$pairs" >"$bench_folder/out" && rows pairs
	"$programs/bench_syscalls" "$bench_folder" >"$bench_folder/out" && rows syscalls
}

syscalls_in_container() {
	[ "$column" != tracer ] || counter=/proc/bench_tracer
	in_container "$programs/bench_syscalls" "$bench_folder" $counter
	go
}

container() {
	in_container cat "$pairs"
	go
	rows pairs
	syscalls_in_container
	rows syscalls
}

# That nothing was refused is half of it. The other half: a little more is, so it was near all the while.
near() { # kind, command
	local kind=$1
	shift
	# shellcheck disable=SC2016
	in_container /bin/sh -c '"$@" && ! echo 40 4096 2>/dev/null >/proc/bench_hold' sh "$@"
	near_limit "$CONTAINER_ID"
	go
	expect "refusals of the container near its limit, the last one's 160 KiB" 1 "$(resource "$CONTAINER_ID" kmemsize failcnt)" >&2 ||
		exit 1
	echo 0 >/proc/bench_hold
	rows "$kind"
}

load bench
case $column in
bare)
	host
	# A task in a pid namespace does more by itself when it forks: this is what a container's columns are compared with.
	syscalls_in_container
	rows syscalls bare_container
	;;
host)
	load_beancounter
	host
	;;
container)
	load_beancounter
	container
	;;
near)
	load_beancounter
	load bench_hold
	near pairs cat "$pairs"
	near syscalls "$programs/bench_syscalls" "$bench_folder"
	;;
stacks)
	if ! modinfo -p "$repo/build/$KERNEL/beancounter.ko" | grep -q '^stacks:'; then
		missing "this beancounter.ko has no parameter stacks" "column=$column"
		exit 0
	fi
	load_beancounter stacks=1
	container
	;;
memcg)
	pairs=/proc/bench/account
	mkdir "$cgroup_root/bench" && echo "$BASHPID" >"$cgroup_root/bench/cgroup.procs" || give_up "no memory cgroup"
	[ -e "$cgroup_root/bench/memory.max" ] || give_up "no memory controller"
	host
	;;
tracer)
	load bench_tracer
	container
	;;
bpftrace)
	if ! command -v bpftrace >/dev/null; then
		missing "bpftrace is not installed" "column=$column"
		exit 0
	fi
	# memleak's job: what containers' tasks have allocated and not freed, by address.
	BPFTRACE_MAP_KEYS_MAX=262144 bpftrace -e '
		tracepoint:kmem:kmalloc, tracepoint:kmem:kmem_cache_alloc
		/((struct task_struct *)curtask)->thread_pid->level > 0/
		{ @live[args->ptr] = (args->call_site, args->bytes_alloc); }
		tracepoint:kmem:kfree, tracepoint:kmem:kmem_cache_free { delete(@live[args->ptr]); }
		BEGIN { printf("attached\n"); }
		END { clear(@live); }' >"$bench_folder/bpftrace" 2>&1 &
	tracer=$!
	# The machine's clock leaps over what its disk takes: no time-out but that of scripts/vm.
	until grep -q attached "$bench_folder/bpftrace"; do
		kill -0 "$tracer" 2>/dev/null || {
			missing "bpftrace ended: $(tail -n 1 "$bench_folder/bpftrace")" "column=$column"
			exit 0
		}
		sleep 0.1
	done
	container
	kill -INT "$tracer"
	wait "$tracer"
	;;
*) give_up "no such column: $column" ;;
esac
