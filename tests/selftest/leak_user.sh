#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# 2007 again: one lost put of a struct user_struct (since 5.14, for a locked System
# V segment, of a struct ucounts). Its hash still points at it, memory cgroups
# never charged it; the container's counter knows. See workloads/lost_user.c.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

users=3
uid=40000

run_users() { # path
	run_container -- "$programs/lost_user" "$1" "$users" "$uid" || return
	wait_verdict "$CONTAINER_ID"
}

# Where softirqs put what is to be lost, one may come amid the handler of another probe (the module's on alloc_uid()), and skip_put's is not
# asked then (kernel/kprobes, nmissed): nothing is lost, and there is nothing to be found. Such a run says so, and does not count.
lose() { # path, skip_put's parameters
	local path=$1 status missed tries
	for tries in 1 2 3 4 5; do
		status=0
		uid=$((uid + 1000))	# ids that nobody had: an old one may still be there
		load_test_module skip_put "${@:2}" || return
		run_users "$path" || status=1
		[ "$(cat /sys/module/skip_put/parameters/skipped)" -gt 0 ] || fail "nothing was skipped" || status=1
		missed=$(cat /sys/module/skip_put/parameters/missed)
		unload_test_module skip_put
		[ "$missed" != 0 ] || return "$status"
		echo "run $tries: the probe was not asked $missed times"
	done
	fail "the probe is missed each time"
}

armed() { # path, objects, slab cache, site, skip_put's parameters
	local path=$1 objects=$2 cache=$3 site=$4
	lose "$path" "${@:5}" || return
	expect_leak "$CONTAINER_ID" "$objects" "$((objects * $(slab_size "$cache")))" "$site" || return
	leaked "$CONTAINER_ID" details
}

# The one reference that is left, and the call site that took it: in ID/leaks, and in the table of them all. The rest of the
# rows balance: nothing else was lost.
lost_at() { # family, function
	local id=$CONTAINER_ID
	expect_match "unmatched" "^$1:$2\\+0x[0-9a-f]+:1$" "$(leaked "$id" unmatched)" || return
	expect "holders" unexplained:1 "$(leaked "$id" holders)" || return
	expect "unmatched rows" "$1:1" "$(awk -v id="$id" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["charged"] == id && $at["unmatched"] != 0 { print $at["family"] ":" $at["unmatched"] }' "$proc/$id/references")" || return
	expect "references lost" 0 "$(health references_lost)"
}

# The first of the users is the one whose reference is lost.
one_user() { # path, family, function that took it
	armed "$1" 1 uid_cache alloc_uid "${@:4}" times=1 comm=lost_user || return
	expect details "uid=$uid,count=1,hashed" "$(leaked "$CONTAINER_ID" details)" || return
	lost_at "$2" "$3"
}

# Every user whose credentials are put loses one reference a credential.
all_users() {
	armed cred "$users" uid_cache alloc_uid in=put_cred_rcu callee=free_uid times=0 || return
	# Those of one of them: 43000, 43001 or 43002.
	expect_match details "^uid=${uid%?}[0-2],count=[1-9][0-9]*,hashed$" "$(leaked "$CONTAINER_ID" details)" || return
	# Not put by RCU, whose context is nobody's: it is missing all the same. The exec'd program never got one of its own.
	expect_match "unmatched" "^cred:__sys_setresuid\\+0x[0-9a-f]+:1$" "$(leaked "$CONTAINER_ID" unmatched)"
}

one_ucounts() {
	armed shm 1 kmalloc-192 alloc_ucounts in=user_shm_unlock callee=put_ucounts times=1 comm=lost_user || return
	expect_match details "^uid=$uid,count=1,hashed,userns=[0-9]+$" "$(leaked "$CONTAINER_ID" details)" || return
	lost_at shm-lock user_shm_lock
}

twin() {
	uid=$((uid + 1000))
	run_users "$1" || return
	expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID"
}

# Everything that ends a watch, and an instance, of one user who lives on: closed, taken away, its file deleted, its file system gone,
# its process gone, seen once. Of fanotify a mark that is taken away and one that is closed with its group.
python_watches='import ctypes, os, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
uid, folder = int(sys.argv[1]), sys.argv[2]
def sure(answer):
    if answer < 0: raise OSError(ctypes.get_errno(), "refused")
    return answer
def file(name):
    path = f"{folder}/{name}"
    open(path, "w").close()
    return path
def watch(path, mask=2): # IN_MODIFY
    group = sure(libc.inotify_init())
    return group, sure(libc.inotify_add_watch(group, path.encode(), mask))
def closed(ready, go):
    os.close(watch(file("closed"))[0])
def removed(ready, go):
    group, number = watch(file("removed"))
    sure(libc.inotify_rm_watch(group, number))
    os.close(group)
