# SPDX-License-Identifier: GPL-2.0
"""tests/bench: from what the guests print to ratios, tables and faults."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import xml.dom.minidom
from unittest import mock

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(REPO, "tests/bench"))

import plot  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import tables  # noqa: E402


def column(name, factor, clock=1000, **more):
    """A whole column: each pair costs 100 times factor, each call 1000 times."""
    lines = [f"bench column={name} row={results.CLOCK} total={clock} pairs=1"]
    lines += [f"bench column={name} row={row} total={round(6400 * factor)} pairs=64" for row in results.PAIRS]
    lines += [f"bench column={name} row={row} median={round(1000 * factor)} least=1" for row in results.SYSCALLS]
    return "\n".join(lines + [f"bench column={name} {line}" for line in more.get("lines", ())]) + "\n"


def whole():
    text = "something else\n" + "".join(column(name, factor) for name, factor in
                                          (("bare", 1), ("host", 1.125), ("container", 2), ("near", 2.5), ("memcg", 5), ("tracer", 3),
                                           ("bpftrace", 9)))
    text += "\n".join(f"bench column=bare_container row={row} median=1250 least=1" for row in results.SYSCALLS) + "\n"
    return text + "bench column=stacks missing=this beancounter.ko has no parameter stacks\n"


def kernel(text, **more):
    return results.Kernel("6.1.0-56-amd64", results.parse(text), **more)


class Results(unittest.TestCase):
    def test_lines(self):
        self.assertEqual(list(results.parse("x\nbench a=1 b=c=d\nbenchmark a=2\nbench column=stacks missing=no such thing\n")),
                         [{"a": "1", "b": "c=d"}, {"column": "stacks", "missing": "no such thing"}])

    def test_ratios_of_a_pair(self):
        k = kernel(whole())
        self.assertEqual(k.cell("kmalloc_64", "bare"), {"instructions": 100})
        self.assertEqual(k.cell("kmalloc_64", "container"), {"instructions": 200, "more": 100, "to_bare": 2, "to_memcg": 0.25})
        self.assertEqual(k.cell("kmalloc_64", "host")["more"], 12.5)
        self.assertEqual(k.cell("kmalloc_64", "memcg"), {"instructions": 500, "more": 400, "to_bare": 5})

    def test_a_call_in_a_container_is_compared_with_one_in_a_container(self):
        k = kernel(whole())
        self.assertEqual(k.cell("open_close", "container")["more"], 750)
        self.assertEqual(k.cell("open_close", "host")["more"], 125)
        self.assertEqual(k.cell("open_close", "container")["to_memcg"], round(750 / 4000, 3))

    def test_a_whole_run_has_no_faults(self):
        self.assertEqual(kernel(whole()).faults(), [])

    def test_a_missing_cell_without_a_reason_is_a_fault(self):
        text = whole().replace("bench column=near row=bulk ", "lost ")
        self.assertEqual(kernel(text).faults(), ["6.1.0-56-amd64: near: bulk was not measured, and nothing says why"])
        text = whole().replace("bench column=near row=bulk total=16000 pairs=64", "bench column=near row=bulk missing=3 failed")
        self.assertEqual(kernel(text).faults(), [])
        self.assertEqual(kernel(text).cell("bulk", "near"), {"missing": "3 failed"})

    def test_a_missing_column_without_a_reason_is_a_fault(self):
        text = "\n".join(line for line in whole().splitlines() if "column=memcg" not in line)
        self.assertEqual(len(kernel(text).faults()), 1 + len(results.PAIRS + results.SYSCALLS))
        text = "\n".join(line for line in whole().splitlines() if "column=bare_container" not in line)
        self.assertEqual(len(kernel(text).faults()), len(results.SYSCALLS))

    def test_a_clock_that_does_not_count_is_a_fault(self):
        for nops, good in ((1000, True), (990, True), (989, False), (1010, True), (1011, False), (4321, False)):
            text = whole().replace("bench column=host row=nops_1000 total=1000", f"bench column=host row=nops_1000 total={nops}")
            self.assertEqual(kernel(text).faults() == [], good, nops)

    def test_what_tracepoints_do_not_see_is_no_figure(self):
        text = whole().replace("bench column=tracer row=bulk total=19200 pairs=64",
                               "bench column=tracer row=bulk total=19200 pairs=64 seen=0 seen_frees=0")
        text = text.replace("bench column=tracer row=kfree_rcu total=19200 pairs=64",
                            "bench column=tracer row=kfree_rcu total=19200 pairs=64 seen=64 seen_frees=63")
        k = kernel(text)
        for row, reason in (("bulk", "see 0 of 64 allocations and 0 of"), ("kfree_rcu", "see 64 of 64 allocations and 63 of")):
            for name in ("tracer", "bpftrace"):
                self.assertIn(reason, k.cell(row, name)["missing"])
        self.assertIn("instructions", k.cell("kmalloc_64", "tracer"))
        self.assertEqual(k.faults(), [])

    def test_quick(self):
        text = "".join(column(name, 1) for name in results.QUICK)
        text += "\n".join(f"bench column=bare_container row={row} median=1 least=1" for row in results.SYSCALLS)
        self.assertEqual(kernel(text, wanted=results.QUICK).faults(), [])
        self.assertNotEqual(kernel(text).faults(), [])

    def test_contention(self):
        def google(ran=1.0, baton=200.0, times=7):
            found = [{"run_name": "baton/iterations:1000/real_time/threads:2", "run_type": "iteration", "threads": 2, "real_time": baton,
                      "cpu_time": 1, "ran": 1}]
            for name, both in (("pairs/own_container", (40, 44)), ("one_atomic", (10, 50))):
                for threads, ns in zip((1, 2), both):
                    # Some that took turns, and cost nothing.
                    runs = [(ns, ran)] * times + [(1, 0.5)] * 9
                    found += [{"run_name": f"{name}/real_time/threads:{threads}", "run_type": "iteration", "threads": threads,
                               "cpu_time": t, "real_time": t, "ran": r} for t, r in runs]
            found.append({"run_name": "pairs/own_container/real_time/threads:1", "run_type": "aggregate", "threads": 1, "cpu_time": 7})
            return results.contention({"benchmarks": found})
        self.assertEqual(google()["own_container"], {"one": 40, "two": 44, "ratio": 1.1, "repetitions": 7})
        self.assertEqual(google()["handed_over_ns"], 200)
        self.assertNotIn("baton", google())
        self.assertIn("did not run at once: own container had 0", google(ran=0.79)["missing"])
        self.assertIn("had 4 repetitions", google(times=4)["missing"])
        self.assertIn("own_container", google(times=5))
        self.assertIn("took 2,000,000 ns", google(baton=2e6)["missing"])
        self.assertIn("did not run", results.contention({"benchmarks": []})["missing"])
        text = tables.host(google())
        self.assertIn("| each in a container of its own | 40 | 44 | 1.1 | 7 |", text)
        self.assertLess(text.index("each in a container"), text.index("one atomic counter"))


class Text(unittest.TestCase):
    def test_readme(self):
        text = tables.readme("2026-11-24", "make bench", [kernel(whole())], 8)
        self.assertIn("| kmalloc(64) | 100 | +12.5 (1.12, 0.03) | +100 (2.00, 0.25) | +150 (2.50, 0.38) | +400 (5.00) | +200 (3.00, 0.50) |", text)
        self.assertIn("measured 2026-11-24 by `make bench`", text)
        self.assertIn("[1] no column for with stacks: this beancounter.ko has no parameter stacks.", text)
        self.assertNotIn("| with stacks |", text)

    def test_a_reason_is_given_once(self):
        notes = tables.Notes()
        self.assertEqual([notes.mark("a"), notes.mark("b"), notes.mark("a")], ["- [1]", "- [2]", "- [1]"])

    def test_between_markers(self):
        text = "a\n" + report.BEGIN + "old\n" + report.END + "z\n"
        self.assertEqual(report.between(text, "new\n"), "a\n" + report.BEGIN + "new\n" + report.END + "z\n")
        for broken in ("a\n", report.BEGIN + "x", report.END):
            with self.assertRaises(ValueError):
                report.between(broken, "new\n")

    def test_the_documents_have_their_markers(self):
        for name in ("README.md", "Documentation/cost.md"):
            with open(os.path.join(REPO, name), encoding="utf-8") as f:
                report.between(f.read(), "")

    def test_plot(self):
        dots = xml.dom.minidom.parseString(plot.svg("2026-11-24", [kernel(whole())])).getElementsByTagName("circle")
        # A legend of six, and six for each row.
        self.assertEqual(len(dots), 6 + 6 * len(results.PAIRS))
        self.assertEqual(plot.place(1), plot.LEFT)
        self.assertEqual(plot.place(10 ** plot.MOST), plot.LEFT + plot.WIDE)

    def test_scale(self):
        lines = ("table=cpus cpus=8 mode=near per_thousand=900.5", "table=cpus cpus=8 mode=far per_thousand=600", "table=cpus cpus=8 mode=bare per_thousand=400",
                 "table=slow cpus=2 mode=far charges=2000 fold=50 rare=0 never=1", "table=containers containers=2 first=5.0 second=4.0",
                 "table=objects objects=1000000 per_thousand=5 ledger=8000000", "table=given_back objects=1000000 ledger=0",
                 "table=stop objects=1000000 state=leaked took=900000000", "table=stop_watched objects=1000000 state=leaked longest_wait=83000000",
                 "table=read objects=1000000 file=/proc/x took=5000000 bytes=7 longest_wait=10000 pair=456",
                 "table=read objects=10000 file=/proc/x took=50000 bytes=7 longest_wait=10000 pair=455",
                 "table=read objects=100000 file=/proc/x took=500000 bytes=7 longest_wait=10000 pair=0",
                 "table=sizes size=192 objects=1000 ledger=12200 table_bytes=2000 ram=1000000",
                 "table=stop_vm objects=1000000 took=7000000000 report=900000000", "table=stop_vm objects=1 took=5000000000 report=1000000")
        text = tables.document([kernel(whole() + "".join(f"bench {line}\n" for line in lines))], {"missing": "no reason"})
        for row in ("| 8 | 400 | 600 | 900 |", "| 2 | far | fold 25.0, never 0.5 |", "| 2 | 5.0 | 4.0 |",
                    "| 1,000,000 | 5 | 8,000,000 | 8.00 | 0 | 900 | 83.00 |", "| /proc/x | 0.05, 0.01 | 0.50, 0.01 | 5.00, 0.01 | 5.0, 5.0 | 456 |",
                    "| 192 | 1,000 | 12,200 | 12.20 | 6.4 % | 0.200 % |", "| 1 | 1 | 5,000 |\n| 1,000,000 | 900 | 7,000 |", "Not measured: no reason."):
            self.assertIn(row, text)


class Program(unittest.TestCase):
    def run_report(self, text):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "6.1.0-56-amd64"))
            report.write(os.path.join(folder, "6.1.0-56-amd64/bare.log"), text)
            report.write(os.path.join(folder, "absent"), "6.99 Debian does not serve it\n")
            out, errors = io.StringIO(), io.StringIO()
            with mock.patch.object(sys, "argv", ["report.py", folder]), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                status = report.main()
            return status, out.getvalue(), errors.getvalue(), json.loads(report.read(os.path.join(folder, "bench.json")))

    def test_good(self):
        status, out, errors, found = self.run_report(whole())
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("| kmalloc(64) | 100 |", out)
        self.assertIn("6.99: not measured: Debian does not serve it", out)
        self.assertEqual((found["version"], found["boots"], found["quick"], found["absent"]), (1, 1, False, {"6.99": "Debian does not serve it"}))
        self.assertIn("missing", found["host"])
        k = found["kernels"]["6.1.0-56-amd64"]
        self.assertEqual(k["columns"], list(results.COLUMNS))
        for row in results.PAIRS + results.SYSCALLS:
            for name in results.COLUMNS:
                cell = k["rows"][row][name]
                self.assertEqual(("instructions" in cell) + ("missing" in cell), 1, (row, name))

    def test_bad(self):
        status, _, errors, _ = self.run_report(whole().replace("row=mmap_munmap", "row=mmap"))
        self.assertEqual(status, 1)
        self.assertIn("mmap_munmap was not measured", errors)


if __name__ == "__main__":
    unittest.main()
