# SPDX-License-Identifier: GPL-2.0
"""A program on a terminal of its own, and what stands on it: as much of an xterm as curses uses of one."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(rb"\x1b(?:\[([?>!0-9;]*)([A-Za-z@])|[()](.)|([=>78M]))|[\x00-\x1f]|[^\x00-\x1f\x1b]+")
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d)(?:;\d+)*m")


class Terminal:
    def __init__(self, command, lines=24, places=80, **env):
        self.master, slave = pty.openpty()
        self.sent = b""
        self._rest = b""
        self._size(lines, places)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env})

    def _size(self, lines, places):
        self.height, self.width = lines, places
        self.cells = [[" "] * places for _ in range(lines)]
        self.inverse = [[False] * places for _ in range(lines)]
        self.line = self.place = 0
        self.reverse = False
        self.top, self.bottom = 0, lines - 1  # of the lines that scroll
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, places, 0, 0))

    def resize(self, lines, places):
        self._size(lines, places)
        os.kill(self.process.pid, signal.SIGWINCH)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def rows(self):
        """The first words of the list's lines."""
        return [line.split()[0] for line in self.text().splitlines()[2:-1] if line.strip()]

    def marked(self):
        """The lines in reverse video, the line of headings left out."""
        return ["".join(c).rstrip() for i, (c, v) in enumerate(zip(self.cells, self.inverse)) if i > 1 and v[0]]

    def press(self, keys):
        os.write(self.master, keys.encode())

    def wait_for(self, pattern, seconds=20):
        """Until the screen looks so; returns the match. Else an error that shows it."""
        return self.until(lambda: re.search(pattern, self.text(), re.M), pattern, seconds)

    def until(self, true, what, seconds=20):
        end = time.monotonic() + seconds
        while True:
            found = true()
            if found:
                return found
            if time.monotonic() > end or not self._read(end - time.monotonic()):
                raise AssertionError(f"no {what!r} on the terminal:\n{self.text()}\n---")

    def end(self, seconds=20):
        """Its status; what it says meanwhile is taken."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"it did not end:\n{self.text()}")
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)

    def _read(self, seconds):
        if not select.select([self.master], [], [], max(seconds, 0))[0]:
            return b""
        data = os.read(self.master, 65536)
        self.sent += data
        self._rest += data
        at = 0
        while at < len(self._rest):
            m = SEQUENCE.match(self._rest, at)
            # A sequence or a character of UTF-8 may not be here whole yet.
            if not m or (m.end() == len(self._rest) and m.group()[-1:] >= b"\x80"):
                break
            self._show(m)
            at = m.end()
        self._rest = self._rest[at:]
        return data

    def _show(self, m):
        token = m.group()
        if m.group(2):
            self._control(m.group(1), m.group(2).decode())
        elif token == b"\r":
            self.place = 0
        elif token == b"\n":
            if self.line == self.bottom:
                self._scroll(self.top, self.bottom)
            self.line = min(self.line + 1, self.height - 1)
        elif m.group(4) == b"M":
            if self.line == self.top:
                self._scroll(self.bottom, self.top)
            self.line = max(self.line - 1, 0)
        elif token == b"\b":
            self.place = max(self.place - 1, 0)
        elif token[0] >= 0x20:
            for c in token.decode(errors="replace"):
                if self.place < self.width:
                    self.cells[self.line][self.place] = c
                    self.inverse[self.line][self.place] = self.reverse
                self.place += 1

    def _control(self, given, letter):
        if given[:1] in (b"?", b">", b"!"):
            return
        n = [int(x or 0) for x in given.split(b";")]
        count = max(n[0], 1)
        if letter == "H":
            self.line = min(count, self.height) - 1
            self.place = min(max(n[1], 1) if len(n) > 1 else 1, self.width) - 1
        elif letter == "J":
            self._clear(self.line, self.place, self.height)
        elif letter == "K":
            # 1: from the left end to here
            self._clear(self.line, 0 if n[0] == 1 else self.place, self.line + 1, self.place + 1 if n[0] == 1 else None)
        elif letter == "C":
            self.place = min(self.place + count, self.width - 1)
        elif letter == "D":
            self.place = max(self.place - count, 0)
        elif letter == "A":
            self.line = max(self.line - count, 0)
        elif letter == "B":
            self.line = min(self.line + count, self.height - 1)
        elif letter == "G":
            self.place = min(count, self.width) - 1
        elif letter == "d":
            self.line = min(count, self.height) - 1
        elif letter == "X":
            self._clear(self.line, self.place, self.line + 1, self.place + count)
        elif letter in "P@":
            for cells, empty in ((self.cells, " "), (self.inverse, False)):
                line = cells[self.line]
                at, new = self.place, [empty] * count
                cells[self.line] = line[:at] + line[at + count:] + new if letter == "P" else (line[:at] + new + line[at:])[:self.width]
        elif letter == "b":
            for _ in range(count):
                self.cells[self.line][self.place] = self.cells[self.line][self.place - 1]
                self.inverse[self.line][self.place] = self.reverse
                self.place += 1
        elif letter == "r":
            self.top, self.bottom = (n[0] or 1) - 1, (n[1] if len(n) > 1 else self.height) - 1
            self.line = self.place = 0
        elif letter == "m":
            self.reverse = 7 in n or (self.reverse and 0 not in n)

    def _scroll(self, gone, new):
        for cells, empty in ((self.cells, " "), (self.inverse, False)):
            del cells[gone]
            cells.insert(new, [empty] * self.width)

    def _clear(self, line, place, to, until=None):
        for i in range(line, to):
            for at in range(place if i == line else 0, min(until or self.width, self.width)):
                self.cells[i][at] = " "
                self.inverse[i][at] = False
