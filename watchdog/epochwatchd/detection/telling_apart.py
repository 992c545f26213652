"""What tells a run from the others of its job: words of its command line, or tags, that they do not share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from epochwatch.wire import Body

WORDS_MAX = 4
LENGTH_MAX = 60


def words_of(body: Body) -> frozenset[str]:
    """The options and words of a run's command line, and its tags."""
    return frozenset([*_options(body.argv[1:]), *(f"{name}={value}" for name, value in (body.tags or {}).items())])


def differs(body: Body, others: Iterable[frozenset[str]]) -> str | None:
    """What only this run has, of all that have its job; None where there is nothing, or no other run."""
    known = list(others)
    if not known:
        return None
    shared = frozenset.intersection(*known)
    own = [word for word in _options(body.argv[1:]) if word not in shared]
    own += [f"{name}={value}" for name, value in (body.tags or {}).items() if f"{name}={value}" not in shared]
    said = " ".join(own[:WORDS_MAX])
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
