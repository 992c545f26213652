"""What a job asks for, and where each of it comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from fnmatch import fnmatchcase

from epochwatchd.config.durations import format_duration
from epochwatchd.config.settings import Config
from epochwatchd.model import Policy
from epochwatchd.phrase import Phrase


def explain(config: Config, job: str) -> Iterator[Phrase]:
    """Each setting of a job as the configuration writes it, with its file and line."""
    policy = config.policy(job)
    rule = next((at for at, rule in enumerate(config.jobs) if fnmatchcase(job, rule.match)), None)
    yield Phrase("job {job}:", job=job)
    for name in (field.name for field in fields(Policy)):
        key = name.removesuffix("_s")
        value = getattr(policy, name)
        unset = Phrase("auto") if key == "silent_after" else Phrase("none")
        shown = unset if value is None else format_duration(value)
        origin = _origin(config, rule, key)
        yield Phrase("  {key}: {value}  ({origin})", key=key, value=shown, origin=origin)
    for at, other in enumerate(config.jobs):
        if other.expected is not None and fnmatchcase(job, other.match):
            place, text = _at(config, ("jobs", at, "expected")), other.expected.at.text
            yield Phrase("  {key}: {value}  ({origin})", key="expected", value=text, origin=place)


def _origin(config: Config, rule: int | None, key: str) -> Phrase:
    """Where a setting was found: in the job's rule, among the defaults, or nowhere."""
    if rule is not None and ("jobs", rule, key) in config.places:
        match = config.jobs[rule].match
        return Phrase("{place}, jobs that match {match}", place=_at(config, ("jobs", rule, key)), match=match)
    if ("defaults", key) in config.places:
        return Phrase("{place}, defaults", place=_at(config, ("defaults", key)))
    return Phrase("built in")


def _at(config: Config, loc: tuple[str | int, ...]) -> str:
    return config.places.get(loc, "?")
