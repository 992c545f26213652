"""Conditions as a route's ``match`` has them, of the file or from elsewhere: a mute's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epochwatchd.config.document import Document
from epochwatchd.config.schema import MatchSection
from epochwatchd.config.settings import Match
from epochwatchd.config.validation import validated


class BadMatch(ValueError):  # noqa: N818 - it says what is wrong
    """Conditions that are none; the text names each."""


def match_of(section: MatchSection) -> Match:
    """The conditions as the others see them."""
    not_ = None if section.not_ is None else match_of(section.not_)
    return Match(**{**dict(section), "not_": not_})


def parse_match(said: Mapping[str, Any]) -> Match:
    """The conditions. Raises BadMatch."""
    document = Document("", dict(said), dict.fromkeys([(), *((name,) for name in said)], 1))
    section = validated(MatchSection, dict(said), document, ())
    if section is None:
        told = (f"{p.path}: {p.message}{f' ({p.hint})' if p.hint else ''}" for p in document.problems.values())
        raise BadMatch("; ".join(told))
    return match_of(section)
