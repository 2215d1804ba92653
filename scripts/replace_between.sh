# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What scripts write into documents. Sourced.

# What is between two marks of a file, for standard input: $1 the file, $2 the marks' name. False where the marks are not there.
replace_between() {
	local new status=0
	new=$(mktemp "$1.XXXXXX")
	awk -v begin="<!-- $2: begin -->" -v end="<!-- $2: end -->" '
		$0 == begin { print; while ((getline line < "/dev/stdin") > 0) print line; inside = 1; found++; next }
		$0 == end { inside = 0; found++ }
		!inside { print }
		END { exit found != 2 }' "$1" >"$new" && cat "$new" >"$1" || {
		status=1
		echo "$1 has no marks \"$2\", or not one pair" >&2
	}
	rm -f "$new"
	return "$status"
}
