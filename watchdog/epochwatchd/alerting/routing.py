"""Who is told: routes, the first that matches first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from epochwatchd.config import OWNER

if TYPE_CHECKING:
    from epochwatchd.config import Match, Route
    from epochwatchd.model import Notification

People = Mapping[str, Sequence[str]]


class Taken(NamedTuple):
    """A route that a notification takes, and the channels that it means by it."""

    route: Route
    channels: tuple[str, ...]


def channels_for(routes: Sequence[Route], people: People, notification: Notification) -> tuple[str, ...]:
    """The channels to tell, each once, in the order of the routes."""
    return tuple(dict.fromkeys(name for taken in taken_by(routes, people, notification) for name in taken.channels))


def repeats_due(
    routes: Sequence[Route],
    people: People,
    notification: Notification,
    notified_wall: Mapping[str, float],
    now_wall: float,
) -> tuple[str, ...]:
    """The channels to remind now of a fault that lasts: by their route's interval since they were last told of it.

    Who was never told is not reminded. A last time that lies ahead means that the clock was set back: it is due.
    """
    return tuple(
        dict.fromkeys(
            channel
            for route, channels in taken_by(routes, people, notification)
            for channel in channels
            if route.repeat_every_s is not None
            and channel in notified_wall
            and not 0 <= now_wall - notified_wall[channel] < route.repeat_every_s
        )
    )


def escalations(routes: Sequence[Route], people: People, notification: Notification) -> dict[float, tuple[str, ...]]:
    """After how many seconds without an acknowledgement which channels are told, too."""
    steps = [
        (step.after_s, receivers(step.to, people, notification))
        for route, _ in taken_by(routes, people, notification)
        for step in route.escalate
    ]
    return {
        after_s: tuple(dict.fromkeys(name for after, names in steps if after == after_s for name in names))
        for after_s in sorted({after for after, _ in steps})
    }


def taken_by(routes: Sequence[Route], people: People, notification: Notification) -> Iterator[Taken]:
    """The routes a notification takes: the first that matches, and on from there while they say ``continue``.

    One that leads only to its user is passed over where that user has no channels: to nobody is not what was meant.
    """
    for route in routes:
        if matches(route.match, notification):
            channels = channels_of(route, people, notification)
            if channels or not route.to:
                yield Taken(route, channels)
                if not route.continue_:
                    return


def channels_of(route: Route, people: People, notification: Notification) -> tuple[str, ...]:
    """A route's channels; its owner's are those of the user, whose name anybody may give who is not known."""
    return receivers(route.to, people, notification)


def receivers(to: Sequence[str], people: People, notification: Notification) -> tuple[str, ...]:
    """The channels that are meant, those of the run's user among them."""
    owners = people.get(notification.user or "", ()) if notification.verified else ()
    return tuple(dict.fromkeys(name for one in to for name in (owners if one == OWNER else (one,))))


def matches(match: Match, notification: Notification) -> bool:
    """Whether every condition holds: severity, kind and status by name, all others by shell pattern."""
    cause = notification.cause or {}
    return (
        all(_is_any(getattr(notification, name), getattr(match, name)) for name in ("severity", "kind", "status"))
        and all(_fits_any(getattr(notification, name) or "", getattr(match, name)) for name in ("job", "user", "host"))
        and _fits_any(cause.get("code"), match.cause)
        and _fits_any(cause.get("details", {}).get("failure"), match.failure)
        and all(_fits_any(notification.tags.get(name), patterns) for name, patterns in match.tag or ())
        and (match.not_ is None or not matches(match.not_, notification))
    )


def _is_any(value: str, names: Sequence[str] | None) -> bool:
    return names is None or value in names


def _fits_any(value: str | None, patterns: Sequence[str] | None) -> bool:
    """What is not there fits no pattern."""
    return patterns is None or (value is not None and any(fnmatchcase(value, pattern) for pattern in patterns))
