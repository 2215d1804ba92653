# SPDX-License-Identifier: GPL-2.0
"""What the guests of scripts/bench have printed, as numbers with their ratios, or as the reason why there is none. A cell is
{"instructions": N, ...} or {"missing": reason}; what is neither is a fault, and so is a clock that does not count instructions."""
from statistics import median

COLUMNS = ("bare", "host", "container", "near", "stacks", "memcg", "tracer", "bpftrace")
# What only sees tracepoints does not see every allocation.
TRACERS = ("tracer", "bpftrace")
# Measured for a task in a pid namespace: a system call does more there by itself.
IN_CONTAINER = ("container", "near", "stacks", "tracer", "bpftrace")
PAIRS = ("kmalloc_64", "kmalloc_64_variable", "kmem_cache", "bulk", "kfree_rcu", "kfree_bulk", "kmalloc_4k", "kmalloc_16k")
SYSCALLS = ("fork_exit_wait", "open_close", "pipe_close", "socketpair_rw", "mmap_munmap")
CLOCK = "nops_1000"
QUICK = ("bare", "host", "container", "near", "memcg")


def parse(text):
    """The lines `bench KEY=VALUE ...` of a guest's output, as dicts. missing= is the last of a line, and has blanks."""
    for line in text.splitlines():
        if not line.startswith("bench "):
            continue
        words, _, reason = line[len("bench "):].partition("missing=")
        record = dict(word.split("=", 1) for word in words.split())
        if reason:
            record["missing"] = reason
        yield record


def number(text):
    value = float(text)
    return int(value) if value == int(value) else round(value, 1)


class Kernel:
    """One kernel's measurements. `wanted` are the columns that were asked for."""

    def __init__(self, release, records, wanted=COLUMNS):
        self.release = release
        self.wanted = wanted
        self.records = list(records)
        self.cells = {}
        self.least = {}
        self.objects = {}
        self.absent = {}
        self.unseen = {}
        self.clock = {}
        for record in self.records:
            if "column" in record:
                self._add(record)
        for row, reason in self.unseen.items():
            for column in TRACERS:
                if column in wanted and column not in self.absent:
                    self.cells[row, column] = {"missing": reason}
        for row in PAIRS + SYSCALLS:
            for column in wanted:
                self._ratios(row, column)

    def _add(self, record):
        column, row = record["column"], record.get("row")
        if row is None:
            self.absent[column] = record["missing"]
        elif "missing" in record:
            self.cells[row, column] = {"missing": record["missing"]}
        elif row == CLOCK:
            self.clock[column] = int(record["total"])
        elif "total" in record:
            pairs = int(record["pairs"])
            self.cells[row, column] = {"instructions": number(int(record["total"]) / pairs)}
            seen, frees = (int(record.get(key, pairs)) for key in ("seen", "seen_frees"))
            if seen < pairs or frees < pairs:
                self.unseen[row] = f"tracepoints see {seen} of {pairs} allocations and {frees} of their frees"
        else:
            self.cells[row, column] = {"instructions": int(record["median"]), "least": int(record["least"])}
            if "objects" in record:
                self.objects[row] = int(record["objects"])

    def cell(self, row, column):
        if (row, column) in self.cells:
            return self.cells[row, column]
        if column in self.absent:
            return {"missing": self.absent[column]}
        return None

    def bare(self, row, column):
        """What a column's figure is compared with, None where that is not there."""
        reference = "bare_container" if row in SYSCALLS and column in IN_CONTAINER else "bare"
        cell = self.cell(row, reference)
        return cell and cell.get("instructions")

    def _ratios(self, row, column):
        cell, bare = self.cell(row, column), self.bare(row, column)
        if column == "bare" or not cell or "missing" in cell or not bare:
            return
        cell["more"] = number(cell["instructions"] - bare)
        cell["to_bare"] = round(cell["instructions"] / bare, 3)
        memcg, memcg_bare = self.cell(row, "memcg"), self.bare(row, "memcg")
        if column == "memcg" or not memcg or "missing" in memcg or not memcg_bare:
            return
        added = memcg["instructions"] - memcg_bare
        if added > 0:
            cell["to_memcg"] = round(cell["more"] / added, 3)

    def table(self, name):
        return [r for r in self.records if r.get("table") == name]

    def faults(self):
        """What makes the run a failure."""
        found = []
        for column in self.wanted:
            if column in self.absent:
                continue
            if not 990 <= self.clock.get(column, 0) <= 1010:
                found.append(f"{column}: 1000 nops took {self.clock.get(column, 'nobody knows how long')}: "
                             "not a machine that counts instructions")
            found += [f"{column}: {row} was not measured, and nothing says why"
                      for row in PAIRS + SYSCALLS if self.cell(row, column) is None]
        found += [f"{row} in a container without the module was not measured" for row in SYSCALLS
                  if "bare_container" not in self.absent and self.cell(row, "bare_container") is None and "bare" in self.wanted]
        return [f"{self.release}: {fault}" for fault in found]

    def json(self):
        scale = {}
        for record in self.records:
            if "table" in record:
                scale.setdefault(record["table"], []).append(
                    {k: v if not v.replace(".", "", 1).lstrip("-").isdigit() else number(v)
                     for k, v in record.items() if k != "table"})
        rows = {row: {c: self.cell(row, c) for c in ("bare_container",) + self.wanted if self.cell(row, c)}
                for row in PAIRS + SYSCALLS}
        return {"release": self.release, "columns": list(self.wanted), "clock": self.clock,
                "rows": rows, "objects": self.objects, "scale": scale}


AT_ONCE = 0.8  # what part of the time both threads ran, of a repetition that counts; who sleeps for a lock did not run then
LEAST = 5      # repetitions that count
HANDED_OVER = 1000  # ns: more than that from one thread to the other, and they take turns on a processor


def contention(report):
    """Of Google Benchmark's JSON: CPU nanoseconds of an iteration by name and threads, medians of the repetitions in which the threads
    ran at once, with the ratio of two threads to one; or why there is none. `baton` is the measurement of that, and no row."""
    found = {}
    for b in report["benchmarks"]:
        if b.get("run_type") == "iteration":
            name = b["run_name"].split("/")[1 if b["run_name"].startswith("pairs/") else 0]
            found.setdefault(name, {}).setdefault(b["threads"], []).append(b)
    if "baton" not in found:
        return {"missing": "bench_core did not run"}
    handed_over = median(b["real_time"] for b in found.pop("baton")[2])
    if handed_over > HANDED_OVER:
        return {"missing": f"the threads did not run at once: handing a word over took {handed_over:,.0f} ns"}
    rows = {}
    for name, by in found.items():
        good = {threads: [b["cpu_time"] for b in all_of_it if b["ran"] >= AT_ONCE] for threads, all_of_it in by.items()}
        few = min(len(good.get(threads, ())) for threads in (1, 2))
        if few < LEAST:
            return {"missing": f"the threads did not run at once: {name.replace('_', ' ')} had {few} repetitions in which they did, "
                               f"and {LEAST} are wanted"}
        one, two = median(good[1]), median(good[2])
        rows[name] = {"one": round(one, 2), "two": round(two, 2), "ratio": round(two / one, 2), "repetitions": few}
    rows["handed_over_ns"] = round(handed_over)
    return rows
