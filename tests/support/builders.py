"""Short ways to say what a test is about: a worker, a finding, a moment."""

from __future__ import annotations

from typing import Any

from epochwatch.wire import Beat, Body, Head
from epochwatchd.detection.observing import meet, observe
from epochwatchd.model import Cause, Finding, Incident, Moment, Worker

WALL = 1_800_000_000.0
"""The wall clock at monotonic 0 in tests."""


def moment(mono: float) -> Moment:
    return Moment(mono, WALL + mono)


def beat(seq: int = 1, body: Body | None = None, **head: Any) -> Beat:
    return Beat(Head(seq=seq, **head), body or Body("digits", run="r1", pid=42, start=7))


def worker(*beats: tuple[float, Beat], local: bool = True, keeps_alive: bool = False, key: str = "/w") -> Worker:
    """The worker after these beats at these times; one beat at 0 if none are given."""
    (first_at, first), *rest = beats or ((0.0, beat()),)
    made = meet(key, first, first_at, user="mina", local=local, started_at=first_at, keeps_alive=keeps_alive)
    for at, one in rest:
        made = observe(made, one, at)
    return made


def steady(every_s: float, count: int, **more: Any) -> Worker:
    """A worker that has beaten ``count`` times, ``every_s`` seconds apart, beginning at 0."""
    return worker(*((i * every_s, beat(i + 1)) for i in range(count)), **more)


def finding(kind: str, severity: str = "critical", since: float = 0.0, cause: Cause | None = None) -> Finding:
    return Finding(kind, severity, since, cause)  # type: ignore[arg-type]


def incident(kind: str = "silent", severity: str = "critical", **more: Any) -> Incident:
    return Incident(f"id-{kind}", "run", finding(kind, severity), WALL, **more)
