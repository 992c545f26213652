"""A real terminal of 80 columns with a program in it: what a person at it sees, and types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

import pyte

UP, DOWN, ENTER, SPACE, CTRL_C = "\x1b[A", "\x1b[B", "\r", " ", "\x03"
PATIENCE_S = 30.0


class Screen(pyte.Screen):
    """A screen that answers where its cursor is, as terminals do."""

    def __init__(self, columns: int, lines: int, descriptor: int) -> None:
        super().__init__(columns, lines)
        self._descriptor = descriptor

    def write_process_input(self, data: str) -> None:
        os.write(self._descriptor, data.encode())


class Terminal:
    """A program in a terminal; ``everything`` is all that it has written."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, columns: int = 80, lines: int = 50) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen = Screen(columns, lines, self._ours)
        self._stream = pyte.ByteStream(self.screen)
        self.everything = b""
        self.process = subprocess.Popen(
            argv, env={**env, "TERM": "xterm-256color"}, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )  # fmt: skip
        os.close(theirs)

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).strip()

    def see(self, text: str) -> None:
        """Wait until ``text`` stands on the screen."""
        self._until(lambda: text in self.text, text)

    def type(self, *keys: str) -> None:
        """Press keys, or type texts."""
        for key in keys:
            os.write(self._ours, key.encode())

    def choose(self, title: str) -> None:
        """Go down to the line with this title, and take it."""
        lines = len(self.screen.display)
        self.see("»")  # whatever is typed before it asks is lost
        self.see(title)
        for _ in range(lines):
            if any(title in line and "»" in line for line in self.screen.display):
                self.type(ENTER)
                return
            before = self.text
            self.type(DOWN)
            self._until(lambda before=before: self.text != before, f"another line than\n{before}")
        raise AssertionError(f"{title} cannot be chosen:\n{self.text}")

    def end(self) -> int:
        """The exit status, when it has left."""
        self._until(lambda: self.process.poll() is not None, "its end")
        self._read(0.0)
        return self.process.returncode

    def close(self) -> None:
        """End what is there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _until(self, is_so, what: str) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > ends or (self.process.poll() is not None and not self._read(0.0) and not is_so()):
                raise AssertionError(f"waited for {what}; on the screen:\n{self.text}")
            self._read(0.05)

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._ours], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.everything += data
        self._stream.feed(data)
        return bool(data)
