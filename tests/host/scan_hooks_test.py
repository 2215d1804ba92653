# SPDX-License-Identifier: GPL-2.0
"""scripts/scan-hooks: on small images made here, and by mutation on real ones.

  python3 -m unittest tests/host/scan_hooks_test.py
"""
import glob
import gzip
import importlib.machinery
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(REPO, "scripts/scan-hooks")
HOOKS = os.path.join(REPO, "src/shim/hook_table.h")
CACHE = os.environ.get("BEANCOUNTER_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "beancounter")

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("scan_hooks", SCRIPT)
scan_hooks = importlib.util.module_from_spec(importlib.util.spec_from_loader("scan_hooks", loader))
loader.exec_module(scan_hooks)

TEXT = 0xffffffff81000000
RODATA = 0xffffffff81100000
DATA = 0xffffffff81200000
KSYMTAB = 0xffffffff81300000
INIT_TEXT = 0xffffffff81400000
ENDBR = b"\xf3\x0f\x1e\xfa"
NOP5 = b"\x0f\x1f\x44\x00\x00"
PUSH = b"\x55"
PAD = b"\xcc" * 200     # out of reach of a short jump


def pad8(data):
    return data + bytes(-len(data) % 8)


def kallsyms(symbols, base, layout):
    """The tables as scripts/kallsyms.c writes them. Layouts: old (6.1), old without seqs, new (>= 6.4)."""
    tokens = [bytes([i]) if 0x21 <= i < 0x7f else b"" for i in range(256)]
    tokens[1:6] = b"kmem_", b"cache", b"alloc", b"T", b"xx"
    table = b"".join(token + b"\0" for token in tokens)
    index, at = [], 0
    for token in tokens:
        index.append(at)
        at += len(token) + 1
    names, markers = b"", []
    for i, (_, kind, name) in enumerate(symbols):
        packed = (kind + name).encode()
        for number, token in ((1, b"kmem_"), (2, b"cache"), (3, b"alloc"), (4, b"T"), (5, b"xx")):
            packed = packed.replace(token, bytes([number]))
        if i % 256 == 0:
            markers.append(len(names))
        length = len(packed)
        names += bytes([length] if length < 0x80 else [length & 0x7f | 0x80, length >> 7]) + packed
    offsets = pad8(b"".join(struct.pack("<i", va if va < 1 << 31 else base - 1 - va)
                            for va, _, _ in symbols)) + struct.pack("<Q", base)
    names = struct.pack("<Q", len(symbols)) + pad8(names) + pad8(struct.pack(f"<{len(markers)}I", *markers))
    seqs = pad8(b"".join(bytes([i >> 16, i >> 8 & 0xff, i & 0xff]) for i in range(len(symbols))))
    tokens = pad8(table) + pad8(struct.pack("<256H", *index))
    if layout == "new":
        return names + tokens + offsets + seqs
    return offsets + names + (seqs if layout == "old" else b"") + tokens


class Kernel:
    """An assembler for a handful of functions, and a linker that makes an ELF image of them.

    A body is a list of bytes and of (opcode, target): a call or a jump; ("fentry",); ("mov", target).
    """

    def __init__(self, layout="new"):
        self.layout = layout
        self.functions = {TEXT: [], INIT_TEXT: []}
        self.exports = []
        self.data_pointers = []
        self.mcount = True
        self.extra = []
        self.add("__fentry__", [b"\xc3"])

    def add(self, name, body, section=TEXT):
        self.functions[section].append((name, body))

    def hooked(self, name, *body):
        self.add(name, [ENDBR, ("fentry",), PUSH, *body, b"\xc3"])

    def replace(self, name, body):
        self.functions[TEXT] = [(n, body if n == name else b) for n, b in self.functions[TEXT]]

    @staticmethod
    def size(item):
        if isinstance(item, bytes):
            return len(item)
        return {"fentry": 5, "mov": 7, "eb": 2, "74": 2, "0f84": 6, "lea": 7}.get(item[0], 5)

    def build(self):
        place, symbols, texts, fentries = {}, [(0, "A", "fixed_percpu_data")], {}, []
        for section, functions in self.functions.items():
            at = section
            for name, body in functions:
                at += -at % 16
                place.setdefault(name, at)
                symbols.append((at, "t" if name.startswith("_") or "." in name else "T", name))
                at += sum(map(self.size, body))
            at = section
            text = b""
            for name, body in functions:
                text += b"\xcc" * (-len(text) % 16)
                for item in body:
                    at = section + len(text)
                    if isinstance(item, bytes):
                        if item == NOP5 and text.endswith(ENDBR):
                            fentries.append(at)
                        text += item
                        continue
                    opcode = item[0]
                    target = place["__fentry__" if opcode == "fentry" else item[1]]
                    distance = target - at - self.size(item)
                    if opcode == "fentry":
                        fentries.append(at)
                        opcode = "e8"
                    if opcode == "mov":
                        text += b"\x48\xc7\xc7" + struct.pack("<I", target & 0xffffffff)
                    elif opcode == "lea":
                        text += b"\x48\x8d\x3d" + struct.pack("<i", distance)
                    elif opcode in ("eb", "74"):
                        text += bytes.fromhex(opcode) + struct.pack("<b", distance)
                    else:
                        text += bytes.fromhex(opcode) + struct.pack("<i", distance)
            texts[section] = text
        if not self.mcount:
            fentries = []
        data = struct.pack(f"<{len(fentries)}Q", *sorted(fentries))
        symbols += [(DATA, "d", "__start_mcount_loc"), (DATA + len(data), "d", "__stop_mcount_loc"),
                    (INIT_TEXT, "T", "_sinittext"), (INIT_TEXT + len(texts[INIT_TEXT]), "T", "_einittext")]
        data += struct.pack(f"<{len(self.data_pointers)}Q", *(place[n] for n in self.data_pointers))
        ksymtab = b"".join(struct.pack("<iii", place[n] - KSYMTAB - 12 * i, 0, 0)
                           for i, n in enumerate(self.exports))
        # Of names for one address, those with fewer underscores come first.
        self.symbols = sorted(symbols + self.extra, key=lambda s: (s[0], s[2].startswith("_"), s))
        # 0x30 NULs in a row, and digits, that are not the token table.
        rodata = pad8(b"Linux version 6.12.0-test (x)\0" + b"0\0001\0002\0003\0004\0005\0006\0007\0008\0009\0" +
                      bytes(300)) + kallsyms(self.symbols, TEXT, self.layout) + bytes(64)
        return elf([(".text", 6, TEXT, texts[TEXT]), (".rodata", 2, RODATA, rodata),
                    (".init.data", 3, DATA, data), ("__ksymtab", 2, KSYMTAB, ksymtab),
                    (".init.text", 6, INIT_TEXT, texts[INIT_TEXT])])


def elf(sections):
    names, headers, body = b"\0", [bytes(64)], b""
    for name, flags, va, content in sections + [(".shstrtab", 0, 0, b"")]:
        if not content and name == ".shstrtab":
            content = names + name.encode() + b"\0"
        body = pad8(body)
        headers.append(struct.pack("<IIQQQQIIQQ", len(names), 1 if va else 3, flags, va,
                                   64 + len(body), len(content), 0, 0, 8, 0))
        names += name.encode() + b"\0"
        body += content
    body = pad8(body)
    return struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, TEXT, 0, 64 + len(body), 0,
                       64, 56, 0, 64, len(headers), len(headers) - 1) + body + b"".join(headers)


