"""A closer look at the processes of suspects: what they do, and whether they or their children still work."""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from epochwatch.wire import STACKS_NAME, Body, clean
from epochwatchd.detection.waits import Habits, Sample, Standing, Thread, follow, habits
from epochwatchd.inputs import missed
from epochwatchd.inputs.process import procfs, waits
from epochwatchd.inputs.process.descendants import below
from epochwatchd.model import Child, Process

ACTIVE_SHARE = 0.1
"""A process tree that used this share of one core since the last look counts as active."""
MOVING_BYTES_PER_S = 100_000
"""One that read and wrote so much counts as moving data; loggers, progress bars and monitors stay well below."""
PER_TICK = 50
"""Looks taken in one tick: with thousands of suspects each is looked at in turn."""
BELOW_MAX = 500
"""Of more processes below one, the rest is not looked at: no training has so many, and a neighbour may."""
BELOW_PER_LOOK = 20
"""So many processes below one cost as much of a tick's looks as one look more."""
SAMPLE_EVERY_S = 5.0
"""All threads of one are looked at so often."""
ASKED_FOR_S = 3.0
"""One that was asked where it hangs may be asked again so much later, in another way: see ``stacks.collect``."""
NOTABLE_MAX, WORKERS_MAX = 2, 4
_WORKERS = ("python", "pt_data_worker", "pt_main_thread")
"""What those of Python and of PyTorch call themselves, whatever the script that started them is called."""
_STOPPED, _IN_KERNEL, _DEAD, _COMPUTES = ("T", "t"), "D", "Z", "R"


class _Tree(NamedTuple):
    """A process and all below it: each one's CPU seconds, bytes moved, and the pids of those in the kernel below it."""

    cpu_s: Mapping[int, float]
    moved_bytes: int
    in_kernel: frozenset[int]


class _Look(NamedTuple):
    process: Process
    own_cpu_s: float
    tree: _Tree | None
    at: float


class Activity:
    """The looks at one suspect.

    last: the latest.
    skipped: since then it had to wait for so many ticks.
    habits: what its threads do while beats come, if that is known.
    standing: what it waits for, by the samples of its threads.
    asked_at: when it was last asked where it hangs, which wakes it.
    """

    __slots__ = ("asked_at", "habits", "last", "sampled_at", "skipped", "standing")

    def __init__(self, habits: Habits | None = None) -> None:
        self.last: _Look | None = None
        self.skipped = 0
        self.habits = habits
        self.standing: Standing | None = None
        self.asked_at = self.sampled_at = -math.inf


