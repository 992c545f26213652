"""Memory as a cause of death: who of the watched was killed because it had run out.

The kernel log names the victims, where it may be read. Elsewhere there are the kernel's counts of its kills in each
memory cgroup, read again and again: one that rose about the time of a death is of one of those who left it then.
"""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from epochwatchd.inputs import missed
from epochwatchd.inputs.oom import cgroups
from epochwatchd.inputs.oom.cgroups import MemoryGroup
from epochwatchd.inputs.oom.counts import OomCounts
from epochwatchd.inputs.oom.decide import KillEvidence, LastSeen, judge_kill, last_seen
from epochwatchd.inputs.oom.kernel_log import KernelLog
from epochwatchd.inputs.process.descendants import Families, Family
from epochwatchd.model import SHELL_SIGNAL, Cause, Exit

GROUPS_PER_TICK = 100
SIZES_PER_TICK = 200
FAMILIES_PER_TICK = 50
LOG_GRACE_S = 0.02
DYING_S, DYING_S_PER_GIB = 0.25, 0.1
"""From a kill to the death it causes, at most: the kernel frees the memory first, in about 50 ms a GiB."""

_AVAILABLE = re.compile(rb"^MemAvailable: +(\d+) kB$", re.MULTILINE)


KILLED_BELOW = SHELL_SIGNAL + signal.SIGKILL
"""What a shell returns when a program that it waited for was killed."""


@dataclass(slots=True, eq=False)
class OomWatch:
    """A process, or the command below a wrapper, in its memory cgroup, until ``close``."""

    watcher: OomWatcher
    counts: OomCounts
    pid: int
    family: Family | None

    @property
    def _below(self) -> frozenset[int]:
        return frozenset(self.family.seen) if self.family else frozenset()

    def verdict(self, end: Exit, now: float) -> Cause | None:
        """``oom_kill`` if the kernel surely killed it for want of memory; None: it did not, or who knows.

        Ask as soon as its end is known: what tells its kill from those of others fades. Only where the kernel did kill
        somebody may this wait for the kernel log, until 20 ms after the death.
        """
        if end.status not in (None, -signal.SIGKILL, KILLED_BELOW):
            return None
        is_below = end.status == KILLED_BELOW
        own = {self.pid} | (self._below if is_below else set())
        sizes = self._sizes_of(own, end.at)
        killed_from = end.at - DYING_S - DYING_S_PER_GIB * (sizes.rss_mib or 0.0) / 1024
        innocent = {self.family.wrapper} if self.family else set()  # it has told of the end, and so lives
        kills, others = self.counts.around(own | innocent, killed_from, end.at, now)
        return judge_kill(
            KillEvidence(
                sigkill=end.status is not None,
                log=self.watcher.log_of(own, now, wait_until=now if kills == 0 else end.at + LOG_GRACE_S),
                # It names no unseen child of a command as the command's.
                log_is_whole=not is_below and self.watcher.log_is_whole_since(killed_from),
                counter=self.counts.group.name,
                kills=kills,
                others=others,
                sizes=sizes,
            )
        )

    def sizes(self, now: float) -> LastSeen:
        """What was last seen of its memory and of its cgroup."""
        return self._sizes_of({self.pid} | self._below, now)

    def last_seen(self, now: float) -> tuple[str, ...]:
        """The same as evidence."""
        return last_seen(self.sizes(now))

    def remark(self, now: float) -> str | None:
        """What the kernel log says of its own fault, if it does."""
        return self.watcher.remark_on(self.pid, now)

    def _sizes_of(self, own: AbstractSet[int], now: float) -> LastSeen:
        counts = self.counts
        largest = counts.sizes.seen(counts.largest(own))
        return LastSeen(
            counter=counts.group.name,
            rss_mib=largest and largest.rss_mib,
            peak_mib=cgroups.peak_mib(counts.group) if counts.limit_mib is not None else None,
            limit_mib=counts.limit_mib,
            available_mib=self.watcher.available_mib,
            own_peak_mib=largest and largest.peak_mib,
            ago_s=largest and now - largest.at,
        )

    def close(self) -> None:
        """Stop watching."""
        if self.family:
            self.family.close()
        self.watcher.leave(self)


