# SPDX-License-Identifier: GPL-2.0
"""Results as markdown."""
from results import COLUMNS, PAIRS, SYSCALLS

HEADS = {"bare": "bare", "host": "host's task", "container": "container", "near": "near its limit", "stacks": "with stacks",
         "memcg": "memcg", "tracer": "tracer", "bpftrace": "bpftrace"}
ROWS = {"kmalloc_64": "kmalloc(64)", "kmalloc_64_variable": "kmalloc(n), n = 64", "kmem_cache": "kmem_cache",
        "bulk": "bulk of 16, per object", "kfree_rcu": "kfree_rcu(), the caller's part", "kfree_bulk": "kfree_rcu(), its batch",
        "kmalloc_4k": "kmalloc(4096)", "kmalloc_16k": "kmalloc(16384)", "fork_exit_wait": "fork, exit, wait",
        "open_close": "open, close", "pipe_close": "pipe, close", "socketpair_rw": "socketpair, write, read",
        "mmap_munmap": "mmap, munmap"}


def figure(value):
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.1f}"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


class Notes:
    """Reasons, each once, by number."""

    def __init__(self):
        self.all = []

    def mark(self, reason):
        if reason not in self.all:
            self.all.append(reason)
        return f"- [{self.all.index(reason) + 1}]"

    def text(self):
        return "\n".join(f"[{i + 1}] {reason}." + "  " for i, reason in enumerate(self.all))


def cell_text(cell, notes):
    if cell is None:
        return "?"
    if "missing" in cell:
        return notes.mark(cell["missing"])
    if "more" not in cell:
        return figure(cell["instructions"])
    text = f"{'+' if cell['more'] >= 0 else ''}{figure(cell['more'])} ({cell['to_bare']:.2f}"
    return text + (f", {cell['to_memcg']:.2f})" if "to_memcg" in cell else ")")


def costs(kernel, notes):
    columns = [c for c in COLUMNS if c in kernel.wanted and c not in kernel.absent]
    for column in kernel.wanted:
        if column in kernel.absent:
            notes.mark(f"no column for {HEADS[column]}: {kernel.absent[column]}")
    rows = [[ROWS[row]] + [cell_text(kernel.cell(row, c), notes) for c in columns] for row in PAIRS + SYSCALLS]
    return table([kernel.release] + [HEADS[c] for c in columns], rows)


def readme(date, command, kernels, boots):
    """The section between README's markers."""
    notes = Notes()
    clocks = sorted({str(n) for k in kernels for n in k.clock.values()})
    parts = [f"""Guest instructions, measured {date} by `{command}`: of an allocation and its free, and of whole system calls. After
"bare" what is added to it, in brackets the ratio to bare and the part of what memcg's accounting adds. Each column has a boot of its
own ({boots} boots in all, with the scale's); 1000 nops read {" or ".join(clocks)} in each column."""]
    parts += [costs(kernel, notes) for kernel in kernels]
    if notes.all:
        parts.append(notes.text())
    return "\n\n".join(parts) + "\n"


def syscall_parts(kernel):
    """A system call's objects, and what they should cost by the price of one pair."""
    pair = (kernel.cell("kmalloc_64", "container") or {}).get("more")
    rows = []
    for row in SYSCALLS:
        cell, bare = kernel.cell(row, "container") or {}, kernel.bare(row, "container")
        if pair is None or "more" not in cell or row not in kernel.objects:
            continue
        n = kernel.objects[row]
        rows.append([ROWS[row], bare, n, figure(n * pair), figure(cell["more"]), f"{100 * cell['more'] / bare:.1f} %"])
    return table(["call", "bare", "objects", "objects x pair", "measured", "of bare"], rows)


def cpus(kernel):
    by = {}
    for r in kernel.table("cpus"):
        by.setdefault(int(r["cpus"]), {})[r["mode"]] = float(r["per_thousand"])
    rows = [[n] + [figure(v.get(mode, 0)) for mode in ("bare", "far", "near")] for n, v in sorted(by.items())]
    return table(["possible CPUs", "bare", "far from the limit", "near it"], rows)


