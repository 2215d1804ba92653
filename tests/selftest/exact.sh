#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every way to allocate and every way to free moves held and objects by exactly
# what it should. A task in the container does what alloc_paths.ko is told through
# a descriptor that is open already, so that nothing else of it moves meanwhile.
#
#   TEST_WARNINGS=1   also what makes the kernel warn: for a machine that allows it (scripts/check, places)
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

folder=$(mktemp -d /tmp/exact.XXXXXX)
trap 'rm -rf "$folder"' EXIT

start_poke() {
	rm -f "$folder/commands"
	mkfifo "$folder/commands"
	: >"$folder/answers"
	# Opened for both, or the opening waits for the other side.
	exec 5<>"$folder/commands"
	start_container --in "$folder/commands" --out "$folder/answers" -- \
		"$programs/poke" /proc/alloc_paths
}

answered() { mapfile -t answers <"$folder/answers" && [ "${#answers[@]}" -gt "$1" ]; }

# tell COMMAND...: what the task in the container is to write.
tell() {
	local answers before
	mapfile -t answers <"$folder/answers"
	before=${#answers[@]}
	echo "$*" >&5
	poll 30 answered "$before" || fail "no answer to: $*" || return
	expect "answer to '$*'" ok "${answers[-1]}"
}

charged() { echo "$(container_column "$CONTAINER_ID" held) $(container_column "$CONTAINER_ID" objects)"; }

# held and objects are what the ledger lists, to the byte. Frees of what came before (the task's start, in RCU's hands) may come
# between the two readings, so both are read until they agree: an error of ours would not go away.
agrees() {
	awk -v id="$CONTAINER_ID" '
		FNR == 1 { files++; for (i = 1; i <= NF; i++) at[$i] = i; next }
		files == 1 { if ($at["id"] == id) { held = $at["held"]; objects = $at["objects"] } next }
		{ bytes += $at["bytes"]; count += $at["count"] }
		END { exit !(held != "" && held == bytes && objects == count) }' "$proc/containers" "$proc/$CONTAINER_ID/objects"
}

# What alloc_paths.ko expects: objects to be charged, and the stride of each that
# slub itself shows.
expected() {
	local cache size
	cache=$(column /proc/alloc_paths cache)
	size=$(column /proc/alloc_paths size)
	[ "$cache" = - ] || size=$(slab_size "$cache") || return
	echo "$(column /proc/alloc_paths charged) $size"
}

# The groups of exactly so many objects and bytes in the ledger.
groups_of() { # count, bytes
	column "$proc/$CONTAINER_ID/objects" bytes "count=$1" | grep -cx "$2"
}

# Not that group, and nothing of that size at the sites of alloc_paths: of a hundred, RCU may have freed but some.
all_freed() { # count, stride
	awk -v number="$1" -v stride="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["bytes"] == $at["count"] * stride && ($at["count"] == number || $at["site"] ~ /\[alloc_paths\]/) { found = 1 }
		END { exit found || !("site" in at) }' "$proc/$CONTAINER_ID/objects"
}

# exact PATH COUNT SIZE CONTEXT HOW FREE_CONTEXT. The objects have a site of their own, which nothing else moves.
exact() {
	local more stride groups=1
	[ "$4" = task ] || groups=0
	tell alloc "$1" "$2" "$3" "$4" || return
	read -r more stride <<<"$(expected)"
	expect "objects to be charged" $((groups * $2)) "$more" || return
	expect "groups of $2 objects of $stride bytes" "$groups" "$(groups_of "$2" $(($2 * stride)))" || return
	poll 5 agrees || fail "alloc $1 $2 $3 $4: held is not what the ledger lists: $(charged)" || return
	tell free "$5" "$6" || return
	# What RCU frees comes within some seconds (kfree_rcu on 6.1: up to 8).
	poll 20 all_freed "$2" "$stride" || fail "free $5 $6 of $1: still listed" || return
	poll 5 agrees || fail "free $5 $6 of $1: held is not what the ledger lists: $(charged)"
}

paths=(kmalloc_const kmalloc_node_const kmalloc_var kzalloc_node kmalloc_large kmalloc_large_node
	kstrdup kmemdup krealloc kvmalloc kmem_cache kmem_cache_node kmem_cache_lru mempool bulk)
sizes=(8 96 192 1000 4096 8192 16384 65536)
contexts=(worker softirq)
[[ $(uname -v) == *PREEMPT_RT* ]] || contexts+=(hardirq) # which may not call its allocator, whose locks sleep
frees=("${contexts[@]/#/each }" "bulk task" "bulk worker" "kfree_rcu task" "call_rcu task")

# The last that the module does: what the kernel says of it is allowed once, and of that cache.
destroy_live() {
	local mark stride
	[ -n "${TEST_WARNINGS-}" ] || skip "the kernel warns of it: only where that is allowed (TEST_WARNINGS=1)" || return
	stride=$(slab_size alloc_paths_doomed) || return
	mark_log
	run_container -- /bin/sh -c 'echo alloc destroy_live 10 0 >/proc/alloc_paths' || return
	wait_verdict "$CONTAINER_ID" || return
	expect_leak "$CONTAINER_ID" 10 "$((10 * stride))" path_destroy_live || return
	expect cache alloc_paths_doomed "$(leaked "$CONTAINER_ID" cache)" || return
	unload_test_module alloc_paths
	expect "the kernel's warnings of caches that are destroyed" 1 "$(log_since "$mark" | grep -c 'WARNING: .* kmem_cache_destroy+')" || return
	log_says "$mark" 'kmem_cache_destroy alloc_paths_doomed: Slab cache still has objects' || fail "it is of another cache"
}

stops_clean() {
	exec 5>&-
	end_container || return
	expect_clean "$CONTAINER_ID" || return
	expect_healthy
}

need_module
need_programs
need_loaded alloc_paths
warm_up
start_poke || exit 1
# The first run of each touches memory that the task has not used before.
tell alloc kmalloc_var 8 64 && tell free || exit 1

ktap_plan $((${#paths[@]} + ${#sizes[@]} + 2 * ${#frees[@]} + 2 * ${#contexts[@]} + 2))
for path in "${paths[@]}"; do
	ktap_test "alloc $path, free each" exact "$path" 100 500 task each task
done
for size in "${sizes[@]}"; do
	ktap_test "alloc of $size bytes" exact kmalloc_var 33 "$size" task each task
done
for path in kmalloc_var kmem_cache; do
	for how in "${frees[@]}"; do
		if [ "$path $how" = "kmem_cache kfree_rcu task" ]; then
			how="call_rcu worker"
		fi
		# shellcheck disable=SC2086 # two words
		ktap_test "alloc $path, free $how" exact "$path" 100 500 task $how
	done
	for context in "${contexts[@]}"; do
		ktap_test "alloc $path in a $context charges nobody" exact "$path" 100 500 "$context" each task
	done
done
ktap_test "the container that did all this is clean" stops_clean
ktap_test "a cache that was destroyed with its objects alive" destroy_live
unload_test_module alloc_paths
ktap_end