def small_kernel(layout="new"):
    """Two allocation and two free functions over the two slow paths."""
    kernel = Kernel(layout)
    kernel.add("___slab_alloc", [PUSH, b"\xc3", PAD])
    kernel.add("__slab_free", [PUSH, b"\xc3", PAD])
    kernel.hooked("kmem_cache_alloc", ("e8", "___slab_alloc"))
    kernel.hooked("__kmalloc", ("0f84", "___slab_alloc"))
    kernel.hooked("kfree", ("e9", "__slab_free"))
    kernel.hooked("kmem_cache_free", ("e9", "kmem_cache_free.part.0"))
    kernel.add("kmem_cache_free.part.0", [PUSH, ("e8", "__slab_free"), b"\xc3"])
    kernel.add("innocent", [PUSH, ("e8", "kfree"), ("e8", "kmem_cache_alloc"), b"\xc3", PAD])
    return kernel


ALL = ["kmem_cache_alloc", "__kmalloc", "kfree", "kmem_cache_free"]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def image(self, kernel):
        return scan_hooks.Image(self.write("vmlinux", kernel.build()))

    def scan(self, kernel, hooks=None):
        return scan_hooks.Scan(self.image(kernel), ALL if hooks is None else hooks)

    def assert_fails(self, scan, *words):
        self.assertEqual(len(scan.failures), 1, scan.failures)
        for word in words:
            self.assertIn(word, scan.failures[0])


