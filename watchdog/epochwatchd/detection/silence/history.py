"""What is known of a job's silences, and where in its run a beat is.

Places are steps where beats tell them and count them on from epoch to epoch, else beats. Where several beats pass
between two looks, a pause still begins after a beat that was seen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from epochwatch.wire import Head
from epochwatchd.detection.silence.durations import Spread
from epochwatchd.detection.silence.pauses import OneOffPause, RecurringPause

PAUSE_S = 5.0
"""Shorter gaps teach nothing: five times as long is still below every limit. This keeps ordinary beats cheap."""
KEPT = 8
"""Pauses and names of phases that are remembered: the latest, of one-offs the longest."""


class SilenceHistory(NamedTuple):
    """What is known of a job's silences, in at most 4 KiB.

    lived_s: how long its earlier runs were watched.
    epoch_ends: how many were seen.
    epoch_from: the place where this run's epoch began, if that was seen.
    resumed_at: how many places a resumed run began after the beginning, found by the job's ``first_epoch``.
    resets: each epoch counts its steps anew.
    lengths: of the latest epochs, in places; ``blur``: how many places lay between two looks there.
    steps, ends: gaps between ordinary beats, and at epoch ends, as far as longer than PAUSE_S.
    recurring, one_offs: pauses that come again, and others.
    phases: how long each announced phase took.
    announces: phases were announced in mid-run.
    waits: closed waits that ended well (``detection.waits``), as far as longer than PAUSE_S.
    stands: how long steps stood still while beats came, as far as longer than PAUSE_S.
    """

    lived_s: float = 0.0
    epoch_ends: int = 0
    epoch_from: int | None = None
    resumed_at: int = 0
    first_epoch: int | None = None
    resets: bool = False
    lengths: tuple[int, ...] = ()
    blur: int = 1
    steps: Spread = Spread()
    ends: Spread = Spread()
    recurring: tuple[RecurringPause, ...] = ()
    one_offs: tuple[OneOffPause, ...] = ()
    phases: tuple[tuple[str, Spread], ...] = ()
    announces: bool = False
    stands: Spread = Spread()
    waits: Spread = Spread()


class Life(NamedTuple):
    """A run at its last beat.

    age_s: how old it was.
    beats: how many were seen.
    grace_s: what a silence is granted while nothing is known of the job.
    stride: how many steps a beat goes on.
    """

    age_s: float
    beats: int
    grace_s: float = 600.0
    stride: int = 1

    @property
    def usual_s(self) -> float:
        """The mean time between two looks that saw a new beat."""
        return self.age_s / max(1, self.beats)


def place_of(history: SilenceHistory, beat: Head) -> int:
    """Where in the run a beat is: its step, or else its number, counted from where a resumed run takes up."""
    return beat.seq + resumed_at(history, beat) if beat.step is None or history.resets else beat.step


def resumed_at(history: SilenceHistory, beat: Head) -> int:
    """How many beats of a run's work were done before it, by the epoch with which it begins and the job's first."""
    if history.epoch_from is not None:
        return history.resumed_at
    if beat.epoch is None or history.first_epoch is None or not history.lengths:
        return 0
    return (math.floor(beat.epoch) - history.first_epoch) * history.lengths[-1]


def offset_of(history: SilenceHistory, beat: Head) -> int:
    """Where in its epoch a beat is. In a run's first epoch, which may have been resumed, its step tells."""
    place = place_of(history, beat)
    if history.epoch_from is not None:
        return place - history.epoch_from
    if history.lengths and (beat.step is not None or beat.epoch is not None):
        return (place - 1) % history.lengths[-1] + 1
    return place


def here_of(history: SilenceHistory, last: Head, life: Life) -> OneOffPause:
    """The place of a silence after the beat ``last``."""
    return OneOffPause(place_of(history, last), offset_of(history, last), life.age_s, slack=life.stride)


def at_epoch_end(history: SilenceHistory, last: Head) -> bool:
    """Whether the beat ``last`` may be the last of its epoch, by the length of the latest epochs."""
    if last.epoch is None or not history.lengths:
        return False
    slack = 2 * history.blur
    return min(history.lengths) - slack <= offset_of(history, last) <= max(history.lengths) + slack
