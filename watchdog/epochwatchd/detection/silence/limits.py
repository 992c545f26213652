"""How long a silence may get."""

from __future__ import annotations

from epochwatch.wire import Head
from epochwatchd.detection.silence.durations import LONGEST_FACTOR, Spread, bound_s
from epochwatchd.detection.silence.history import Life, SilenceHistory, at_epoch_end, here_of
from epochwatchd.detection.silence.pauses import foretold, is_due

FLOOR_S = 115.0
"""No silence is alerted earlier: two minutes is the promise, and a step and the watchdog's look take their part."""
ANNOUNCED_FLOOR_S = 33.0
"""The same for a job that announces its phases: few of its pauses are left unexplained."""
PAUSE_FACTOR = 3.0
"""A pause is a gap of so many usual ones."""
SURPRISE_FACTOR = 1.5
"""A pause at no known place may come again anywhere, and be so much longer."""
LAST_FACTOR = 2.0
"""At a run's end a test follows its last evaluation without a beat between, and nobody knows which is the last."""
EPOCHS_TO_KNOW = 5
"""Whole epochs without a pause at any end: their ends are as quiet as the rest."""
FIRST_GAP_GRACES = 3.0
"""After a job's very first beat nobody knows yet that they come more often than once an hour."""
WARM_UP = 3
"""Beats at a run's begin whose gaps (loading, compiling) are its own."""
WITHIN_FACTOR = 1.25
"""What a phase took that was announced for less, it may take again."""
EARLY_GRACES = 1.5
"""For so many times of grace a job that is not yet known may pause for the first time."""


def limit_s(history: SilenceHistory, last: Head, life: Life) -> float:
    """How long the silence after the beat ``last`` may get, in seconds, before it is called one."""
    least_s, one_off_s = least_limit_s(history, life), _one_off_s(history, life)
    return max(least_s, one_off_s, _due_s(history, last, life), _unknown_s(history, last, life))


def least_limit_s(history: SilenceHistory, life: Life) -> float:
    """What ``limit_s`` is at least, for a tenth of its cost: most silences that are looked at are not even so long."""
    return max(floor_s(history), _step_s(history, life))


def floor_s(history: SilenceHistory) -> float:
    """What every limit of the job is at least, in seconds."""
    return ANNOUNCED_FLOOR_S if history.announces else FLOOR_S


def phase_limit_s(history: SilenceHistory, name: str, within_s: float | None, grace_s: float) -> float:
    """How long an announced phase may take, in seconds.

    What was said, or a quarter more than the longest that ended well; else what it took before, else ``grace_s``.
    """
    spread = dict(history.phases).get(name)
    if within_s is not None:
        return within_s if spread is None else max(within_s, WITHIN_FACTOR * spread.longest_s)
    return grace_s if spread is None else max(FLOOR_S, bound_s(spread))


def stand_limit_s(history: SilenceHistory, least_s: float) -> float:
    """How long a step may stand still while beats come, in seconds: by the job's pause, and at least ``least_s``."""
    return max(least_s, bound_s(history.stands))


def _due_s(history: SilenceHistory, last: Head, life: Life) -> float:
    """What is due here: several kinds may come together, but what an earlier run did right here was all of it."""
    here = here_of(history, last, life)
    due = [h for h in history.recurring if is_due(h, here)]
    due += [f.pause for f in foretold(history.recurring, history.one_offs, here)]
    together_s = sum(_or_last_s(h.spread, history, life) for h in due if not h.is_of_one_place)
    if at_epoch_end(history, last):
        together_s += _or_last_s(history.ends, history, life)
    return max(together_s, *(bound_s(h.spread) for h in due if h.is_of_one_place), 0.0)


def _or_last_s(pauses: Spread, history: SilenceHistory, life: Life) -> float:
    """What one of these pauses hardly exceeds, even if it is the run's last and an unannounced test follows at once."""
    may_be_last = pauses.longest_s > PAUSE_FACTOR * life.usual_s and not history.announces
    return max(bound_s(pauses), LAST_FACTOR * pauses.longest_s if may_be_last else 0.0)


def _one_off_s(history: SilenceHistory, life: Life) -> float:
    """What may happen anywhere, by the second longest that did: one alone may be the first that keep a place."""
    lasted = sorted(s.lasted_s for s in history.one_offs if s.anywhere)
    return SURPRISE_FACTOR * lasted[-2] if len(lasted) > 1 and lasted[-2] > PAUSE_FACTOR * life.usual_s else 0.0


def _step_s(history: SilenceHistory, life: Life) -> float:
    """What an ordinary step may take. The usual gap keeps one slow start from speaking for all steps."""
    if history.steps.seen:
        likely_s = bound_s(history.steps)
        return likely_s if life.beats <= WARM_UP else min(likely_s, LONGEST_FACTOR * PAUSE_FACTOR * life.usual_s)
    return 0.0 if history.ends.seen else LONGEST_FACTOR * life.usual_s


def _unknown_s(history: SilenceHistory, last: Head, life: Life) -> float:
    """Time for what has not been seen yet: of ``n`` of a kind, one in ``n`` is the first to be otherwise (Laplace)."""
    if last.seq <= 1 and not history.lived_s:
        return FIRST_GAP_GRACES * life.grace_s
    seen = max(1, last.seq)
    if at_epoch_end(history, last) and history.ends.longest_s < FLOOR_S / 2:
        seen = min(seen, 1 + history.epoch_ends)
    return max(life.grace_s / seen, 0.0 if _is_acquainted(history, last) else _early_s(history, last, life))


def _is_acquainted(history: SilenceHistory, last: Head) -> bool:
    """Whether the job has shown its pauses: at its epochs' ends where it tells them, else a pause; or a long one."""
    knows_ends = history.ends.seen > 0 or history.epoch_ends >= EPOCHS_TO_KNOW
    if knows_ends or history.announces or (last.epoch is None and history.recurring):
        return True
    lasted = [*(h.spread.longest_s for h in history.recurring), *(s.lasted_s for s in history.one_offs if s.anywhere)]
    return max(lasted, default=0.0) > FLOOR_S


def _early_s(history: SilenceHistory, last: Head, life: Life) -> float:
    """Less and less as the job lives on; longer where an epoch's end, a likely place, is still to come."""
    lived_s = history.lived_s + life.age_s
    left_s = EARLY_GRACES * life.grace_s - lived_s
    if last.epoch is not None and not history.epoch_ends:
        left_s = max(left_s, life.grace_s**2 / max(1.0, lived_s))
    return min(life.grace_s, left_s)