class Symbols(Case):
    def test_layouts(self):
        for layout in ("old", "old without seqs", "new"):
            with self.subTest(layout):
                kernel = small_kernel(layout)
                image = self.image(kernel)
                self.assertEqual([tuple(s) for s in image.symbols], kernel.symbols)
                self.assertEqual(image.release, "6.12.0-test")

    def test_more_than_one_marker_and_long_names(self):
        for layout in ("old", "new"):
            with self.subTest(layout):
                kernel = small_kernel(layout)
                kernel.extra = [(DATA + 0x1000 + i, "d", f"variable{i}_" + "xxy" * (i % 90)) for i in range(1000)]
                image = self.image(kernel)
                self.assertEqual([tuple(s) for s in image.symbols], kernel.symbols)

    def test_bzimage(self):
        payload = gzip.compress(small_kernel().build())
        head = bytearray(1024)
        head[0x1f1] = 1
        head[0x202:0x206] = b"HdrS"
        struct.pack_into("<II", head, 0x248, 16, len(payload))
        image = scan_hooks.Image(self.write("vmlinuz", bytes(head) + bytes(16) + payload + b"rest"))
        self.assertEqual(scan_hooks.Scan(image, ALL).failures, [])

    def test_unreadable(self):
        for content in (b"", b"\x7fELF", b"hello" * 1000, elf([(".text", 6, TEXT, bytes(8192))]),
                        small_kernel().build()[:600]):
            with self.assertRaises(scan_hooks.Unreadable):
                scan_hooks.Image(self.write("vmlinux", content))


