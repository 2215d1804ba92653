# SPDX-License-Identifier: GPL-2.0
"""A folder of files that looks like /proc/beancounter, for $BEANCTL_PROC. With follow() it does for a beanctl's container
what the module does: lists it while its pid namespace lives, names and numbers it, judges it when it has ended."""
import os
import threading

CONTAINERS = ("id", "name", "state", "held", "objects", "failcnt", "age", "pidns", "init", "command", "cgroup", "since",
              "waits")
LEAKS = "verdict count bytes resource cache site age class addresses details\n"
RESOURCES = """resource held maxheld barrier limit failcnt forced waited
kmemsize 128 4096 8388608 9437184 3 0 0
physpages 0 0 unlimited unlimited 0 0 0
numproc 0 2 100 100 0 0 0
"""
REFUSALS = "age pid task resource bytes cause site\n"
HEALTH = ("hooks", "hooks_expected", "missed", "forced", "unknown", "reentered", "stale", "sites_lost", "containers_lost",
          "clamped", "references_lost", "switched_off", "sites")


class FakeModule:
    def __init__(self, folder):
        self.folder = folder
        self.containers = []
        self.health = {key: 0 for key in HEALTH}
        self.verdict = "clean"
        self.verdicts = {}  # of containers with these names
        self.leaks = ""
        self.refusals = lambda nth: ""  # rows for the Nth armed refusal
        self.on_stop = lambda: None
        self.room = True  # else a container has no row
        self.lost = 0  # whose init it was last
        self.armed = 0
        self.commands = []
        self._end = None
        os.makedirs(folder, exist_ok=True)
        self.write("control", "")
        self.flush()

    def path(self, *names):
        return os.path.join(self.folder, *map(str, names))

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as f:
            return f.read()

    def write(self, *names_and_text):
        *names, text = names_and_text
        new = self.path(*names) + ".new"
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(new, self.path(*names))

    def flush(self):
        # A loss is counted before the verdict that it makes doubtful is there to be seen.
        self.write("health", "key value\n" + "".join(f"{k} {v}\n" for k, v in self.health.items()))
        rows = [" ".join(CONTAINERS)] + [" ".join(str(c[k]) for k in CONTAINERS) for c in self.containers]
        self.write("containers", "\n".join(rows) + "\n")

    def add(self, number, *, leaks="", refusals="", resources=RESOURCES, objects="", **columns):
        row = dict(id=number, name="-", state="running", held=128, objects=1, failcnt=3, age=5, pidns=4026532000 + number,
                   init=number + 1000, command="sh", cgroup="/", since="start", waits="-")
        row.update(columns)
        self.containers.append(row)
        self.folder_of(number, leaks, refusals, resources, objects)
        self.flush()
        return row

    def folder_of(self, number, leaks="", refusals="", resources=RESOURCES, objects=""):
        os.makedirs(self.path(number), exist_ok=True)
        self.write(number, "resources", resources)
        self.write(number, "leaks", LEAKS + leaks)
        self.write(number, "refusals", REFUSALS + refusals)
        self.write(number, "objects", "count bytes resource cache site age addresses\n" + objects)

    # --- what the module does by itself

    def follow(self):
        # Two commands may come before the thread looks.
        os.unlink(self.path("control"))
        os.mkfifo(self.path("control"))
        self._control = os.open(self.path("control"), os.O_RDWR | os.O_NONBLOCK)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def unfollow(self):
        if self._end:
            self._end.set()
            self._thread.join()
            os.close(self._control)

    def _live(self):
        while not self._end.wait(0.002):
            self._births()
            self._commands()
            self._deaths()

    def _births(self):
        mine = os.stat("/proc/self/ns/pid").st_ino
        known = {c["init"] for c in self.containers}
        for task in filter(str.isdigit, os.listdir("/proc")):
            try:
                ns = os.stat(f"/proc/{task}/ns/pid").st_ino
                with open(f"/proc/{task}/status", encoding="utf-8", errors="replace") as f:
                    status = dict(line.split(":", 1) for line in f if ":" in line)
                with open(f"/proc/{task}/environ", "rb") as f:
                    ours = f"BEANCTL_PROC={self.folder}".encode() in f.read().split(b"\0")
            except (OSError, ValueError):
                continue
            if ns == mine or not ours or int(task) in known or status["NSpid"].split()[-1] != "1":
                continue
            self.armed = 0
            if not self.room:
                if int(task) != self.lost:
                    self.lost = int(task)
                    self.health["containers_lost"] += 1
                    self.flush()
                continue
            self.add(max([c["id"] for c in self.containers], default=0) + 1, pidns=ns, init=int(task), failcnt=0)

    def _commands(self):
        try:
            text = os.read(self._control, 65536).decode()
        except BlockingIOError:
            return
        for line in text.splitlines():
            self.commands.append(line)
            words = line.split()
            if words[0] == "fail-nth":
                self.armed = int(words[2])
            if words[0] != "name":
                continue
            row = next(c for c in self.containers if c["id"] == int(words[1]))
            row["name"] = words[2]
            if len(words) > 3:
                row["id"] = int(words[3])
                self.folder_of(row["id"])
            self.flush()

    def _deaths(self):
        for row in self.containers:
            if row["state"] != "running" or os.path.exists(f"/proc/{row['init']}"):
                continue
            self._commands()  # what was written before it died comes first
            self.on_stop()
            row["state"] = self.verdicts.get(row["name"], self.verdict)
            left = row["state"] != "clean"
            row["held"], row["objects"] = (128, 1) if left else (0, 0)
            self.folder_of(row["id"], leaks=self.leaks if left else "", resources=self.read(row["id"], "resources"),
                           refusals=self.refusals(self.armed) if self.armed else "")
            self.flush()
