#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a terminal of the host's keeps in the name of a container that wrote to it, asked it something or was the last to close it: held,
# and the report says by whom. When the terminal is closed, or taken away, the container is clean.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

declare -A id
notes=$(mktemp -d /tmp/terminals.XXXXXX)

# All do their work before the first verdict, so that their settling is waited for together.
does() { # name, command
	start_container -- sh -c "$2" && end_container || return
	expect "the status of $2" 0 "$CONTAINER_STATUS" && id[$1]=$CONTAINER_ID
}

# The host's program: has a console as descriptor 17, of one pair the master's end as 18, and of another the slave's as 19.
open_terminals() {
	mkfifo "$notes/orders"
	python3 -c 'import os, sys
def place(fd, number):
    os.dup2(fd, number)
    os.close(fd)
master, slave = os.openpty()
other_master, other_slave = os.openpty()
console = os.open("/dev/tty41", os.O_RDWR | os.O_NOCTTY)
names = os.ttyname(slave) + " " + os.ttyname(other_slave) + "\n"
os.close(slave)
place(other_master, 20)
place(console, 17)
place(master, 18)
place(other_slave, 19)
open(sys.argv[1] + "/new", "w").write(names)
os.rename(sys.argv[1] + "/new", sys.argv[1] + "/names")
sys.stdin.readline()
os.close(20)
open(sys.argv[1] + "/hung-up", "w").close()
sys.stdin.read()' "$notes" <"$notes/orders" 5>&- 6>&- &
	python=$!
	exec 6>"$notes/orders"
	poll 20 test -e "$notes/names" -o ! -d "/proc/$python"
	read -r slave other_slave <"$notes/names"
}
own_fds+=(6)

close_terminals() {
	exec 6>&-
	wait "$python"
}

# was_held NAME "FUNCTION DETAILS"...: regular expressions for what of it is held, all of it.
was_held() {
	local container=${id[$1]-} wanted
	shift
	[ -n "$container" ] || fail "it did not do its work" || return
	wait_verdict "$container" || return
	cat "$proc/$container/leaks"
	expect_state "$container" held || return
	expect "leaked groups" "" "$(column "$proc/$container/leaks" site verdict=leaked)" || return
	awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$1 == "held" { sub(/[+.].*/, "", $at["site"]); print $at["site"], $at["details"] }' "$proc/$container/leaks" >"$notes/held"
	for wanted; do
		grep -qxE "$wanted" "$notes/held" || fail "nothing held like '$wanted'" || return
		grep -vxE "$wanted" "$notes/held" >"$notes/rest"
		mv "$notes/rest" "$notes/held"
	done
	[ ! -s "$notes/held" ] || fail "held, too: $(cat "$notes/held")"
}

is_clean() { [ "$(container_column "$1" state)" = clean ]; }
clean() {
	[ -n "${id[$1]-}" ] || fail "it did not do its work" || return
	poll 60 is_clean "${id[$1]}" || expect_state "${id[$1]}" clean || return
	expect_nothing_held "${id[$1]}"
}

need_module
command -v python3 >/dev/null || ktap_skip_all "no python3"
[ -e /dev/tty41 ] || ktap_skip_all "no virtual consoles in this kernel"
need_programs
warm_up
open_terminals && : >/dev/tty42 || exit 1
does written "printf %3000s x >/dev/tty41"
# Where the cursor is: the console types the answer, which nobody reads.
does asked "printf '\033[6n' >/dev/tty42"
does last ": </dev/ttyS1"
does master "printf %1000s x >$slave"
does slave "printf %1000s x >$other_slave"
echo >&6
poll 10 test -e "$notes/hung-up"

by="pid=$python,comm=python3,fd"
write_buffer='(file_tty_write|iterate_tty_write)'
answer='(tty_buffer_alloc|__tty_buffer_request_room)'
ktap_plan 9
ktap_test "a console that others have open: what was written" was_held written "$write_buffer $by=17"
ktap_test "a console that nobody has open: what it answered" was_held asked "$answer by=console"
ktap_test "a line that nobody has open: its settings" was_held last 'tty_save_termios by=tty'
ktap_test "a pair, by the master's end" was_held master "$write_buffer $by=18" "$answer $by=18"
ktap_test "a pair that was hung up, by the slave's end" was_held slave "$write_buffer $by=19" "$answer $by=19"
close_terminals
ktap_test "closed: nothing is left of the console's" clean written
ktap_test "... of the master's" clean master
ktap_test "... of the slave's" clean slave
ktap_test "nothing was missed" expect_healthy
rm -rf "$notes"
ktap_end
