#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tool on the real module: what it reports about containers that it makes itself.
. "$(dirname "$0")/lib.sh"
. ./containers.sh
. ./leaks.sh

out=$(mktemp -d /tmp/beanctl.XXXXXX)
trap 'rm -rf "$out"' EXIT
ctl=$repo/build/beanctl

# status EXPECTED ARGUMENT...: runs beanctl; its output is in $out/out and $out/err. What hangs is a failure, not a wait.
status() {
	local expected=$1 got=0
	shift
	timeout -k 5 600 "$ctl" "$@" >"$out/out" 2>"$out/err" </dev/null || got=$?
	[ "$got" = "$expected" ] && return
	echo "beanctl $*: status $got instead of $expected"
	cat "$out/out" "$out/err"
	return 1
}

# json EXPRESSION: d is the object that was printed.
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$out/out" "$1"
}

has_limits() { [ "$(stat -c %a "$proc/$(newest_container)/resources")" = 600 ]; }
needs_limits() { has_limits || skip "this module has no limits: ID/resources cannot be written to"; }

run_statuses() {
	status 0 run -- true || return
	status 7 run -- sh -c 'exit 7' || return
	status 143 run -- sh -c 'kill -TERM $$' || return
	status 137 run -- sh -c 'kill -KILL $$' || return
	status 127 run -- /nonexistent || return
	status 126 run -- /etc/passwd || return
	status 125 run --nonsense -- true || return
	status 125 run -- || return
	status 125 run --limit nonsense=1 -- echo ran || return
	expect "output of a command that must not run" "" "$(cat "$out/out")"
}

own_namespaces() {
	local net user
	net=$(readlink /proc/self/ns/net) user=$(readlink /proc/self/ns/user)
	status 0 run -- sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l; readlink /proc/self/ns/net' || return
	# Process 1, the shell, ls and wc.
	expect_match "pid, processes, network" "^2 [2-4] ${net//[/\\[}\$" "$(xargs <"$out/out")" || return
	status 0 run --net --user -- sh -c 'id -u; readlink /proc/self/ns/net /proc/self/ns/user
		ip -o link show lo | grep -c "[<,]UP"' || return
	expect_match "uid, namespaces, lo" "^0 net:.* user:.* 1\$" "$(xargs <"$out/out")" || return
	! grep -qF -e "$net" -e "$user" "$out/out" || fail "a namespace of the host's"
}

named() {
	status 0 run --name tool --id 900001 -- true || return
	expect "name of container 900001" tool "$(container_column 900001 name)" || return
	wait_verdict 900001 || return
	expect_state 900001 clean || return
	status 0 show tool || return
	status 0 name tool other 900002 || return
	expect "name of container 900002" other "$(container_column 900002 name)" || return
	# Both are taken as long as it is listed.
	status 125 run --name other -- echo ran || return
	expect_match message "the name is taken by container 900002" "$(cat "$out/err")" || return
	status 0 dismiss other || return
	status 1 show 899999
}

it_dies_with_beanctl() {
	local pid
	"$ctl" run -- sleep 1234 </dev/null &
	pid=$!
	poll 20 pgrep -fx 'sleep 1234' || fail "it did not start" || return
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	poll 20 sh -c '! pgrep -fx "sleep 1234"' || fail "sleep lives on"
}

# What beanctl lists, IDs a line each, against the file before and after. A record of an earlier test may go meanwhile, being the oldest of
# too many, and a container may come: what is there at both times has to be listed, and nothing that is there at neither.
expect_listed() { # before, listed, after
	local both either listed
	both=$(comm -12 <(sort <<<"$1") <(sort <<<"$3"))
	either=$(sort -u <<<"$1"$'\n'"$3")
	listed=$(sort <<<"$2")
	expect "IDs that are in the file, and not listed" "" "$(comm -23 - <(echo "$listed") <<<"$both" | xargs)" &&
		expect "IDs that are listed, and not in the file" "" "$(comm -13 - <(echo "$listed") <<<"$either" | xargs)"
}

