# SPDX-License-Identifier: GPL-2.0
"""beanctl run and check in real namespaces, the module's part played by fake_module."""
import json
import os
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree as ElementTree

from in_containers import InContainers, LEAK


class Run(InContainers):
    def test_statuses(self):
        for status, command in ((0, "exit 0"), (7, "exit 7"), (143, "kill -TERM $$"), (139, "kill -SEGV $$")):
            self.assertEqual(self.status("run", "--", "sh", "-c", command), status, command)
        self.assertEqual(self.status("run", "--", "/nonexistent"), 127)
        self.assertEqual(self.status("run", "--", "no-such-command"), 127)
        self.assertEqual(self.status("run", "--", "/etc/passwd"), 126)

    def test_a_container_of_its_own(self):
        done = self.beanctl("run", "--", "sh", "-c", "echo $$; ls -d /proc/[0-9]*; for n in pid mnt ipc uts net user; do "
                                                     "readlink /proc/self/ns/$n; done; readlink /proc/2/fd/9; exit 0")
        lines = done.stdout.split()
        self.assertEqual(lines[0], "2")
        self.assertEqual(lines[1:3], ["/proc/1", "/proc/2"])
        mine = [os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "mnt", "ipc", "uts", "net", "user")]
        self.assertEqual([a == b for a, b in zip(lines[-6:], mine)], [False] * 4 + [True] * 2)
        # Our mount of /proc is its own.
        self.assertTrue(os.path.exists(f"/proc/{os.getpid()}"))

    def test_no_descriptor_of_ours_is_left_to_it(self):
        done = self.beanctl("run", "--", "sh", "-c", "ls /proc/$$/fd")
        self.assertEqual(done.stdout.split(), ["0", "1", "2"])

    def test_net_and_user(self):
        done = self.beanctl("run", "--net", "--user", "--", "sh", "-c", "id -u; cat /proc/self/uid_map /sys/class/net/lo/flags "
                                                                        "2>/dev/null; cat /proc/net/dev | grep -c :")
        if "user" in done.stderr:
            self.skipTest(done.stderr)
        lines = done.stdout.split()
        self.assertEqual(lines[0:4], ["0", "0", "0", "1"])
        self.assertEqual(lines[-1], "1")

    def test_named_and_numbered_and_limited_before_it_runs(self):
        done = self.beanctl("run", "--name", "web", "--id", "101", "--limit", "kmemsize=8M:9M", "--limit", "numproc=5", "--",
                            "head", "-n", "2", self.module.path(101, "resources"))
        self.assertEqual((done.returncode, done.stdout), (0, "kmemsize 8388608 9437184\nnumproc 5 5\n"), done.stderr)
        self.assertEqual(self.module.commands, ["name 1 web 101"])

    def test_stacks_before_it_runs(self):
        seen = os.path.join(self.folder, "seen")
        self.assertEqual(self.status("check", "--stacks", "--name", "web", "--", "true"), 0)
        self.assertEqual(self.module.commands, ["name 1 web", "stacks 1 on"])
        # A module that does not know them.
        os.rename(self.module.path("control"), self.module.path("pipe"))
        os.symlink("/proc/self/oom_score_adj", self.module.path("control"))
        for status, command in ((125, "run"), (2, "check")):
            done = self.beanctl(command, "--stacks", "--", "touch", seen)
            self.assertEqual((done.returncode, os.path.exists(seen)), (status, False))
            self.assertIn("this module has no stacks", done.stderr)

    def test_a_bad_limit_runs_nothing(self):
        done = self.beanctl("run", "--limit", "beans=5", "--", "echo", "ran")
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertIn("no resource beans", done.stderr)

    def test_signals_are_forwarded(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            process = self.start("run", "--", "sh", "-c", f"trap 'echo got; exit 3' {int(number)}; echo ready; "
                                                          "while :; do sleep 0.05; done")
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(number)
            self.assertEqual((process.wait(30), process.stdout.read()), (3, "got\n"), number)

    def test_stops_and_goes_on(self):
        process = self.start("run", "--", "sh", "-c", "echo ready; sleep 0.2; echo on")
        process.stdout.readline()
        process.send_signal(signal.SIGTSTP)
        os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        self.assertEqual((process.stdout.readline(), process.wait(30)), ("on\n", 0))

    def test_it_does_not_outlive_beanctl(self):
        process = self.start("run", "--", "sh", "-c", "echo ready; while :; do sleep 1; done")
        process.stdout.readline()
        init = self.module.containers[0]["init"]
        process.kill()
        process.wait(30)
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{init}") and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(os.path.exists(f"/proc/{init}"))

    def test_orphans_are_reaped_and_daemons_end(self):
        done = self.beanctl("run", "--", "sh", "-c", "for i in 1 2 3; do (true & ) ; done; sleep 0.3; (sleep 1000 &) ; "
                                                     "grep -h State /proc/[0-9]*/status | grep -c zombie")
        self.assertEqual(done.stdout.strip(), "0")

    # --- check

    def test_check(self):
        done = self.beanctl("check", "--", "true")
        self.assertEqual((done.returncode, done.stdout), (0, "container 1: clean\n"), done.stderr)
        self.assertEqual(self.status("check", "--", "false"), 3)
        self.module.verdict = "held"
        self.assertEqual(self.status("check", "--", "true"), 0)
        self.module.verdict = "leaked"
        self.module.leaks = LEAK
        for command in ("true", "false"):
            done = self.beanctl("check", "--", command)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stdout.splitlines()[1].split()[:5], ["leaked", "1", "128B", "pid", "alloc_pid+0x2d"])

    def test_check_json(self):
        self.module.verdict = "leaked"
        self.module.leaks = LEAK
        done = self.beanctl("check", "--name", "web", "--json", "--", "echo", "not", "json")
        got = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr), (1, "not json\n"))
        self.assertEqual([(c["name"], c["state"], c["leaks"][0]["function"]) for c in got["containers"]],
                         [("web", "leaked", "alloc_pid")])
        self.assertEqual((got["version"], got["check"]["exit"], got["check"]["status"]), (1, 1, 0))

    def test_no_verdict(self):
        self.module.verdict = "settling"
        done = self.beanctl("check", "--timeout", "0.5", "--", "true")
        self.assertEqual(done.returncode, 4)
        self.assertIn("no verdict; container 1 is still settling 0.5 s after its stop", done.stdout)
        self.module.verdict = "clean"
        done = self.beanctl("check", "--timeout", "0.5", "--", "sleep", "1000")
        self.assertEqual(done.returncode, 4)
        self.assertIn("killed when its time was over", done.stdout)

    def test_unseen(self):
        # Held for want of a search that came to its end: it may be leaked.
        self.module.verdict = "held"
        self.module.leaks = "held 1 128 kmemsize pid alloc_pid+0x2d 12 holder - by=unknown,walk=fib\n"
        done = self.beanctl("check", "--timeout", "0.5", "--", "true")
        self.assertEqual(done.returncode, 4)
        self.assertIn("no verdict; container 1 is held, by=unknown,walk=fib: 0.5 s after its stop no search", done.stdout)
        self.module.leaks = self.module.leaks.replace("by=unknown,walk=fib", "pid=1,comm=init,fd=3")
        done = self.beanctl("check", "--", "true")
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "container 2: held, 1 object of 128B left"))

    def test_blind(self):
        def lose(key):
            self.module.health[key] += 2
        for key in ("missed", "unknown", "stale", "sites_lost", "containers_lost", "clamped"):
            self.module.on_stop = lambda key=key: lose(key)
            done = self.beanctl("check", "--", "true")
            self.assertEqual(done.returncode, 4, key)
            self.assertIn(f"{key} rose by 2", done.stdout)
        # What looks lost may be a part of what was missed.
        self.module.verdict = "leaked"
        done = self.beanctl("check", "--", "true")
        self.assertEqual(done.returncode, 4)
        self.assertRegex(done.stdout, "leaked.*; not to be trusted: .*clamped rose by 2")
        self.module.verdict = "clean"
        # A table of who has taken what reference, which no verdict goes by.
        self.module.on_stop = lambda: lose("references_lost")
        self.assertEqual(self.status("check", "--", "true"), 0)
        self.module.on_stop = lambda: None
        self.assertEqual(self.status("check", "--", "true"), 0)
        self.module.health["hooks_expected"] = 12
        done = self.beanctl("check", "--", "true")
        self.assertEqual(done.returncode, 4)
        self.assertIn("12 hooks are not in place", done.stdout)
        self.module.health["hooks"] = 12
        self.assertEqual(self.status("check", "--", "true"), 0)
        self.module.health["switched_off"] = 1
        self.assertEqual(self.status("check", "--", "true"), 4)

    def test_no_row(self):
        self.module.room = False
        marker = os.path.join(self.folder, "ran")
        done = self.beanctl("check", "--", "touch", marker)
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertRegex(done.stderr, r"^beanctl: the module has no container of its own for the pid namespace of process \d+: "
                                      r"containers_lost rose by 1 \(no memory, or more than its parameter max_containers\)\n$")
        self.assertFalse(os.path.exists(marker))
        self.assertEqual(self.status("run", "--", "touch", marker), 125)
        self.assertFalse(os.path.exists(marker))

    def test_junit(self):
        self.module.verdict = "leaked"
        self.module.leaks = LEAK
        file = os.path.join(self.folder, "junit.xml")
        self.assertEqual(self.status("check", "--junit", file, "--", "true"), 1)
        suite = ElementTree.parse(file).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("1", "1"))
        self.assertIn("alloc_pid+0x2d", suite.find("testcase/failure").text)

    # --- fail-nth

    def refuse_up_to(self, last):
        self.module.refusals = lambda nth: "" if nth > last else f"0 5 x kmemsize 64 fail-nth site_{nth}+0x1\n"

    def test_one_refusal(self):
        self.refuse_up_to(5)
        done = self.beanctl("check", "--fail-nth", "3", "--", "false")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("fail-nth 3: refused at site_3+0x1", done.stdout)
        self.assertEqual(self.module.commands, ["fail-nth 1 3"])
        self.assertIn("never came", self.beanctl("check", "--fail-nth", "6", "--", "true").stdout)
        self.assertEqual(self.status("check", "--fail-nth", "3", "--", "sh", "-c", "kill -SEGV $$"), 3)
        self.assertEqual(self.status("check", "--fail-nth", "3", "--", "/nonexistent"), 2)

    def test_the_refusal_is_armed_after_exec(self):
        done = self.beanctl("check", "--fail-nth", "1", "--", "sh", "-c", "grep TracerPid /proc/$$/status; readlink /proc/$$/exe")
        self.assertIn("TracerPid:\t0\n", done.stdout)

    def test_the_refusal_is_armed_at_the_entry_point(self):
        # What ends before it has nothing refused: a program whose library is not there.
        program = os.path.join(self.folder, "program")
        library = os.path.join(self.folder, "libgone.so")
        for words in (["-shared", "-o", library, "-xc", "/dev/null"], ["-o", program, "-xc", "-", "-x", "none", "-Wl,--no-as-needed",
                       library]):
            subprocess.run(["cc", *words], input="int main(void) { return 0; }", text=True, check=True)
        self.assertEqual(self.status("check", "--fail-nth", "1", "--", program), 0)
        self.assertEqual(len(self.module.commands), 1)
        os.unlink(library)
        done = self.beanctl("check", "--fail-nth", "1", "--", program)
        self.assertEqual((done.returncode, len(self.module.commands)), (0, 1), done.stderr)
        self.assertIn("nothing was refused", done.stdout)

    def test_once_armed_it_is_let_go(self):
        self.refuse_up_to(5)
        done = self.beanctl("check", "--fail-nth", "1", "--", "sh", "-c",
                            "(sleep 0.2; kill -CONT $$) & kill -STOP $$; wait; exit 5")
        self.assertIn("exit status 5", done.stdout)

    def test_walk(self):
        self.refuse_up_to(4)
        done = self.beanctl("check", "--fail-nth", "0", "--name", "web", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("4 refusals walked (the next was never asked for): no leak, no crash, no hang", done.stdout)
        self.assertEqual([c for c in self.module.commands if "fail-nth" in c], [f"fail-nth {n} {n}" for n in range(1, 6)])
        self.assertIn("name 5 web.5", self.module.commands)

    def crash_at(self, *numbers):
        """A command that crashes in the containers of these numbers."""
        file = os.path.join(self.folder, "count")
        return ("sh", "-c", f"n=$(($(cat {file} 2>/dev/null || echo 0) + 1)); echo $n >{file}; "
                f"case $n in {'|'.join(map(str, numbers))}) kill -SEGV $$;; esac")

    def test_walk_stops_at_a_crash(self):
        self.refuse_up_to(6)
        done = self.beanctl("check", "--fail-nth", "0", "--", *self.crash_at(3, 5))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("fail-nth 3: crashed: refused at site_3+0x1", done.stdout)
        self.assertIn("3 refusals walked (not to the end): the first finding is at --fail-nth 3", done.stdout)

    def test_walk_keeps_going(self):
        self.refuse_up_to(6)
        file = os.path.join(self.folder, "junit.xml")
        done = self.beanctl("check", "--fail-nth", "0", "--keep-going", "--json", "--junit", file, "--", *self.crash_at(3, 5))
        self.assertEqual(done.returncode, 3, done.stderr)
        walk = json.loads(done.stdout)["walk"]
        self.assertEqual((walk["walked"], walk["whole"], walk["exit"]), (6, True, 3))
        self.assertEqual([(f["fail_nth"], f["finding"], f["refused"]) for f in walk["findings"]],
                         [(3, "crashed", "site_3+0x1"), (5, "crashed", "site_5+0x1")])
        suite = ElementTree.parse(file).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("7", "2"))

    def test_walk_finds_a_leak_and_a_hang(self):
        self.refuse_up_to(6)
        self.module.verdict = "leaked"
        self.module.leaks = LEAK
        done = self.beanctl("check", "--fail-nth", "0", "--", "false")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("fail-nth 1: leaked: refused at site_1+0x1", done.stdout)
        self.module.verdict = "clean"
        done = self.beanctl("check", "--fail-nth", "0", "--timeout", "0.5", "--", "sleep", "1000")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("fail-nth 1: hung", done.stdout)


if __name__ == "__main__":
    unittest.main()
