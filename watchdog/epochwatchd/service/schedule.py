"""What happens regularly, and when what is expected is due; the only place that knows APScheduler."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from epochwatchd.config import Crontab
from epochwatchd.config.crontab import WEEKDAYS
from epochwatchd.detection.missing import Due

LOOK_BACK_S = 3600.0
_NEXT = timedelta(microseconds=1)


class Timetable:
    """Calls that the running loop makes regularly, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone="UTC")

    def every(self, seconds: float, *calls: Callable[[], object]) -> None:
        """Make each call every ``seconds`` on the loop's thread; calls that were missed are made up by one."""
        for call in calls:
            self._scheduler.add_job(
                _as_coroutine(call), "interval", seconds=seconds, coalesce=True, misfire_grace_time=None
            )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """No more calls."""
        self._scheduler.shutdown(wait=False)


def _as_coroutine(call: Callable[[], object]) -> Callable[[], object]:
    """APScheduler runs coroutines on the loop and plain functions in threads, where the daemon's state must not go."""

    async def run() -> None:
        result = call()
        if inspect.iscoroutine(result):
            await result

    return run


def next_due(crontab: Crontab, after_wall: float) -> Due:
    """The first time of a crontab after a Unix time.

    Triggers count on a clock that is never changed, and only what they give is read as local time: so a night job is
    due once in the nights when clocks are changed, too.
    """
    reading = datetime.fromtimestamp(after_wall).astimezone().replace(tzinfo=timezone.utc, fold=0)
    local = _trigger(crontab).get_next_fire_time(None, reading + _NEXT).replace(tzinfo=None)
    first_wall, last_wall = sorted(local.replace(fold=fold).timestamp() for fold in (0, 1))
    return Due(first_wall, last_wall)


def latest_due(crontab: Crontab, after_wall: float, until_wall: float) -> Due | None:
    """The last time of a crontab after one Unix time and up to another; None if there is none.

    Triggers only look ahead: the search begins an hour back, then two, four, … so that years cost as little as days.
    """
    from_wall, back_s, latest = until_wall, LOOK_BACK_S, None
    while latest is None and from_wall > after_wall:
        from_wall = max(after_wall, until_wall - back_s)
        due = next_due(crontab, from_wall)
        while due.last_wall <= until_wall:
            latest, due = due, next_due(crontab, due.last_wall)
        back_s *= 2
    return latest


@lru_cache(maxsize=256)
def _trigger(crontab: Crontab) -> Any:
    """APScheduler asks for both the day and the weekday, and counts weekdays from Monday; cron does neither."""
    days, weekdays = (
        {"day": _listed(crontab.days)},
        {"day_of_week": ",".join(WEEKDAYS[d % 7] for d in crontab.weekdays)},
    )
    if crontab.either_day:
        return OrTrigger([_cron(crontab, **days), _cron(crontab, **weekdays)])
    return _cron(crontab, **days, **weekdays)


def _cron(crontab: Crontab, **days: str) -> CronTrigger:
    return CronTrigger(
        month=_listed(crontab.months),
        hour=_listed(crontab.hours),
        minute=_listed(crontab.minutes),
        timezone="UTC",
        **days,
    )


def _listed(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
