"""What epochwatch says to people, one module a language: the same tables with the same placeholders.

A value is a template, or several from the fullest to the barest: the first is said whose placeholders are all known.
Placeholders have their detail's name, unit included (``idle_s``), and are filled with readable text. A particular key
is preferred to a general one: ``firing.silent`` to ``firing``, ``silent.unknown`` to ``unknown``.
"""

from collections.abc import Mapping
from typing import Protocol

from epochwatchd.alerting.phrases import en, ko
from epochwatchd.config.settings import Language

Variants = tuple[str, ...]


class Phrases(Protocol):
    """What each language's module holds."""

    KINDS: dict[str, str]
    HEADLINES: dict[str, str]
    REASONS: dict[str, str]
    TIMES: dict[str, str]
    BRIEF: dict[str, Variants]
    CAUSES: dict[str, Variants]
    ADVICE: dict[str, Variants]
    FAILURES: dict[str, tuple[str, str]]
    PROGRESS: tuple[Variants, ...]
    CHECKPOINT: tuple[Variants, ...]
    MEMORY: tuple[Variants, ...]
    PLACE: tuple[Variants, ...]
    COMMAND: tuple[Variants, ...]
    ON_HOST: str
    RANKED: str
    CORE_DUMPED: str
    STANDS: str
    LINES: dict[str, str]
    LABELS: dict[str, str]
    TOGETHER: dict[str, str]
    DURATIONS: dict[str, str]


LANGUAGES: Mapping[Language, Phrases] = {"en": en, "ko": ko}
