"""``epochwatchd demo``: everything at work in under a minute, with real trainings that are killed, frozen, spoiled."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from epochwatchd.demo.play import Play
from epochwatchd.demo.scenarios import reckon, scenarios
from epochwatchd.demo.screen import screen
from epochwatchd.demo.stage import set_up


def run() -> int:
    """Play the demo; gives the exit status: 0 if the watchdog said exactly what it should have."""
    begun = time.monotonic()
    chosen = scenarios(_kernel())
    with _ended_by_signals(), screen() as shown:
        with set_up() as stage:
            play = Play(stage, shown, {s.job: s for s in chosen}, begun)
            play.perform()
        rows = reckon(chosen, play.alerts, play.faults)
    shown.conclude(rows, time.monotonic() - begun)
    return 0 if all(row.is_right for row in rows) else 1


def _kernel() -> tuple[int, ...]:
    """The version of the running kernel: ``(6, 18)``."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end us as Ctrl-C does, so that what we started is cleaned up."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
