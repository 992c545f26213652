"""What a job's next run begins with, and how it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from epochwatchd.detection.silence.durations import Spread
from epochwatchd.detection.silence.history import Patience
from epochwatchd.detection.silence.pauses import EARLIER_RUN_S, Clock, Habit, Surprise, rewound


def next_run(patience: Patience, age_s: float) -> Patience:
    """What the next run of the job begins with, after one that was watched for ``age_s``."""
    return patience._replace(
        lived_s=patience.lived_s + age_s,
        epoch_from=None,
        resumed_at=0,
        blur=1,
        habits=tuple(rewound(h, 0.0, 0.0) for h in patience.habits),
        surprises=tuple(s._replace(at_s=EARLIER_RUN_S) for s in patience.surprises),
    )


def dump(patience: Patience) -> dict[str, Any]:
    """The patience as a JSON object, for ``load``."""
    return patience._asdict()


def load(fields: dict[str, Any]) -> Patience:
    """The patience that ``dump`` gave, after JSON has made lists of its tuples; of another version's, an empty one."""
    try:
        return _loaded(**fields)
    except TypeError:  # other fields: the job is learned anew
        return Patience()


def _loaded(**fields: Any) -> Patience:
    known = Patience(**fields)
    return known._replace(
        lengths=tuple(known.lengths),
        steps=Spread(*known.steps),
        ends=Spread(*known.ends),
        habits=tuple(_habit(*h) for h in known.habits),
        surprises=tuple(Surprise(*s) for s in known.surprises),
        phases=tuple((name, Spread(*spread)) for name, spread in known.phases),
        stands=Spread(*known.stands),
    )


def _habit(spread: Sequence[Any], *place: Any) -> Habit:
    habit = Habit(Spread(*spread), *place)
    return habit if habit.clock is None else habit._replace(clock=Clock(*habit.clock))
