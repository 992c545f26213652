"""Who was seen below a command: a shell that leaves with 137 was not killed itself, but somebody that it waited for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from epochwatchd.inputs.process import procfs

SEEN_MAX = 512
DEEPEST = 8


class Family(NamedTuple):
    """A wrapper, and those seen below it, the longest unseen first: its command, and whom that started."""

    wrapper: int
    seen: dict[int, None]


class Families:
    """The processes below watched wrappers. Call ``look`` once a second."""

    def __init__(self) -> None:
        self._by_key: dict[str, Family] = {}  # whose turn is next first

    def watch(self, key: str, wrapper: int) -> None:
        """Begin, or go on, to look below a wrapper."""
        family = self._by_key.get(key)
        if family is None or family.wrapper != wrapper:
            family = self._by_key[key] = Family(wrapper, {})
        _look(family)

    def forget(self, key: str) -> None:
        """Stop looking."""
        self._by_key.pop(key, None)

    def below(self, key: str) -> frozenset[int]:
        """The processes that were seen below the wrapper; none if there is no wrapper."""
        family = self._by_key.get(key)
        return frozenset(family.seen) if family else frozenset()

    def wrapper(self, key: str) -> frozenset[int]:
        """The wrapper itself, if there is one."""
        family = self._by_key.get(key)
        return frozenset((family.wrapper,)) if family else frozenset()

    def look(self, limit: int) -> None:
        """Look below ``limit`` of the wrappers, in turn."""
        for key in list(islice(self._by_key, limit)):
            family = self._by_key[key] = self._by_key.pop(key)
            _look(family)


def _look(family: Family) -> None:
    for pid in _below(family.wrapper, DEEPEST):
        family.seen.pop(pid, None)
        family.seen[pid] = None
    for oldest in list(family.seen)[:-SEEN_MAX]:
        del family.seen[oldest]


def _below(pid: int, depth: int) -> Iterator[int]:
    for child in procfs.children_of(pid) if depth else ():
        yield child
        yield from _below(child, depth - 1)
