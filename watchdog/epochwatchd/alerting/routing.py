"""Who is told: routes, the first that matches first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epochwatchd.config import Match, Route
    from epochwatchd.model import Notification


def channels_for(routes: Sequence[Route], notification: Notification) -> tuple[str, ...]:
    """The channels to tell, each once, in the order of the routes."""
    return tuple(dict.fromkeys(channel for route in _taken(routes, notification) for channel in route.to))


def repeats_due(
    routes: Sequence[Route], notification: Notification, notified_wall: Mapping[str, float], now_wall: float
) -> tuple[str, ...]:
    """The channels to remind now of a fault that lasts: by their route's interval since they were last told of it.

    Who was never told is not reminded. A last time that lies ahead means that the clock was set back: it is due.
    """
    return tuple(
        dict.fromkeys(
            channel
            for route in _taken(routes, notification)
            for channel in route.to
            if route.repeat_every_s is not None
            and channel in notified_wall
            and not 0 <= now_wall - notified_wall[channel] < route.repeat_every_s
        )
    )


def _taken(routes: Sequence[Route], notification: Notification) -> Iterator[Route]:
    """The routes a notification takes: the first that matches, and on from there while they say ``continue``."""
    for route in routes:
        if matches(route.match, notification):
            yield route
            if not route.continue_:
                return


def matches(match: Match, notification: Notification) -> bool:
    """Whether every condition holds: severity, kind and status by name, job, user and host by shell pattern."""
    named = ("severity", "kind", "status")
    patterned = ("job", "user", "host")
    return all(_is_any(getattr(notification, name), getattr(match, name)) for name in named) and all(
        _fits_any(getattr(notification, name), getattr(match, name)) for name in patterned
    )


def _is_any(value: str, names: Sequence[str] | None) -> bool:
    return names is None or value in names


def _fits_any(value: str | None, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(fnmatchcase(value or "", pattern) for pattern in patterns)
