"""When a channel is left in peace: hours of a day, by the clock of a place. Pure.

A window is said in local time, so it follows the clock when that is changed: on the night on which 02:30 does not exist
a window until 02:30 ends when the clock passes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epochwatchd.config import Quiet

ADJOINING = 16
"""Windows that follow on each other, day after day, are one; a week of them and more is looked at, not forever."""


def quiet_until(windows: Sequence[Quiet], now_wall: float) -> float | None:
    """The Unix time at which the quiet that holds now is over; None if none holds."""
    until = now_wall
    for _ in range(ADJOINING):
        ends = [end for window in windows for begin, end in _around(window, until) if begin <= until < end]
        if not ends:
            break
        until = max(ends)
    return None if until == now_wall else until


def _around(window: Quiet, wall: float) -> Iterator[tuple[float, float]]:
    """The windows that begin on this day there, and on the day before."""
    today = datetime.fromtimestamp(wall, timezone.utc).astimezone(window.zone).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() in window.days:
            last = day if window.from_min < window.until_min else day + timedelta(days=1)
            yield _at(day, window.from_min, window), _at(last, window.until_min, window)


def _at(day: date, minutes: int, window: Quiet) -> float:
    """The Unix time of a time of the day there.

    Of one that comes twice it is the first, of one that never comes the same time after the change.
    """
    local = datetime.combine(day, time(), window.zone) + timedelta(minutes=minutes)
    return local.timestamp()