def slow(kernel):
    rows = []
    for r in kernel.table("slow"):
        charges = int(r["charges"])
        entered = {k: int(v) for k, v in r.items() if k not in ("table", "cpus", "mode", "charges")}
        often = {k: 1000 * n / charges for k, n in entered.items() if 1000 * n / charges >= 0.1}
        rows.append([r["cpus"], r["mode"], ", ".join(f"{k} {v:.1f}" for k, v in sorted(often.items(), key=lambda i: -i[1]))])
    return table(["CPUs", "limit", "entries per 1,000 charges"], rows)


def containers(kernel):
    return table(["containers", "first pair after a change", "the next pair"],
                 [[r["containers"], r["first"], r["second"]] for r in kernel.table("containers")])


def objects(kernel):
    kept = {r["objects"]: r["ledger"] for r in kernel.table("given_back")}
    stop = {r["objects"]: r for r in kernel.table("stop")}
    wait = {r["objects"]: r["longest_wait"] for r in kernel.table("stop_watched")}
    rows = []
    for r in kernel.table("objects"):
        n = r["objects"]
        per = f"{int(r['ledger']) / int(n):.2f}" if int(n) >= 1000 else "-"
        rows.append([f"{int(n):,}", figure(float(r["per_thousand"])), f"{int(r['ledger']):,}", per, f"{int(kept.get(n, 0)):,}",
                     f"{int(stop[n]['took']) / 1e6:,.0f}" if n in stop else "?", f"{int(wait.get(n, 0)) / 1e6:.2f}"])
    return table(["living objects", "1,000 charges", "ledger bytes", "an object", "ledger bytes when freed",
                  "ms from end to verdict", "longest wait, ms"], rows)


def reads(kernel):
    sizes = sorted({int(r["objects"]) for r in kernel.table("read") if "objects" in r})
    files = {}
    for kind in ("read", "read_stopped"):
        for r in kernel.table(kind):
            name = r["file"] + (" (stopped)" if kind == "read_stopped" else "")
            files.setdefault(name, {})[int(r.get("objects", sizes[0]))] = r
    heads = ["file"] + [f"{n:,} object{'' if n == 1 else 's'}: Minstr., longest wait in ms" for n in sizes] + \
        ["of one object more, " + " and ".join(f"{a:,} to {b:,}" for a, b in slopes(sizes)), "dearest pair meanwhile"]
    return table(heads, [[name] + [f"{int(by[n]['took']) / 1e6:.2f}, {int(by[n]['longest_wait']) / 1e6:.2f}" if n in by else ""
                                   for n in sizes] + [slope_text(by, sizes), dearest(by)] for name, by in files.items()])


def slopes(sizes):
    """Between which numbers of objects it is worth while to compare: of few the fixed part is most."""
    many = [n for n in sizes if n >= 1000]
    return list(zip(many, many[1:]))


def slope_text(by, sizes):
    """Instructions that one object more takes; the same everywhere where reading is linear."""
    each = [(int(by[b]["took"]) - int(by[a]["took"])) / (b - a) for a, b in slopes(sizes) if a in by and b in by]
    return ", ".join(f"{x:.1f}" for x in each)


def dearest(by):
    """Of an allocation and its free in the container that is read about, by a task that interrupts the reader."""
    pairs = [int(r["pair"]) for r in by.values() if int(r.get("pair", 0)) > 0]
    return max(pairs) if pairs else ""


def sizes(kernel):
    rows = []
    for r in kernel.table("sizes"):
        size, n, ledger = int(r["size"]), int(r["objects"]), int(r["ledger"])
        rows.append([f"{size:,}", f"{n:,}", f"{ledger:,}", f"{ledger / n:.2f}", f"{100 * ledger / n / size:.1f} %",
                     f"{100 * int(r['table_bytes']) / int(r['ram']):.3f} %"])
    return table(["bytes of an object", "objects", "ledger bytes", "an object", "of its bytes", "and the table, of the RAM"], rows)


