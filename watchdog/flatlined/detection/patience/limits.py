"""How long a silence may get."""

from __future__ import annotations

from flatline.wire import Head
from flatlined.detection.patience.habits import foretold, is_due
from flatlined.detection.patience.spread import LEAST_MARGIN, LONGEST_FACTOR, Spread, bound_s, spread_of
from flatlined.detection.patience.state import Life, Patience, at_epoch_end, here_of

FLOOR_S = 90.0
"""No silence is alerted earlier: two minutes is the promise, and a step and the watchdog's look take their part."""
ANNOUNCED_FLOOR_S = 30.0
"""The same for a job that announces its phases: few of its pauses are left unexplained."""
PAUSE_FACTOR = 3.0
"""A pause is a gap of so many usual ones."""
SURPRISE_FACTOR = 1.5
"""A pause at no known place may come again anywhere, and be so much longer."""
EPOCHS_TO_KNOW = 5
"""Whole epochs without a pause at any end: their ends are as quiet as the rest."""
EARLY_GRACES = 2.0
"""For so many times of grace a job that is not yet known may pause for the first time."""


def limit_s(patience: Patience, last: Head, life: Life) -> float:
    """How long the silence after the beat ``last`` may get, in seconds, before it is called one.

    A pause that is due and a surprise may come together, as an evaluation and slow storage do.
    """
    floor_s = ANNOUNCED_FLOOR_S if patience.announces else FLOOR_S
    due, surprise_s = _due(patience, last, life), _surprise_s(patience, life)
    expected_s = max(sum(bound_s(d) for d in due), sum(d.longest_s for d in due) + surprise_s)
    return max(floor_s, expected_s, _step_s(patience, life), _unknown_s(patience, last, life))


def phase_limit_s(patience: Patience, name: str, within_s: float | None, grace_s: float) -> float:
    """How long an announced phase may take, in seconds: what was said, else what it took before, else ``grace_s``."""
    if within_s is not None:
        return within_s
    spread = dict(patience.phases).get(name)
    return grace_s if spread is None else max(ANNOUNCED_FLOOR_S, bound_s(spread))


def stand_limit_s(patience: Patience, least_s: float) -> float:
    """How long a step may stand still while beats come, in seconds: by the job's habit, and at least ``least_s``."""
    return max(least_s, bound_s(patience.stands))


def _due(patience: Patience, last: Head, life: Life) -> list[Spread]:
    here = here_of(patience, last, life)
    due = [h.spread for h in patience.habits if is_due(h, here)]
    due += [spread_of([s.lasted_s for s in f.by]) for f in foretold(patience.surprises, here)]
    if patience.ends.seen and at_epoch_end(patience, last):
        due.append(patience.ends)
    return due


def _surprise_s(patience: Patience, life: Life) -> float:
    """What may happen anywhere, by the second longest that did: one alone may be the first that keep a place.

    A job for which silence was called wrongly twice will not be bothered a third time by the like.
    """
    lasted = sorted(s.lasted_s for s in patience.surprises if s.anywhere)
    twice_s = SURPRISE_FACTOR * lasted[-2] if len(lasted) > 1 and lasted[-2] > PAUSE_FACTOR * life.usual_s else 0.0
    return max(twice_s, LEAST_MARGIN * patience.wrong.longest_s) if patience.wrong.seen > 1 else twice_s


def _step_s(patience: Patience, life: Life) -> float:
    """What an ordinary step may take. The usual gap keeps one slow start from speaking for all steps."""
    if patience.steps.seen:
        return min(bound_s(patience.steps), LONGEST_FACTOR * PAUSE_FACTOR * life.usual_s)
    return 0.0 if patience.ends.seen else LONGEST_FACTOR * life.usual_s


def _unknown_s(patience: Patience, last: Head, life: Life) -> float:
    """Time for what has not been seen yet: of ``n`` of a kind, one in ``n`` is the first to be otherwise (Laplace)."""
    seen = max(1, last.seq)
    if at_epoch_end(patience, last) and patience.ends.longest_s < FLOOR_S:
        seen = min(seen, 1 + patience.epoch_ends)
    return max(life.grace_s / seen, 0.0 if _is_acquainted(patience) else _early_s(patience, last, life))


def _is_acquainted(patience: Patience) -> bool:
    """Whether the job has shown what its epochs' ends are like, or a long pause elsewhere, or says when it pauses."""
    lasted = [*(h.spread.longest_s for h in patience.habits), *(s.lasted_s for s in patience.surprises if s.anywhere)]
    knows_ends = patience.ends.seen > 0 or patience.epoch_ends >= EPOCHS_TO_KNOW
    return knows_ends or patience.announces or max(lasted, default=0.0) > FLOOR_S


def _early_s(patience: Patience, last: Head, life: Life) -> float:
    """Less and less as the job lives on; longer where an epoch's end, a likely place, is still to come."""
    lived_s = patience.lived_s + life.age_s
    left_s = EARLY_GRACES * life.grace_s - lived_s
    if last.epoch is not None and not patience.epoch_ends:
        left_s = max(left_s, life.grace_s**2 / max(1.0, lived_s))
    return min(life.grace_s, left_s)
