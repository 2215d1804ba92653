# SPDX-License-Identifier: GPL-2.0
"""beanctl's commands against a folder that looks like the module's."""
import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
import unittest

from fake_module import FakeModule, RESOURCES

HERE = os.path.dirname(os.path.abspath(__file__))
BEANCTL = os.path.join(HERE, "../../build/beanctl")
LEAK = "leaked 1 128 kmemsize pid alloc_pid+0x2d 12 - ffff8880049d1a00,ffff8880049d1b00 uid=1000,count=1\n"
HANDED = "reclaimable 3 576 - - __d_alloc - dentry - handed_over\n"
REFUSAL = "4 812 my\\040sh kmemsize 192 barrier alloc_uid+0x7e\n"


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.module = FakeModule(os.path.join(self.folder, "beancounter"))

    def beanctl(self, *words, text="", env=None):
        return subprocess.run([BEANCTL, *words], input=text, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "BEANCTL_PROC": self.module.folder, **(env or {})})

    def ok(self, *words, **more):
        done = self.beanctl(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def refused(self, status, pattern, *words, **more):
        done = self.beanctl(*words, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), f"{words}: {done.stderr}")
        self.assertRegex(done.stderr, pattern)
        self.assertRegex(done.stderr, "^beanctl: ")

    def add_leaked(self):
        self.module.add(101, name="web", state="leaked", init=0, leaks=LEAK + HANDED, refusals=REFUSAL)

    # --- list

    def test_list(self):
        self.module.add(7, name="web", held=9437184)
        self.module.add(8, command="my\\040sh", state="leaked")
        self.assertEqual(self.ok("list"), "ID NAME STATE   HELD OBJECTS FAILCNT AGE COMMAND\n"
                                          " 7 web  running   9M       1       3   5 sh\n"
                                          " 8 -    leaked  128B       1       3   5 my sh\n")
        self.assertEqual(self.ok("list", "-nb", "-o", "ID,held"), "7 9437184\n8     128\n")
        self.assertEqual(self.ok("list", "-n", "-o", "+waits").splitlines()[0].split()[-1], "-")

    def test_list_unknown_column(self):
        self.refused(2, "no column FOO; there are: ID NAME STATE", "list", "-o", "id,foo")

    def test_a_command_name_does_not_move_the_cursor(self):
        self.module.add(7, command="\\033[2J")
        self.assertIn("\\x1b[2J", self.ok("list"))

    def test_colour_on_a_terminal_only(self):
        self.add_leaked()
        self.assertNotIn("\033", self.ok("list"))

        def on_terminal(**env):
            master, slave = pty.openpty()
            subprocess.run([BEANCTL, "list"], stdout=slave, timeout=60, check=True,
                           env={**os.environ, "TERM": "xterm", "BEANCTL_PROC": self.module.folder, **env})
            os.close(slave)
            text = os.read(master, 65536).decode()
            os.close(master)
            return text
        self.assertIn("\033[31mleaked\033[0m", on_terminal(NO_COLOR=""))
        self.assertNotIn("\033", on_terminal(NO_COLOR="1"))
        self.assertNotIn("\033", on_terminal(NO_COLOR="", TERM="dumb"))

    def test_list_json(self):
        self.add_leaked()
        got = json.loads(self.ok("list", "--json"))
        self.assertEqual((got["version"], got["health"]["missed"]), (1, 0))
        self.assertEqual([(c["id"], c["name"], c["state"], c["held"]["kmemsize"], c["failcnt"]) for c in got["containers"]],
                         [(101, "web", "leaked", 128, 3)])

    def test_json_and_columns_exclude_each_other(self):
        self.refused(2, "excludes", "list", "--json", "-o", "id")

    # --- show

    def test_show(self):
        self.add_leaked()
        text = self.ok("show", "101")
        self.assertRegex(text, r"(?m)^kmemsize +128B +4K +8M +9M +3 +0B +0$")
        self.assertRegex(text, r"(?m)^physpages +0 +0 unlimited unlimited")
        self.assertRegex(text, r"(?m)^ +4 812 my sh kmemsize +192B barrier alloc_uid\+0x7e$")
        self.assertEqual(self.ok("show", "101", "-nb", "-o", "resource,limit").splitlines(),
                         ["kmemsize    9437184", "physpages unlimited", "numproc         100"])

    def test_show_json(self):
        self.add_leaked()
        c, = json.loads(self.ok("show", "web", "--json"))["containers"]
        self.assertEqual(c["resources"][0], {"resource": "kmemsize", "held": 128, "maxheld": 4096, "barrier": 8388608,
                                             "limit": 9437184, "failcnt": 3, "forced": 0, "waited": 0})
        self.assertEqual((c["resources"][1]["barrier"], c["resources"][1]["limit"]), (None, None))
        self.assertEqual(c["refusals"], [{"age": 4, "pid": 812, "task": "my sh", "resource": "kmemsize", "bytes": 192,
                                          "cause": "barrier", "site": "alloc_uid+0x7e"}])

    def test_show_of_a_module_without_refusals(self):
        self.module.add(7)
        os.unlink(self.module.path(7, "refusals"))
        self.assertNotIn("refusals", self.ok("show", "7"))
        self.assertEqual(json.loads(self.ok("show", "7", "-J"))["containers"][0]["refusals"], [])

    # --- who

    def test_by_name(self):
        self.module.add(5, name="7")
        self.module.add(7, name="web")
        self.assertIn("kmemsize", self.ok("show", "web"))
        os.unlink(self.module.path(5, "refusals"))
        self.assertIn("last refusals", self.ok("show", "7") + "last refusals")
        self.refused(1, "there is no container nobody", "show", "nobody")
        self.refused(1, "there is no container 99", "show", "99")
        self.refused(2, "neither the number nor the name", "show", "a b")

    def test_a_number_goes_before_a_name(self):
        self.module.add(5, name="7")
        self.module.add(7)
        self.ok("name", "7", "new")
        self.assertEqual(self.module.read("control"), "name 7 new\n")

    # --- leaks, objects, references

    def test_leaks(self):
        self.add_leaked()
        self.module.add(7, state="running")
        lines = self.ok("leaks").splitlines()
        self.assertEqual(lines[0].split(), ["ID", "VERDICT", "COUNT", "BYTES", "CACHE", "SITE", "CLASS", "DETAILS"])
        self.assertEqual(lines[1].split(), ["101", "leaked", "1", "128B", "pid", "alloc_pid+0x2d", "-", "uid=1000,count=1"])
        self.assertEqual(len(lines), 3)
        self.assertIn("running", self.beanctl("leaks", "7").stderr)

    def test_leaks_json_is_the_contract(self):
        self.add_leaked()
        self.module.add(7, state="running")
        got = json.loads(self.ok("leaks", "--json"))
        self.assertEqual(got["version"], 1)
        self.assertEqual(set(got["health"]), set(self.module.health))
        c, = got["containers"]
        self.assertEqual((c["id"], c["name"], c["state"], c["pidns"], c["age"]), (101, "web", "leaked", 4026532101, 5))
        self.assertEqual(c["held"], {"kmemsize": 128, "physpages": 0, "numproc": 0})
        leak, = c["leaks"]
        for key, value in {"verdict": "leaked", "cache": "pid", "function": "alloc_pid", "site": "alloc_pid+0x2d", "stack": [],
                           "objects": 1, "bytes": 128, "class": "", "references": None, "module": "", "age": 12,
                           "addresses": ["ffff8880049d1a00", "ffff8880049d1b00"], "details": "uid=1000,count=1"}.items():
            self.assertIn(key, leak)
            self.assertEqual(leak[key], value, key)
        handed, = c["handed_over"]
        self.assertEqual((handed["class"], handed["objects"], handed["bytes"]), ("dentry", 3, 576))

    def test_leaks_with_stacks_holders_and_references(self):
        # A module whose source lines can be found.
        source, debug = (os.path.join(self.folder, name) for name in ("mod.c", "mod.ko"))
        with open(source, "w", encoding="utf-8") as f:
            f.write("void g(void);\nvoid f(void)\n{\n\tg();\n}\n")
        subprocess.run(["cc", "-g", "-c", "-o", debug, source], check=True)
        self.module.add(7, state="leaked")
        header = "verdict count bytes resource cache site age class addresses details stack holders unmatched\n"
        self.module.write(7, "leaks", header + "leaked 1 128 kmemsize pipe a+0x2d 12 - - - a+0x2d<f+0x5[mod]<main+0x4 "
                          "uid_hash,cred:5 pipe:f+0x5[mod]:1,user:b.part.0+0x7:2\n"
                          "leaked 2 256 kmemsize pid alloc_pid+0x2d 12 - - - - - -\n")
        lines = self.ok("leaks", "7", "--symbols", debug).splitlines()
        self.assertEqual(lines[1].split()[:6], ["7", "leaked", "1", "128B", "pipe", "a+0x2d"])
        line = re.escape(source) + ":[345]$"
        for text, wanted in zip(lines[2:8], (r"    a\+0x2d$", r"    f\+0x5\[mod\] " + line, r"    main\+0x4$",
                                             "    held by uid_hash, cred:5$",
                                             r"    1 reference of pipe never put, taken at f\+0x5\[mod\] " + line,
                                             r"    2 references of user never put, taken at b\.part\.0\+0x7$")):
            self.assertRegex(text, "^" + wanted)
        self.assertEqual((lines[8].split()[:3], len(lines)), (["7", "leaked", "2"], 9))
        self.assertEqual(self.ok("leaks", "7", "-n", "-o", "stack,holders,unmatched").splitlines(), [
            "a+0x2d<f+0x5[mod]<main+0x4 uid_hash,cred:5 pipe:f+0x5[mod]:1,user:b.part.0+0x7:2",
            "-                          -               -"])
        first, second = json.loads(self.ok("leaks", "7", "--json"))["containers"][0]["leaks"]
        self.assertEqual((first["stack"], first["holders"]), (["a+0x2d", "f+0x5[mod]", "main+0x4"], ["uid_hash", "cred:5"]))
        self.assertEqual(first["references"], [{"family": "pipe", "site": "f+0x5[mod]", "unmatched": 1},
                                               {"family": "user", "site": "b.part.0+0x7", "unmatched": 2}])
        self.assertEqual((second["stack"], second["holders"], second["references"]), ([], [], None))

    def test_a_module_is_named(self):
        self.module.add(7, state="leaked", leaks="leaked 1 128 kmemsize - f+0xf[leak_one] 1 - - -\n")
        leak, = json.loads(self.ok("leaks", "7", "--json"))["containers"][0]["leaks"]
        self.assertEqual((leak["function"], leak["module"], leak["cache"], leak["addresses"]), ("f", "leak_one", "", []))

    def test_objects(self):
        self.module.add(7, objects="3 576 dcachesize dentry __d_alloc+0x2c 9 -\n")
        self.assertEqual(self.ok("objects", "7").splitlines()[1].split(),
                         ["3", "576B", "dcachesize", "dentry", "__d_alloc+0x2c", "9"])
        live, = json.loads(self.ok("objects", "7", "-J"))["containers"][0]["live"]
        self.assertEqual((live["objects"], live["bytes"], live["function"]), (3, 576, "__d_alloc"))

    def test_references(self):
        self.module.add(7)
        self.refused(1, "references is not there: the module that is loaded has no such file", "references", "7")
        self.module.write(7, "references", "type id count gets\nuser_struct 1000 1 fork+0x1:2\n")
        self.assertEqual(self.ok("references", "7").splitlines()[1].split(), ["user_struct", "1000", "1", "fork+0x1:2"])
        self.assertEqual(json.loads(self.ok("references", "7", "-J"))["containers"][0]["references"],
                         [{"type": "user_struct", "id": 1000, "count": 1, "gets": "fork+0x1:2"}])

    def test_references_with_sites(self):
        self.module.add(7)
        self.module.write(7, "references", "kind uid count charged family site gets puts own_gets own_puts unmatched address\n"
                                           "user 1000 3 7 mqueue f+0x1[nobody] 2 1 2 1 1 -\n")
        self.assertEqual(self.ok("references", "7", "-n", "-o", "uid,family,site,unmatched"), "1000 mqueue f+0x1[nobody] 1\n")
        row, = json.loads(self.ok("references", "7", "-J"))["containers"][0]["references"]
        self.assertEqual((row["gets"], row["site"], row["unmatched"], row["source"]), (2, "f+0x1[nobody]", 1, None))

    # --- writing

    def test_set(self):
        self.module.add(7, name="web")
        self.ok("set", "web", "kmemsize=8M:9M", "numproc=unlimited")
        text = "kmemsize 8388608 9437184\nnumproc unlimited unlimited\n"
        self.assertEqual(self.module.read(7, "resources"), text + RESOURCES[len(text):])

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_set_is_one_write(self):
        self.module.add(7)
        trace = os.path.join(self.folder, "trace")
        subprocess.run(["strace", "-o", trace, "-e", "trace=openat,write", BEANCTL, "set", "7", "kmemsize=1:2", "numproc=3"],
                       env={**os.environ, "BEANCTL_PROC": self.module.folder}, timeout=60, check=True)
        with open(trace, encoding="utf-8") as f:
            writes = re.findall(r"^write\(.*", f.read(), re.M)
        self.assertEqual(len(writes), 1, writes)

    def test_set_refuses_and_writes_nothing(self):
        self.module.add(7)
        for pattern, limit in (("barrier must not be above", "kmemsize=9M:8M"), ("not charged", "physpages=5"),
                               ("no resource beans; these can be limited: kmemsize numproc", "beans=5"),
                               ("'8X' is no amount", "kmemsize=8X"), ("RESOURCE=BARRIER:LIMIT", "kmemsize"),
                               ("twice", "numproc=6")):
            self.refused(2, pattern, "set", "7", "numproc=5", limit)
        self.assertEqual(self.module.read(7, "resources"), RESOURCES)

    def test_reset_name_dismiss(self):
        self.module.add(7)
        self.module.add(8, state="clean", name="old")
        self.ok("reset", "7")
        self.assertTrue(self.module.read(7, "resources").startswith("reset\n"))
        self.ok("name", "7", "web", "101")
        self.assertEqual(self.module.read("control"), "name 7 web 101\n")
        self.module.write("control", "")
        self.ok("dismiss", "old")
        self.assertEqual(self.module.read("control"), "dismiss 8\n")
        self.refused(1, "only a stopped one", "dismiss", "7")
        self.refused(2, "is no name", "name", "7", "a b")
        self.refused(2, "is no number", "name", "7", "web", "x")

    def test_stacks(self):
        self.module.add(7, name="web")
        for state in ("on", "off"):
            self.module.write("control", "")
            self.ok("stacks", "web", state)
            self.assertEqual(self.module.read("control"), f"stacks 7 {state}\n")
        self.refused(2, "on or off, not 'maybe'", "stacks", "7", "maybe")
        # A file that takes nothing but numbers stands for a module that does not know the verb.
        os.unlink(self.module.path("control"))
        os.symlink("/proc/self/oom_score_adj", self.module.path("control"))
        self.refused(2, "this module has no stacks", "stacks", "7", "on")

    # --- usage, and no module

    def test_usage(self):
        for words in ((), ("nonsense",), ("list", "--nonsense"), ("show",), ("set", "7"), ("check", "--", ), ("check", "true"),
                      ("check", "--timeout", "0", "--", "true"), ("check", "--fail-nth", "-1", "--", "true"),
                      ("check", "--keep-going", "--", "true"), ("check", "--fail-nth", "0", "--id", "5", "--", "true"),
                      ("check", "--limit", "kmemsize=2:1", "--", "true")):
            self.refused(2, ".", *words)
        for words in (("run",), ("run", "true"), ("run", "--nonsense", "--", "true"), ("run", "--id", "0", "--", "true"),
                      ("run", "--name", "a b", "--", "true"), ("run", "--limit", "kmemsize", "--", "true")):
            self.refused(125, ".", *words)

    def test_help(self):
        commands = re.findall(r"(?m)^  ([a-z-]+)  ", self.ok("--help").split("Subcommands:")[1])
        self.assertEqual(commands, ["list", "show", "objects", "leaks", "references", "top", "set", "reset", "name", "stacks",
                                    "dismiss", "run", "check", "oci-hook"])
        for command in commands:
            self.assertIn("Usage: beanctl " + command, self.ok(command, "--help"))
            self.assertTrue(os.path.exists(os.path.join(HERE, f"../../src/beanctl/man/beanctl-{command}.1")), command)
        self.assertTrue(self.ok("--version").strip())

    def test_no_module(self):
        shutil.rmtree(self.module.folder)
        for words in (("list",), ("show", "7"), ("leaks",), ("leaks", "-J"), ("objects", "7"), ("references", "7"),
                      ("set", "7", "kmemsize=1"), ("reset", "7"), ("name", "7", "x"), ("dismiss", "7"), ("stacks", "7", "on"), ("check", "--", "true")):
            self.refused(2, "not loaded", *words)
        self.refused(125, "not loaded", "run", "--", "true")
        self.refused(2, "not loaded", "oci-hook", text='{"id":"x","pid":1}')

    def test_files_of_another_program(self):
        self.module.write("containers", "name state\nweb running\n")
        self.refused(1, "no column id", "list")
        self.module.write("containers", "")
        self.refused(1, "no header", "list")

    # --- the hook

    def test_oci_hook(self):
        pidns = os.stat("/proc/self/ns/pid").st_ino
        state = json.dumps({"ociVersion": "1.0", "id": "ab" * 32, "pid": os.getpid(), "status": "creating"})
        self.refused(1, "no pid namespace of its own", "oci-hook", "--name-from-id", text=state)
        self.module.add(3, pidns=pidns, state="clean", name="abababababab")
        self.module.add(4, pidns=pidns, init=os.getpid())
        self.module.add(5, pidns=pidns, init=1)
        self.ok("oci-hook", "--limit", "kmemsize=1M", "--name-from-id", text=state)
        self.assertEqual(self.module.read("control"), "name 4 abababababab.2\n")
        self.assertTrue(self.module.read(4, "resources").startswith("kmemsize 1048576 1048576\n"))
        self.refused(2, "no JSON object", "oci-hook", text="nonsense")
        self.refused(2, "no id or no pid", "oci-hook", text="{}")


if __name__ == "__main__":
    unittest.main()