listed() {
	local before listed
	before=$(column "$proc/containers" id)
	status 0 list --json || return
	listed=$(json '"\n".join(str(c["id"]) for c in d["containers"])')
	expect_listed "$before" "$listed" "$(column "$proc/containers" id)" || return
	expect "health" "$(health hooks)" "$(json 'd["health"]["hooks"]')" || return
	before=$(column "$proc/containers" id)
	status 0 list --noheadings -o ID,state || return
	expect_listed "$before" "$(awk '{ print $1 }' "$out/out")" "$(column "$proc/containers" id)" || return
	status 2 list -o nonsense
}

top_of() {
	local id
	start_container -- sleep 1000 || return
	id=$CONTAINER_ID
	status 0 top --batch -n 2 -d 0.5 --bytes --sort id || return
	kill_container
	expect "looks" 2 "$(grep -cE '^ *ID ' "$out/out")" || return
	# A shell that has become sleep: it holds something, and is called so.
	expect_match "its second line" "^ *$id - running [1-9][0-9]* [-+]?[0-9]+ [1-9][0-9]* 0 0 sleep\$" \
		"$(tail -n +4 "$out/out" | awk -v id="$id" '$1 == id' | tail -n 1 | tr -s ' ')" || return
	status 2 top && expect_match "message" "--batch" "$(cat "$out/err")"
}

clean() {
	status 0 check -- true || return
	expect_match report 'container [0-9]+: clean' "$(cat "$out/out")" || return
	status 0 check --net --user -- workloads/busy.sh -p 10 -s 10 || return
	status 3 check -- false || return
	status 3 check -- /nonexistent || return
	expect_healthy
}

leaked_report() {
	load_test_module leak_one || return
	status 1 check --json --name leaky --symbols "$test_modules" --junit "$out/junit" -- sh -c \
		'workloads/busy.sh -p 10 -s 10; for i in 1 2 3; do echo 100 >/proc/leak_one; done; exit 5' || return
	expect state leaked "$(json 'd["containers"][0]["state"]')" || return
	expect name leaky "$(json 'd["containers"][0]["name"]')" || return
	expect held "$((3 * $(slab_size kmalloc-128)))" "$(json 'd["containers"][0]["held"]["kmemsize"]')" || {
		json '"\n".join(str(l) for l in d["containers"][0]["leaks"])'
		return 1
	}
	expect groups "['leak_one_lost']" "$(json '[l["function"] for l in d["containers"][0]["leaks"]]')" || return
	expect leak "leaked 3 kmalloc-128 leak_one" \
		"$(json '"{verdict} {objects} {cache} {module}".format(**d["containers"][0]["leaks"][0])')" || return
	# Debian's kernels are built with debug information, and so are modules for them.
	expect_match source 'leak_one\.c:[0-9]+$' "$(json 'd["containers"][0]["leaks"][0]["source"]')" || return
	expect status 5 "$(json 'd["check"]["status"]')" || return
	grep -q 'failures="1"' "$out/junit" || fail "no failure in the JUnit file" || return
	status 0 leaks leaky --json || return
	expect "groups of beanctl leaks" 1 "$(json 'len(d["containers"][0]["leaks"])')" || return
	unload_test_module leak_one
}

many() {
	load_test_module leak_one || return
	cat >"$out/list" <<-'EOF'
		# Five of them.
		true
		workloads/busy.sh -p 10 -s 10
		workloads/busy.sh -p 10 -s 10; echo 100 >/proc/leak_one
		echo not here; exit 4
		echo broken; exit 3
	EOF
	status 1 check --each "$out/list" --jobs 5 --symbols "$test_modules" || return
	cat "$out/out"
	expect verdicts "clean clean leaked skipped failed" "$(grep -oE '^[a-z_]+' "$out/out" | xargs)" || return
	expect_match leak "leaked +1 +$(slab_size kmalloc-128)B +kmalloc-128 "'+leak_one_lost\+0x[0-9a-f]+\[leak_one\] [^ ]*leak_one\.c:[0-9]+ ' \
		"$(grep '^ .* leaked ' "$out/out")" || return
	expect "what the failed one printed" "    | broken" "$(grep '^ *|' "$out/out")" || return
	expect summary "2 clean, 0 held, 1 leaked, 1 failed, 1 skipped, 0 without verdict" "$(tail -n 1 "$out/out")" || return
	expect_healthy || return
	unload_test_module leak_one
}

