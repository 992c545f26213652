"""The kills of one memory cgroup over time, and who was in it: which kills may be of whom."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from epochwatchd.inputs.oom import cgroups
from epochwatchd.inputs.oom.cgroups import MemoryGroup
from epochwatchd.inputs.oom.sizes import Sizes, is_dying

READINGS_KEPT = 16
"""Back to the beginning of the slowest death: so many ticks."""


class Reading(NamedTuple):
    """A look at a cgroup: its processes, and the kills in it so far; None for what cannot be known."""

    at: float
    members: frozenset[int] | None
    kills: int | None


@dataclass(slots=True, eq=False)
class OomCounts:
    """A memory cgroup, as it was read again and again. ``watched``: those watched in it, by whoever watches them."""

    group: MemoryGroup
    limit_mib: float | None = None
    watched: dict[object, int] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=Sizes)
    readings: deque[Reading] = field(default_factory=lambda: deque(maxlen=READINGS_KEPT))

    def read(self, now: float) -> Reading:
        """Take a reading: members first, so that whoever is killed meanwhile is still among them."""
        members = cgroups.members(self.group)
        if self.readings and members == self.readings[-1].members:
            members = self.readings[-1].members  # the same object: many readings are then no larger than one
        self.readings.append(Reading(now, members, cgroups.kills(self.group)))
        return self.readings[-1]

    def look_at_sizes(self, now: float, limit: int) -> int:
        """Look at how large its processes are, ``limit`` of them at most; gives how many."""
        return self.sizes.look(self.readings[-1].members or set(self.watched.values()), now, limit)

    def around(self, own: AbstractSet[int], since: float, until: float, now: float) -> tuple[int | None, int | None]:
        """The kills from ``since`` to ``until``, and how many others than its ``own`` may have been their victims.

        Others are counted up to the number of kills. None for what cannot be known.
        """
        before, after = self._last_up_to(since), self._first_from(until, now)
        if before.kills is None or after.kills is None:
            return None, None
        kills = after.kills - before.kills
        if before.members is None or after.members is None:
            return kills, None
        return kills, sum(1 for _ in islice(self._leaving(own, before.members, after.members), max(kills, 0)))

    def _last_up_to(self, at: float) -> Reading:
        return next((reading for reading in reversed(self.readings) if reading.at <= at), self.readings[0])

    def _first_from(self, at: float, now: float) -> Reading:
        return next((reading for reading in self.readings if reading.at >= at), None) or self.read(now)

    def largest(self, own: AbstractSet[int]) -> int:
        """Whom the kernel would have chosen of its own processes, as they were last seen."""
        return max(own, key=lambda pid: self.sizes.of(pid) or 0.0)

    def _leaving(self, own: AbstractSet[int], before: frozenset[int], after: frozenset[int]) -> Iterator[int]:
        """Others that left or are about to, and were large enough for the kernel to choose them rather than its own."""
        largest = self.largest(own)
        for other in (before | after) - own:
            if not self.sizes.is_much_smaller(other, largest) and (other not in after or is_dying(other)):
                yield other
