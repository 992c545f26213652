"""What happens regularly; the only place that knows APScheduler."""

from __future__ import annotations

from collections.abc import Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler


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
        call()

    return run
