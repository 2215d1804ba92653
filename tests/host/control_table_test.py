# SPDX-License-Identifier: GPL-2.0
"""tests/selftest/control.py: what a row of the negative control says of what is left."""
import os
import re
import sys
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(REPO, "tests/selftest"))

import control  # noqa: E402


def group(function, verdict="held", details="", holders=(), objects=1):
    return {"verdict": verdict, "objects": objects, "cache": "dentry", "function": function, "details": details, "holders": list(holders)}


class WhyTest(unittest.TestCase):
    def setUp(self):
        self.control = control.Control()
        self.control.explained = [("held", re.compile("kselftest .*"), re.compile("__d_alloc$"), "a name"),
                                  ("held", re.compile(".*"), re.compile("[^ ]+ by=tty$"), "a terminal")]

    def why(self, *groups, name="kselftest core:one"):
        return self.control.why(name, [{"leaks": list(groups)}])

    def test_nothing_left(self):
        self.assertEqual(self.why(), ("", True))

    def test_what_was_handed_over_is_no_matter(self):
        self.assertEqual(self.why(group("anything", verdict="reclaimable")), ("", True))

    def test_explained_by_its_site_once_for_all(self):
        self.assertEqual(self.why(group("__d_alloc"), group("__d_alloc", holders=["filp:1"])), ("a name", True))

    def test_explained_by_its_details(self):
        self.assertEqual(self.why(group("file_tty_write", details="by=tty")), ("a terminal", True))

    def test_another_site_verdict_or_test_is_not(self):
        for why in (self.why(group("alloc_uid")), self.why(group("__d_alloc", verdict="leaked")),
                    self.why(group("__d_alloc"), name="trinity 60 s"), self.why(group("__d_alloc"), group("alloc_uid"))):
            self.assertIn("**UNEXPLAINED**", why[0])
            self.assertFalse(why[1])

    def test_no_site_excuses_what_nobody_refers_to(self):
        why, known = self.why(group("__d_alloc", details="references=2", holders=["names:1", "unexplained:1"]))
        self.assertEqual(why, "**UNEXPLAINED**: held 1 × dentry @ __d_alloc (references=2 names:1 unexplained:1)")
        self.assertFalse(known)

    def test_a_reason_that_is_known_stays_beside_the_alarm(self):
        self.assertEqual(self.why(group("__d_alloc"), group("alloc_uid", objects=3)),
                         ("a name; **UNEXPLAINED**: held 3 × dentry @ alloc_uid", False))


class ExplainedTest(unittest.TestCase):
    def test_every_line_is_understood(self):
        found = control.explanations()
        self.assertTrue(found)
        for verdict, _, _, reason in found:
            self.assertIn(verdict, ("held", "leaked"))
            self.assertTrue(reason)


if __name__ == "__main__":
    unittest.main()