def stop_vm(kernel):
    by = {int(r["objects"]): r for r in kernel.table("stop_vm")}
    return table(["survivors", "reading the report, ms", "from end to verdict, ms"],
                 [[f"{n:,}", f"{int(r['report']) / 1e6:,.0f}", f"{int(r['took']) / 1e6:,.0f}"] for n, r in sorted(by.items())])


HOST = {"own_container": "each in a container of its own", "one_container": "both in one container",
        "one_page": "in one container, objects in the same page", "own_container_near": "each in its own, near its limit",
        "one_container_near": "both in one, near its limit", "one_atomic": "to compare: one atomic counter, nothing else",
        "one_lock": "to compare: one lock, nothing else"}


def host(rows):
    if "missing" in rows:
        return f"Not measured: {rows['missing']}."
    rows = dict(rows)
    handed_over = rows.pop("handed_over_ns")
    return table(["a charge and its free, CPU ns", "1 thread", "2 threads", "ratio", "repetitions"],
                 [[HOST.get(name, name.replace("_", " ")), r["one"], r["two"], r["ratio"], r["repetitions"]] for name, r in
                  sorted(rows.items(), key=lambda row: list(HOST).index(row[0]) if row[0] in HOST else len(HOST))]) + \
        (f"\n\nThat both threads ran at once: one handed a word to the other in {handed_over} ns. What does contend costs by that: from 66 to 201 ns "
         "and from 2.9 to 7.3 times, both near one limit, have been seen on one machine, by where its host has just put the two processors.")


SCALE = (
    ("syscalls", "System calls: their objects' part", syscall_parts,
     "How many slab objects one has (by the tracer), what these cost at the price of a kmalloc(64), and what it costs more."),
    ("cpus", "Possible CPUs", cpus,
     "Instructions of 1,000 kmalloc(256), 250 of them alive at a time, and their frees, on one CPU."),
    ("slow", "Slow paths", slow,
     "Each CPU charges the same container at once; how often functions that the core calls cold are entered, counted by kprobes. "
     "Without instructions: several CPUs do not boot where they are counted."),
    ("containers", "Containers by turns on one CPU", containers, "Instructions of a kmalloc(64) and its free."),
    ("objects", "Objects", objects,
     "What a container's living objects cost it, and from its end to the verdict when all of them survive (drains of some seconds "
     "are in it, compare with one object). The clock is the machine's own: instructions, and what it waits for. The longest wait is that of a "
     "task of the highest priority meanwhile."),
    ("sizes", "Objects by size", sizes,
     "What the ledger has made for so many living objects of one size (no more than 512 MiB of them), beside its table, which is there from the "
     "start. A page that objects lie in has an array of 8 bytes for each place of theirs, 64 at least; places are a power of two apart. An "
     "object of a page or more is in the table itself."),
    ("read", "Reading", reads,
     "The least of three; then once more beside a task of the highest priority, in the container where that is alive: it wakes each 50 "
     "microseconds, and allocates and frees 64 bytes. The same with one object and with a million: nobody stops it. A wait of 0.4 ms is "
     "100 pages of ours that the allocator clears in one go, with interrupts off: by bytes, each of which is an instruction here."),
    ("stop_vm", "The report of a stop, by the clock on the wall", stop_vm,
     "In a machine with two CPUs that counts nothing, with the host's other work in it: the least of three readings of ID/leaks."),
)


def document(kernels, contended):
    """The section between the markers of Documentation/cost.md."""
    parts = []
    for name, title, make, what in SCALE:
        found = [k for k in kernels if (k.objects if name == "syscalls" else k.table(name))]
        if not found:
            continue
        parts.append(f"### {title}\n\n{what}")
        parts += [f"{k.release}:\n\n{make(k)}" for k in found]
    parts.append("### Contention\n\nThe core on the host's processors (tests/host/bench_core.cc), Google Benchmark: two threads, each on a "
                 "processor of its own and above everybody else's priority; medians of interleaved repetitions, and only those count in which the "
                 "threads ran at least 80 % of the time. The platform of the tests has costs of its own: the ratios count.\n\n" + host(contended))
    return "\n\n".join(parts) + "\n"
