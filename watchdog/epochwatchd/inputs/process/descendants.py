"""Who was seen below a command: a shell that leaves with 137 was not killed itself, but somebody that it waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from epochwatchd.inputs.process import procfs

SEEN_MAX = 512
DEEPEST = 8


@dataclass(slots=True, eq=False)
class Family:
    """A wrapper, and those seen below it until ``close``: its command, and whom that started.

    seen: the longest unseen first.
    """

    turns: dict[Family, None] = field(repr=False)
    wrapper: int
    seen: dict[int, None] = field(default_factory=dict)

    def look(self) -> None:
        """Look who is below it now."""
        for pid in below(self.wrapper):
            self.seen.pop(pid, None)
            self.seen[pid] = None
        for oldest in list(self.seen)[:-SEEN_MAX]:
            del self.seen[oldest]

    def close(self) -> None:
        """Stop looking."""
        self.turns.pop(self, None)


class Families:
    """The processes below watched wrappers. Call ``look`` once a second."""

    def __init__(self) -> None:
        self._turns: dict[Family, None] = {}  # whose turn is next first

    def watch(self, wrapper: int) -> Family:
        """Begin to look below a wrapper."""
        family = Family(self._turns, wrapper)
        self._turns[family] = None
        family.look()
        return family

    def look(self, limit: int) -> None:
        """Look below ``limit`` of the wrappers, in turn."""
        for family in list(islice(self._turns, limit)):
            self._turns[family] = self._turns.pop(family)
            family.look()


def below(pid: int, depth: int = DEEPEST) -> Iterator[int]:
    """The processes below one: its children and theirs, as the kernel lists them."""
    for child in procfs.children_of(pid) if depth else ():
        yield child
        yield from below(child, depth - 1)
