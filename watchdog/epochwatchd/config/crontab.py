"""Times as cron has them: ``30 2 * * *``, five fields in local time, as in ``man 5 crontab``."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from epochwatchd.config.problems import BadValueError
from epochwatchd.phrase import Phrase

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_PART = re.compile(r"(?:\*|(?P<first>\w{1,9})(?:-(?P<last>\w{1,9}))?)(?:/(?P<step>[0-9]{1,9}))?", re.ASCII)
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_HINT = 'write five fields: minute, hour, day, month, weekday; "30 2 * * *" is every night at half past two'


class _Field(NamedTuple):
    """What a field counts, within which bounds, and the names that its values from ``low`` on may be called by."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("weekday", 0, 7, WEEKDAYS),
)


class Crontab(NamedTuple):
    """A cron expression as it was written, and the values its fields allow, in order. Weekdays: 0 and 7 are Sunday.

    ``either_day``: day and weekday both say something, so that either is enough.
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool


def parse_crontab(value: Any) -> Crontab:
    """The times that a cron expression tells. Raises BadValueError."""
    texts = _NICKNAMES.get(value.strip().lower(), value.lower()).split() if isinstance(value, str) else []
    if len(texts) != len(_FIELDS):
        raise BadValueError("not a cron expression", _HINT)
    minutes, hours, days, months, weekdays = (_values(t, field) for t, field in zip(texts, _FIELDS, strict=True))
    either_day = not texts[2].startswith("*") and not texts[4].startswith("*")
    if not either_day and min(days) > max(_LONGEST_MONTHS[month - 1] for month in months):
        raise BadValueError("the day never comes in these months", _HINT)
    return Crontab(" ".join(value.split()), minutes, hours, days, months, weekdays, either_day)


def _values(text: str, field: _Field) -> tuple[int, ...]:
    """The values that a field allows: a list of ``*``, ``5``, ``1-5``, each perhaps with a ``/step``."""
    return tuple(sorted({value for part in text.split(",") for value in _range(part, field)}))


def _range(part: str, field: _Field) -> range:
    match = _PART.fullmatch(part)
    if match is None or (match["step"] and match["first"] and not match["last"]):
        raise BadValueError(
            Phrase("the {field} is none that cron knows", field=Phrase(field.name)),
            "write *, 5, 1-5, */15, 0-30/10 or a list: 1,3",
        )
    first = field.low if match["first"] is None else _value(match["first"], field)
    last = field.high if match["first"] is None else _value(match["last"] or match["first"], field)
    if field.names is WEEKDAYS and last == 0 < first:  # from Friday to Sunday
        last = field.high
    step = int(match["step"] or 1)
    if first > last or step == 0:
        raise BadValueError(Phrase("the {field} has no value", field=Phrase(field.name)), _HINT)
    return range(first, last + 1, step)


def _value(text: str, field: _Field) -> int:
    if text in field.names:
        return field.low + field.names.index(text)
    if not text.isdigit():
        raise BadValueError(
            Phrase("the {field} is neither a number nor a name", field=Phrase(field.name)),
            f"{_names(field)}{field.low}-{field.high}",
        )
    if not field.low <= int(text) <= field.high:
        raise BadValueError(
            Phrase("the {field} is not within {low}-{high}", field=Phrase(field.name), low=field.low, high=field.high),
            _HINT,
        )
    return int(text)


def _names(field: _Field) -> str:
    return f"{', '.join(field.names)} or " if field.names else ""
