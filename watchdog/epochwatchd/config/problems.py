"""Mistakes in a configuration, as people are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from epochwatchd.model import EpochwatchError

Loc = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. ``path`` is the key in the file, as in ``routes[0].to``; ``line`` counts from 1."""

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}: {path}{self.message}{hint}"


class ConfigError(EpochwatchError):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class BadValueError(ValueError):
    """What is wrong with one value, and what to write instead; the place is added by whoever reads the file."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def path_of(loc: Loc) -> str:
    """A location as text: ``routes[0].to``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint for a word that is not among those known: the nearest one, or all of them."""
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(sorted(known))}" if known else ""
