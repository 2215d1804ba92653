#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Everything a container may use (see busy.c), on a tmpfs of its own. To be run in
# a container: it mounts over /mnt.
#
#   busy.sh [busy's options]
set -eu
busy=$(dirname "$0")/../../../build/selftest/busy
[ -x "$busy" ] || {
	echo "busy.sh: no $busy; make -C tests/selftest" >&2
	exit 1
}
busy=$(cd "$(dirname "$busy")" && pwd)/busy
mount -t tmpfs busy /mnt
exec "$busy" -d /mnt "$@"
