"""Bulkheads: what raises is named and counted, and everything else goes on as if it were not there.

A step of one run that breaks is left alone for an hour, and then tried again. What several runs share (the kernel log,
a folder, the process table) is tried again at the next tick: without it the others would be blind. So is what the
machine itself refused (OSError: no descriptor is left, say): that is no fault of the run's.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from epochwatch.wire import clean

log = logging.getLogger("epochwatchd")

SET_ASIDE_S = 3600.0
GRACE_S = 5.0
"""What was tried again and has not broken for so long is well."""
BROKEN_MAX = 10_000
"""More are not remembered, the oldest are forgotten: a flood of bad files must not fill the memory."""
_WORDS_MAX = 200
_T = TypeVar("_T")
_D = TypeVar("_D")


class Owner(Protocol):
    """Whose step it is: ``title`` names it for people, ``user`` is whom it concerns, where that is known."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def user(self) -> str | None: ...  # noqa: D102


Compartment: TypeAlias = tuple[str, str, Owner | None]
"""A key, a step, and whose it is, if that is known. The key is of a run, a file or a sender; empty for what all share.
A plain tuple: three are made for every run in every tick."""


class Broken(NamedTuple):
    """What broke: a step of whom, its words, since when, until when it is left alone, and how often it did."""

    key: str
    step: str
    title: str
    user: str | None
    fault: str
    since: float
    until: float
    times: int


class Bulkheads:
    """Every step that is broken now. ``count``: how often anything broke."""

    def __init__(self) -> None:
        self._broken: dict[tuple[str, str], Broken] = {}
        self.count = 0

    def attempt(self, at: Compartment, now: float, call: Callable[..., _T], *args: object, default: _D) -> _T | _D:
        """What ``call`` gives; ``default`` where it raises, or did so within the last hour."""
        if self._broken and now < self._until(at[0], at[1]):
            return default
        try:
            return call(*args)
        except Exception as e:  # noqa: BLE001 - this is the bulkhead: whatever it is, it stays in here
            self.note(at, e, now)
            return default

    def _until(self, key: str, step: str) -> float:
        known = self._broken.get((key, step))
        return known.until if known else float("-inf")

    def set_aside(self, key: str, now: float) -> frozenset[str]:
        """The steps of one run that are left alone at present."""
        if not self._broken:
            return frozenset()
        return frozenset(b.step for b in self._broken.values() if b.key == key and now < b.until)

    def note(self, at: Compartment, error: Exception, now: float) -> None:
        """A step broke: said with its traceback when that begins, and counted."""
        self.count += 1
        key, step, owner = at
        rest_s = SET_ASIDE_S if key and not isinstance(error, OSError) else 0.0
        known = self._broken.pop((key, step), None)
        title, user = (owner.title, owner.user) if owner else (clean(key) or "all runs", None)
        if known is None:
            rest = "left alone for an hour" if rest_s else "tried again"
            log.error("%s: %s broke, and is %s; all else goes on", title, step, rest, exc_info=error)
        since, times = (known.since, known.times + 1) if known else (now, 1)
        self._broken[key, step] = Broken(key, step, title, user, words_of(error), since, now + rest_s, times)
        if len(self._broken) > BROKEN_MAX:
            del self._broken[next(iter(self._broken))]

    def broken(self, now: float) -> list[Broken]:
        """What is broken now; what has gone well since it was tried again is forgotten."""
        for key, broken in list(self._broken.items()):
            if now > broken.until + GRACE_S:
                del self._broken[key]
                log.info("%s: %s works again", broken.title, broken.step)
        return list(self._broken.values())


def words_of(error: BaseException) -> str:
    """An exception on one line: its type, what it says, and where in our code it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return clean(f"{type(error).__name__}: {error}")[:_WORDS_MAX] + place
