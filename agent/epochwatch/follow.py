"""A command's output, followed as it comes: its lines, and what they say of progress.

To read takes a share of the time, whatever comes: of a flood the rest is left unread, and its end is read at the end.
"""

import time
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from epochwatch.progress import Progress, Reading
from epochwatch.tail import without_control

SHARE = 0.05
"""So much of the time may be spent on reading."""
CREDIT_S = 0.1
"""So much may be spent at once."""
REST_MAX = 8192
"""Bytes kept of a line that has not ended: a longer one is no progress."""
_MARKS = (b"poch", b"tep", b"ter", b"oss", b"/s", b"%|", b"]\t", "━".encode()[:2])
"""A line without any of these says nothing of progress."""


class Follower:
    """Reads the progress of one command from its streams; not for two threads at once. ``steps``: as of Progress."""

    def __init__(self, steps: Optional[int] = None) -> None:
        self._progress = Progress(steps)
        self._rest: Dict[int, bytes] = {}
        self._credit_s = CREDIT_S
        self._at = time.perf_counter()
        self._has_skipped = False

    def feed(self, stream: int, chunk: bytes) -> List[Reading]:
        """What the lines say that end with this chunk of a stream."""
        data = self._rest.get(stream, b"") + chunk
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        rest = self._rest[stream] = data[end:][:REST_MAX]
        began = time.perf_counter()
        credit_s = min(CREDIT_S, self._credit_s + SHARE * (began - self._at))
        found: List[Reading] = []
        if credit_s > 0:
            for line in _lines(data if rest.endswith(b"]") else data[:end]):  # a bar that is whole is not left yet
                found += self._read(line)
                if time.perf_counter() - began > credit_s:
                    self._has_skipped = True
                    break
        else:
            self._has_skipped = True
        self._at = time.perf_counter()
        self._credit_s = credit_s - (self._at - began)
        return found

    def end(self, tail: Iterable[str], *, is_well: bool) -> List[Reading]:
        """What is still to be said when the command has ended; ``tail``: its last lines."""
        found = [reading for line in tail for reading in self._read(line)] if self._has_skipped else []
        last = self._progress.end() if is_well else None
        return [*found, *([last] if last else [])]

    def _read(self, line: str) -> Tuple[Reading, ...]:
        reading = self._progress.read(line)
        return () if reading is None else (reading,)


def _lines(data: bytes) -> Iterator[str]:
    """The lines that may say something; without control sequences."""
    if any(mark in data for mark in _MARKS):
        for part in data.replace(b"\r", b"\n").split(b"\n"):
            if len(part) < REST_MAX and any(mark in part for mark in _MARKS):
                yield without_control(part.decode("utf-8", "replace"))