class Looks:
    """Looks at suspects, a limited number a tick, whoever waits longest first. Call ``begin`` at every tick."""

    def __init__(self) -> None:
        self._now = 0.0
        self._left = 0.0
        self._waiting: Counter[int] = Counter()
        self._first_from = math.inf
        self._next_from = 0
        self._spare = 0.0
        self._children: dict[int, list[int]] | None = None
        self._trees: dict[int, tuple[list[tuple[int, procfs.Stat]], _Tree]] = {}
        self._threads: dict[int, dict[int, Thread] | None] = {}

    def begin(self, now: float, limit: float = PER_TICK) -> None:
        """A new tick, in which at most ``limit`` looks are taken."""
        self._now, self._left, self._children, self._trees, self._threads = now, limit, None, {}, {}
        self._first_from, self._next_from, self._spare = math.inf, 0, limit
        for skipped in sorted(self._waiting, reverse=True):
            if self._waiting[skipped] > self._spare:  # what is left is for some of these, and for nobody else
                self._next_from = skipped
                break
            self._first_from = skipped
            self._spare -= self._waiting[skipped]
        self._waiting.clear()

    def at(self, suspect: Activity, pid: int, body: Body | None = None) -> Process | None:
        """What a suspect's process does; None if it is gone, or was never looked at and has to wait for its turn.

        At the first look, with nothing to compare, it is active if it is running right now. ``body`` says how its
        agent can be asked, which shows whether it is still there.
        """
        before = suspect.last
        if before is not None and before.at == self._now:
            return before.process
        if not self._has_turn(suspect):
            suspect.skipped += 1
            self._waiting[suspect.skipped] += 1
            return before and before.process
        suspect.skipped = 0
        stat = procfs.read_stat(pid)
        if stat is None:
            return None
        self._left -= 1
        try:
            suspect.last = self._look(suspect, pid, stat, _became(pid, stat, body))
        except OSError as e:  # the process table cannot be listed: what was seen before stands
            missed.note("process.table", f"process {pid}", e)
            return before and before.process
        return suspect.last.process

    def _has_turn(self, suspect: Activity) -> bool:
        if self._left <= 0:
            return False
        if suspect.skipped >= self._first_from:
            return True
        if suspect.skipped < self._next_from or self._spare <= 0:
            return False
        self._spare -= 1
        return True

    def _look(self, suspect: Activity, pid: int, stat: procfs.Stat, program: str | None) -> _Look:
        before = suspect.last
        lately = before.process if before else Process(stat.state, -math.inf)
        if before and stat.cpu_s - before.own_cpu_s > self._needed_s(before):
            suspect.standing = None
            process = Process(stat.state, self._now, moved_at=lately.moved_at, program=program)
            return _Look(process, stat.cpu_s, None, self._now)
        offspring, tree = self._tree(pid, stat)
        self._sample(suspect, pid, tree)
        is_active, is_moving = self._works(before, tree) if before else (stat.state == "R", False)
        process = Process(
            stat.state,
            self._now if is_active else lately.active_at,
            procfs.wchan(pid),
            moved_at=self._now if is_moving else lately.moved_at,
            below=_notable(
                stat, offspring, before.tree if before else None, self._needed_s(before) if before else math.inf
            ),
            program=program,
            reads_input=stat.state in _STOPPED and procfs.reads_input(pid),
            wait=suspect.standing.wait if suspect.standing else None,
            workers=tuple(
                islice((child for child, its in offspring if its.state == "S" and _is_worker(its, stat)), WORKERS_MAX)
            ),
            is_killed=stat.state == "D" and procfs.is_killed(pid),
        )
        return _Look(process, stat.cpu_s, tree, self._now)

    def _sample(self, suspect: Activity, pid: int, tree: _Tree) -> None:
        """Look at the threads of a suspect and of those below it, if that was not done of late."""
        if self._now - suspect.sampled_at < SAMPLE_EVERY_S:
            return
        disturbed = suspect.asked_at > suspect.sampled_at - ASKED_FOR_S
        suspect.sampled_at = self._now
        threads = self._threads_of(pid, tree.cpu_s)
        if threads is None:
            suspect.standing = None
            return
        sample = Sample(self._now, threads, sum(tree.cpu_s.values()), tree.moved_bytes)
        suspect.standing = follow(suspect.standing, sample, suspect.habits, disturbed=disturbed)

    def learn(self, before: Habits | None, pid: int) -> Habits | None:
        """What the threads of a process and of those below it do while its beats come, with this moment."""
        try:
            threads = self._threads_of(pid, (pid, *islice(below(pid), BELOW_MAX)))
        except OSError as e:
            missed.note("process.threads", f"process {pid}", e)
            return before
        return before if threads is None else habits(before, Sample(self._now, threads))

    def _threads_of(self, pid: int, family: Iterable[int]) -> dict[int, Thread] | None:
        """The threads of a process and of those below it: once a tick, however many workers are in that process."""
        if pid not in self._threads:
            found = self._threads[pid] = waits.threads(family, pid)
            self._left -= len(found or ()) / BELOW_PER_LOOK
        return self._threads[pid]

    def _needed_s(self, before: _Look) -> float:
        return ACTIVE_SHARE * (self._now - before.at)

    def _works(self, before: _Look, tree: _Tree) -> tuple[bool, bool]:
        """Whether a process tree has used the CPU, and moved data, since the look before."""
        if before.tree is None:
            return False, False
        moved_per_s = (tree.moved_bytes - before.tree.moved_bytes) / (self._now - before.at)
        used_s = sum(tree.cpu_s.values()) - sum(before.tree.cpu_s.values())
        return used_s > self._needed_s(before), moved_per_s > MOVING_BYTES_PER_S

    def _tree(self, pid: int, stat: procfs.Stat) -> tuple[list[tuple[int, procfs.Stat]], _Tree]:
        """Those below a process, and their sum: once a tick, however many workers are in that process."""
        if pid not in self._trees:
            offspring = list(islice(self._below(pid), BELOW_MAX))
            self._left -= len(offspring) / BELOW_PER_LOOK
            self._trees[pid] = offspring, _sum(pid, stat, offspring)
        return self._trees[pid]

    def _below(self, pid: int) -> Iterator[tuple[int, procfs.Stat]]:
        """All processes below one, dead ones that nobody has reaped among them: its children, then theirs."""
        if self._children is None:
            self._children = procfs.children()
        waiting = deque(self._children.get(pid, ()))
        while waiting:
            child = waiting.popleft()
            stat = procfs.read_stat(child)
            if stat is not None:
                yield child, stat
                waiting.extend(self._children.get(child, ()))


