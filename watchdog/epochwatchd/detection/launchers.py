"""What a launcher says of the ranks that it started: who fell first, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ROOT = re.compile(
    r"Root Cause \(first observed failure\):\n(?:.*\n){0,4}?"
    r" *rank *: (\d{1,9}) .*\n *exitcode *: (-?\d{1,3}) \(pid: (\d{1,9})\)"
)
"""The summary that torchrun (torch.distributed.elastic) prints at its end."""


class Root(NamedTuple):
    """The rank that fell first: its number, its process, and its status as ``Exit`` has it."""

    rank: int
    pid: int
    status: int


def root_cause(output: Sequence[str]) -> Root | None:
    """Who fell first by the last lines of a launcher's output; None where they do not say."""
    found = _ROOT.search("\n".join(output))
    return None if found is None else Root(int(found[1]), int(found[3]), int(found[2]))
