"""The verdicts, one row each: everything that is said, decided or shown by verdict is read from here.

A new verdict is a row here and its name in ``model.Kind``; the tests then name every word that is still missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from epochwatchd.model import CauseCode, Kind


class Verdict(NamedTuple):
    """What goes with a verdict.

    icon: before the headline of its message.
    colour: in a terminal, as rich names it.
    is_end: the run is over with it.
    is_notice: it is news, no fault: nothing to resolve.
    is_alert: messages are sent of it.
    is_ours: the watchdog tells it of its own knowledge, and of nobody's beats.
    clear_after_s: so long it must stay away before it is called over; else it is over at the first beat.
    until_heard: only a sign of life ends it; that a longer limit would be right by now does not.
    """

    icon: str
    colour: str = "yellow"
    is_end: bool = False
    is_notice: bool = False
    is_alert: bool = True
    is_ours: bool = False
    clear_after_s: float = 0.0
    until_heard: bool = False


VERDICTS: Mapping[Kind, Verdict] = {
    "crashed": Verdict("💀", "red", is_end=True),
    "interrupted": Verdict("🛑", is_end=True, is_notice=True),
    "lost": Verdict("📡", "red", until_heard=True),
    "stalled": Verdict("🐌", clear_after_s=30.0),
    "silent": Verdict("🔇", "red", until_heard=True),
    "diverged": Verdict("📈", clear_after_s=5.0),
    "overdue": Verdict("⏰"),
    "missing": Verdict("👻", "red", is_ours=True),
    "finished": Verdict("🏁", "blue", is_end=True, is_notice=True),
    "watchdog": Verdict("🔧", is_ours=True),
    "started": Verdict("🚀", "dim", is_notice=True),
    "digest": Verdict("📋", "dim", is_notice=True, is_alert=False, is_ours=True),
    "running": Verdict("🔔", "green", is_alert=False),
}
"""The worst first: of equal severity the one further up is told. A critical ``stalled`` is a GPU that failed, which
explains why its run is silent."""

EXPLAINS: Mapping[CauseCode, frozenset[CauseCode]] = {
    "gpu_driver": frozenset({"gpu_idle", "gpu_spin", "gpu_lost", "gpu_error"}),
}
"""Causes that explain others on the same machine, which then need not be told: a driver that hangs says nothing true of
any GPU. Of the ranks of one run the one that the others wait for is told anyway: see ``detection.verdict``."""
EXPLAINED = frozenset().union(*EXPLAINS.values())

RANK: Mapping[Kind, int] = {kind: rank for rank, kind in enumerate(VERDICTS)}
ENDS = frozenset(kind for kind, verdict in VERDICTS.items() if verdict.is_end)
