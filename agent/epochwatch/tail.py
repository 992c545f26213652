"""The last lines of a command's output, as a terminal would show them. Pure: bytes in, text out."""

import re
from collections import deque
from typing import Deque, Dict, Tuple

LINES = 200
LINE_CHARS = 500
_RAW_LINE = 4096
"""Bytes kept of one line until it is decoded: 500 characters and the control sequences between them."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: window titles, links
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_ERASE = re.compile(r"\x1b\[[0-2]?K")


class Tail:
    """The last 200 lines of one command's streams, in the order in which they were completed.

    Memory is bounded and nothing is decoded before ``lines`` is called: output may come at 100 MB/s.
    """

    def __init__(self) -> None:
        self._lines: Deque[bytes] = deque(maxlen=LINES)
        self._unfinished: Dict[int, bytes] = {}

    def feed(self, stream: int, chunk: bytes) -> None:
        """Take what came out of one stream; streams may be fed by a thread each."""
        lines = (self._unfinished.get(stream, b"") + chunk).split(b"\n")
        self._unfinished[stream] = _bounded(lines.pop())
        self._lines.extend(map(_bounded, lines[-LINES:]))

    def lines(self) -> Tuple[str, ...]:
        """The last lines as text, unfinished ones last, each of at most 500 characters."""
        unfinished = [line for line in self._unfinished.values() if line]
        return tuple(map(shown, [*self._lines, *unfinished][-LINES:]))


def _bounded(line: bytes) -> bytes:
    """The part of a line that decides what is shown: its beginning, or its end if it was overwritten."""
    if len(line) <= _RAW_LINE:
        return line
    return line[-_RAW_LINE:] if b"\r" in line[:-1] else line[:_RAW_LINE]


def without_control(text: str) -> str:
    """A text without colours, cursor movements and other control sequences."""
    return _CONTROL.sub("", text)


def shown(line: bytes) -> str:
    """What a terminal shows of ``line`` in the end: overwritten after carriage returns, without control sequences."""
    text = ""
    for part in line.decode("utf-8", "replace").split("\r"):
        written = without_control(part)
        text = written + ("" if _ERASE.search(part) else text[len(written) :])
    return text.rstrip()[:LINE_CHARS]
