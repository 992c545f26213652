"""What a job's next run begins with, and how it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from epochwatchd.detection.silence.durations import Spread
from epochwatchd.detection.silence.history import SilenceHistory
from epochwatchd.detection.silence.pauses import EARLIER_RUN_S, Clock, OneOffPause, RecurringPause, rewound

_RENAMED = {"habits": "recurring", "surprises": "one_offs"}
"""What earlier versions called them."""


def next_run(history: SilenceHistory, age_s: float) -> SilenceHistory:
    """What the next run of the job begins with, after one that was watched for ``age_s``."""
    return history._replace(
        lived_s=history.lived_s + age_s,
        epoch_from=None,
        resumed_at=0,
        blur=1,
        recurring=tuple(rewound(h, 0.0, 0.0) for h in history.recurring),
        one_offs=tuple(s._replace(at_s=EARLIER_RUN_S) for s in history.one_offs),
    )


def dump(history: SilenceHistory) -> dict[str, Any]:
    """The history as a JSON object, for ``load``."""
    return history._asdict()


def load(fields: dict[str, Any]) -> SilenceHistory:
    """The history that ``dump`` gave, after JSON has made lists of its tuples; of another version's, an empty one."""
    try:
        return _loaded(**{_RENAMED.get(name, name): value for name, value in fields.items()})
    except TypeError:  # other fields: the job is learned anew
        return SilenceHistory()


def _loaded(**fields: Any) -> SilenceHistory:
    known = SilenceHistory(**fields)
    return known._replace(
        lengths=tuple(known.lengths),
        steps=Spread(*known.steps),
        ends=Spread(*known.ends),
        recurring=tuple(_pause(*h) for h in known.recurring),
        one_offs=tuple(OneOffPause(*s) for s in known.one_offs),
        phases=tuple((name, Spread(*spread)) for name, spread in known.phases),
        stands=Spread(*known.stands),
    )


def _pause(spread: Sequence[Any], *place: Any) -> RecurringPause:
    pause = RecurringPause(Spread(*spread), *place)
    return pause if pause.clock is None else pause._replace(clock=Clock(*pause.clock))
