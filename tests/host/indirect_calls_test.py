# SPDX-License-Identifier: GPL-2.0
"""scripts/indirect-calls: finds what is planted, however it is compiled, and entries that are of no use."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("indirect_calls", os.path.join(REPO, "scripts/indirect-calls"))
indirect_calls = importlib.util.module_from_spec(importlib.util.spec_from_loader("indirect_calls", loader))
loader.exec_module(indirect_calls)

HEADER = """
static inline void keeps(void (**found)(long), long what) { if (what < 0) (*found)(what); }
"""
SOURCE = """
#include "keeper.h"
extern void exported(void);
void direct(void) { exported(); }
void walks(void (**found)(long), long what) { keeps(found, what); keeps(found, what - 1); exported(); }
"""
PLANTED = """
extern unsigned long lookup(const char *name);
unsigned long location(unsigned long function)
{
	return ((unsigned long (*)(unsigned long))lookup("ftrace_location"))(function) + 1;
}
"""
JUMP = "void leaves(void (*to)(void)) { to(); }\n"
TABLE = """
extern void a(void), b(void), c(void), d(void), e(void);
void chooses(int n) { switch (n) { case 0: a(); break; case 1: b(); break; case 2: c(); break; case 3: d(); break; case 4: e(); break; } exported(); }
"""
KEEPS = {("src/shim/keeper.h", "keeps"): "the walk's own"}
# As the kernel compiles a module, and without retpolines.
WAYS = (["-mindirect-branch=thunk-extern", "-mindirect-branch-register", "-fno-jump-tables"], ["-fcf-protection=branch"])


class Calls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def wrong(self, source, options, allowed, debug="-g"):
        """What judge() says of it, each without its place."""
        shim = os.path.join(self.folder.name, "build/6.1.0-0-amd64/src/shim")
        os.makedirs(shim, exist_ok=True)
        for name, text in (("keeper.h", HEADER), ("walk.c", source)):
            with open(os.path.join(shim, name), "w") as file:
                file.write(text)
        module = os.path.join(self.folder.name, "walk.o")
        subprocess.run(["gcc", "-c", "-O2", debug, *options, "-ffunction-sections", "-o", module, os.path.join(shim, "walk.c")], check=True)
        self.calls = indirect_calls.calls_of(module)
        return indirect_calls.judge(self.calls, allowed)[0]

    def test_what_is_in_the_table_is_told_by_its_source(self):
        for options in WAYS:
            self.assertEqual(self.wrong(SOURCE, options, KEEPS), [])
            self.assertEqual({(call.function, call.outer) for call in self.calls}, {("keeps", "walks")})
            self.assertEqual(len(self.calls), 2)

    def test_a_looked_up_function_that_is_called_through_a_pointer(self):
        for options in WAYS:
            wrong = self.wrong(SOURCE + PLANTED, options, KEEPS)
            self.assertEqual(len(wrong), 1, wrong)
            self.assertRegex(wrong[0], r"^src/shim/walk.c:\d+: location calls through a pointer, in location$")

    def test_a_jump_at_a_functions_end(self):
        for options in WAYS:
            wrong = self.wrong(SOURCE + JUMP, options, KEEPS)
            self.assertEqual(len(wrong), 1, wrong)
            self.assertRegex(wrong[0], "leaves calls through a pointer")

    def test_a_table_of_jumps(self):
        self.assertRegex(self.wrong(SOURCE + TABLE, ["-fcf-protection=none", "-fjump-tables"], KEEPS)[0], "chooses calls through a pointer")

    def test_a_function_of_that_name_in_another_file(self):
        other = SOURCE.replace('#include "keeper.h"', HEADER)
        self.assertEqual(len(self.wrong(other, WAYS[0], KEEPS)), 3)  # both calls, and the entry

    def test_an_entry_of_no_use(self):
        more = {**KEEPS, ("src/shim/walk.c", "gone"): "was there once"}
        self.assertEqual(self.wrong(SOURCE, WAYS[0], more), ["src/shim/walk.c gone: is in the table, and calls nothing through a pointer"])

    def test_without_debug_information_nothing_is_let_through(self):
        self.assertEqual(len(self.wrong(SOURCE, WAYS[0], KEEPS, "-g0")), 3)

    def test_the_names_of_thunks(self):
        for name in ("__x86_indirect_thunk_rax", "__x86_indirect_thunk_r10", "__x86_indirect_call_thunk_rbx", "__x86_indirect_jump_thunk_r11"):
            listing = ("Disassembly of section .text:\n\n0000000000000010 <caller>:\n  10:\tcall   15 <caller+0x5>\n"
                       f"\t\t\t11: R_X86_64_PLT32\t{name}-0x4\n")
            self.assertEqual(dict(indirect_calls.places(listing)), {".text": [("11", "caller")]})

    def test_a_module_that_is_none(self):
        with self.assertRaises(indirect_calls.Unreadable):
            indirect_calls.calls_of(os.devnull)


if __name__ == "__main__":
    unittest.main()
