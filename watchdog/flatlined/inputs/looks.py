"""A closer look at the processes of suspects: what they do, and whether they or their children still compute."""

from __future__ import annotations

import math
from typing import NamedTuple

from flatlined.inputs import processes
from flatlined.model import Process

ACTIVE_SHARE = 0.1
"""A process tree that used this share of one core since the last look counts as active."""
PER_TICK = 50
"""Looks taken in one tick: with thousands of suspects each is looked at in turn."""


class _Look(NamedTuple):
    process: Process
    own_cpu_s: float
    tree_cpu_s: float | None
    at: float


class Looks:
    """The last look at each suspect. Call ``begin`` at every tick."""

    def __init__(self) -> None:
        self._last: dict[str, _Look] = {}
        self._now = 0.0
        self._left = 0.0
        self._children: dict[int, list[int]] | None = None

    def begin(self, now: float, limit: float = PER_TICK) -> None:
        """A new tick, in which at most ``limit`` looks are taken."""
        self._now, self._left, self._children = now, limit, None

    def at(self, key: str, pid: int) -> Process | None:
        """What a suspect's process does; None if it is gone, or was never looked at and has to wait for its turn.

        At the first look, with nothing to compare, it is active if it is running right now.
        """
        before = self._last.get(key)
        if self._left <= 0 or (before is not None and before.at == self._now):
            return before and before.process
        stat = processes.read_stat(pid)
        if stat is None:
            return None
        self._left -= 1
        self._last[key] = self._look(pid, stat, before)
        return self._last[key].process

    def _look(self, pid: int, stat: processes.Stat, before: _Look | None) -> _Look:
        if before is None:
            active_at = self._now if stat.state == "R" else -math.inf
            return _Look(Process(stat.state, active_at, processes.wchan(pid)), stat.cpu_s, None, self._now)
        needed_s = ACTIVE_SHARE * (self._now - before.at)
        if stat.cpu_s - before.own_cpu_s > needed_s:
            return _Look(Process(stat.state, self._now), stat.cpu_s, None, self._now)
        tree_cpu_s = self._tree_cpu_s(pid)
        active = before.tree_cpu_s is not None and tree_cpu_s - before.tree_cpu_s > needed_s
        active_at = self._now if active else before.process.active_at
        return _Look(Process(stat.state, active_at, processes.wchan(pid)), stat.cpu_s, tree_cpu_s, self._now)

    def _tree_cpu_s(self, pid: int) -> float:
        """The CPU seconds of a process and all below it that live."""
        if self._children is None:
            self._children = processes.children()
        stat = processes.read_stat(pid)
        own_s = stat.cpu_s if stat else 0.0
        return own_s + sum(self._tree_cpu_s(child) for child in self._children.get(pid, ()))

    def forget(self, key: str) -> None:
        """No longer a suspect."""
        self._last.pop(key, None)
