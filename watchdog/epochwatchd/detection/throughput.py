"""What steps usually take: whether the work of a run goes on, and how fast.

A beat says that a program lives, its step that it works. The pace is taken over stretches of time, of which a pause
spoils one; it is asked only where a step was made and a stretch is over, so that ordinary beats stay cheap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from epochwatch.wire import Beat, Head
from epochwatchd.model import Pace, Windows, Worker

WINDOW_S = 30.0
"""A stretch: so long, and at least one step. Shorter ones would show the jitter of a loader, not the pace."""
USUAL_KEPT, SLOW_KEPT = 32, 16
"""Stretches that are remembered, the latest of each: a quarter of an hour, and the median of what is slow now."""
ENOUGH = 5
"""Stretches to have seen before any is called slow; the first has the loading and compiling in it."""
SLOW_FACTOR = 3.0
"""Much slower: twice is what a neighbour on the machine or a longer batch does."""
SLOW_FOR_S, SLOW_WINDOWS = 300.0, 3
"""So long, and in so many stretches without an ordinary one between: evaluations seldom follow each other so."""
NEW_PACE_S = 7200.0
"""Who has been slow for so long has a new pace."""
SILENCE_COUNTS_S = 60.0
"""A gap between two beats at the same step counts for no more: a silence is judged as one, and not once more here."""


def begin(beat: Beat, now: float) -> Pace:
    """The pace of a run that is met with this beat."""
    return Pace(windows=Windows(_place(beat.head), now))


def learn(worker: Worker, beat: Beat, now: float) -> Pace:
    """The worker's pace after a beat; the same object after most, which tell the next step of an ordinary stretch."""
    head, old, pace = beat.head, worker.head, worker.pace
    step, before = head.step, old.step
    if step == before and head.epoch == old.epoch and (step is not None or head.seq == old.seq):
        return _after_standing(worker, beat, now)
    stood_at, _, _, advances, windows = pace
    if step is not None and (before is None or step < before):  # counted anew, as in every epoch: one step on
        windows = windows._replace(from_place=windows.from_place + step - _place(old) - 1)
    elif not advances and step is not None:
        advances = step != before
    if now - windows.from_at >= WINDOW_S:
        windows = _closed(windows, _place(head), now)
    if stood_at is None and windows is pace.windows and advances is pace.advances:
        return pace
    return Pace(None, now, 0.0, advances, windows)


def shifted(pace: Pace, by_s: float, now: float) -> Pace:
    """The pace as if ``by_s`` seconds had not passed."""
    windows = pace.windows
    return Pace(
        None if pace.stood_at is None else min(now, pace.stood_at + by_s),
        min(now, pace.news_at + by_s),
        pace.calm_s,
        pace.advances,
        windows._replace(from_at=min(now, windows.from_at + by_s), slow_at=min(now, windows.slow_at + by_s)),
    )


def slowdown(windows: Windows) -> float | None:
    """How many times slower than usual the run has been for a while; None where it is not."""
    slow = windows.slow
    if len(slow) < SLOW_WINDOWS or windows.from_at - windows.slow_at < SLOW_FOR_S:
        return None
    return _median(slow) / _median(windows.usual)


def _place(head: Head) -> int:
    """How far the work has come: its step, else the number of its beats."""
    return head.seq if head.step is None else head.step


def _after_standing(worker: Worker, beat: Beat, now: float) -> Pace:
    pace, has_news = worker.pace, _has_news(worker, beat)
    is_new = beat.head.seq != worker.head.seq  # else the same beat again, perhaps with a loss that took its time
    silence_s = max(0.0, now - worker.beat_at - SILENCE_COUNTS_S) if is_new else 0.0
    stood_at, news_at, calm_s, advances, windows = pace
    if stood_at is None:
        if not is_new:
            return pace
        stood_at, news_at, calm_s = worker.beat_at, worker.beat_at, 0.0
    elif not has_news and not silence_s:
        return pace
    if has_news:
        return Pace(stood_at + silence_s, now, max(calm_s, worker.beat_at - news_at), advances, windows)
    return Pace(stood_at + silence_s, news_at + silence_s, calm_s, advances, windows)


def _has_news(worker: Worker, beat: Beat) -> bool:
    """Whether a beat tells another loss or other metrics; NaN again is nothing new."""
    loss = beat.head.loss
    if loss is not None and loss != worker.head.loss and not math.isnan(loss):
        return True
    return beat.body is not worker.body and beat.body.metrics != worker.body.metrics


def _closed(windows: Windows, place: int, now: float) -> Windows:
    """The next stretch begins; the one that ends here is as usual, slow, or one slow too many to be unusual."""
    step_s = (now - windows.from_at) / max(1, place - windows.from_place)
    usual, slow = windows.usual, windows.slow
    if len(usual) < ENOUGH or step_s < SLOW_FACTOR * _median(usual):
        return Windows(place, now, (*usual, step_s)[-USUAL_KEPT:])
    slow_at = windows.slow_at if slow else windows.from_at
    slow = (*slow, step_s)[-SLOW_KEPT:]
    return Windows(place, now, slow) if now - slow_at >= NEW_PACE_S else Windows(place, now, usual, slow, slow_at)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
