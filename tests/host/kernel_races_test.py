# SPDX-License-Identifier: GPL-2.0
"""scripts/kernel-races: which of KCSAN's reports are the kernel's own, and that none of ours is called so."""
import os
import subprocess
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TITLE = "BUG: KCSAN: data-race in a / b"
OWN = "kernel's own race: data-race in a / b"
BORDER = "=" * 66


def stack(*frames):
    return ["write to 0xffff888003c0a110 of 8 bytes by task 93 on cpu 1:"] + [f" {f}" for f in frames] + [""]


def report(*stacks, end=(BORDER,)):
    lines = [BORDER, TITLE, ""] + [line for s in stacks for line in s]
    return [f"[   12.345678] {line}" for line in lines + ["Reported by Kernel Concurrency Sanitizer on:"] + list(end)]


def titles(log):
    text = "\n".join(log) + "\n"
    out = subprocess.run([os.path.join(REPO, "scripts/kernel-races")], input=text, stdout=subprocess.PIPE, check=True,
                         universal_newlines=True).stdout
    lines = out.split("\n")[:-1]
    # Nothing but titles may differ: line numbers stay, and what else is in the log.
    changed = [line for line, was in zip(lines, log) if line != was]
    assert len(lines) == len(log) and all("kernel's own race" in line for line in changed), out
    return [line.split("] ", 1)[1] for line in lines if "KCSAN: " in line or "own race" in line]


KERNEL = stack("get_partial_node+0x1a0/0x590", "___slab_alloc+0x4ab/0xb30", "do_syscall_64+0x6c/0x190")
BELOW = stack("___slab_alloc+0x4ab/0xb30", "kmem_cache_alloc_noprof+0x2b/0x370",
              "bc_wrap_flat_kmem_cache_alloc_noprof+0x1b/0x40 [beancounter]", "alloc_pid+0x63/0x5c0")
GATED = stack("___slab_alloc+0x4ab/0xb30", "bc_gated_kmem_cache_alloc_noprof+0x5b/0x90 [beancounter_kunit]", "alloc_pid+0x63/0x5c0")
CORE = stack("bc_core_work+0x1b/0x40 [beancounter]", "turn+0x4c/0x110 [beancounter]", "process_one_work+0x38b/0x760")
CALLED = stack("d_path+0x11/0x140", "bc_probe_name+0x1b/0x40 [beancounter]", "process_one_work+0x38b/0x760")
WRAPPER = stack("bc_wrap_kmem_cache_alloc_bulk_noprof+0x1b/0x40 [beancounter]", "alloc_pid+0x63/0x5c0")
INTERRUPT = ["tmigr_handle_remote+0x2a2/0x7d0", "sysvec_apic_timer_interrupt+0x93/0xc0", "asm_sysvec_apic_timer_interrupt+0x1a/0x20"]
INTERRUPTED = stack(*INTERRUPT, "bc_core_work+0x1b/0x40 [beancounter]", "turn+0x4c/0x110 [beancounter]")
IN_INTERRUPT = stack("bc_free_object+0x11/0x40 [beancounter]", *INTERRUPT, "do_syscall_64+0x6c/0x190")
OTHER = stack("leak+0x11/0x140 [leak_one]", "process_one_work+0x38b/0x760")


class Races(unittest.TestCase):
    def test_kernels_own(self):
        self.assertEqual(titles(report(KERNEL, KERNEL)), [OWN])

    def test_below_a_wrapper_it_is_the_allocators(self):
        self.assertEqual(titles(report(BELOW, KERNEL)), [OWN])
        self.assertEqual(titles(report(KERNEL, GATED)), [OWN])

    def test_one_frame_of_ours_in_either_stack(self):
        for ours in (CORE, CALLED, WRAPPER, OTHER):
            self.assertEqual(titles(report(KERNEL, ours)), [TITLE])
            self.assertEqual(titles(report(ours, BELOW)), [TITLE])

    def test_what_is_interrupted_has_no_part_in_it(self):
        self.assertEqual(titles(report(KERNEL, INTERRUPTED)), [OWN])
        self.assertEqual(titles(report(INTERRUPTED, CORE)), [TITLE])
        self.assertEqual(titles(report(IN_INTERRUPT, KERNEL)), [TITLE])

    def test_one_of_unknown_origin(self):
        line = ["race at unknown origin, with read to 0xffff888003c0a110 of 8 bytes by task 93 on cpu 1:"]
        self.assertEqual(titles(report(line + CORE[1:])), [TITLE])
        self.assertEqual(titles(report(line + WRAPPER[1:])), [TITLE])
        self.assertEqual(titles(report(line + BELOW[1:])), [OWN])

    def test_each_by_itself(self):
        log = report(CORE, KERNEL) + ["[   13.000000] WARNING: of another kind"] + report(KERNEL) + report(KERNEL, CORE)
        self.assertEqual(titles(log), [TITLE, OWN, TITLE])

    def test_what_has_no_end_is_looked_at_to_the_end(self):
        self.assertEqual(titles(report(KERNEL, CORE, end=())), [TITLE])
        self.assertEqual(titles(report(KERNEL, end=()) + report(CORE)), [OWN, TITLE])


if __name__ == "__main__":
    unittest.main()
