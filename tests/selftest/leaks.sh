# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the report share. Sourced after lib.sh.

# The value of COLUMN in the container's one leaked group; more than one group, or
# none, is a failure.
leaked() { # id, column
	local groups
	groups=$(column "$proc/$1/leaks" verdict | grep -c '^leaked$')
	if [ "$groups" -ne 1 ]; then
		{
			echo "container $1 has $groups leaked groups instead of one:"
			cat "$proc/$1/leaks"
		} >&2
		return 1
	fi
	column "$proc/$1/leaks" "$2" verdict=leaked
}

# expect_leak ID COUNT BYTES SITE: that, and nothing else, leaked.
expect_leak() {
	expect_state "$1" leaked || return
	leaked_just "$@" && return
	cat "$proc/$1/leaks"
	return 1
}
leaked_just() {
	local bytes
	expect "objects leaked" "$2" "$(leaked "$1" count)" || return
	bytes=$(leaked "$1" bytes)
	expect "bytes leaked" "$3" "$bytes" || return
	expect_match "allocation site" "^$4\\+0x[0-9a-f]+" "$(leaked "$1" site)" || return
	expect "resource" kmemsize "$(leaked "$1" resource)" || return
	# What leaked is all that is still charged.
	expect "held" "$bytes" "$(container_column "$1" held)" || return
	expect "objects" "$2" "$(container_column "$1" objects)" || return
	expect "kmemsize" "$bytes" "$(resource "$1" kmemsize held)" || return
	expect_healthy
}

slab_size() { cat "/sys/kernel/slab/$1/slab_size"; }
