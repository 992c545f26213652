"""How much memory processes hold, as it was last seen: whom the kernel would have killed first."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection
from itertools import chain, islice, takewhile
from os import sysconf
from pathlib import Path
from typing import NamedTuple

LOOK_EVERY_S = 10.0
KEPT_S = 60.0
MUCH_SMALLER = 0.25
"""The kernel kills the largest: one with less than this share of another's memory was not chosen before it."""

_PAGES_PER_MIB = (1 << 20) // sysconf("SC_PAGESIZE")
_PENDING = re.compile(rb"^(?:SigPnd|ShdPnd):\t([0-9a-f]+)$", re.MULTILINE)
_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
_SIGKILL_BIT = 1 << (signal.SIGKILL - 1)


class Size(NamedTuple):
    """How much a process held when it was looked at, and at most until then."""

    rss_mib: float
    at: float
    peak_mib: float | None = None


class Sizes:
    """The last seen size of each process of a group; those gone are remembered for a while."""

    def __init__(self) -> None:
        self._seen: dict[int, Size] = {}  # the longest unseen first

    def look(self, pids: Collection[int], now: float, limit: int) -> int:
        """Look at those of ``pids`` that are new and, now and then, at others; gives how many, ``limit`` at most."""
        new = (pid for pid in pids if pid not in self._seen)
        due = takewhile(lambda pid: self._seen[pid].at <= now - LOOK_EVERY_S, self._seen)
        chosen = list(islice(chain(new, due), limit))
        for pid in chosen:
            self._renew(pid, now)
        return len(chosen)

    def _renew(self, pid: int, now: float) -> None:
        before = self._seen.pop(pid, None)
        size_mib = rss_mib(pid)
        if size_mib:
            self._seen[pid] = Size(size_mib, now, peak_mib(pid))
        elif before and before.at > now - KEPT_S:
            self._seen[pid] = before

    def of(self, pid: int) -> float | None:
        """The last seen size in MiB; None: never seen."""
        size = self._seen.get(pid)
        return size.rss_mib if size else None

    def seen(self, pid: int) -> Size | None:
        """The last look at a process; None: there was none."""
        return self._seen.get(pid)

    def is_much_smaller(self, pid: int, than: int) -> bool:
        """Whether a process was so much smaller than another that the kernel would have killed that one before it."""
        one, other = self.of(pid), self.of(than)
        return one is not None and other is not None and one < MUCH_SMALLER * other


def rss_mib(pid: int) -> float | None:
    """The memory a process holds in MiB, 0 if it has given it back in dying; None if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) / _PAGES_PER_MIB
    except OSError:
        return None


def peak_mib(pid: int) -> float | None:
    """The most that a process has held so far, in MiB; None if it is gone."""
    try:
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def is_dying(pid: int) -> bool:
    """Whether a process is gone, has given back its memory in dying, or is about to take a SIGKILL."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return True
    return b"\nVmRSS:" not in status or any(int(mask, 16) & _SIGKILL_BIT for mask in _PENDING.findall(status))
