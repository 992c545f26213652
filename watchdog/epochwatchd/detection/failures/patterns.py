"""The table of failures, made ready to be searched quickly.

Hundreds of expressions are searched in every candidate line. Nearly all hold some literal text, and whether a line
contains that is known at once; only then is the expression itself tried, and compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from epochwatchd.detection.failures.gpu import GPUS
from epochwatchd.detection.failures.machine import MACHINE
from epochwatchd.detection.failures.program import PROGRAM
from epochwatchd.detection.failures.row import Row

TABLE: tuple[Row, ...] = (*GPUS, *MACHINE, *PROGRAM)
CODES: tuple[str, ...] = tuple(row.code for row in TABLE)
ECHOES = frozenset(row.code for row in TABLE if row.echo)

PROOF, SIGN, ECHO = 4, 3, 2
"""How much evidence weighs; that of a class which is but an echo weighs two less, and so never more than ECHO."""

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.")


class Pattern(NamedTuple):
    """One expression of one row. ``cue`` is text that everything it matches contains."""

    code: str
    strength: int
    cue: str
    source: str


def alternatives(source: str) -> list[str]:
    """What stands between the outermost bars of an expression."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(source):
        depth += (piece == "(") - (piece == ")")
        if piece == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def cue(alternative: str) -> str:
    """The longest text that every match of an expression without outermost bars contains; empty if there is none."""
    runs, depth = [""], 0
    for piece in _PIECE.findall(alternative):
        if depth == 0 and _is_literal(piece):
            runs[-1] += piece[-1]
            continue
        if piece[0] in "?*{":  # what they follow may be missing
            runs[-1] = runs[-1][:-1]
        depth += (piece == "(") - (piece == ")")
        runs.append("")
    return max(runs, key=len)


def _is_literal(piece: str) -> bool:
    return not piece[1].isalnum() if piece[0] == "\\" else piece[0] not in ".^$*+?{}()|["


def _patterns(row: Row, strength: int, sources: Iterable[str]) -> Iterator[Pattern]:
    weight = strength - ECHO if row.echo else strength
    return (Pattern(row.code, weight, cue(part), part) for source in sources for part in alternatives(source))


RAISED: tuple[Pattern, ...] = tuple(
    pattern for row in TABLE for pattern in (*_patterns(row, PROOF, row.proofs), *_patterns(row, SIGN, row.signs))
)
"""What is searched in the text of an exception."""
SAID: tuple[Pattern, ...] = tuple(pattern for row in TABLE for pattern in _patterns(row, PROOF, row.said))
"""What a line without an exception must begin with."""
TYPES = {name: (row.code, SIGN - ECHO if row.echo else SIGN) for row in TABLE for name in row.types.split()}
"""Class and weight of the types of exceptions that are a sign by themselves."""

compiled = cache(re.compile)


def cued(patterns: Iterable[Pattern], text: str) -> list[Pattern]:
    """Those of the patterns that may match something in ``text``."""
    return [pattern for pattern in patterns if pattern.cue in text]
