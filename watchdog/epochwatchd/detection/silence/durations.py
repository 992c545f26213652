"""Durations of one kind, and how long the next of them may last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LONGEST_FACTOR = 5.0
"""After one of a kind: so many times as long, as NVIDIA's resiliency extension allows always; less after more."""
LEAST_MARGIN, MOST_MARGIN = 1.25, 1.5
"""What was normal once is never alerted: the bound stays so far above the longest."""
SIGMAS = 5.0
"""How many deviations above the mean the bound of many is."""
MEMORY = 32
"""The mean follows the latest so many."""
FADING = 1024
"""The longest is forgotten by this part of it at each one that follows."""


class Spread(NamedTuple):
    """How many there were, the mean of their logarithms, and the longest of late, in seconds."""

    seen: int = 0
    log_mean: float = 0.0
    longest_s: float = 0.0

    @property
    def typical_s(self) -> float:
        """The geometric mean."""
        return math.exp(self.log_mean)


def add(spread: Spread, value_s: float, *, fades: bool = True) -> Spread:
    """The spread after one more duration, above 0. ``fades``: the longest is slowly forgotten."""
    weight = 1.0 / min(spread.seen + 1, MEMORY)
    log_mean = spread.log_mean + weight * (math.log(value_s) - spread.log_mean)
    return Spread(spread.seen + 1, log_mean, max(value_s, spread.longest_s * (1.0 - fades / FADING)))


def spread_of(values_s: Sequence[float]) -> Spread:
    """The spread of some durations, all above 0."""
    spread = Spread()
    for value_s in values_s:
        spread = add(spread, value_s)
    return spread


def bound_s(spread: Spread) -> float:
    """What the next of this kind hardly exceeds, in seconds; 0 where none was seen.

    The next of ``n`` exceeds the longest with probability ``1 / (n + 1)``, whatever the distribution; and ``c`` times
    the longest with about ``c**-2 / n`` where the tail is a power law with variance: equal risk means ``c ~ n**-1/2``.
    Of many log-normal ones the longest is ``sqrt(2 ln n)`` deviations above the mean; the margin over it makes SIGMAS.
    """
    if not spread.seen:
        return 0.0
    deviations = math.sqrt(2.0 * math.log(spread.seen + 1))
    log_margin = (math.log(spread.longest_s) - spread.log_mean) * (SIGMAS / deviations - 1.0)
    margin = math.exp(min(max(log_margin, math.log(LEAST_MARGIN)), math.log(MOST_MARGIN)))
    return spread.longest_s * max(LONGEST_FACTOR / math.sqrt(spread.seen), margin)