class OomWatcher:
    """Watches for out-of-memory kills. Call ``tick`` once a second, after the deaths until then were asked about."""

    def __init__(self, log: KernelLog | None) -> None:
        self._log = log
        self._by_group: dict[MemoryGroup, OomCounts] = {}
        self._turns: deque[OomCounts] = deque()
        self._families = Families()
        self.available_mib: float | None = None

    def watch(
        self, pid: int, now: float, *, wrapper: int | None = None, instead_of: OomWatch | None = None
    ) -> OomWatch:
        """Begin to watch a process, and those below a ``wrapper`` with its command.

        ``instead_of`` another: one that is dead already is taken to have been in the cgroup of that.
        """
        memberships, before = cgroups.memberships(pid), instead_of
        died_there = before is not None and not memberships
        group = before.counts.group if before and died_there else cgroups.group_by(memberships)
        if self._log and not died_there:
            self._log.drain(now)
            self._log.forget(pid)
        # Looked for before the members of the cgroup are listed: they are in it. And after that: one that was started
        # meanwhile is among them, and is no stranger.
        family = None if wrapper is None else self._families.watch(wrapper)
        counts = self._by_group.get(group) or self._met(group, now)
        watch = OomWatch(self, counts, pid, family)
        counts.watched[watch] = pid
        if family:
            family.look()
        if before:
            if before.family and family and before.family.wrapper == family.wrapper:
                family.seen = {**before.family.seen, **family.seen}
            before.close()
        counts.sizes.look((pid,), now, 1)
        return watch

    def _met(self, group: MemoryGroup, now: float) -> OomCounts:
        counts = self._by_group[group] = OomCounts(group, cgroups.limit_mib(group))
        counts.read(now)
        self._turns.append(counts)
        return counts

    def leave(self, watch: OomWatch) -> None:
        """See ``OomWatch.close``."""
        counts = watch.counts
        if counts.watched.pop(watch, None) is not None and not counts.watched:
            del self._by_group[counts.group]
            self._turns.remove(counts)

    def tick(self, now: float) -> None:
        """Look at the kernel log, the cgroups and the sizes of processes; in turn, if they are many."""
        if self._log:
            self._log.drain(now)
        self.available_mib = _available_mib()
        left = SIZES_PER_TICK
        for _ in range(min(GROUPS_PER_TICK, len(self._turns))):
            self._turns.rotate(-1)
            self._turns[0].read(now)
            left -= self._turns[0].look_at_sizes(now, left)
        self._families.look(FAMILIES_PER_TICK)

    def past_verdict(self, pid: int, since: float) -> Cause | None:
        """``oom_kill`` of a process that died unseen, some time after ``since``, where the kernel log names it."""
        return judge_kill(KillEvidence(sigkill=False, log=self._log.past_kill_of(pid, since))) if self._log else None

    def log_of(self, own: AbstractSet[int], now: float, *, wait_until: float) -> tuple[str, ...]:
        """The lines of the kernel log on a kill of one of these, which may still be on their way until then."""
        if self._log is None:
            return ()
        self._log.drain(now)
        return self._log.wait_for_kill_of(own, wait_until)

    def log_is_whole_since(self, at: float) -> bool:
        """Whether no line of the kernel log was lost since then."""
        return self._log is not None and self._log.whole_since <= at

    def remark_on(self, pid: int, now: float) -> str | None:
        """What the kernel log says of a process's own fault, if it does."""
        if self._log is None:
            return None
        self._log.drain(now)
        return self._log.remark_on(pid)

    def close(self) -> None:
        """Let go of the kernel log."""
        if self._log:
            self._log.close()


def _available_mib() -> float | None:
    try:
        available = _AVAILABLE.search(Path("/proc/meminfo").read_bytes())
    except OSError as e:  # no descriptor is left, say
        missed.note("memory.available", "/proc/meminfo", e)
        return None
    return int(available[1]) / 1024 if available else None
