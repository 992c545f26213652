"""Memory as a cause of death: who of the watched was killed because it had run out.

The kernel log names the victims, where it may be read. Elsewhere there are the kernel's counts of its kills in each
memory cgroup, read again and again: one that rose about the time of a death is of one of those who left it then.
"""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Set as AbstractSet
from pathlib import Path

from epochwatchd.inputs import missed
from epochwatchd.inputs.oom import cgroups
from epochwatchd.inputs.oom.cgroups import MemoryGroup
from epochwatchd.inputs.oom.counts import OomCounts
from epochwatchd.inputs.oom.decide import KillEvidence, LastSeen, judge_kill, last_seen
from epochwatchd.inputs.oom.kernel_log import KernelLog
from epochwatchd.inputs.process.descendants import Families
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


class Memory:
    """Watches for out-of-memory kills. Call ``tick`` once a second, after the deaths until then were asked about."""

    def __init__(self, log: KernelLog | None) -> None:
        self._log = log
        self._by_key: dict[str, OomCounts] = {}
        self._by_group: dict[MemoryGroup, OomCounts] = {}
        self._turns: deque[OomCounts] = deque()
        self._families = Families()
        self._available_mib: float | None = None

    def watch(self, key: str, pid: int, now: float, *, wrapper: int | None = None) -> None:
        """Begin to watch a process, instead of another that was watched under the same key.

        Those below a ``wrapper`` are watched with its command. One that is dead already is taken to have been in the
        cgroup of that other.
        """
        memberships, before = cgroups.memberships(pid), self._by_key.get(key)
        died_there = before is not None and not memberships
        group = before.group if before and died_there else cgroups.group_by(memberships)
        if self._log and not died_there:
            self._log.drain(now)
            self._log.forget(pid)
        if before is None or before.group != group:
            self.forget(key)
        if wrapper is not None:  # before the members of the cgroup are listed: they are in it
            self._families.watch(key, wrapper)
        counts = self._by_key.get(key) or self._by_group.get(group) or self._met(group, now)
        if wrapper is not None:  # and after that: one that was started meanwhile is among them, and is no stranger
            self._families.watch(key, wrapper)
        counts.watched[key] = pid
        counts.sizes.look((pid,), now, 1)
        self._by_key[key] = counts

    def _met(self, group: MemoryGroup, now: float) -> OomCounts:
        counts = self._by_group[group] = OomCounts(group, cgroups.limit_mib(group))
        counts.read(now)
        self._turns.append(counts)
        return counts

    def tick(self, now: float) -> None:
        """Look at the kernel log, the cgroups and the sizes of processes; in turn, if they are many."""
        if self._log:
            self._log.drain(now)
        self._available_mib = _available_mib()
        left = SIZES_PER_TICK
        for _ in range(min(GROUPS_PER_TICK, len(self._turns))):
            self._turns.rotate(-1)
            self._turns[0].read(now)
            left -= self._turns[0].look_at_sizes(now, left)
        self._families.look(FAMILIES_PER_TICK)

    def verdict(self, key: str, end: Exit, now: float) -> Cause | None:
        """``oom_kill`` if the kernel surely killed a process for want of memory; None: it did not, or who knows.

        Ask as soon as its end is known: what tells its kill from those of others fades. Only where the kernel did kill
        somebody may this wait for the kernel log, until 20 ms after the death.
        """
        counts = self._by_key.get(key)
        if counts is None or end.status not in (None, -signal.SIGKILL, KILLED_BELOW):
            return None
        below = end.status == KILLED_BELOW
        own = {counts.watched[key]} | (self._families.below(key) if below else set())
        sizes = self._sizes_of(counts, own)
        killed_from = end.at - DYING_S - DYING_S_PER_GIB * (sizes.rss_mib or 0.0) / 1024
        innocent = self._families.wrapper(key)  # it has told of the end, and so lives
        kills, others = counts.around(own | innocent, killed_from, end.at, now)
        return judge_kill(
            KillEvidence(
                sigkill=end.status is not None,
                log=self._log_of(own, now, wait_until=now if kills == 0 else end.at + LOG_GRACE_S),
                # It names no unseen child of a command as the command's.
                log_is_whole=not below and self._log is not None and self._log.whole_since <= killed_from,
                counter=counts.group.name,
                kills=kills,
                others=others,
                sizes=sizes,
            )
        )

    def past_verdict(self, pid: int, since: float) -> Cause | None:
        """``oom_kill`` of a process that died unseen, some time after ``since``, where the kernel log names it."""
        return judge_kill(KillEvidence(sigkill=False, log=self._log.past_kill_of(pid, since))) if self._log else None

    def last_seen(self, key: str) -> tuple[str, ...]:
        """What was last seen of the memory of a watched process and of its cgroup, as evidence."""
        counts = self._by_key.get(key)
        if counts is None:
            return ()
        return last_seen(self._sizes_of(counts, {counts.watched[key]} | self._families.below(key)))

    def remark_on(self, key: str, now: float) -> str | None:
        """What the kernel log says of a watched process's own fault, if it does."""
        counts = self._by_key.get(key)
        if counts is None or self._log is None:
            return None
        self._log.drain(now)
        return self._log.remark_on(counts.watched[key])

    def _sizes_of(self, counts: OomCounts, own: AbstractSet[int]) -> LastSeen:
        return LastSeen(
            counter=counts.group.name,
            rss_mib=counts.sizes.of(counts.largest(own)),
            peak_mib=cgroups.peak_mib(counts.group) if counts.limit_mib is not None else None,
            limit_mib=counts.limit_mib,
            available_mib=self._available_mib,
        )

    def _log_of(self, own: AbstractSet[int], now: float, *, wait_until: float) -> tuple[str, ...]:
        if self._log is None:
            return ()
        self._log.drain(now)
        return self._log.wait_for_kill_of(own, wait_until)

    def forget(self, key: str) -> None:
        """Stop watching."""
        self._families.forget(key)
        counts = self._by_key.pop(key, None)
        if counts is None:
            return
        del counts.watched[key]
        if not counts.watched:
            del self._by_group[counts.group]
            self._turns.remove(counts)

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
