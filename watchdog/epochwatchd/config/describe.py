"""A configuration in words: what was understood, without its secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from epochwatchd.config.durations import format_duration
from epochwatchd.config.problems import shown_key
from epochwatchd.config.settings import ChannelConfig, Config, JobRule, Match, Route
from epochwatchd.model import Policy


def describe(config: Config) -> list[str]:
    """Lines for people: every setting as it was understood, then what looks unintended. Secrets are masked."""
    return list(map(config.shown, _lines(config)))


def _lines(config: Config) -> list[str]:
    heartbeats, store = config.heartbeats, config.store
    places = ", ".join(["the default places", *map(str, heartbeats.directories)])
    key = "sealed with a key" if heartbeats.key else "without a key"
    return [
        f"configuration: {config.source or 'built-in defaults'}",
        f"heartbeat files: {places}",
        f"datagrams: {f'{heartbeats.udp}, {key}' if heartbeats.udp else 'off'}",
        f"datagrams of known senders: {_socket(heartbeats.socket)}",
        f"every job: {_policy(config.defaults)}",
        *(f"jobs {rule.match}: {_policy(rule.over(config.defaults))}{_expected(rule)}" for rule in config.jobs),
        *(f"channel {name}: {_channel(channel)}" for name, channel in config.channels.items()),
        *(f"route {at}: {_route(route)}" for at, route in enumerate(config.routes, 1)),
        f"store: {store.path or 'in the state folder'}, kept {format_duration(store.keep_s)}",
        f"language: {config.language}",
        *(f"note: {note}" for note in _notes(config)),
    ]


def _socket(path: Path | str | None) -> str:
    return "in the runtime folder" if path == "auto" else str(path or "off")


def _policy(policy: Policy) -> str:
    silent = "learned from the rhythm" if policy.silent_after_s is None else _after(policy.silent_after_s)
    longest = "any" if policy.max_runtime_s is None else format_duration(policy.max_runtime_s)
    shortest = f", at least {format_duration(policy.min_runtime_s)}" if policy.min_runtime_s else ""
    return (
        f"silent {silent}, first beat within {format_duration(policy.first_beat_within_s)}, "
        f"GPU stalled {_after(policy.gpu_stalled_after_s)}, runtime {longest}{shortest}"
    )


def _expected(rule: JobRule) -> str:
    if rule.expected is None:
        return ""
    return f', expected at "{rule.expected.at.text}", missing {_after(rule.expected.within_s)}'


def _after(seconds: float) -> str:
    return f"after {format_duration(seconds)}"


def _channel(channel: ChannelConfig) -> str:
    options = channel.options.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    own = {
        "language": channel.language,
        "style": None if channel.style == "full" else channel.style,
        "template": "of its own" if channel.template else None,
    }
    told = {**options, **{name: value for name, value in own.items() if value is not None}}
    return ", ".join([channel.kind, *(f"{name} {_option(value)}" for name, value in told.items())])


def _option(value: Any) -> str:
    if isinstance(value, dict):
        return " and ".join(f"{shown_key(name)} {part}" for name, part in value.items())
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _route(route: Route) -> str:
    repeat = f", repeated every {format_duration(route.repeat_every_s)}" if route.repeat_every_s else ""
    later = ", then the next routes" if route.continue_ else ""
    return f"{_match(route.match)} to {', '.join(route.to) or 'nobody'}{repeat}{later}"


def _match(match: Match) -> str:
    conditions = (f"{name} {' or '.join(values)}" for name, values in asdict(match).items() if values is not None)
    return " and ".join(conditions) or "everything"


def _notes(config: Config) -> Iterator[str]:
    """What can never take effect. Only what is certain: whether two shell patterns overlap is not asked."""
    if not config.channels:
        yield "there is no channel: nobody will be told anything"
    for at, route in enumerate(config.routes[:-1], 1):
        if route.match == Match() and not route.continue_:
            yield f"the routes after route {at} are never reached: it takes everything"
            break
    patterns = [rule.match for rule in config.jobs]
    for at, pattern in enumerate(patterns):
        only_expects = config.jobs[at].expected is not None and not config.jobs[at].overrides
        if (earlier := {pattern, "*"}.intersection(patterns[:at])) and not only_expects:
            yield f"the rule for jobs {pattern} is never reached: an earlier one for {earlier.pop()} takes them"
