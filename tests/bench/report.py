#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""report.py FOLDER [--docs] [--quick]: from what scripts/bench has collected in FOLDER (RELEASE/*.log, host.json) to the table on
standard output and FOLDER/bench.json; with --docs also into README.md and Documentation. Status 1, with the faults on standard error, where a
measurement is missing without a reason or the clock did not count instructions."""
import argparse
import datetime
import glob
import json
import os
import subprocess
import sys

import plot
import results
import tables

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->\n"


def between(text, new):
    """text with what is between the markers replaced."""
    before, marker, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not marker or not end:
        raise ValueError("the markers of make bench are not there")
    return before + BEGIN + new + END + after


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def kernels_of(folder, wanted):
    found = []
    boots = 0
    for place in sorted(glob.glob(os.path.join(folder, "*/")), key=version):
        logs = sorted(glob.glob(os.path.join(place, "*.log")))
        boots += len(logs)
        found.append(results.Kernel(os.path.basename(place.rstrip("/")), [r for log in logs for r in results.parse(read(log))], wanted))
    return found, boots


def version(place):
    return [int(n) for n in os.path.basename(place.rstrip("/")).replace("-", ".").split(".")[:2]]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("--docs", action="store_true")
    options.add_argument("--quick", action="store_true")
    options = options.parse_args()
    date = datetime.date.today().isoformat()
    kernels, boots = kernels_of(options.folder, results.QUICK if options.quick else results.COLUMNS)
    try:
        contended = results.contention(json.loads(read(os.path.join(options.folder, "host.json"))))
    except (FileNotFoundError, ValueError, KeyError) as error:
        contended = {"missing": f"bench_core: {error}"}
    absent = [line.split(" ", 1) for line in read(os.path.join(options.folder, "absent")).splitlines()]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    document = {"version": 1, "date": date, "commit": commit, "quick": options.quick, "boots": boots,
                "kernels": {k.release: k.json() for k in kernels}, "absent": dict(absent), "host": contended}
    write(os.path.join(options.folder, "bench.json"), json.dumps(document, indent=1) + "\n")

    command = "BENCH=quick make bench" if options.quick else "make bench"
    readme, more = tables.readme(date, command, kernels, boots), tables.document(kernels, contended)
    print(readme + "\n" + more)
    for kernel, reason in absent:
        print(f"{kernel}: not measured: {reason}")
    faults = [fault for k in kernels for fault in k.faults()]
    if not kernels:
        faults.append("no kernel was measured")
    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    if options.docs and not faults:
        for name, text in (("README.md", readme), ("Documentation/cost.md", more)):
            path = os.path.join(ROOT, name)
            write(path, between(read(path), text))
        write(os.path.join(ROOT, "Documentation/cost.svg"), plot.svg(date, kernels))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
