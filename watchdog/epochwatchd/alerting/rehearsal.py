"""``epochwatchd routes test``: who would be told of something, and why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, get_args

from epochwatchd.alerting.catalogue import example, typical
from epochwatchd.alerting.deciding import Muted
from epochwatchd.alerting.quiet import quiet_until
from epochwatchd.alerting.routing import channels_of, matches, receivers, taken_by
from epochwatchd.config import OWNER, Config, Quiet, Route, format_duration
from epochwatchd.model import SEVERITIES, CauseCode, Kind, Notification, Severity
from epochwatchd.phrase import Phrase
from epochwatchd.verdicts import VERDICTS

_T = TypeVar("_T")


def imagined(kind: str, cause: str | None, said: Mapping[str, Any], tags: Mapping[str, str]) -> Notification:
    """An example of this verdict, with what is ``said`` of it. Raises ValueError for a word that is none.

    said: ``severity``, ``job``, ``user``, ``host``, ``failure``, None where nothing is; ``resolved``, ``unverified``.
    """
    kinds: dict[str, Kind] = {name: name for name, verdict in VERDICTS.items() if verdict.is_alert}
    causes: dict[str, CauseCode] = {code: code for code in get_args(CauseCode)}
    severities: dict[str, Severity] = {name: name for name in SEVERITIES}
    known = _known("kind", kind, kinds)
    about = example(
        known, typical(known) if cause is None else _known("cause", cause, causes), resolved=said["resolved"]
    )
    usual = "info" if VERDICTS[known].is_notice else "critical"
    if said["failure"] and about.cause:
        details = {**about.cause["details"], "failure": said["failure"]}
        about = replace(about, cause={**about.cause, "details": details})
    given = {name: said[name] for name in ("job", "user", "host") if said[name] is not None}
    severity = _known("severity", said["severity"] or usual, severities)
    return replace(about, severity=severity, tags=tags, verified=not said["unverified"], **given)


def _known(name: str, word: str, known: Mapping[str, _T]) -> _T:
    if word not in known:
        raise ValueError(f"--{name}: {word!r:.80} is none of {', '.join(known)}")
    return known[word]


def rehearse(
    config: Config,
    notification: Notification,
    now_wall: float,
    quiet: Mapping[str, Sequence[Quiet]],
    mutes: Sequence[Muted] = (),
) -> Iterator[Phrase]:
    """A line for each mute and route that matters, and for each channel that is told.

    quiet: when each channel is left in peace.
    """
    yield from _muted(mutes, notification, now_wall)
    taken = [id(it.route) for it in taken_by(config.routes, config.people, notification)]
    told: set[str] = set()
    for at, route in enumerate(config.routes, 1):
        if not matches(route.match, notification):
            yield Phrase("route {at} does not match", at=at)
            continue
        channels = channels_of(route, config.people, notification)
        if id(route) not in taken:
            if not channels and route.to:
                yield Phrase("route {at} is passed over: {why}", at=at, why=_without_owner(notification))
                continue
            yield Phrase("route {at} is not asked any more", at=at)
            continue
        if not route.to:
            yield Phrase("route {at} says that nobody is told", at=at)
        if OWNER in route.to and not set(config.people.get(notification.user or "", ())) & set(channels):
            yield Phrase("route {at}: {why}", at=at, why=_without_owner(notification))
        for name in channels:
            often = _often(route.repeat_every_s, again=name in told)
            yield Phrase("route {at}: {channel}{often}", at=at, channel=name, often=often)
            if name not in told:
                yield from _later(at, name, quiet.get(name, ()), notification, now_wall)
            told.add(name)
        yield from _unacknowledged(at, route, config, notification, told)
    if not told:
        yield Phrase("nobody is told")


def _muted(mutes: Sequence[Muted], notification: Notification, now_wall: float) -> Iterator[Phrase]:
    for mute in (muted.mute for muted in mutes if muted.takes(notification)):
        if mute.from_wall <= now_wall < mute.until_wall:
            yield Phrase(
                "muted by {who} until {time}, {why}; epochwatch unmute {id}",
                who=mute.who, time=_local(mute.until_wall), why=mute.why, id=mute.id,
            )  # fmt: skip


def _later(
    at: int, channel: str, windows: Sequence[Quiet], notification: Notification, now_wall: float
) -> Iterator[Phrase]:
    """When a channel hears of it that is left in peace now."""
    until = quiet_until([window for window in windows if notification.severity not in window.passes], now_wall)
    if until is not None:
        yield Phrase(
            "route {at}: {channel} hears it at {time}: until then it is quiet",
            at=at, channel=channel, time=_local(until),
        )  # fmt: skip


def _local(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall).astimezone():%F %R}"


def _unacknowledged(
    at: int, route: Route, config: Config, notification: Notification, told: Collection[str]
) -> Iterator[Phrase]:
    """Who hears of it where nobody says that it was seen."""
    for step in route.escalate if notification.status == "firing" else ():
        to = [name for name in receivers(step.to, config.people, notification) if name not in told]
        time = format_duration(step.after_s)
        if to:
            yield Phrase("route {at}: not acknowledged within {time}: {to} too", at=at, time=time, to=to)


def _without_owner(notification: Notification) -> Phrase:
    if not notification.verified:
        return Phrase("who sent the beats is not known, so no user's own channels are taken")
    return Phrase("people says no channels of user {user}", user=notification.user or Phrase("none"))


def _often(repeat_every_s: float | None, *, again: bool) -> Phrase:
    if again:
        return Phrase(", which is told already")
    if repeat_every_s is None:
        return Phrase(", once")
    return Phrase(", and again every {time} while it lasts", time=format_duration(repeat_every_s))
