#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each cell of the table in Documentation/permissions.md. Who is what, is here.
. "$(dirname "$0")/lib.sh"
. ./containers.sh

table=$repo/Documentation/permissions.md
folder=$(mktemp -d /tmp/permissions.XXXXXX)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
declare -A got=()
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# In the table's order: how and file.
cells() { awk -F ' *[|] *' '$2 ~ /^\/proc\// { print $3, $2 }' "$table"; }
columns() { awk -F ' *[|] *' '$2 == "file" { for (i = 4; i < NF; i++) print $i }' "$table"; }
# "how file column" -> what is expected there.
declare -A expected=()
while IFS='|' read -r key value; do
	expected[$key]=$value
done < <(awk -F ' *[|] *' '
	$2 == "file" { for (i = 4; i < NF; i++) column[i] = $i }
	$2 ~ /^\/proc\// { for (i = 4; i < NF; i++) print $3 " " $2 " " column[i] "|" $i }' "$table")

# attempts COLUMN COMMAND...: all of them as one who is COMMAND.
attempts() {
	local who=$1 how file
	shift
	: >"$folder/out"
	chmod 666 "$folder/out"
	"$@" "$folder/all.sh" >"$folder/out" 2>&1
	exec 9<"$folder/out"
	while read -r how file; do
		read -r -u 9 "got[$how $file $who]"
	done < <(cells)
	exec 9<&-
}

in_container() { # [start_container's options] -- COMMAND...
	start_container --out "$folder/out" "$@" && end_container
}

# The host opens them all, a task of a container uses them.
passed() {
	local how file fd at=30
	{
		echo "#!/bin/sh"
		while read -r how file; do
			file=${file/ID/$id} fd=$at
			case $how in
			write) eval "exec $fd>'$file'" ;;
			*) eval "exec $fd<'$file'" ;;
			esac
			# may_open writes what suits the file, which it knows by its name.
			[[ $file != */resources ]] || [ "$how" != write ] || fd=${fd}-resources
			echo "$folder/may_open $how $fd"
			at=$((at + 1))
		done < <(cells)
	} >"$folder/passed.sh"
	: >"$folder/out"
	unshare --pid --fork --mount-proc sh "$folder/passed.sh" >"$folder/out" 2>&1
	exec 9<"$folder/out"
	while read -r how file; do
		read -r -u 9 "got[$how $file c-passed]"
	done < <(cells)
	exec 9<&-
	for ((fd = 30; fd < at; fd++)); do
		eval "exec $fd>&-"
	done
}

need_module
need_programs
[ -e /proc/user_beancounters ] || ktap_skip_all "no /proc/user_beancounters: it is switched off by a parameter"

start_container -- sleep 1000 || exit 1
id=$CONTAINER_ID other_pid=$CONTAINER_PID other_cgroup=$CONTAINER_CGROUP
cp "$programs/may_open" "$folder/may_open"
{
	echo "#!/bin/sh"
	cells | sed "s/ID/$id/; s,^,$folder/may_open ,"
} >"$folder/all.sh"
chmod 755 "$folder/all.sh"

attempts root env
attempts less setpriv --bounding-set -sys_admin --inh-caps -sys_admin
attempts nobody "${nobody[@]}"
attempts userns unshare --user --map-root-user
attempts c-hostproc unshare --pid --fork --mount
attempts c-root in_container --
attempts c-userns in_container --user --
attempts c-rootless "${nobody[@]}" unshare --user --map-root-user --pid --fork --mount-proc
attempts c-nobody in_container -- "${nobody[@]}"
passed

mapfile -t files < <(cells)
mapfile -t whos < <(columns)
ktap_plan $((${#files[@]} * ${#whos[@]} + 1))
for file in "${files[@]}"; do
	for who in "${whos[@]}"; do
		ktap_test "${file%% *} ${file#* } as $who" expect "$file as $who" \
			"${expected[$file $who]-no such cell}" "${got[$file $who]-}"
	done
done
modes() {
	expect "/proc/user_beancounters" 444 "$(stat -c %a /proc/user_beancounters)" || return
	expect "/proc/beancounter" "500 500" "$(stat -c %a "$proc" "$proc/$id" | xargs)" || return
	expect "files" "400 400 400 400 400 400" "$(cd "$proc" && stat -c %a containers health "$id/objects" "$id/leaks" \
		"$id/refusals" "$id/references" | xargs)" || return
	expect "what is written" "600 600" "$(cd "$proc" && stat -c %a control "$id/resources" | xargs)"
}
ktap_test "modes" modes
CONTAINER_PID=$other_pid CONTAINER_CGROUP=$other_cgroup
kill_container
ktap_end
