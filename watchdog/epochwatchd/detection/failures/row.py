"""A row of the table of failures."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One class of failures, and the words that prove it.

    ``types`` are exceptions that are a sign of it whatever they say, separated by spaces. ``proofs`` and ``signs`` are
    regular expressions searched in an exception written ``Type: message``, without the module of its type: a proof
    names the fault itself, a sign a kind of fault that may have a closer reason. ``said`` are whole lines that native
    code, shells and schedulers write, matched from their beginning. ``echo``: often only what another failure, or the
    failure of another process, leads to here, and so the weaker evidence.
    """

    code: str
    types: str = ""
    proofs: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    echo: bool = False
