"""Ranks that send no beats: the other children of a launcher, of which only is known how they end.

Where only rank 0 beats and another falls, the launcher ends rank 0 by SIGTERM. That is the fall of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from epochwatch.wire import WireError
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.exits import Death, Exits, ExitWatch
from epochwatchd.model import Fallen, Moment
from epochwatchd.service.runs import Run
from epochwatchd.service.shares import Share, Shares
from epochwatchd.service.watch import Watch

SIBLINGS_MAX = 16
"""Of one run so many are watched."""


@dataclass(slots=True, eq=False)
class Sibling:
    """One of them, until it is released; it takes its share as a run does."""

    run: Run
    pid: int
    share: Share
    exit_watch: ExitWatch | None = None
    fallen: Fallen | None = None

    def close(self) -> None:
        """Watch it no longer."""
        self.share.close()
        if self.exit_watch is not None:
            self.exit_watch.close()


class Siblings:
    """The siblings of all watched workers, by run."""

    def __init__(self, exits: Exits, shares: Shares) -> None:
        self._exits = exits
        self._shares = shares
        self._of: dict[str, dict[int, Sibling]] = {}

    def meet(self, run: Run, watch: Watch, moment: Moment) -> None:
        """A worker of the run is watched now; its siblings are, as long as they do not beat themselves."""
        if watch.pid is None or (watch.worker.body.world_size or 1) <= 1:
            return
        known = self._of.setdefault(run.key, {})
        beaten_for = known.pop(watch.pid, None)
        if beaten_for is not None:
            beaten_for.close()
        beating = {other.pid for other in run.watches.values()}
        for pid in _others_of_the_launch(watch.pid):
            if pid not in known and pid not in beating and len(known) < SIBLINGS_MAX:
                with suppress(OSError, WireError):  # there is no room for it: it is not needed to watch the run
                    known[pid] = self._watched(run, watch, pid, moment)

    def _watched(self, run: Run, watch: Watch, pid: int, moment: Moment) -> Sibling:
        sibling = Sibling(run, pid, self._shares.take(watch.worker.uid, 0, moment.mono))
        try:
            sibling.share.tie()
            stat = procfs.stat_of(pid)
            sibling.exit_watch = None if stat is None else self._exits.watch(pid, stat.start, sibling)
        except OSError:
            sibling.close()
            raise
        return sibling

    def heed(self, deaths: Iterable[Death]) -> list[Death]:
        """Note which siblings died, and how; gives the deaths of all others."""
        others = []
        for death in deaths:
            sibling, end = death
            if not isinstance(sibling, Sibling):
                others.append(death)
            elif end.status:
                sibling.fallen = Fallen(sibling.pid, end.status, end.at)
        return others

    def fell_before(self, run: Run, at: float) -> Fallen | None:
        """The first sibling that ended badly until then."""
        fallen = (sibling.fallen for sibling in self._of.get(run.key, {}).values())
        return min((f for f in fallen if f is not None and f.at <= at), key=lambda f: f.at, default=None)

    def release(self, run: Run) -> None:
        """The run is over."""
        for sibling in self._of.pop(run.key, {}).values():
            sibling.close()


def _others_of_the_launch(pid: int) -> list[int]:
    """The other children of a process's parent that were started by the same command; numbers in it may differ."""
    stat = procfs.read_stat(pid)
    if stat is None or stat.parent <= 1:
        return []
    command = _command(pid)
    return [child for child in procfs.children_of(stat.parent) if child != pid and _command(child) == command]


def _command(pid: int) -> str:
    return re.sub(r"\d+", "", procfs.command_line(pid) or "")
