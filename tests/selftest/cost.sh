#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What charging costs: guest instructions of an allocation and its free, bare, with the hooks for a task of the host, in a
# container, and in a container near its limit, side by side in one boot; and of whole system calls. For scripts/vm --icount --no-module. Every path has its
# budget, below.
. "$(dirname "$0")/lib.sh"
need_programs

# What was measured (Documentation/fast-path.md, instruction by instruction), rounded up by a few percent where it is the compiler's; the
# assembly's is exact, and repeats to the digit. Instructions more than bare, of a pair; of bulk, of one object's pair.
case $KERNEL in
6.12.*) by_page=111 near_by_page=152 ;; # kmalloc() of a variable size: the cache is looked up in the object's page
*) by_page=100 near_by_page=141 ;;      # one hook has every kmalloc(), with the cache as an argument
esac
budgets="
kmalloc_64          host      16 # two trampolines: whose task is it, is anything recorded in this page
kmalloc_64          container 100 # the assembly of trampolines.S alone
kmalloc_64          near      141 # the same: the account that all CPUs share, by one compare-and-exchange
kmalloc_64_variable host      16 # the same
kmalloc_64_variable container $by_page
kmalloc_64_variable near      $near_by_page
kmem_cache          host      16 # the same
kmem_cache          container 100 # the same
kmem_cache          near      141 # the same
bulk_32             host      17 # a look at the page, of each
bulk_32             container 40 # and a slot written and cleared: together.S, and what is done once for all
bulk_32             near      48 # the account, once for all
kmalloc_4k          container 107 # a page's own slot, in its word; 103 to 107 were seen here, by where the objects lie
kmalloc_16k         container 450 # the same, and its caller looked for above the allocator's function
"
mapfile -t budgets < <(grep . <<<"$budgets")

# Whole system calls: thousandths of what they take bare, which is what they are made of. Documentation/fast-path.md counts them.
case $KERNEL in
6.12.*) of_pipe=136 ;; # nine objects, of a call that is a fifth shorter than 6.1's
*) of_pipe=98 ;;
esac
calls="
open_close          host      9
open_close          container 52 # by where its objects lie, 344 to 350 were seen
pipe_close          host      22
pipe_close          watched   45 # the host's, of a user that a container has been, and in pages that hold its objects
pipe_close          container $of_pipe
fork_exit_wait      container 30
"
mapfile -t calls < <(grep . <<<"$calls")

ktap_plan $((1 + ${#budgets[@]} + ${#calls[@]}))
insmod "$test_modules/cost.ko" || ktap_skip_all "no cost.ko: make build/$KERNEL/tests/modules"

# In a container that is 64 KiB below its limit, and stays near it: nothing is forked after the limit has been set.
near_limit() {
	local folder id held
	folder=$(mktemp -d)
	mkfifo "$folder/there" "$folder/go"
	unshare -pf --mount-proc bash -c 'exec 3</proc/cost; echo >"$0/there"; read -r _ <"$0/go"
		mapfile -t lines <&3; printf "%s\n" "${lines[@]}"' "$folder" >"$folder/lines" &
	read -r _ <"$folder/there"
	id=$(awk 'NR == 2 { print $1 }' "$proc/containers")
	held=$(resource "$id" kmemsize held)
	set_limits "$id" "kmemsize $((held + 65536)) $((held + 65536))"
	echo >"$folder/go"
	wait $!
	cat "$folder/lines"
	rm -r "$folder"
}

# The medians. A task in a pid namespace does more by itself when it forks, so both have a bare one of their own.
folder=/run/cost
mkdir "$folder" && mount -t tmpfs cost "$folder" || ktap_skip_all "no tmpfs"
cat "$programs/bench_syscalls" >/dev/null # read before: the clock leaps where the machine waits
of_host() { "$programs/bench_syscalls" "$folder"; }
of_container() { unshare -pf --mount-proc "$programs/bench_syscalls" "$folder"; }

declare -A of
of[bare]=$(cat /proc/cost)
of[bare_calls_host]=$(of_host)
of[bare_calls_container]=$(of_container)
insmod "$repo/build/$KERNEL/beancounter.ko" || ktap_skip_all "beancounter.ko does not load"
of[host]=$(cat /proc/cost)
of[calls_host]=$(of_host) # before a container of the same user: then its references are watched
of[container]=$(unshare -pf --mount-proc cat /proc/cost)
of[near]=$(near_limit)
of[calls_container]=$(of_container)
of[calls_watched]=$(of_host)
of[bare_calls_watched]=${of[bare_calls_host]}

value() { awk -v k="$2" '$1 == k { print $2 }' <<<"${of[$1]}"; }
call_more() { echo $(($(value "calls_$1" "$2") - $(value "bare_calls_$1" "$2"))); }
more() { echo $(($(value "$1" "$2") - $(value bare "$2"))); }

printf '# %-20s %8s %8s %9s %8s\n' "instructions a pair" bare host container near
for name in $(awk '{ print $1 }' <<<"${of[bare]}"); do
	printf '# %-20s %8d %+8d %+9d %+8d\n' "$name" "$(value bare "$name")" "$(more host "$name")" \
		"$(more container "$name")" "$(more near "$name")"
done

clock_counts() {
	local nops
	nops=$(value bare nops_1000)
	[ "$nops" -ge 990 ] && [ "$nops" -le 1010 ] || fail "1000 nops took $nops: not a machine that counts instructions (scripts/vm --icount)"
}
within() { # path, whose, at most
	[ -n "$(value "$2" "$1")" ] || fail "$1 was not measured" || return
	[ "$(more "$2" "$1")" -le "$3" ] || fail "$(more "$2" "$1") instructions more, and the budget is $3"
}
printf '# %-20s %8s %8s %9s %8s\n' "a system call" bare host container watched
for name in fork_exit_wait open_close pipe_close socketpair_rw mmap_munmap; do
	printf '# %-20s %8d %+8d %+9d %+8d\n' "$name" "$(value bare_calls_host "$name")" "$(call_more host "$name")" \
		"$(call_more container "$name")" "$(call_more watched "$name")"
done
call_within() { # call, whose, at most
	[ -n "$(value "calls_$2" "$1")" ] || fail "$1 was not measured" || return
	local more bare
	more=$(call_more "$2" "$1") bare=$(value "bare_calls_$2" "$1")
	[ $((more * 1000)) -le $(($3 * bare)) ] || fail "$more more than $bare: the budget is $3 of a thousand"
}
ktap_test "the clock counts instructions" clock_counts
for line in "${budgets[@]}"; do
	read -r path whose most _ <<<"$line"
	ktap_test "$path, $whose: at most $most more" within "$path" "$whose" "$most"
done
for line in "${calls[@]}"; do
	read -r call whose most _ <<<"$line"
	ktap_test "$call, $whose: at most $most of a thousand more" call_within "$call" "$whose" "$most"
done
ktap_end
