"""From a file to a Config, or to every mistake in it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from epochwatchd.config.channels import Kinds, channel_names, quiet_of, read_channels
from epochwatchd.config.glance import additions, read
from epochwatchd.config.matching import match_of
from epochwatchd.config.problems import ConfigError
from epochwatchd.config.schema import FileSection, HeartbeatsSection, JobSection, RouteSection
from epochwatchd.config.secrets import Surroundings, expand
from epochwatchd.config.settings import (
    ChannelConfig,
    Config,
    Escalation,
    Expected,
    Heartbeats,
    JobRule,
    Match,
    Route,
    StoreConfig,
    Unsaved,
)
from epochwatchd.config.validation import validated
from epochwatchd.model import Policy

_EXPLAINED = (("defaults",), ("jobs",))


def load(path: Path | None, *, kinds: Kinds, env: Mapping[str, str], unsaved: Unsaved | None = None) -> Config:
    """The configuration in ``path``; None: the built-in defaults.

    Args:
        path: The YAML file.
        unsaved: What it will hold, to be read in its place.
        kinds: Each kind of channel with the pydantic model of its options; secrets are SecretStr fields.
        env: The environment, for ``${NAME}``, ``CREDENTIALS_DIRECTORY`` and ``HOME``.

    Raises:
        ConfigError: with every mistake, in the order of their lines.
    """
    document = read(path, None if unsaved is None else unsaved.text)
    expand(document, env)
    surroundings = Surroundings(env, path.parent if path else Path(), unsaved.secrets if unsaved else {})
    data = document.value if isinstance(document.value, dict) else {}
    channels = read_channels(data.get("channels"), document, kinds, surroundings)
    context = {"surroundings": surroundings, "channels": channel_names(data.get("channels"))}
    file = validated(FileSection, {} if document.value is None else document.value, document, (), context)
    if file is None or document.problems:
        error = ConfigError(document.problems.values())
        error.language = data.get("language")
        raise error
    places = {loc: f"{document.file_of(loc)}:{line}" for loc, line in document.lines.items() if loc[:1] in _EXPLAINED}
    more = tuple(additions(path)) if path else ()
    return replace(_config(file, channels, path), hidden=document.hidden, places=places, more=more)


def _config(file: FileSection, channels: Mapping[str, ChannelConfig], source: Path | None) -> Config:
    routes = default_routes(tuple(channels)) if file.routes is None else tuple(map(_route, file.routes))
    defaults = Policy(**file.defaults.overrides())
    return Config(
        heartbeats=_heartbeats(file.heartbeats),
        defaults=defaults,
        jobs=tuple(_rule(rule, defaults) for rule in file.jobs),
        channels=channels,
        routes=routes,
        store=StoreConfig(file.store.path, file.store.keep),
        language=file.language,
        source=source,
        people=file.people,
        quiet=tuple(map(quiet_of, file.quiet or ())),
        group_interval_s=file.group_interval,
        control=file.control.path,
    )


def default_routes(channels: tuple[str, ...]) -> tuple[Route, ...]:
    """The routes when none are given: a start is told to nobody, everything else to every channel."""
    return (Route(Match(kind=("started",))), Route(to=channels))


def _heartbeats(section: HeartbeatsSection) -> Heartbeats:
    by_default = "udp" not in section.model_fields_set
    return Heartbeats(section.directories, section.udp, by_default, section.key_file, section.socket)


def _rule(section: JobSection, defaults: Policy) -> JobRule:
    """A rule; a run that is expected is given the time to its first beat, before which it may not be known."""
    rule = JobRule(section.match, section.overrides())
    if section.expected is None:
        return rule
    within_s = section.start_within or rule.over(defaults).first_beat_within_s
    return replace(rule, expected=Expected(section.expected, within_s))


def _route(section: RouteSection) -> Route:
    escalate = tuple(Escalation(step.after, step.to) for step in section.escalate)
    return Route(match_of(section.match), section.to, section.repeat_every, section.continue_, escalate)
