#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A corpus of leaks on stock kernels: all over the kernel one put is left out, once, in one container. Each is found, with cache,
# number, size and allocating function, and is all that is found. Its twin, the same work with nothing left out, is clean.
# The work is workloads/corpus*.c.
#
#   CORPUS   only these cases ("timer key")
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

# case | what skip_put leaves out | what leaks, each as COUNT CACHE BYTES SITE; a line that begins with a kernel's name is that
# kernel's, `debug` or `stock` with or without it. The cache is any of the names that the kernel has merged under one. With `comm=` whoever
# does it: a kernel thread. SYS is what the kernel's builds call the body of a system call; of (A|B) one is inlined there.
# What an object that is lost has references to is lost with it: CRED is the credentials of the task that did it. What stands behind a colon
# tells two cases of the same work apart. `maybe`: 6.12 takes what describes a mapping from a pool of those that were freed, if there is
# one (mm/vmalloc.c, node_alloc()), and then it is somebody else's.
corpus='
timer        | 6.1  in=release_posix_timer callee=sigqueue_free         | 1 sigqueue 80 __sigqueue_alloc
timer        | 6.12 in=posix_timer_unhash_and_free callee=sigqueue_free | 1 sigqueue 80 __sigqueue_alloc
timerfd      | in=timerfd_release callee=kvfree_call_rcu        | 1 kmalloc-256 256 SYStimerfd_create
mqueue       | 6.1  in=mqueue_evict_inode callee=free_msg       | 1 kmalloc-cg-128 128 load_msg
mqueue       | 6.12 in=mqueue_evict_inode callee=free_msg       | 1 msg_msg-128 128 load_msg
mqueue-user  | in=mqueue_evict_inode callee=put_ucounts         | 1 kmalloc-192 192 alloc_ucounts
msg-queue    | in=freeque callee=ipc_rcu_putref                 | 1 kmalloc-cg-256 256 newque
msg-message  | 6.1  in=freeque callee=free_msg                  | 1 kmalloc-cg-96 96 load_msg
msg-message  | 6.12 in=freeque callee=free_msg                  | 1 msg_msg-96 96 load_msg
sem-pid      | 6.1  in=freeary callee=put_pid                   | 1 pid_2 128 alloc_pid
sem-pid      | 6.12 in=freeary callee=put_pid                   | 1 pid_2 192 alloc_pid
shm-segment  | in=shm_destroy callee=ipc_rcu_putref             | 1 kmalloc-cg-256 256 newseg
pipe         | in=free_pipe_info callee=kfree                   | 1 kmalloc-cg-1k 1024 alloc_pipe_info
scm          | in=__scm_destroy callee=kfree                    | 1 kmalloc-cg-4k 4096 __scm_send
scm-file     | 6.1  in=__scm_destroy callee=fput                | 1 filp 256 __alloc_file, 1 kmalloc-256 256 do_epoll_create, 1 dentry 192 __d_alloc, 1 lsm_file_cache 24 security_file_alloc, CRED
scm-file     | 6.12 in=__scm_destroy callee=fput                | 1 filp 192 alloc_empty_file, 1 kmalloc-256 256 do_epoll_create, 1 dentry 192 __d_alloc, 1 lsm_file_cache 48 security_file_alloc, CRED
key          | in=SYSadd_key callee=key_put nth=2               | 1 key_jar 256 key_alloc, 1 kmalloc-8 8 key_alloc
key-user     | in=keyctl_chown_key callee=key_user_put          | 1 kmalloc-96 96 key_user_lookup
ip-options   | in=do_ip_setsockopt callee=kvfree_call_rcu       | 1 kmalloc-64 64 ip_options_get
multicast    | in=ip_mc_drop_socket callee=kvfree_call_rcu      | 1 kmalloc-64 64 sock_kmalloc
io-uring     | 6.1  in=io_buffer_unmap callee=kvfree            | 1 kmalloc-64 64 io_sqe_buffer_register
io-uring     | 6.12 in=io_buffer_unmap callee=kvfree            | 1 kmalloc-cg-64 64 io_sqe_buffer_register
cred         | in=revert_creds callee=__put_cred                | CRED, 1 uid_cache 192 alloc_uid, 1 kmalloc-192 192 alloc_ucounts
seccomp      | in=__put_seccomp_filter callee=kfree             | 1 kmalloc-256 256 do_seccomp
seccomp:prog | 6.1  in=__put_seccomp_filter callee=bpf_prog_destroy | 1 kmalloc-cg-2k 2048 bpf_prog_alloc_no_stats, 1 kmalloc-16 16 bpf_prog_store_orig_filter, 1 kmalloc-8 8 bpf_prog_store_orig_filter, 1 kmalloc-64 64 __get_vm_area_node, 1 vmap_area 64 alloc_vmap_area, 1 kmalloc-8 8 __vmalloc_node_range
seccomp:prog | 6.12 debug in=__put_seccomp_filter callee=bpf_prog_destroy | 1 kmalloc-cg-2k 2048 bpf_prog_alloc_no_stats, 1 kmalloc-16 16 bpf_prog_store_orig_filter, 1 kmalloc-8 8 bpf_prog_store_orig_filter, ...
seccomp:prog | 6.12 stock in=__put_seccomp_filter callee=bpf_prog_destroy | 1 kmalloc-cg-2k 2048 bpf_prog_alloc_no_stats, 1 kmalloc-16 16 bpf_prog_store_orig_filter, 1 kmalloc-8 8 bpf_prog_store_orig_filter, 1 kmalloc-96 96 __get_vm_area_node, maybe 1 vmap_area 72 alloc_vmap_area, 1 kmalloc-8 8 __vmalloc_node_range_noprof
mempolicy    | stock in=do_set_mempolicy callee=kmem_cache_free | 1 numa_policy 272 mpol_new
mempolicy    | debug in=do_set_mempolicy callee=__mpol_put      | 1 numa_policy 272 mpol_new
epoll-user   | in=ep_clear_and_put callee=free_uid              | 1 uid_cache 192 alloc_uid
uts          | in=free_nsproxy callee=free_uts_ns               | 1 uts_namespace 432 copy_utsname
tty          | comm= in=pty_cleanup callee=tty_port_put         | 1 kmalloc-512 512 pty_unix98_install
tmpfs-policy | in=shmem_put_super callee=__mpol_put             | 1 numa_policy 272 mpol_new
fs-context   | in=fscontext_release callee=put_fs_context       | 1 kmalloc-cg-192 192 alloc_fs_context, 1 kmalloc-96 96 (__x64_sys_fsopen|fscontext_alloc_log), 1 kmalloc-8 8 ramfs_init_fs_context, CRED
fs-mount     | 6.1  in=__fput callee=mntput                     | 1 kmalloc-2k 2048 alloc_super, 1 shmem_inode_cache 784 shmem_alloc_inode, 1 mnt_cache 320 alloc_vfsmnt, 1 dentry 192 __d_alloc, 1 kmalloc-192 192 shmem_fill_super, 2 kmalloc-64 64 __list_lru_init, 1 lsm_inode_cache 32 security_inode_alloc, 1 kmalloc-8 8 security_sb_alloc
fs-mount     | 6.12 in=__fput callee=mntput                     | 1 kmalloc-2k 2048 alloc_super, 1 shmem_inode_cache 760 shmem_alloc_inode, 1 mnt_cache 384 alloc_vfsmnt, 1 dentry 192 __d_alloc, 1 kmalloc-192 192 shmem_fill_super, 2 kmalloc-64 64 __list_lru_init, 1 kmalloc-128 128 shrinker_alloc, 1 lsm_inode_cache 88 security_inode_alloc, 1 kmalloc-16 16 lsm_blob_alloc
netns        | 6.1  in=free_nsproxy callee=__put_net            | 1 net_namespace 4480 copy_net_ns, ...
netns        | 6.12 in=free_nsproxy callee=__put_net            | 1 net_namespace 4736 copy_net_ns, ...
file:dput    | 6.1  in=__fput callee=dput                       | 2 dentry 192 __d_alloc, 1 ovl_inode 728 ovl_alloc_inode, ...
file:dput    | 6.12 in=__fput callee=dput                       | 2 dentry 192 __d_alloc, 1 ovl_inode 712 ovl_alloc_inode, ...
file:iput    | 6.1  in=dentry_unlink_inode callee=iput          | 1 dentry 192 __d_alloc, 1 ovl_inode 728 ovl_alloc_inode, ...
file:iput    | 6.12 in=dentry_unlink_inode callee=iput          | 1 dentry 192 __d_alloc, 1 ovl_inode 712 ovl_alloc_inode, ...
bind-mount   | 6.1  in=__fput callee=mntput                     | 1 mnt_cache 320 alloc_vfsmnt, ...
bind-mount   | 6.12 in=__fput callee=mntput                     | 1 mnt_cache 384 alloc_vfsmnt, ...
flock        | 6.1  in=locks_dispose_list callee=kmem_cache_free | 1 file_lock_cache 216 flock_lock_inode
flock        | 6.12 in=locks_dispose_list callee=kmem_cache_free nth=2 | 1 file_lock_cache 192 flock_lock_inode
inotify      | comm= in=inotify_free_mark callee=kmem_cache_free | 1 inotify_inode_mark 80 (inotify_update_watch|SYSinotify_add_watch)
'
case $KERNEL in
6.1.*) credentials="1 cred_jar 192 prepare_creds, 1 kmalloc-cg-16 16 security_prepare_creds" ;;
*) credentials="1 cred 192 prepare_creds, 1 kmalloc-cg-16 16 lsm_blob_alloc" ;;
esac
system_call=__do_sys_
grep -q ' __do_sys_timerfd_create$' /proc/kallsyms || system_call=__x64_sys_
uid=50000

