"""A configuration in words: what was understood, without its secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from epochwatchd.config.durations import format_duration
from epochwatchd.config.problems import shown_key
from epochwatchd.config.schema import WEEKDAYS
from epochwatchd.config.settings import OWNER, ChannelConfig, Config, JobRule, Match, Quiet, Route
from epochwatchd.model import Policy
from epochwatchd.phrase import Phrase


def describe(config: Config) -> list[Phrase]:
    """Lines for people: every setting as it was understood, then what looks unintended.

    Secrets are masked where they are said: see ``Config.shown``.
    """
    return [*_lines(config)]


def _lines(config: Config) -> Iterator[Phrase]:
    heartbeats, store = config.heartbeats, config.store
    source = str(config.source) if config.source else Phrase("built-in defaults")
    places = [Phrase("the default places"), *map(str, heartbeats.directories)]
    where = str(store.path) if store.path else Phrase("in the state folder")
    yield Phrase("configuration: {sources}", sources=[source, *map(str, config.more)])
    yield Phrase("heartbeat files: {places}", places=places)
    yield Phrase("datagrams: {udp}", udp=_udp(config))
    yield Phrase("datagrams of known senders: {socket}", socket=_socket(heartbeats.socket))
    yield Phrase("every job: {policy}", policy=_policy(config.defaults))
    for rule in config.jobs:
        policy = _policy(rule.over(config.defaults))
        yield Phrase("jobs {match}: {policy}", match=rule.match, policy=[*policy, *_expected(rule)])
    for name, channel in config.channels.items():
        yield Phrase("channel {name}: {options}", name=name, options=_channel(channel))
    for user, channels in config.people.items():
        yield Phrase("user {user}: {channels}", user=user, channels=list(channels))
    for at, route in enumerate(config.routes, 1):
        yield Phrase(
            "route {at}: {match} to {to}{then}", at=at, match=_match(route.match), to=_to(route), then=_then(route)
        )
        for step in route.escalate:
            time = _time(step.after_s)
            yield Phrase("route {at}: not acknowledged within {time}: {to} too", at=at, time=time, to=[*step.to])
    if config.group_interval_s:
        yield Phrase("more of the same within {time}: one message", time=_time(config.group_interval_s))
    for window in config.quiet:
        yield Phrase("quiet: {window}", window=quiet_hours(window))
    yield Phrase("commands: {socket}", socket=_socket(config.control))
    yield Phrase("store: {where}, kept {kept}", where=where, kept=format_duration(store.keep_s))
    yield Phrase("language: {language}", language=config.language)
    for note in _notes(config):
        yield Phrase("note: {note}", note=note)


def _udp(config: Config) -> str:
    udp = config.heartbeats.udp
    if udp is None:
        return Phrase("off")
    return Phrase(
        "{address}, sealed with a key" if config.heartbeats.key else "{address}, without a key", address=str(udp)
    )


def _socket(path: Path | str | None) -> str:
    return Phrase("in the runtime folder") if path == "auto" else str(path) if path else Phrase("off")


def _policy(policy: Policy) -> list[Phrase]:
    silent, longest = policy.silent_after_s, policy.max_runtime_s
    told = [
        Phrase("silent learned from the rhythm")
        if silent is None
        else Phrase("silent after {time}", time=_time(silent)),
        Phrase("first beat within {time}", time=_time(policy.first_beat_within_s)),
        Phrase("GPU stalled after {time}", time=_time(policy.gpu_stalled_after_s)),
        Phrase("runtime any") if longest is None else Phrase("runtime {time}", time=_time(longest)),
    ]
    if policy.min_runtime_s:
        told.append(Phrase("at least {time}", time=_time(policy.min_runtime_s)))
    return told


def _expected(rule: JobRule) -> list[Phrase]:
    if rule.expected is None:
        return []
    missing = Phrase("missing after {time}", time=_time(rule.expected.within_s))
    return [Phrase('expected at "{crontab}"', crontab=rule.expected.at.text), missing]


def _time(seconds: float) -> str:
    return format_duration(seconds)


def _channel(channel: ChannelConfig) -> list[str]:
    options = channel.options.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    own = {"language": channel.language, "style": None if channel.style == "full" else channel.style}
    told = {**options, **{name: value for name, value in own.items() if value is not None}}
    said: list[str] = [Phrase("template of its own")] if channel.template else []
    if channel.group_interval_s is not None:
        said.append(Phrase("grouped within {time}", time=_time(channel.group_interval_s)))
    said += [Phrase("quiet: {window}", window=quiet_hours(window)) for window in channel.quiet or ()]
    if channel.digest is not None:
        said.append(Phrase('a summary at "{crontab}"', crontab=channel.digest.text))
    return [channel.kind, *(f"{name} {_option(value)}" for name, value in told.items()), *said]


def quiet_hours(window: Quiet) -> Phrase:
    """A window as people read it."""
    zone = str(window.zone) if window.zone else Phrase("this machine's time")
    days = "" if len(window.days) == len(WEEKDAYS) else " ".join(WEEKDAYS[day] for day in sorted(window.days))
    passes: list[str] = [*window.passes] or [Phrase("nothing")]
    return Phrase(
        "{begin} to {end}, {zone}{days}; told all the same: {passes}",
        begin=_clock(window.from_min),
        end=_clock(window.until_min),
        zone=zone,
        days=f", {days}" if days else "",
        passes=passes,
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _option(value: Any) -> str:
    if isinstance(value, dict):
        return " and ".join(f"{shown_key(name)} {part}" for name, part in value.items())
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _to(route: Route) -> str | list[str]:
    return list(route.to) or Phrase("nobody")


def _then(route: Route) -> str:
    every = Phrase(", repeated every {time}", time=_time(route.repeat_every_s)) if route.repeat_every_s else ""
    later = Phrase(", then the next routes") if route.continue_ else ""
    return Phrase("{every}{later}", every=every, later=later)


def _match(match: Match) -> str:
    named = {name: values for name, values in vars(match).items() if values is not None and name not in ("tag", "not_")}
    conditions = [f"{name} {'|'.join(values)}" for name, values in named.items()]
    conditions += [f"tag {name}={'|'.join(values)}" for name, values in match.tag or ()]
    conditions += [] if match.not_ is None else [f"not ({_match(match.not_)})"]
    return " & ".join(conditions) or Phrase("everything")


def _notes(config: Config) -> Iterator[Phrase]:
    """What can never take effect. Only what is certain: whether two shell patterns overlap is not asked."""
    if not config.channels:
        yield Phrase("there is no channel: nobody will be told anything")
    for at, route in enumerate(config.routes[:-1], 1):
        if route.match == Match() and not route.continue_:
            yield Phrase("the routes after route {at} are never reached: it takes everything", at=at)
            break
    if config.people and not any(OWNER in route.to for route in config.routes):
        yield Phrase("people has no effect: no route leads to {owner}", owner=OWNER)
    elif not config.people and any(OWNER in route.to for route in config.routes):
        yield Phrase("{owner} reaches nobody: people says no user's channels", owner=OWNER)
    patterns = [rule.match for rule in config.jobs]
    for at, pattern in enumerate(patterns):
        only_expects = config.jobs[at].expected is not None and not config.jobs[at].overrides
        if (earlier := {pattern, "*"}.intersection(patterns[:at])) and not only_expects:
            yield Phrase(
                "the rule for jobs {pattern} is never reached: an earlier one for {earlier} takes them",
                pattern=pattern,
                earlier=earlier.pop(),
            )
