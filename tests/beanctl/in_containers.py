# SPDX-License-Identifier: GPL-2.0
"""Tests of beanctl in real namespaces, the module's part played by fake_module."""
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from fake_module import FakeModule

BEANCTL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/beanctl")
# A shell ignores the one in what it runs in the background, nohup the other, and what is ignored stays so and cannot be trapped.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
LEAK = "leaked 1 128 kmemsize pid alloc_pid+0x2d 12 - - -\n"


def can_make_namespaces():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--fork", "--pid", "--mount-proc", "true"], check=False,
                                                stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(can_make_namespaces(), "namespaces can be made by root only")
class InContainers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.module = FakeModule(os.path.join(self.folder, "beancounter"))
        self.env = {**os.environ, "BEANCTL_PROC": self.module.folder}
        self.module.follow()
        self.addCleanup(self.module.unfollow)

    def beanctl(self, *words, **more):
        return subprocess.run([BEANCTL, *words], capture_output=True, text=True, timeout=60, check=False, env=self.env, **more)

    def start(self, *words):
        process = subprocess.Popen([BEANCTL, *words], stdout=subprocess.PIPE, text=True, env=self.env)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def status(self, *words):
        return self.beanctl(*words).returncode
