# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What a container left and somebody outside has: programs that have it, and what the verdict says of it. Sourced after containers.sh.

# A holder outside: a program that says a word when it has what it holds, and ends when the test closes descriptor 6.
# What it holds it has as descriptor 7.
hold() {
	local program=$1
	shift
	rm -f /tmp/hold /tmp/held
	mkfifo /tmp/hold
	python3 -c "import os, socket, sys
def have(fd):
    os.dup2(fd, 7)
    os.close(fd)
    open('/tmp/held', 'w').close()
$program
sys.stdin.read()" "$@" 5>&- 6>&- </tmp/hold &
	holder=$!
	exec 6>/tmp/hold
	poll 120 test -e /tmp/held -o ! -d "/proc/$holder"
	[ -e /tmp/held ] || fail "the holder has nothing"
}

let_go() {
	exec 6>&-
	wait "$holder"
}

# Its verdict is held, and nothing has leaked.
nothing_but_held() {
	local status=0
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" held || status=1
	expect "leaked groups" "" "$(column "$proc/$CONTAINER_ID/leaks" site verdict=leaked)" || status=1
	return "$status"
}

# expect_kept [SITE WHOM]...: it is held, and the report says of each site by whom; nothing has leaked.
expect_kept() {
	local status=0
	nothing_but_held || status=1
	while [ $# -gt 0 ]; do
		expect_match "who has what $1 made" "$2" \
			"$(awk -v site=" $1[+]" '$1 == "held" && $0 ~ site' "$proc/$CONTAINER_ID/leaks")" || status=1
		shift 2
	done
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	return "$status"
}

# When whoever held it has let go.
becomes_clean() {
	poll 60 is_clean || expect_state "$CONTAINER_ID" clean || return
	expect_nothing_held "$CONTAINER_ID" && expect_healthy
}

# expect_excused CLASS...: clean, and that is what was handed over.
expect_excused() {
	local class status=0
	wait_verdict "$CONTAINER_ID" || return
	expect_state "$CONTAINER_ID" clean || status=1
	for class in "$@"; do
		[ "$(column_sum "$proc/$CONTAINER_ID/leaks" count "class=$class" details=handed_over)" -gt 0 ] ||
			fail "nothing of class $class was handed over" || status=1
	done
	[ "$status" -eq 0 ] || cat "$proc/$CONTAINER_ID/leaks"
	return "$status"
}
