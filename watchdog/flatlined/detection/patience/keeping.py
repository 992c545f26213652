"""What a job's next run begins with, and how it is stored."""

from __future__ import annotations

from typing import Any

from flatlined.detection.patience.habits import EARLIER_RUN_S, Clock, Habit, Surprise, rewound
from flatlined.detection.patience.spread import Spread
from flatlined.detection.patience.state import Patience


def next_run(patience: Patience, age_s: float) -> Patience:
    """What the next run of the job begins with, after one that was watched for ``age_s``."""
    return patience._replace(
        lived_s=patience.lived_s + age_s,
        epoch_from=None,
        blur=1,
        habits=tuple(rewound(h, 0.0, 0.0) for h in patience.habits),
        surprises=tuple(s._replace(at_s=EARLIER_RUN_S) for s in patience.surprises),
    )


def dump(patience: Patience) -> dict[str, Any]:
    """The patience as a JSON object, for ``load``."""
    return patience._asdict()


def load(fields: dict[str, Any]) -> Patience:
    """The patience that ``dump`` gave, after JSON has made lists of its tuples.

    Raises TypeError or KeyError for an object of another version: then the job is learned anew.
    """
    return Patience(
        **{
            **fields,
            "lengths": tuple(fields["lengths"]),
            "steps": Spread(*fields["steps"]),
            "ends": Spread(*fields["ends"]),
            "wrong": Spread(*fields["wrong"]),
            "habits": tuple(_habit(*h) for h in fields["habits"]),
            "surprises": tuple(Surprise(*s) for s in fields["surprises"]),
            "phases": tuple((name, Spread(*spread)) for name, spread in fields["phases"]),
            "stands": Spread(*fields.get("stands", ())),
        }
    )


def _habit(spread: list[Any], period: int, anchor: int, in_epoch: bool, clock: list[Any] | None) -> Habit:  # noqa: FBT001
    return Habit(Spread(*spread), period, anchor, in_epoch, None if clock is None else Clock(*clock))
