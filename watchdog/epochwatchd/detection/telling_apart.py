"""What tells a run from the others of its job: words of its command line, or tags, that they do not share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

WORDS_MAX = 4
LENGTH_MAX = 60


def words_of(argv: Sequence[str], tags: Mapping[str, str] | None) -> list[str]:
    """The options and words of a run's command line, and its tags."""
    return [*_options(argv[1:]), *(f"{name}={value}" for name, value in (tags or {}).items())]


def differs(own: Sequence[str], others: Iterable[Iterable[str]]) -> str | None:
    """What only this run has, of all that have its job; None where there is nothing, or no other run."""
    known = [frozenset(words) for words in others]
    return apart(own, frozenset.intersection(*known)) if known else None


def apart(own: Sequence[str], shared: AbstractSet[str]) -> str | None:
    """The words that are not shared; None where there are none."""
    said = " ".join([word for word in own if word not in shared][:WORDS_MAX])
    return (said if len(said) <= LENGTH_MAX else said[: LENGTH_MAX - 1] + "…") or None


def _options(argv: Sequence[str]) -> list[str]:
    """The words of a command line; an option and the value behind it are one."""
    found: list[str] = []
    for word in argv:
        follows = bool(found) and found[-1].startswith("-") and "=" not in found[-1] and " " not in found[-1]
        if follows and not word.startswith("-"):
            found[-1] = f"{found[-1]} {word}"
        else:
            found.append(word)
    return found
