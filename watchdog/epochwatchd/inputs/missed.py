"""What could not be seen or was refused, by a code to count it by: the daemon complains of it at its next tick.

A look that fails (no descriptor is left, the kernel has no memory, a file of ``/proc`` is gone) gives "not known" to
whoever asked, and a note here, so that nobody waits for a figure and nobody wonders where it is.
"""

from __future__ import annotations

from typing import NamedTuple

from epochwatch.wire import clean


class Missed(NamedTuple):
    """How often it happened since the last ``take``, where and why it did last."""

    code: str
    source: str
    text: str
    times: int


_noted: dict[str, Missed] = {}


def note(code: str, source: str, why: object) -> None:
    """It happened; codes are words of this program, so there are only so many."""
    before = _noted.get(code)
    _noted[code] = Missed(code, clean(source), clean(str(why)), 1 + (before.times if before else 0))


def take() -> list[Missed]:
    """What happened since the last call, one entry a code."""
    taken = list(_noted.values())
    _noted.clear()
    return taken
