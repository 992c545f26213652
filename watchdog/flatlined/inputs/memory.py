"""Memory as a cause of death: who of the watched was killed because it had run out.

The kernel log names the victims, where it may be read. Elsewhere there are the kernel's counts of its kills in each
memory cgroup, read again and again: one that rose about the time of a death is of one of those who left it then.
"""

from __future__ import annotations

import re
import signal
from collections import deque
from pathlib import Path

from flatlined.inputs import cgroups
from flatlined.inputs.cgroups import MemoryGroup
from flatlined.inputs.kernel_log import KernelLog
from flatlined.inputs.oom import KillEvidence, judge_kill
from flatlined.inputs.oom_counts import OomCounts
from flatlined.model import Cause, Exit

GROUPS_PER_TICK = 100
SIZES_PER_TICK = 200
LOG_GRACE_S = 0.02
DYING_S, DYING_S_PER_GIB = 0.25, 0.1
"""From a kill to the death it causes, at most: the kernel frees the memory first, in about 50 ms a GiB."""

_AVAILABLE = re.compile(rb"^MemAvailable: +(\d+) kB$", re.MULTILINE)


class Memory:
    """Watches for out-of-memory kills. Call ``tick`` once a second, after the deaths until then were asked about."""

    def __init__(self, log: KernelLog | None) -> None:
        self._log = log
        self._by_key: dict[str, OomCounts] = {}
        self._by_group: dict[MemoryGroup, OomCounts] = {}
        self._turns: deque[OomCounts] = deque()
        self._available_mib: float | None = None

    def watch(self, key: str, pid: int, now: float) -> None:
        """Begin to watch a live process, instead of another that was watched under the same key."""
        self.forget(key)
        if self._log:
            self._log.drain(now)
            self._log.forget(pid)
        group = cgroups.group_of(pid)
        counts = self._by_group.get(group) or self._met(group, now)
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

    def verdict(self, key: str, end: Exit, now: float) -> Cause | None:
        """``oom_kill`` if the kernel surely killed a process for want of memory; None: it did not, or who knows.

        Ask as soon as its end is known: what tells its kill from those of others fades. Only where the kernel did kill
        somebody may this wait for the kernel log, until 20 ms after the death.
        """
        counts = self._by_key.get(key)
        if counts is None or end.status not in (None, -signal.SIGKILL):
            return None
        pid = counts.watched[key]
        rss_mib = counts.sizes.of(pid)
        killed_from = end.at - DYING_S - DYING_S_PER_GIB * (rss_mib or 0.0) / 1024
        kills, others = counts.around(pid, killed_from, end.at, now)
        return judge_kill(
            KillEvidence(
                sigkill=end.status is not None,
                log=self._log_of(pid, now, wait_until=now if kills == 0 else end.at + LOG_GRACE_S),
                log_is_whole=self._log is not None and self._log.whole_since <= killed_from,
                counter=counts.group.name,
                kills=kills,
                others=others,
                rss_mib=rss_mib,
                limit_mib=counts.limit_mib,
                available_mib=self._available_mib,
            )
        )

    def _log_of(self, pid: int, now: float, *, wait_until: float) -> tuple[str, ...]:
        if self._log is None:
            return ()
        self._log.drain(now)
        return self._log.wait_for_kill_of(pid, wait_until)

    def forget(self, key: str) -> None:
        """Stop watching."""
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
    available = _AVAILABLE.search(Path("/proc/meminfo").read_bytes())
    return int(available[1]) / 1024 if available else None
