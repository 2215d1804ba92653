# SPDX-License-Identifier: GPL-2.0
"""beanctl check --each: many commands, in real namespaces, the module's part played by fake_module."""
import json
import os
import re
import signal
import time
import unittest
import xml.etree.ElementTree as ElementTree

from in_containers import InContainers, LEAK


class Each(InContainers):
    def file(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def lines(self, *commands):
        return self.file("list", "".join(command + "\n" for command in commands))

    def rows(self, text):
        """(verdict, exit, command) of the report's rows."""
        return re.findall(r"(?m)^([a-z_]+) +(\S+) +[0-9.]+ +\S+ (.*)$", text)

    def leak_in(self, *names):
        self.module.leaks = LEAK
        self.module.verdicts = {name: "leaked" for name in names}

    def test_lines(self):
        self.leak_in("t.3")
        self.module.verdicts["t.6"] = "held"
        done = self.beanctl("check", "--each", self.lines("# a comment", "true", "", "echo said; exit 3", "  true # lost", "exit 4",
                                                           "kill -SEGV $$", "echo quiet"), "--name", "t")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(self.rows(done.stdout), [
            ("clean", "0", "true"), ("failed", "3", "echo said; exit 3"), ("leaked", "0", "true # lost"),
            ("skipped", "4", "exit 4"), ("failed", "SIGSEGV", "kill -SEGV $$"), ("held", "0", "echo quiet")])
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), ["VERDICT", "EXIT", "SECONDS", "LEAKED", "COMMAND"])
        self.assertEqual(lines[3], "    | said")
        self.assertEqual(lines[4].split()[3], "128B")
        self.assertEqual(lines[5].split(), ["leaked", "1", "128B", "pid", "alloc_pid+0x2d", "-", "-"])
        self.assertEqual(lines[-1], "1 clean, 1 held, 1 leaked, 2 failed, 1 skipped, 0 without verdict")
        self.assertEqual(len(lines), 10, done.stdout)
        # Plain, and by standard input.
        done = self.beanctl("check", "--each", "-", "--name", "t", "-nb", input="true\ntrue\nfalse")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"\Aclean +0 +[0-9.]+ +0 true\nclean")
        self.assertRegex(done.stdout, r"(?m)^leaked +1 +[0-9.]+ +128 false$")

    def test_statuses(self):
        self.assertEqual(self.status("check", "--each", self.lines("true", "exit 4")), 0)
        self.assertEqual(self.status("check", "--each", self.lines("true", "false", "exit 4")), 3)
        commands = self.lines("true", "false", "sleep 1000")
        done = self.beanctl("check", "--each", commands, "--timeout", "0.5", "--name", "t")
        self.assertEqual((done.returncode, self.rows(done.stdout)[2][:2]), (4, ("no_verdict", "timeout")))
        self.assertIn("killed when its time was over", done.stdout)
        self.leak_in("u.2")
        self.assertEqual(self.status("check", "--each", commands, "--timeout", "0.5", "--name", "u"), 1)

    def test_jobs(self):
        # Each waits for the other.
        here, there = (os.path.join(self.folder, name) for name in ("here", "there"))
        commands = self.lines(f"sleep 0.3; : >{here}; until [ -e {there} ]; do sleep 0.01; done; echo first >&2; exit 1",
                              f": >{there}; until [ -e {here} ]; do sleep 0.01; done; echo second; exit 2")
        done = self.beanctl("check", "--each", commands, "--jobs", "2")
        self.assertEqual([row[:2] for row in self.rows(done.stdout)], [("failed", "1"), ("failed", "2")])
        self.assertEqual(re.findall(r"\| (\w+)", done.stdout), ["first", "second"])
        os.unlink(here)
        os.unlink(there)
        done = self.beanctl("check", "--each", commands, "--timeout", "1")
        self.assertEqual([row[1] for row in self.rows(done.stdout)], ["timeout", "2"])

    def test_nothing_of_one_is_in_another(self):
        # When the last one has begun, which has all others' files to inherit.
        begun = os.path.join(self.folder, "begun")
        command = "ls /proc/1/fd | wc -l; ls -l /proc/1/fd | grep -c pidfd; ls /proc/$$/fd; exit 1"
        done = self.beanctl("check", "--jobs", "3", "--each", self.lines(
            f"until [ -e {begun} ]; do sleep 0.01; done; {command}", f"until [ -e {begun} ]; do sleep 0.01; done; {command}",
            f": >{begun}; {command}"))
        first, second, third = (part.split("\n")[1:6] for part in done.stdout.split("\nfailed")[1:])
        self.assertEqual(first[1:], ["    | 0", "    | 0", "    | 1", "    | 2"], done.stdout)
        self.assertEqual((first, first), (second, third), done.stdout)

    def test_a_folder(self):
        for name, text in (("b", "pwd; cat; echo err >&2; exit 1"), ("a", "[ $# = 0 ]"), ("c", "exit 4")):
            self.file("tests/" + name, "#!/bin/sh\n" + text + "\n", 0o755)
        self.file("tests/README", "no test")
        os.mkdir(os.path.join(self.folder, "tests/folder"))
        tests, log = (os.path.join(self.folder, name) for name in ("tests", "new/log"))
        done = self.beanctl("check", "--each", tests, "--log", log, input="not for them\n")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.rows(done.stdout), [("clean", "0", "a"), ("failed", "1", "b"), ("skipped", "4", "c")])
        self.assertEqual(done.stdout.splitlines()[3], f"    {log}/2-b.log")
        self.assertEqual(sorted(os.listdir(log)), ["1-a.log", "2-b.log", "3-c.log"])
        with open(os.path.join(log, "2-b.log"), encoding="utf-8") as f:
            self.assertEqual(f.read(), f"{tests}\nerr\n")

    def test_a_kselftest_collection(self):
        self.file("k/kselftest-list.txt", "net:one\nipc:sub/lost_mode.sh\nnet:gone\nipc:slow\n")
        self.file("k/net/one", "#!/bin/sh\n[ $(basename $PWD) = net ] && exit 4", 0o755)
        self.file("k/ipc/sub/lost_mode.sh", "#!/bin/sh -e\n[ $(basename $PWD) = sub ]; false; true\n")
        self.file("k/ipc/slow", "#!/bin/sh\nsleep 1000\n", 0o755)
        self.file("k/ipc/settings", "# a comment\ntimeout=1\n")
        done = self.beanctl("check", "--each", os.path.join(self.folder, "k"), "--jobs", "4")
        self.assertEqual(self.rows(done.stdout), [("skipped", "4", "net:one"), ("failed", "1", "ipc:sub/lost_mode.sh"),
                                                  ("failed", "-", "net:gone"), ("no_verdict", "timeout", "ipc:slow")])
        self.assertIn("not executed: No such file", done.stdout)
        # The settings' second, not the 45 of a collection without.
        self.assertLess(float(re.search(r"(?m)^no_verdict +timeout +([0-9.]+)", done.stdout)[1]), 45)

    def test_blind_is_what_ran_meanwhile(self):
        def lose():
            if self.module.containers[-1]["name"] == "t.2":
                self.module.health["missed"] += 1
        self.module.on_stop = lose
        done = self.beanctl("check", "--each", self.lines("true", "true", "true"), "--name", "t")
        self.assertEqual((done.returncode, [row[0] for row in self.rows(done.stdout)]), (4, ["clean", "no_verdict", "clean"]))
        self.assertIn("missed rose by 1", done.stdout)

    def test_json_and_junit(self):
        self.leak_in("t.2")
        junit = os.path.join(self.folder, "junit.xml")
        done = self.beanctl("check", "--each", self.lines("true", r"printf 'a\377\033&\n'", "false", "exit 4"), "--name", "t", "--json",
                            "--junit", junit)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        got = json.loads(done.stdout)
        self.assertEqual([c["name"] for c in got["containers"]], ["t.1", "t.2", "t.3", "t.4"])
        self.assertEqual(got["containers"][1]["leaks"][0]["function"], "alloc_pid")
        self.assertEqual([(c["result"], c["exit"], c["status"], c["leaked"], c["output"]) for c in got["checks"]],
                         [("clean", 0, 0, 0, None), ("leaked", 1, 0, 128, "a\ufffd\033&\n"), ("failed", 3, 1, 0, ""),
                          ("skipped", 0, 4, 0, None)])
        self.assertEqual([c["id"] for c in got["containers"]], [c["container"] for c in got["checks"]])
        self.assertEqual(got["summary"], {"exit": 1, "interrupted": False, "clean": 1, "held": 0, "leaked": 1, "failed": 1,
                                          "skipped": 1, "no_verdict": 0})
        suite = ElementTree.parse(junit).getroot().find("testsuite")
        self.assertEqual([suite.get(key) for key in ("tests", "failures", "errors", "skipped")], ["4", "2", "0", "1"])
        cases = suite.findall("testcase")
        self.assertEqual([c.get("name") for c in cases][2:], ["false", "exit 4"])
        self.assertEqual([[child.tag for child in c] for c in cases], [[], ["failure", "system-out"], ["failure"], ["skipped"]])
        self.assertIn("alloc_pid+0x2d", cases[1].find("failure").text)
        self.assertEqual(cases[1].find("system-out").text, "a??&\n")

    def gone(self, pid):
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
            time.sleep(0.01)
        return not os.path.exists(f"/proc/{pid}")

    def running(self, ready):
        """The first process of the container whose command has made this file."""
        end = time.monotonic() + 30
        while not os.path.exists(ready) and time.monotonic() < end:
            time.sleep(0.01)
        return self.module.containers[-1]["init"]

    def test_interrupted(self):
        ready = os.path.join(self.folder, "ready")
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("check", "--each", self.lines("true", f"trap '' INT; echo on; : >{ready}; sleep 1000; true", "true"))
            init = self.running(ready)
            process.send_signal(number)
            self.assertEqual(process.wait(30), 4)
            self.assertFalse(os.path.exists(f"/proc/{init}"), "when it ends its containers have ended")
            text = process.stdout.read()
            self.assertEqual([row[0] for row in self.rows(text)], ["clean", "no_verdict", "no_verdict"])
            self.assertRegex(text, r"(?s)    interrupted\n    \| on\n.*    never begun: interrupted\n")
            self.assertEqual(text.splitlines()[-1], "1 clean, 0 held, 0 leaked, 0 failed, 0 skipped, 2 without verdict")
            os.unlink(ready)

    def test_killed(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("check", "--each", self.lines(f": >{ready}; sleep 1000; true"))
        init = self.running(ready)
        process.kill()
        process.wait(30)
        self.assertTrue(self.gone(init))

    def test_a_lost_worker(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("check", "--each", self.lines(f": >{ready}; sleep 1000; true", "true"))
        init = self.running(ready)
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as f:
            os.kill(int(f.read()), signal.SIGKILL)
        self.assertEqual(process.wait(30), 4)
        text = process.stdout.read()
        self.assertEqual([row[0] for row in self.rows(text)], ["no_verdict", "clean"])
        self.assertIn("the process that watched it ended: signal 9", text)
        self.assertTrue(self.gone(init))

    def test_usage(self):
        one = self.lines("touch " + os.path.join(self.folder, "ran"))
        empty = self.file("empty", "# nothing\n")
        bad = self.file("k/kselftest-list.txt", "no colon\n")
        for pattern, words in (("there is none after --", ("--each", one, "--", "true")), ("--id is for one", ("--each", one, "--id", "5")),
                               ("--jobs 0", ("--each", one, "--jobs", "0")), ("--jobs 33", ("--each", one, "--jobs", "33")),
                               ("not there", ("--each", "/nonexistent")), ("no command in it", ("--each", empty)),
                               ("'no colon' is no collection:test", ("--each", os.path.dirname(bad))),
                               ("requires --each", ("--jobs", "2", "--", "true")), ("requires --each", ("--log", "x", "--", "true")),
                               ("excludes", ("--each", one, "--fail-nth", "1")), ("--log /proc/x", ("--each", one, "--log", "/proc/x")),
                               ("no resource beans", ("--each", one, "--limit", "beans=5"))):
            done = self.beanctl("check", *words)
            self.assertEqual(done.returncode, 2, words)
            self.assertRegex(done.stderr, "^beanctl: .*" + pattern)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))


if __name__ == "__main__":
    unittest.main()
