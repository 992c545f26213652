"""``missing``: a run that was to begin at a given time has not. It has no worker, hence no detector."""

from __future__ import annotations

from typing import NamedTuple

from epochwatchd.model import Cause, Finding, Moment
from epochwatchd.phrase import Phrase

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
    evidence = (Phrase('expected at "{crontab}"; {last}', crontab=crontab, last=_last(due, began_wall)),)
    return Finding("missing", "critical", since, Cause("not_begun", {"within_s": within_s}, evidence))


def _last(due: Due, began_wall: float | None) -> Phrase:
    if began_wall is None:
        return Phrase("no such run is known yet")
    return Phrase("the last one began {hours:,.1f} h before", hours=(due.last_wall - began_wall) / 3600.0)
