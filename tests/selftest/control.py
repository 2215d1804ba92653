#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The negative control: programs that others wrote to test kernels, each in a container of its own under `beanctl check`.

    control.py stress-ng CLASS|STRESSOR...  one second of each; of a class those that are in no class before it
    control.py disks [KIND|STRESSOR]...     some of them on ext4, xfs and btrfs of the host's
    control.py kselftest FOLDER [NAME...]   the programs installed below FOLDER/COLLECTION
    control.py trinity SECONDS

Prints a row of a table for each: suite, test, kernel, verdict, seconds from the end of the command to the verdict, how the command
ended, and, where the verdict is not clean, what was left and why: control.explained says it of sites. What that file does not
explain, and what has references that are in nobody's memory (`unexplained` among its holders), whatever its site, is shown as
UNEXPLAINED, and makes the exit status 1. A line `# TEST` when a test begins: those without a row were running when a machine came to
an end.

References to what the host's files are known by come and go while a search of the memory is under way, by the tests that run beside. One
that is lost stays lost: where there seemed to be some, the row waits until nothing else runs, and for the next searches.

Environment: CONTROL_JOBS, how many at a time (12); CONTROL_CEILING, seconds for one (40); CONTROL_VERDICT, seconds for its verdict, which
may wait for the searches of others (180); CONTROL_DONE, a file with rows of an earlier run, whose tests are left out.
"""
import concurrent.futures
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = ["os", "memory", "network", "filesystem", "scheduler", "interrupt"]
# What is not run, since it would say nothing about containers.
LEFT_OUT = {
    "cpu-online": "takes processors away from the machine",
    "memhotplug": "takes memory away from the machine",
    "reboot": "ends the container before it has done anything",
    "watchdog": "reboots the machine",
    "softlockup": "is there to hang processors",
    "bigheap": "takes all memory, and the machine's OOM killer chooses among all containers",
    "oom-pipe": "the same",
    "opcode": "random instructions: QEMU's TCG lets a far return of a user's through to the kernel, which oopses (seen)",
    "sysinval": "random arguments: trinity does that",
    "rtc": "one clock in the machine",
    "pageswap": "there is no swap",
}
DISK_STRESSORS = ["hdd", "aio", "dentry", "dirmany", "rename", "link", "xattr", "fallocate", "fpunch", "mmap", "seek", "sync-file", "iomix",
                  "copy-file", "lockf", "inotify", "io-uring"]
JOBS = int(os.environ.get("CONTROL_JOBS", "12"))
CEILING = int(os.environ.get("CONTROL_CEILING", "40"))
VERDICT = int(os.environ.get("CONTROL_VERDICT", "180"))
SEARCHES = 600  # seconds in which there is another search of what is held: they are a minute apart, then two, then four
ENDED = 'file=$0; timeout --foreground -s KILL "$CEILING" "$@"; status=$?; cut -d" " -f1 /proc/uptime >"$file"; exit $status'
KILLED = 128 + 9


def explanations():
    """(verdict, test, site, reason) of each line of control.explained."""
    found = []
    with open(os.path.join(HERE, "control.explained"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                verdict, test, site, reason = (part.strip() for part in line.split(" | ", 3))
                found.append((verdict, re.compile(test), re.compile(site), reason))
    return found


def rows_had():
    """(suite, test) of each row in the file CONTROL_DONE."""
    name = os.environ.get("CONTROL_DONE")
    if not name or not os.path.exists(name):
        return set()
    with open(name, encoding="utf-8") as file:
        return {tuple(column.strip() for column in line.split("|")[1:3]) for line in file}


def uptime():
    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0])


def is_lost(group):
    return any(holder.startswith("unexplained:") for holder in group["holders"])


def now_left(containers):
    """What is left by now of those; nothing where the module has none of that number any more."""
    found = []
    for one in containers:
        asked = subprocess.run(["beanctl", "leaks", "--json", str(one["id"])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, check=False)
        if asked.stdout:
            found += json.loads(asked.stdout)["containers"]
        elif "there is no container" not in asked.stderr:
            raise RuntimeError(asked.stderr)
    return found


class Control:
    def __init__(self):
        self.explained = explanations()
        self.done = rows_had()
        self.lock = threading.Lock()
        self.unexplained = 0
        self.doubtful = []

    def reason(self, name, group):
        """Why this may be left; "" where nobody knows."""
        function = group["function"]
        for verdict, test, site, reason in self.explained:
            if verdict == group["verdict"] and test.fullmatch(name) and (
                    site.match(function) or site.match(f'{function} {group.get("details", "")}')):
                return reason
        return ""

    def why(self, name, containers):
        """What is left, each with its reason, and whether there is one for all. `name`: SUITE TEST. What has references that nobody
        has is excused by no site."""
        reasons, missing = [], []
        for group in (group for container in containers for group in container["leaks"]):
            if group["verdict"] not in ("leaked", "held"):
                continue
            reason = "" if is_lost(group) else self.reason(name, group)
            if not reason:
                known = " ".join([group.get("details", ""), *group["holders"]]).strip()
                missing.append(f'{group["verdict"]} {group["objects"]} × {group["cache"]} @ {group["function"]}'
                               + (f" ({known})" if known else ""))
            elif reason not in reasons:
                reasons.append(reason)
        if missing:
            reasons.append("**UNEXPLAINED**: " + ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else ""))
        return "; ".join(reasons), not missing

    def run(self, suite, test, command, folder=None):
        with self.lock:
            print(f"# {suite} {test}", flush=True)
        # What a killed test has left immutable stays, in a machine that ends soon.
        with tempfile.TemporaryDirectory(prefix="control.", ignore_cleanup_errors=True) as work:
            ended = os.path.join(work, "ended")
            with open(ended, "w", encoding="ascii") as file:
                file.write("0.0      \n")
            start = uptime()
            checked = subprocess.run(
                ["beanctl", "check", "--net", "--timeout", str(VERDICT), "--json", "--", "sh", "-c", ENDED, ended, *command],
                env={**os.environ, "CEILING": str(CEILING)}, cwd=folder or work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, check=False)
            now = uptime()
            with open(ended, encoding="ascii") as file:
                end = float((file.read().split() or ["0"])[0])  # empty: some stressor had filled the file system
        try:
            result = json.loads(checked.stdout)
        except ValueError:
            self.row(suite, test, "none", "-", f"beanctl {checked.returncode}", "**UNEXPLAINED**: beanctl said nothing", False)
            return
        check = result["check"]
        how = ("timed out" if check["timed_out"] or (check["status"] == KILLED and end - start >= CEILING) else
               f'signal {check["signal"]}' if check["signal"] else str(check["status"]))
        why, known = self.why(f"{suite} {test}", result["containers"])
        verdict = check["verdict"] or "none"
        if verdict == "held" and not why:
            why = "let go of before the report was read"
        if verdict == "leaked" and not any(group["verdict"] == "leaked" for one in result["containers"] for group in one["leaks"]):
            why, known = "**UNEXPLAINED**: gone when the report was read", False
        if check["no_verdict"] or check["blind"]:
            why, known = f'**UNEXPLAINED**: {check["no_verdict"] or check["blind"]}', False
        if check["kernel_log"]:
            why, known = f'**UNEXPLAINED**: the kernel log: {check["kernel_log"][0]}', False
        seconds = f"{now - end:.1f}" if end else "-"
        left = [group for one in result["containers"] for group in one["leaks"]]
        if verdict == "held" and not known and any(is_lost(group) for group in left):
            with self.lock:
                self.doubtful.append((suite, test, verdict, seconds, how, result["containers"]))
            return
        self.row(suite, test, verdict, seconds, how, why, known or verdict == "clean")

    def settle_doubts(self):
        """Those with references that nobody seemed to have, now that nothing else runs."""
        end = time.monotonic() + SEARCHES
        while self.doubtful:
            waiting = []
            for suite, test, verdict, seconds, how, containers in self.doubtful:
                left = now_left(containers)
                why, known = self.why(f"{suite} {test}", left)
                lost = any(is_lost(group) for one in left for group in one["leaks"])
                if lost and time.monotonic() < end:
                    waiting.append((suite, test, verdict, seconds, how, containers))
                else:
                    self.row(suite, test, verdict, seconds, how, why or "let go of by the next search", known)
            self.doubtful = waiting
            if waiting:
                time.sleep(5)

    def row(self, suite, test, verdict, seconds, how, why, known):
        with self.lock:
            self.unexplained += not known
            print(f"| {suite} | {test} | {platform.release()} | {verdict} | {seconds} | {how} | {why} |", flush=True)

    def run_all(self, tests):
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for future in [pool.submit(self.run, *test) for test in tests if test[:2] not in self.done]:
                future.result()
        self.settle_doubts()
        return 1 if self.unexplained else 0


def of_class(name):
    text = subprocess.run(["stress-ng", "--class", name + "?"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False).stdout
    return text.split("stressors:", 1)[1].split()


def stressors(names):
    for name in names:
        if name not in CLASSES:
            chosen = [name]
        else:
            before = {one for earlier in CLASSES[:CLASSES.index(name)] for one in of_class(earlier)}
            chosen = [one for one in of_class(name) if one not in before and one not in LEFT_OUT]
        for one in chosen:
            yield "stress-ng", one, stressor(one)


def stressor(name):
    return ["stress-ng", "--" + name, "1", "-t", "1", "--no-rand-seed", "--oomable"]


def disks(names):
    subprocess.run(["modprobe", "loop"], check=False)
    sizes = {"ext4": 64, "xfs": 320, "btrfs": 256}
    for kind, size in sizes.items():
        if kind not in ([name for name in names if name in sizes] or sizes):
            continue
        image, place = f"/run/control.{kind}.image", f"/run/control.{kind}"
        os.makedirs(place, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(size << 20)
        subprocess.run(["mkfs." + kind, "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
        for name in [name for name in names if name not in sizes] or DISK_STRESSORS:
            yield kind, name, stressor(name), place


def kselftests(folder, names):
    """Those that `make install` has installed: FOLDER/kselftest-list.txt has COLLECTION:PROGRAM."""
    with open(os.path.join(folder, "kselftest-list.txt"), encoding="utf-8") as file:
        for line in file:
            collection, program = line.strip().split(":", 1)
            if not names or collection in names:
                yield "kselftest", f"{collection}:{program}", ["./" + program], os.path.join(folder, collection)


def main(arguments):
    control = Control()
    if arguments[:1] == ["stress-ng"]:
        return control.run_all(stressors(arguments[1:]))
    if arguments[:1] == ["disks"]:
        return control.run_all(disks(arguments[1:]))
    if arguments[:1] == ["kselftest"] and len(arguments) > 1:
        return control.run_all(kselftests(os.path.abspath(arguments[1]), arguments[2:]))
    if arguments[:1] == ["trinity"] and len(arguments) == 2:
        seconds = int(arguments[1])
        command = ["timeout", "-s", "KILL", str(seconds), "trinity", "-q", "-q", "-l", "off", "-C", "2", "--dangerous"]
        return control.run_all([("trinity", f"{seconds} s", command)])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    start = time.monotonic()
    status = main(sys.argv[1:])
    print(f"# {time.monotonic() - start:.0f} s", flush=True)
    sys.exit(status)