class Verdicts(Case):
    def test_complete(self):
        scan = self.scan(small_kernel())
        self.assertEqual(scan.failures, [])
        self.assertEqual({name: row.verdict for name, row in scan.rows.items()},
                         {**{name: "hooked" for name in ALL}, "kmem_cache_free.part.0": "part"})

    def test_every_hook_is_needed(self):
        for name in ALL:
            with self.subTest(name):
                scan = self.scan(small_kernel(), [other for other in ALL if other != name])
                self.assertTrue(any(f.startswith(name) for f in scan.failures), scan.failures)

    def test_branches(self):
        for opcode in ("e8", "e9", "0f84"):
            with self.subTest(opcode):
                kernel = small_kernel()
                kernel.add("new_entry", [PUSH, (opcode, "___slab_alloc")])
                self.assert_fails(self.scan(kernel), "new_entry reaches ___slab_alloc at new_entry+0x1 ")

    def test_short_jumps(self):
        for opcode in ("eb", "74"):
            for behind in (True, False):
                with self.subTest(opcode, behind=behind):
                    kernel = small_kernel()
                    kernel.replace("__slab_free", [b"\xc3"])
                    functions = kernel.functions[TEXT]
                    place = [name for name, _ in functions].index("__slab_free")
                    functions.insert(place + behind, ("neighbour", [PUSH, (opcode, "__slab_free")]))
                    self.assert_fails(self.scan(kernel), "neighbour reaches __slab_free at neighbour+0x1 ")

    def test_clone_of_an_internal_function(self):
        kernel = small_kernel()
        kernel.add("__slab_alloc.constprop.0", [("e8", "___slab_alloc")])
        kernel.add("new_entry", [("e8", "__slab_alloc.constprop.0")])
        self.assert_fails(self.scan(kernel), "new_entry reaches __slab_alloc.constprop.0")

    def test_part_of_a_hooked_function_entered_from_elsewhere(self):
        kernel = small_kernel()
        kernel.add("new_entry", [("e9", "kmem_cache_free.part.0")])
        self.assert_fails(self.scan(kernel), "new_entry reaches kmem_cache_free.part.0")

    def test_cold_half(self):
        kernel = small_kernel()
        kernel.add("kfree.cold", [("e8", "__slab_free")])
        kernel.add("new_entry.cold", [("e8", "__slab_free")])
        self.assert_fails(self.scan(kernel), "new_entry reaches __slab_free at new_entry.cold+0x0")

    def test_excuse(self):
        kernel = small_kernel()
        kernel.add("kfence_guarded_free", [b"\xc3"])
        kernel.add("rcu_guarded_free", [("e8", "kfence_guarded_free")])
        scan = self.scan(kernel)
        self.assertEqual(scan.failures, [])
        self.assertEqual(scan.rows["rcu_guarded_free"].verdict, "excused")
        # It covers what it names and nothing else.
        kernel.replace("rcu_guarded_free", [("e8", "kfence_guarded_free"), ("e8", "__slab_free")])
        self.assert_fails(self.scan(kernel), "rcu_guarded_free reaches __slab_free")

    def test_init(self):
        kernel = small_kernel()
        kernel.add("early", [("e8", "___slab_alloc")], INIT_TEXT)
        scan = self.scan(kernel)
        self.assertEqual(scan.failures, [])
        self.assertEqual(scan.rows["early"].verdict, "excused")

    def test_internals_must_be_there(self):
        kernel = small_kernel()
        kernel.functions[TEXT] = [(n.replace("___slab_alloc", "another"), [
            (i[0], i[1].replace("___slab_alloc", "another")) if len(i) == 2 and isinstance(i, tuple) else i
            for i in body]) for n, body in kernel.functions[TEXT]]
        self.assert_fails(self.scan(kernel), "no call of ___slab_alloc found")

    def test_address_taken(self):
        kernel = small_kernel()
        kernel.data_pointers = ["kfree", "__slab_free"]
        self.assert_fails(self.scan(kernel), "the address of __slab_free is taken")
        for opcode in ("mov", "lea"):
            kernel = small_kernel()
            kernel.add("setup", [PUSH, (opcode, "___slab_alloc"), (opcode, "kfree"), b"\xc3"])
            self.assert_fails(self.scan(kernel), "the address of ___slab_alloc is taken at setup+")

    def test_exported(self):
        kernel = small_kernel()
        kernel.exports = ["kfree", "innocent", "___slab_alloc"]
        self.assert_fails(self.scan(kernel), "___slab_alloc is exported")

    @unittest.skipUnless(shutil.which("objdump"), "no objdump")
    def test_branch_inside_an_instruction(self):
        kernel = small_kernel()
        # movabs $imm64, %rax; in the immediate lies "e8 rel32" to __slab_free.
        kernel.add("big_constant", [b"\x48\xb8\x01", ("e8", "__slab_free"), b"\x02\x03", b"\xc3"])
        scan = self.scan(kernel)
        self.assertEqual(scan.failures, [])
        self.assertEqual(len(scan.doubtful), 1)

    def test_an_objdump_that_does_not_help_excuses_nothing(self):
        kernel = small_kernel()
        kernel.add("new_entry", [PUSH, ("e8", "___slab_alloc")])
        path = os.environ["PATH"]
        self.addCleanup(os.environ.update, PATH=path)
        for script in (None, "exit 0", "exit 1", "echo ffffffff81000000: nop"):
            with self.subTest(script):
                if script:
                    os.chmod(self.write("objdump", f"#!/bin/sh\n{script}\n".encode()), 0o755)
                os.environ["PATH"] = self.folder
                self.assert_fails(self.scan(kernel), "new_entry reaches ___slab_alloc")


class Sites(Case):
    def test_no_fentry(self):
        kernel = small_kernel()
        kernel.replace("kfree", [ENDBR, PUSH, ("e9", "__slab_free")])
        self.assert_fails(self.scan(kernel), "kfree: no call of __fentry__")

    def test_without_endbr(self):
        kernel = small_kernel()
        kernel.replace("kfree", [("fentry",), ("e9", "__slab_free")])
        self.assertEqual(self.scan(kernel).failures, [])

    def test_nop(self):
        kernel = small_kernel()
        kernel.replace("kfree", [ENDBR, NOP5, ("e9", "__slab_free")])
        self.assertEqual(self.scan(kernel).failures, [])

    def test_not_in_the_table_of_ftrace(self):
        kernel = small_kernel()
        kernel.mcount = False
        scan = self.scan(kernel)
        self.assertEqual(len(scan.failures), len(ALL))
        self.assertIn("not in ftrace's table", scan.failures[0])

    def test_two_of_that_name(self):
        kernel = small_kernel()
        kernel.hooked("kfree")
        self.assert_fails(self.scan(kernel), "kfree: 2 functions of that name")


