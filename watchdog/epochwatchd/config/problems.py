"""Mistakes in a configuration, as people are told of them.

One rule keeps secrets out of them, also those that stand in a wrong place: no value of the file, nor of what it refers
to, is ever quoted. The line and the key lead to it, and the words are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from epochwatchd.model import EpochwatchError
from epochwatchd.phrase import Phrase, Table, say

Loc = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it."""

_KEY = re.compile(r"(?:[^\W\d]|-){1,60}")
"""What a key looks like: letters, ``_`` and ``-``. For want of a space, ``{url:https://…}`` has a secret as its key."""
_CHANNEL = re.compile(r"\w[\w.-]{0,59}")
HIDDEN = "…"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. ``path`` is the key in the file, as in ``routes[0].to``; ``line`` counts from 1."""

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.said({})

    def said(self, table: Table) -> str:
        """It in a language: all of its words are ours."""
        path = f"{self.path}: " if self.path else ""
        message, hint = (_said(text, table) for text in (self.message, self.hint))
        return f"{self.file}:{self.line}: {path}{message}{f' ({hint})' if hint else ''}"


class ConfigError(EpochwatchError):
    """A configuration that cannot be used, with everything that is wrong with it.

    language: of the configuration, where that is known.
    """

    language: str | None = None

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))

    def said(self, table: Table) -> str:
        """It in a language, a line each."""
        return "\n".join(problem.said(table) for problem in self.problems)


class BadValueError(ValueError):
    """What is wrong with one value, and what to write instead; the place is added by whoever reads the file."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def path_of(loc: Loc) -> str:
    """A location as text: ``routes[0].to``; what does not look like a key is not shown in it."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_shown(loc[:at], step)}" for at, step in enumerate(loc))
    return "".join(steps).lstrip(".")


def _shown(above: Loc, key: str) -> str:
    return key if above == ("channels",) and is_channel_name(key) else shown_key(key)


def shown_key(key: str) -> str:
    """The key, or a mark in its place where it does not look like one."""
    return key if _KEY.fullmatch(key) else HIDDEN


def is_channel_name(name: str) -> bool:
    """Whether a channel may be called so: its name is in logs and in messages."""
    return _CHANNEL.fullmatch(name) is not None


def _said(text: str, table: Table) -> str:
    """A message or hint in the words of a table; one without values is its own template."""
    return say(text, table) if isinstance(text, Phrase) else table.get(text, text)


def masked(text: str, hidden: Mapping[str, str]) -> str:
    """``text`` with each of the hidden texts replaced by what may be shown instead, the longest first."""
    if isinstance(text, Phrase):
        values = {name: masked(v, hidden) if isinstance(v, str) else v for name, v in text.values.items()}
        return Phrase(text.template, **values)
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, hidden[secret])
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint for a word that is not among those known: the nearest one, or all of them."""
    near = get_close_matches(word, known, n=1)
    if near:
        return Phrase("did you mean {word}?", word=near[0])
    return Phrase("known: {words}", words=sorted(known)) if known else ""