def deleted(ready, go):
    path = file("deleted")
    group, _ = watch(path)
    os.unlink(path)
    os.close(group)
def unmounted(ready, go):
    group, _ = watch(f"{folder}/mount")
    ready()
    go()
    os.close(group)
def once(ready, go):
    path = file("once")
    group, _ = watch(path, 2 | 0x80000000) # IN_ONESHOT
    with open(path, "w") as f: f.write("seen")
    os.close(group)
def by_exit(ready, go):
    watch(file("exit"))
def fanotify(ready, go):
    group = sure(libc.fanotify_init(0x200, 0)) # FAN_REPORT_FID
    one, other = (file(name).encode() for name in ("one", "other"))
    for path in (one, other): sure(libc.fanotify_mark(group, 1, ctypes.c_uint64(2), -100, path)) # FAN_MARK_ADD, FAN_MODIFY
    sure(libc.fanotify_mark(group, 2, ctypes.c_uint64(2), -100, one)) # FAN_MARK_REMOVE
    os.close(group)
def as_user(work):
    told, tell = os.pipe()
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid)
        try: work(lambda: os.write(tell, b"x"), lambda: os.read(hear, 1))
        except BaseException as error: print(work.__name__, error, flush=True); os._exit(1)
        os._exit(0)
    return pid, lambda: os.read(told, 1), lambda: os.write(say, b"x")
as_user(lambda ready, go: time.sleep(1000000)) # whose ucounts stay
subprocess.run(["mount", "-t", "tmpfs", "watches", folder], check=True)
os.mkdir(f"{folder}/mount")
subprocess.run(["mount", "-t", "tmpfs", "unmounted", f"{folder}/mount"], check=True)
os.chmod(folder, 0o777)
for work in (closed, removed, deleted, unmounted, once, by_exit, fanotify):
    pid, heard, say = as_user(work)
    if work is unmounted:
        heard()
        subprocess.run(["umount", f"{folder}/mount"], check=True)
        say()
    if os.waitpid(pid, 0)[1]: sys.exit(1)
open(f"{folder}.done", "w").close()
time.sleep(1000000)'

# Of what inotify and fanotify took of the ucounts of the user: UNMATCHED:OF NO FAMILY:GETS:PUTS, all call sites together.
watch_references() {
	awk -v uid="$uid" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["kind"] == "ucounts" && $at["uid"] == uid && $at["site"] ~ /notify/ {
			gets += $at["gets"]; puts += $at["puts"]; open += $at["unmatched"]; unknown += $at["family"] == "-"
		} END { print open + 0 ":" unknown + 0 ":" gets + 0 ":" puts + 0 }' "$proc/$CONTAINER_ID/references"
}

# What functions took of them whose name matches.
taken_by() { # regex
	awk -v uid="$uid" -v by="$1" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$at["kind"] == "ucounts" && $at["uid"] == uid && $at["site"] ~ by { gets += $at["gets"] }
		END { print gets + 0 }' "$proc/$CONTAINER_ID/references"
}

watches() {
	local folder status=0
	uid=$((uid + 1000))
	folder=$(mktemp -d /tmp/watches.XXXXXX) || return
	start_container -- python3 -c "$python_watches" "$uid" "$folder" || return
	poll 60 test -e "$folder.done" || fail "the watches do not come to their end" || status=1
	# Seven instances and watches, fanotify's second mark: fifteen of each.
	expect "unmatched, of no family, gets, puts" 0:0:15:15 "$(watch_references)" || status=1
	# They are taken by functions that look them up by another: it is the outer one that took them, each time. A process has its credentials'.
	expect "taken within inc_ucount" 0 "$(taken_by '^(inc|alloc)_ucount')" || status=1
	expect "taken for credentials" 8 "$(taken_by '^set_cred_ucounts')" || status=1
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/references"
	kill_container || status=1
	rm -rf "$folder" "$folder.done"
	wait_verdict "$CONTAINER_ID" && expect_state "$CONTAINER_ID" clean && return "$status"
}

need_module
need_programs
need_test_module skip_put
warm_up
ktap_plan 9
ktap_test "a user lost by a pipe" one_user pipe pipe alloc_pipe_info in=free_pipe_info callee=free_uid
ktap_test "a user lost by a descriptor under way" one_user scm scm "(__scm_send|scm_fp_dup)" in=__scm_destroy callee=free_uid
ktap_test "every user lost by its credentials" all_users
ktap_test "ucounts lost by a segment that two users locked" one_ucounts
for path in pipe scm cred shm; do
	ktap_test "nothing armed, $path: clean" twin "$path"
done
ktap_test "watches and marks, however they end: each get has its put" watches
ktap_end