class CommandLine(Case):
    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)

    def test_table_and_json(self):
        image = self.write("vmlinux", small_kernel().build())
        hooks = self.write("hook_table.h", b"""
/* BC_HOOK(commented, FREE) */
#define BC_HOOK(name, kind) something(name)
#if BC_KERNEL_6_12
BC_HOOK(kmem_cache_alloc, ALLOC, 1, 2)	// BC_HOOK(nor_this, FREE)
	BC_HOOK( __kmalloc , ALLOC)
#else
BC_HOOK(__kmem_cache_alloc_node, ALLOC)
#endif
BC_HOOK(kfree, FREE) BC_HOOK(kmem_cache_free, FREE)
#undef BC_HOOK
""")
        good = self.run_script("--image", image, "--hooks", hooks)
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertRegex(good.stdout, r"(?m)^kfree +__slab_free +hooked$")
        self.assertIn("not in this kernel: __kmem_cache_alloc_node\n", good.stdout)

        report = json.loads(self.run_script("--image", image, "--hooks", hooks, "--json").stdout)
        self.assertTrue(report["ok"])
        self.assertEqual([hook["function"] for hook in report["hooks"]],
                         ["kmem_cache_alloc", "__kmalloc", "kfree", "kmem_cache_free", "__kmem_cache_alloc_node"])

        less = self.write("less.h", b"BC_HOOK(kfree, FREE)\nBC_HOOK(kmem_cache_alloc, ALLOC)\nBC_HOOK(__kmalloc)\n")
        bad = self.run_script("--image", image, "--hooks", less, "--json")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("kmem_cache_free.part.0 reaches __slab_free at kmem_cache_free.part.0+0x1 ", bad.stderr)
        self.assertFalse(json.loads(bad.stdout)["ok"])

    def test_unusable(self):
        image = self.write("vmlinux", small_kernel().build())
        empty = self.write("empty.h", b"#define BC_HOOK(name) x\n")
        for arguments in ((), ("--image", "/nonexistent", "--hooks", empty), ("--image", image, "--hooks", empty),
                          ("--image", image, "--hooks", "/nonexistent")):
            self.assertEqual(self.run_script(*arguments).returncode, 2, arguments)


class Walk(scan_hooks.Scan):
    """Without the slow confirmations, which have their own tests."""

    def is_branch(self, site, start, target):
        return True

    def _check_hidden(self, internals):
        pass


class RealKernels(unittest.TestCase):
    """The hook table covers every kernel in the cache, and without any one of its slab hooks none."""

    def test_complete_and_no_hook_is_superfluous(self):
        images = []
        for folder in sorted(glob.glob(os.path.join(CACHE, "kernels/*")) +
                             [os.path.dirname(done) for done in glob.glob(os.path.join(CACHE, "debug/*/.complete"))]):
            images += [path for path in (os.path.join(folder, "vmlinux"), os.path.join(folder, "vmlinuz"))
                       if os.path.exists(path)][:1]
        if not os.path.exists(HOOKS):
            self.skipTest(f"no {os.path.relpath(HOOKS, REPO)}")
        if not images:
            self.skipTest(f"no kernel image in {CACHE}; scripts/kernel image 6.12 gets one")
        hooks = scan_hooks.read_hooks(HOOKS)
        for path in images:
            image = scan_hooks.Image(path)
            complete = scan_hooks.Scan(image, hooks)
            with self.subTest(image.release):
                self.assertEqual(complete.failures, [])
            for removed in complete.hooks:
                if removed not in complete.rows:
                    continue    # not of the slab allocator
                with self.subTest(image.release, removed=removed):
                    scan = Walk(image, [name for name in hooks if name != removed])
                    self.assertTrue(any(f.startswith((removed + " ", removed + ".")) for f in scan.failures),
                                    scan.failures)


if __name__ == "__main__":
    unittest.main()
