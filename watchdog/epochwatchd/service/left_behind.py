"""Processes that outlive the training that started them: they hold memory, often of a GPU, and nobody misses them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.descendants import Families
from epochwatchd.model import Moment
from epochwatchd.service.watch import Watch

LEFT_AFTER_S = 10.0
"""PyTorch's data loader workers look for their parent every 5 s, and end without it."""
FAMILIES_PER_TICK = 50
WAITING_MAX = 1000


class _Left(NamedTuple):
    """What lived on when a worker died: start times by pid, to be looked at again at that time."""

    due_at: float
    watch: Watch
    start_of: Mapping[int, int]


class LeftBehind:
    """Looks who is below each watched process, and later who of them is still there without it. Call ``look``."""

    def __init__(self) -> None:
        self._families = Families()
        self._waiting: deque[_Left] = deque(maxlen=WAITING_MAX)

    def watch(self, watch: Watch) -> None:
        """Look from now on who is below a worker's process."""
        if watch.pid is not None and watch.family is None:
            watch.family = self._families.watch(watch.pid)

    def look(self) -> None:
        """Once a second."""
        self._families.look(FAMILIES_PER_TICK)

    def died(self, watch: Watch, moment: Moment) -> None:
        """A run is over; whoever lives on below this worker of it is looked at again later."""
        end, family = watch.worker.exit, watch.family
        if end is None or family is None:
            return
        began = watch.worker.body.start or 0
        start_of = {pid: start for pid in family.seen if (start := _start_of(pid)) is not None and start >= began}
        if start_of:
            self._waiting.append(_Left(moment.mono + LEFT_AFTER_S, watch, start_of))

    def due(self, now: float) -> list[Watch]:
        """The workers that surely left processes behind: their ends say so now."""
        found = []
        while self._waiting and self._waiting[0].due_at <= now:
            _, watch, start_of = self._waiting.popleft()
            left = tuple(pid for pid, start in start_of.items() if _start_of(pid) == start)
            if left and watch.worker.exit is not None:
                watch.worker = watch.worker._replace(exit=replace(watch.worker.exit, left=left))
                found.append(watch)
        return found


def _start_of(pid: int) -> int | None:
    stat = procfs.read_stat(pid)
    return None if stat is None or stat.state in "ZX" else stat.start
