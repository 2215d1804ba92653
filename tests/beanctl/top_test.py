# SPDX-License-Identifier: GPL-2.0
"""beanctl top, as plain text and on a terminal, against a folder that looks like the module's."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from fake_module import FakeModule
from terminal import COLOUR, Terminal

HERE = os.path.dirname(os.path.abspath(__file__))
BEANCTL = os.path.join(HERE, "../../build/beanctl")
OBJECTS = "300 57600 dcachesize dentry __d_alloc+0x2c 9 -\n10 9000 kmemsize task_struct dup_task_struct+0x3 9 -\n"


class Top(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.module = FakeModule(os.path.join(self.folder, "beancounter"))
        self.env = {"BEANCTL_PROC": self.module.folder}

    def run_top(self, *words, **env):
        return subprocess.run([BEANCTL, "top", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False, env={**os.environ, **self.env, **env})

    def lines(self, *words):
        done = self.run_top("--batch", "-n", "1", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def terminal(self, *words, lines=24, places=80, **env):
        terminal = Terminal([BEANCTL, "top", "-d", "0.1", *words], lines, places, **{**self.env, **env})
        self.addCleanup(terminal.close)
        return terminal

    def three(self):
        self.module.add(7, name="web", held=9437184, failcnt=0, objects=OBJECTS)
        self.module.add(8, state="leaked", failcnt=12, command="my\\040sh")
        self.module.add(9, state="clean", held=0, failcnt=1, name="old")

    # --- batch

    def test_batch(self):
        self.three()
        lines = self.lines()
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d 3 containers: 1 running, 1 leaked, 1 clean; they hold 9M$")
        self.assertEqual(lines[1].split(), ["ID", "NAME", "STATE", "HELD", "GROWTH/S", "OBJECTS", "FAILCNT", "FORCED", "COMMAND"])
        self.assertEqual(lines[2:], [" 7 web  running   9M        -       1       0     0B sh",
                                     " 8 -    leaked  128B        -       1      12     0B my sh",
                                     " 9 old  clean     0B        -       1       1     0B sh"])

    def test_bytes(self):
        self.three()
        lines = self.lines("--bytes")
        self.assertIn("they hold 9437312", lines[0])
        self.assertEqual(lines[2].split()[3], "9437184")

    def test_sort(self):
        self.three()
        for words, order in (((), "7 8 9"), (("--sort", "failcnt"), "8 9 7"), (("-s", "id"), "7 8 9"),
                             (("-s", "growth"), "7 8 9")):
            self.assertEqual([line.split()[0] for line in self.lines(*words)[2:]], order.split(), words)

    def test_growth(self):
        row = self.module.add(7, held=1000)
        self.module.add(8, held=5000)
        process = subprocess.Popen([BEANCTL, "top", "--batch", "-n", "2", "-d", "1", "-b", "-s", "growth"], stdout=subprocess.PIPE,
                                   text=True, env={**os.environ, **self.env})
        first = [process.stdout.readline() for _ in range(4)]
        row["held"] = 101000
        self.module.add(9, held=7)
        rest = process.stdout.read().splitlines()
        self.assertEqual(process.wait(), 0)
        self.assertEqual([line.split()[4] for line in first[2:]], ["-", "-"])
        self.assertEqual(rest[0], "")
        growth = {line.split()[0]: line.split()[4] for line in rest[3:]}
        # One second, and what the machine adds to it.
        self.assertRegex(growth["7"], r"^\+\d+$")
        self.assertLessEqual(int(growth["7"]), 100000)
        self.assertGreater(int(growth["7"]), 1000)
        self.assertEqual((growth["8"], growth["9"]), ("0", "-"))
        self.assertEqual(rest[3].split()[0], "7")

    def test_forced(self):
        self.module.add(7, resources="resource held barrier limit failcnt forced\nkmemsize 1 2 3 0 4096\ndcachesize 1 2 3 0 1024\n"
                                     "numproc 1 2 3 0 77\n")
        self.module.add(8, resources="resource held\nkmemsize 1\n")
        self.module.add(9)
        os.unlink(self.module.path(9, "resources"))  # its folder is made a little later
        self.assertEqual([line.split()[7] for line in self.lines("-s", "id")[2:]], ["5K", "-", "-"])

    def test_losses(self):
        self.module.health["missed"] = 3
        self.module.flush()
        self.assertIn("since it was loaded missed rose by 3", self.lines()[0])

    def test_no_containers(self):
        self.assertEqual(self.lines()[0][9:], "0 containers; they hold 0B")

    def test_refused(self):
        for words, pattern in ((("--sort", "size"), "one of held, growth, failcnt, id"), (("-d", "0"), "0.1 to 86400"),
                               (("-d", "x"), "."), (("-n", "0"), "above 0"), (("--nonsense",), "."), ((), "--batch")):
            done = self.run_top(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertRegex(done.stderr, "^beanctl: .*" + pattern)

    def test_no_module(self):
        shutil.rmtree(self.module.folder)
        for words in ((), ("--batch",)):
            done = self.run_top(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("not loaded", done.stderr)

    # --- the terminal

    def test_screen(self):
        self.three()
        t = self.terminal()
        t.wait_for(r"^ 7 web +running +9M")
        t.wait_for("q quit")  # the last line, drawn last: a busy machine shows half a screen before
        lines = t.text().splitlines()
        self.assertRegex(lines[0], "3 containers")
        self.assertRegex(lines[1], "^ID NAME STATE")
        self.assertEqual([line.split()[0] for line in lines[2:5]], ["7", "8", "9"])
        self.assertRegex(lines[23], "q quit")
        self.assertEqual([m.split()[0] for m in t.marked()], ["7"])
        t.press("q")
        self.assertEqual(t.end(), 0)
        self.assertTrue(t.restored())

    def test_it_follows_what_changes(self):
        self.three()
        t = self.terminal()
        t.wait_for("^ 7 web")
        self.module.add(11, name="new", held=99999999)
        t.wait_for(r"^11 new +running 95\.4M +-")
        t.wait_for(r"^11 new +running 95\.4M +0B")

    def test_keys(self):
        self.three()
        t = self.terminal()
        t.wait_for("^ 7 web")
        t.press("f")
        t.until(lambda: t.rows() == ["8", "9", "7"], "order by failcnt")
        # The cursor has stayed with its container.
        self.assertEqual([m.split()[0] for m in t.marked()], ["7"])
        t.press("kk")
        t.until(lambda: [m.split()[0] for m in t.marked()] == ["8"], "cursor on 8")
        t.press("kj")
        t.until(lambda: [m.split()[0] for m in t.marked()] == ["9"], "cursor on 9")
        t.press("b")
        t.wait_for("9437184")
        t.press("x")
        t.wait_for("^h, g, f and i choose")

    def test_details(self):
        self.three()
        t = self.terminal()
        t.wait_for("^ 7 web")
        t.press("\r")
        t.wait_for("^container 7 web, running, 1 object, 9M; first process 1007 sh")
        t.wait_for(r"^kmemsize +128B +4K +8M +9M")
        self.assertNotIn("physpages", t.text())
        t.wait_for(r"^ +300 56\.3K dcachesize dentry +__d_alloc")
        t.press("\033")
        t.wait_for("^ 8 -")
        t.press("\r")
        t.wait_for("^container 7")
        t.press("q")
        self.assertEqual(t.end(), 0)

    def test_details_of_one_that_goes(self):
        self.three()
        t = self.terminal()
        t.wait_for("^ 7 web")
        t.press("\r")
        t.wait_for("^container 7")
        self.module.containers.pop(0)
        self.module.flush()
        shutil.rmtree(self.module.path(7))
        # What it shows now is the one that has moved to its place.
        t.wait_for("^container 8")

    def test_more_than_fit(self):
        for n in range(1, 61):
            self.module.add(n, held=10000 - n)
        t = self.terminal(lines=10)
        t.wait_for("^ 1 - ")
        self.assertNotRegex(t.text(), "(?m)^ 8 - ")
        t.press("\033OF")
        t.until(lambda: [m.split()[0] for m in t.marked()] == ["60"], "cursor on 60")
        t.press("\033[5~")
        t.until(lambda: [m.split()[0] for m in t.marked()] == ["53"], "cursor on 53")

    def test_any_size(self):
        self.three()
        for lines, places in ((1, 1), (2, 7), (3, 20), (4, 5), (200, 300)):
            t = self.terminal(lines=lines, places=places)
            t.until(lambda t=t: t.text().strip(), "anything")
            t.press("\rjk\033fq")
            self.assertEqual(t.end(), 0, (lines, places, t.text()))

    def test_resize(self):
        self.three()
        t = self.terminal()
        t.wait_for("q quit")
        t.resize(5, 40)
        t.until(lambda: re.match(r"(.*\n){4}h held", t.text()), "keys on the fifth line")
        t.resize(30, 120)
        t.until(lambda: re.match(r"(.*\n){29}h held", t.text()), "keys on the 30th")

    def test_colour(self):
        self.three()
        for env, coloured in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "", "TERM": "vt100"}, False)):
            t = self.terminal(**env)
            t.until(lambda t=t: b"leaked" in t.sent, "leaked")
            t.press("q")
            self.assertEqual(t.end(), 0)
            self.assertEqual(bool(COLOUR.search(t.sent)), coloured, env)

    def test_signals_give_the_terminal_back(self):
        self.three()
        for number in (signal.SIGINT, signal.SIGTERM):
            t = self.terminal()
            t.wait_for("^ 7 web")
            self.assertFalse(t.restored())
            t.process.send_signal(number)
            self.assertEqual(t.end(), -number)
            self.assertTrue(t.restored())

    def test_the_module_goes(self):
        self.three()
        t = self.terminal()
        t.wait_for("^ 7 web")
        shutil.rmtree(self.module.folder)
        self.assertEqual(t.end(), 2)
        self.assertIn(b"not loaded", t.sent)
        self.assertTrue(t.restored())

    def test_iterations(self):
        self.three()
        t = self.terminal("-n", "2")
        self.assertEqual(t.end(), 0)

    def test_unknown_terminal(self):
        for kind in ("", "nonsense"):
            t = self.terminal(TERM=kind)
            self.assertEqual(t.end(), 2)
            self.assertIn(b"--batch", t.sent)

    def test_a_name_does_not_move_the_cursor(self):
        self.module.add(7, command="\\033[2J", name="web")
        t = self.terminal()
        t.wait_for(r"\\x1b\[2J")

    def test_utf8_is_cut_between_characters(self):
        self.module.add(7, command="äöü" * 9)
        t = self.terminal(places=60)
        t.wait_for("ä")
        self.assertNotIn("\N{REPLACEMENT CHARACTER}", t.text())


if __name__ == "__main__":
    unittest.main()
