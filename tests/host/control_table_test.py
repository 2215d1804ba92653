# SPDX-License-Identifier: GPL-2.0
"""tests/selftest/control.py: what a row of the negative control says of what is left."""
import os
import re
import sys
import unittest
from unittest import mock

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


class DoubtTest(unittest.TestCase):
    """What seemed to be lost while others ran."""

    def settled(self, *reports):
        one = control.Control()
        one.explained = [("held", re.compile(".*"), re.compile("__d_alloc$"), "a name")]
        one.doubtful = [("kselftest", "core:one", "held", "5.0", "0", [{"id": 7}])]
        rows, clock = [], iter(range(0, 10000, 300))
        with mock.patch.object(control, "now_left", side_effect=[[{"leaks": report}] for report in reports]), \
                mock.patch.object(control.time, "sleep"), mock.patch.object(control.time, "monotonic", side_effect=clock), \
                mock.patch.object(one, "row", side_effect=lambda *row: rows.append(row)):
            one.settle_doubts()
        self.assertEqual(one.doubtful, [])
        self.assertEqual(len(rows), 1)
        return rows[0][5:]

    def test_a_later_search_knows_better(self):
        lost = [group("__d_alloc", holders=["unexplained:2", "filp:1"])]
        self.assertEqual(self.settled(lost, [group("__d_alloc", holders=["filp:1"])]), ("a name", True))
        self.assertEqual(self.settled([]), ("let go of by the next search", True))

    def test_what_stays_lost_is_an_alarm(self):
        lost = [group("__d_alloc", holders=["unexplained:2", "filp:1"])]
        why, known = self.settled(*[lost] * 3)
        self.assertIn("**UNEXPLAINED**", why)
        self.assertFalse(known)

    def test_what_became_a_leak_is_an_alarm(self):
        self.assertFalse(self.settled([group("__d_alloc", verdict="leaked")])[1])


class ExplainedTest(unittest.TestCase):
    def test_every_line_is_understood(self):
        found = control.explanations()
        self.assertTrue(found)
        for verdict, _, _, reason in found:
            self.assertIn(verdict, ("held", "leaked"))
            self.assertTrue(reason)


if __name__ == "__main__":
    unittest.main()