# The lines of this kernel, blanks squeezed, of the cases that are asked for.
lines() {
	local name skipped leaks of
	while IFS='|' read -r name skipped leaks; do
		read -r name <<<"$name"
		read -r skipped <<<"$skipped"
		[[ -n $name && (-z ${CORPUS-} || " $CORPUS " == *" $name "*) ]] || continue
		for of in $skipped; do
			case $of in
			6.*) [[ $KERNEL == "$of".* ]] || continue 2 ;;
			debug) [[ $KERNEL == *-debug* ]] || continue 2 ;;
			stock) [[ $KERNEL != *-debug* ]] || continue 2 ;;
			*) break ;;
			esac
			skipped=${skipped#"$of "}
		done
		leaks=${leaks//CRED/$credentials}
		[ -e /sys/kernel/slab/lsm_file_cache ] || leaks=$(sed -E 's/, 1 [^,]* (security_|lsm_)[^,]*//g' <<<"$leaks")
		echo "$name|${skipped//SYS/$system_call}|${leaks//SYS/$system_call}"
	done <<<"$corpus"
}

# start CASE: in a container of its own, for users of its own.
start() {
	uid=$((uid + 10))
	start_container --net --no-cgroup -- "$programs/corpus" "${1%:*}" "$uid"
}

# --- The work of all comes first, so that the seconds that a verdict takes pass once for all of them.

declare -A id # of the container, or nothing: why is in $notes/CASE
notes=$(mktemp -d /tmp/corpus.XXXXXX)

was_skipped() { [ "$(cat /sys/module/skip_put/parameters/skipped)" -gt 0 ]; }

lose() { # case, what is left out
	local comm=comm=corpus-work skipped status=0
	[[ $2 != *comm=* ]] || comm=
	# shellcheck disable=SC2086 # parameters are words
	load_test_module skip_put ${2/comm= /} $comm || return
	start "$1" && end_container && expect "the status of the work" 0 "$CONTAINER_STATUS" || status=1
	[ "$status" -ne 0 ] || poll 60 was_skipped # a terminal's is a worker's, later
	skipped=$(cat /sys/module/skip_put/parameters/skipped)
	unload_test_module skip_put
	expect "calls left out" 1 "$skipped" && return "$status"
}

lose_all() {
	local name skipped
	while IFS='|' read -r name skipped _; do
		# shellcheck disable=SC2153 # start_container sets it
		lose "$name" "$skipped" >"$notes/$name" 2>&1 && id[$name]=$CONTAINER_ID
	done < <(lines)
}

# BPF programs are in packs of the machine's. Where there is none yet (a kernel without a program of its own) the first case's would have it.
of_pack=''
have_a_pack() {
	grep -q bpf_prog_pack /proc/vmallocinfo && return
	python3 -c "$python_filters
attach(0)
time.sleep(100000)" &
	of_pack=$!
	in_time 20 grep -q bpf_prog_pack /proc/vmallocinfo || echo "# no pack of BPF programs"
}

# --- What is asserted

# The names that the kernel has merged under one are links to one folder.
same_cache() { [ "$1" = "$2" ] || [ "/sys/kernel/slab/$1" -ef "/sys/kernel/slab/$2" ]; }

# PREEMPT_RT and lockdep put larger locks into objects, KASAN words of its own: sizes and with them caches are others.
other_sizes() { [[ $KERNEL == *-rt-* || $KERNEL == *-debug* ]]; }
# slub_debug puts red zones beside each object.
read -r cmdline </proc/cmdline
has_red_zones() { [[ $cmdline == *slub_debug* ]]; }

# take COUNT BYTES CACHE SITE from the list of what was expected.
take() {
	local i count cache bytes site
	for i in "${!expected[@]}"; do
		read -r count cache bytes site <<<"${expected[i]# maybe}"
		[[ $1 = "$count" && $4 =~ ^$site(\.[a-z0-9.]+)?\+0x[0-9a-f]+ ]] || continue
		! has_red_zones || bytes=$(slab_size "$cache")
		other_sizes || { [ "$2" = "$((count * bytes))" ] && same_cache "$cache" "$3"; } || continue
		unset "expected[$i]"
		return 0
	done
	return 1
}

# Of which the report says that nobody has one of its references.
declare -A nobodys=(["file:dput"]=__d_alloc ["file:iput"]=ovl_alloc_inode)

# found CASE LIST: it is leaked. Whatever else is leaked or held is a failure, but for what comes with it where the list ends in dots.
found() {
	local groups list=$2 more='' row i
	local -a expected
	[ -n "${id[$1]-}" ] || { cat "$notes/$1" && return 1; }
	if [[ $list == *", ..." ]]; then
		more=yes list=${list%", ..."}
	fi
	wait_verdict "${id[$1]}" 120 || return
	if [ -n "${nobodys[$1]-}" ] && has_kasan && [ -n "$(column "$proc/${id[$1]}/leaks" site verdict=held)" ]; then
		skip "KASAN keeps dead objects that have its address, and so it is held (CAVEATS.md)" || return
	fi
	expect_state "${id[$1]}" leaked || return
	IFS=, read -ra expected <<<"$list"
	groups=$(paste <(column "$proc/${id[$1]}/leaks" verdict) <(column "$proc/${id[$1]}/leaks" count) \
		<(column "$proc/${id[$1]}/leaks" bytes) <(column "$proc/${id[$1]}/leaks" cache) <(column "$proc/${id[$1]}/leaks" site)) || return
	while read -r row; do
		case $row in
		reclaimable* | deferred* | cached*) ;;
		leaked*)
			# shellcheck disable=SC2086 # columns are words
			take ${row#leaked} || [ -n "$more" ] || expected+=("not $row")
			;;
		*) expected+=("not $row") ;;
		esac
	done <<<"$groups"
	if [ -n "${nobodys[$1]-}" ]; then
		row=$(paste <(column "$proc/${id[$1]}/leaks" site verdict=leaked) <(column "$proc/${id[$1]}/leaks" holders verdict=leaked) |
			sed -n "s/^${nobodys[$1]}+[^ 	]*[ 	]*//p")
		[ "$row" = unexplained:1 ] || expected+=("unexplained:1, not $row, of ${nobodys[$1]}")
	fi
	for i in "${!expected[@]}"; do
		[[ ${expected[i]} != " maybe "* ]] || unset "expected[$i]"
	done
	[ ${#expected[@]} -eq 0 ] && return
	printf 'expected: %s\n' "${expected[@]}"
	cat "$proc/${id[$1]}/leaks"
	return 1
}

# One container does the work of all: what it is clean of, no one of them leaves. If it is not, which of them?
clean() {
	local name culprits=()
	# shellcheck disable=SC2016
	run_container --net -- sh -c 'for name; do "$0" "$name" 50001 || exit; done' "$programs/corpus" "${twins[@]}" || return
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean && expect_nothing_held "$CONTAINER_ID" && return
	for name in "${twins[@]}"; do
		start "$name" && end_container && wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean || culprits+=("$name")
	done
	fail "not clean: ${culprits[*]-none of them alone}"
}

need_module
need_programs
need_test_module skip_put
warm_up
mapfile -t cases < <(lines)
mapfile -t twins < <(lines | cut -d'|' -f1 | sed 's/:.*//' | sort -u)
for name in "${twins[@]}"; do "$programs/corpus" "$name" 50001 || exit 1; done	# warms the host up
have_a_pack
ktap_plan $((${#cases[@]} + 2))
ktap_test "the work of ${#twins[@]} cases, nothing left out: clean" clean
# 6.12's bpf allocates for memory cgroups as long as there is one: include/linux/bpf.h, bpf_memcg_flags()
mkdir "$cgroup_root/selftest-corpus" || exit 1
lose_all
for line in "${cases[@]}"; do
	IFS='|' read -r name skipped leaks <<<"$line"
	ktap_test "$name: ${skipped# } is found" found "$name" "$leaks"
done
ktap_test "nothing was missed" expect_healthy
rm -rf "$notes"
rmdir "$cgroup_root/selftest-corpus"
[ -z "$of_pack" ] || kill "$of_pack"
ktap_end