def _sum(pid: int, stat: procfs.Stat, below: Iterable[tuple[int, procfs.Stat]]) -> _Tree:
    living = [(pid, stat), *((child, its) for child, its in below if its.state != _DEAD)]
    return _Tree(
        {one: its.cpu_s for one, its in living},
        sum(procfs.moved_bytes(one) for one, _ in living),
        frozenset(child for child, its in living[1:] if its.state == _IN_KERNEL),
    )


def _is_worker(stat: procfs.Stat, of: procfs.Stat) -> bool:
    return stat.name == of.name or stat.name.startswith(_WORKERS)


def _notable(
    of: procfs.Stat, below: Iterable[tuple[int, procfs.Stat]], before: _Tree | None, needed_s: float
) -> tuple[Child, ...]:
    """Those who compute, and those who cannot do their part: workers and the dead first. One that ended well has."""
    found = []
    for pid, stat in below:
        status = _status_of_dead(pid) if stat.state == _DEAD else None
        child = Child(pid, stat.name, stat.state, status, _is_worker(stat, of))
        is_long_in_kernel = stat.state == _IN_KERNEL and before is not None and pid in before.in_kernel
        if stat.state in _STOPPED or is_long_in_kernel or (stat.state == _DEAD and child.status != 0):
            found.append(child)
        elif before is not None and stat.cpu_s - before.cpu_s.get(pid, stat.cpu_s) > needed_s:
            found.append(child._replace(state=_COMPUTES))
    return tuple(sorted(found, key=lambda child: (not child.is_worker, child.state != _DEAD, child.pid))[:NOTABLE_MAX])


def _status_of_dead(pid: int) -> int | None:
    wait_status = procfs.exit_status_of_zombie(pid)
    return None if wait_status is None else os.waitstatus_to_exitcode(wait_status)


def _became(pid: int, stat: procfs.Stat, body: Body | None) -> str | None:
    """The name of the program that a process has become by ``exec``; None if it is still the one of its beats.

    ``exec`` sets signals that were caught back to their default, where the agent leaves its own caught or ignored, and
    closes the agent's file. A program may do the first itself; so the second has to be seen too, where that may be
    seen, and in any case another command line than the script's.
    """
    if body is None or not body.stack_signal:
        return None
    signals = procfs.signals(pid)
    if signals is None or (signals.caught | signals.ignored) >> (body.stack_signal - 1) & 0b11:
        return None
    has_other_words = not body.argv or not procfs.command_line(pid).endswith(clean(" ".join(body.argv)))
    if _has_agents_file(pid, body) or not has_other_words:
        return None
    return stat.name


def _has_agents_file(pid: int, body: Body) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/fd/{body.stack_fd}")).name.startswith(STACKS_NAME)  # noqa: PTH115
    except OSError:  # it is closed, or not for us to see
        return False
