"""``missing``: a run that was to begin at a given time has not. It has no worker, hence no detector."""

from __future__ import annotations

from typing import NamedTuple

from epochwatchd.model import Cause, Finding, Moment

EARLY_S = 60.0
"""A run that began so much before its time counts: the clocks of two machines, or a scheduler's haste."""


class Due(NamedTuple):
    """When a run is due, as Unix times: two, where a clock change makes the local time mean none or two of them."""

    first_wall: float
    last_wall: float

    def is_met_by(self, began_wall: float) -> bool:
        """Whether a run that began at this time, and at none before, is the one that was due, or came late."""
        return began_wall >= self.first_wall - EARLY_S


def missing(due: Due, crontab: str, within_s: float, began_wall: float | None, moment: Moment) -> Finding | None:
    """A critical finding if the latest run did not begin for this time and its window is over.

    ``began_wall`` is when the latest run began, None if none is known. One that goes on since before has not begun.
    """
    if moment.wall < due.last_wall + within_s or (began_wall is not None and due.is_met_by(began_wall)):
        return None
    since = moment.mono - (moment.wall - due.last_wall)
    last = (
        "no such run is known yet"
        if began_wall is None
        else f"the last one began {_hours(due.last_wall - began_wall)} before"
    )
    evidence = (f'expected at "{crontab}"; {last}',)
    return Finding("missing", "critical", since, Cause("not_begun", {"within_s": within_s}, evidence))


def _hours(seconds: float) -> str:
    return f"{seconds / 3600.0:,.1f} h"