no_verdict() {
	status 4 check --timeout 1 -- sleep 1000 || return
	expect_match reason 'killed when its time was over' "$(cat "$out/out")"
}

# --- with limits

limited() {
	needs_limits || return
	status 0 run --name bounded --limit numproc=5 --limit kmemsize=100M:unlimited -- sleep 0 || return
	expect "numproc's limit" 5 "$(resource "$(column "$proc/containers" id name=bounded)" numproc limit)" || return
	# A shell gives up when it cannot fork.
	status 2 run --name bounded2 --limit numproc=8 -- sh -c \
		'for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; true' || return
	grep -q 'Cannot fork' "$out/err" || fail "no word of a refused fork: $(cat "$out/err")" || return
	status 0 show bounded2 --json || return
	expect_match "failcnt of numproc" '^[1-9]' \
		"$(json '[r["failcnt"] for r in d["containers"][0]["resources"] if r["resource"] == "numproc"][0]')" || return
	expect_match "a refusal" numproc "$(json '[r["resource"] for r in d["containers"][0]["refusals"]]')" || return
	status 0 reset bounded2 || return
	status 0 show bounded2 --json || return
	expect "failcnt after reset" 0 "$(json 'd["containers"][0]["failcnt"]')"
}

all_or_none() {
	needs_limits || return
	local before
	"$ctl" run --name setting -- sleep 1000 </dev/null &
	poll 20 sh -c "grep -q ' setting ' $proc/containers" || fail "it did not start" || return
	status 0 set setting numproc=50:60 kmemsize=64M || return
	before=$(cat "$proc/$(column "$proc/containers" id name=setting)/resources" | awk '{ print $1, $4, $5 }')
	expect_match limits 'numproc 50 60' "$before" || return
	status 2 set setting numproc=10 kmemsize=9M:8M || return
	status 2 set setting numproc=10 physpages=5 || return
	status 2 set setting numproc=10 beans=5 || return
	# Past beanctl's own look, the module's.
	! printf 'numproc 10 10\nkmemsize 9 8\n' | # in one write, which the shell's own would not be
		dd bs=4096 iflag=fullblock conv=notrunc status=none \
			of="$proc/$(column "$proc/containers" id name=setting)/resources" 2>/dev/null ||
		fail "the module took a barrier above its limit" || return
	expect "limits after what was refused" "$before" \
		"$(awk '{ print $1, $4, $5 }' "$proc/$(column "$proc/containers" id name=setting)/resources")" || return
	kill %% && { wait %% 2>/dev/null || true; }
}

one_refusal() {
	needs_limits || return
	# The dynamic loader, which crashes where its first allocation fails, is left alone.
	status 0 check --fail-nth 1 -- cat /proc/self/stat || return
	expect_match line '^fail-nth 1: refused at [a-z_]+' "$(grep ^fail-nth "$out/out")" || return
	status 2 check --fail-nth 1 -- /nonexistent || return
	status 0 check --fail-nth 1000000 -- true || return
	expect_match line 'never came' "$(cat "$out/out")"
}

walk() {
	needs_limits || return
	status 0 check --fail-nth 0 -- "$programs/poke" || {
		# A crash is the program's own business here; a leak or no verdict is ours.
		grep -q 'crashed' "$out/out" || return
	}
	expect_match summary '[0-9]+ refusals walked' "$(tail -n 1 "$out/out")"
}

need_module
need_programs
[ -x "$ctl" ] || ktap_skip_all "no $ctl; make build/beanctl"
need_test_module leak_one
warm_up
ktap_plan 14
ktap_test "run ends with the command's status" run_statuses
ktap_test "run's namespaces" own_namespaces
ktap_test "a container by name and number" named
ktap_test "a container does not outlive its beanctl" it_dies_with_beanctl
ktap_test "list" listed
ktap_test "top" top_of
ktap_test "check: clean, and a command that fails" clean
ktap_test "check: a leak is named" leaked_report
ktap_test "check --each: five at a time" many
ktap_test "check: no verdict in time" no_verdict
ktap_test "limits are in force and refusals are shown" limited
ktap_test "set takes all or none" all_or_none
ktap_test "check --fail-nth N" one_refusal
ktap_test "check --fail-nth 0" walk
ktap_end
