"""What a process's work on one GPU has taught: how hard it works while beats come, and how long it may pause."""

from __future__ import annotations

from typing import NamedTuple

from epochwatchd.model import GpuLoad

LATELY_LOOKS = 6
"""Half a minute of looks, five seconds apart."""
USUAL_LOOKS = 120
"""Ten minutes of looks: the memory of what is usual."""


class Baseline(NamedTuple):
    """``stretch`` is the load since the last beat: it becomes ``usual`` only when another beat follows.

    So a hang teaches nothing, however long it lasts.
    """

    usual: GpuLoad | None = None
    stretch: GpuLoad | None = None
    lately: GpuLoad | None = None
    beats: int = 0
    longest_idle_s: float = 0.0


def learn(baseline: Baseline, load: GpuLoad | None, beats: int) -> Baseline:
    """The baseline after one more look, so many beats having been seen; no ``load``: it cannot be told whose it is."""
    if load is None:
        return baseline._replace(stretch=None, lately=None, beats=beats)
    usual, stretch = baseline.usual, baseline.stretch
    if beats != baseline.beats:
        usual = _mean(usual, stretch, USUAL_LOOKS) if stretch else usual
        stretch = None
    return Baseline(
        usual,
        _mean(stretch, load, USUAL_LOOKS),
        _mean(baseline.lately, load, LATELY_LOOKS),
        beats,
        baseline.longest_idle_s,
    )


def _mean(known: GpuLoad | None, more: GpuLoad, most: int) -> GpuLoad:
    """The mean of both by their looks; what is known counts for ``most`` looks at most, so that it can be outlived."""
    if known is None:
        return more
    looks = known.looks + more.looks
    share = more.looks / looks
    return GpuLoad(min(looks, most), *((1 - share) * a + share * b for a, b in zip(known[1:], more[1:], strict=True)))
