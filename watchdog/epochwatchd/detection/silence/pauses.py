"""Where pauses come again: one-offs that a later one makes recurring, and which are due at a place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from epochwatchd.detection.silence.durations import Spread, add, spread_of

NEVER_AGAIN = 0
"""The period of a recurring pause of one place."""
SHORTEST_PERIOD = 4
"""A shorter period would, with one place of slack on both sides, be due everywhere."""
ALIKE = 2.0
"""Pauses are of one kind if one is not so many times longer than the other."""
CLOCK_EARLY, CLOCK_LATE = 0.97, 1.2
"""When pauses by the clock are due: about their time, or later where something else kept the program from looking."""
EARLIER_RUN_S = -1.0


class OneOffPause(NamedTuple):
    """A place, and the pause there that nothing foretold.

    ``place`` counts from the run's begin, ``offset`` from the epoch's; None where it tells nothing of other epochs.
    ``at_s`` is the run's age, EARLIER_RUN_S in earlier runs. A pause at a run's begin or end says nothing of other
    places: not ``anywhere``. ``slack``: places between two beats, by which another pause of the kind may be off.
    """

    place: int
    offset: int | None
    at_s: float
    lasted_s: float = 0.0
    anywhere: bool = False
    slack: int = 1


class Clock(NamedTuple):
    """Pauses after so much time, from begin to begin or from end to begin, whichever a program counts.

    ``began_s``, ``ended_s``: the run's age at the latest.
    """

    every_s: float
    rest_s: float
    began_s: float = 0.0
    ended_s: float = 0.0

    def is_due(self, at_s: float) -> bool:
        """Whether the next one may begin now."""
        waited = ((at_s - self.began_s, self.every_s), (at_s - self.ended_s, self.rest_s))
        return any(CLOCK_EARLY * due_s <= waited_s <= CLOCK_LATE * due_s for waited_s, due_s in waited)


class RecurringPause(NamedTuple):
    """Pauses that come again: at the places ``anchor + k * period`` of the run or of an epoch.

    With NEVER_AGAIN for a period: once a run, or once an epoch if ``in_epoch``. With a clock the places do not count.
    """

    spread: Spread = Spread()
    period: int = NEVER_AGAIN
    anchor: int = 0
    in_epoch: bool = False
    clock: Clock | None = None

    @property
    def is_of_one_place(self) -> bool:
        """Whether it is of one place of every run, so that whatever came together there is in its spread."""
        return self.period == NEVER_AGAIN and not self.in_epoch and self.clock is None


class Foretold(NamedTuple):
    """One-offs that make one due somewhere, and the recurring pause that they are then."""

    by: tuple[OneOffPause, ...]
    pause: RecurringPause


def is_due(pause: RecurringPause, here: OneOffPause) -> bool:
    """Whether one of these pauses may begin here."""
    if pause.clock:
        return pause.clock.is_due(here.at_s)
    if pause.period == NEVER_AGAIN:
        return _is_near(here.offset if pause.in_epoch else here.place, pause.anchor, here.slack)
    residues = ((x - pause.anchor) % pause.period for x in (here.place, here.offset or 0))
    return any(_is_near(r, 0, here.slack) or _is_near(r, pause.period, here.slack) for r in residues)


def _is_near(one: int | None, other: int | None, slack: int) -> bool:
    return one is not None and other is not None and abs(one - other) <= slack


def foretold(recurring: Sequence[RecurringPause], one_offs: Sequence[OneOffPause], here: OneOffPause) -> list[Foretold]:
    """What one-offs make due here: by the same place, the same period, or else the same time.

    A pause of one place of every run counts as one: it may be the first of many, which other runs have not reached.
    """
    first = [OneOffPause(h.anchor, None, EARLIER_RUN_S, h.spread.longest_s) for h in recurring if h.is_of_one_place]
    known = [*(s for s in first if s.place >= SHORTEST_PERIOD), *one_offs]
    by_place = (_foretold_by_place(known[:i], one, here) for i, one in enumerate(known))
    return [f for f in by_place if f] or _foretold_by_clock(one_offs, here)


def _foretold_by_place(earlier: Sequence[OneOffPause], one: OneOffPause, here: OneOffPause) -> Foretold | None:
    slack, shortest = here.slack, SHORTEST_PERIOD * here.slack
    is_again = here.place == one.place if one.at_s >= 0.0 else _is_near(here.place, one.place, slack)
    if is_again:
        return _foretold((one,), RecurringPause(anchor=here.place))
    period = here.place - one.place
    if one.at_s >= 0.0 and period < shortest:  # the same stop still, as a save right after an evaluation
        return None
    if here.offset is not None and _is_near(here.offset, one.offset, slack):
        return _foretold((one,), RecurringPause(anchor=here.offset, in_epoch=True))
    if period < shortest:
        return None
    before = tuple(s for s in earlier if _is_near(period, one.place - s.place, slack))
    if before or _is_near(period, one.place, slack):
        return _foretold((*before, one), RecurringPause(period=period, anchor=here.place % period))
    return None


def _foretold(by: tuple[OneOffPause, ...], pause: RecurringPause) -> Foretold:
    return Foretold(by, pause._replace(spread=spread_of([s.lasted_s for s in by])))


def _foretold_by_clock(one_offs: Sequence[OneOffPause], here: OneOffPause) -> list[Foretold]:
    """By the time between the latest one-off and the one before that was about as long, or the run's begin."""
    this_run = [s for s in one_offs if s.at_s > 0.0]
    if not this_run:
        return []
    *others, latest = this_run
    begins = [(s,) for s in others if is_alike(s.lasted_s, latest.lasted_s)][-1:]
    for by in (*begins, ()):
        began_s, ended_s = (by[0].at_s, by[0].at_s + by[0].lasted_s) if by else (0.0, 0.0)
        clock = Clock(latest.at_s - began_s, latest.at_s - ended_s, latest.at_s, latest.at_s + latest.lasted_s)
        if clock.is_due(here.at_s):
            return [_foretold((*by, latest), RecurringPause(clock=clock))]
    return []


def overdue(recurring: Sequence[RecurringPause], here: OneOffPause, lasted_s: float) -> list[RecurringPause]:
    """Recurring pauses by the clock that have lost it, as at a new run's begin, and may be what lasted so long here."""
    return [
        h
        for h in recurring
        if h.clock and here.at_s > h.clock.began_s + h.clock.every_s and is_alike(lasted_s, h.spread.typical_s)
    ]


def is_alike(one_s: float, other_s: float) -> bool:
    """Whether two pauses may be of one kind."""
    return 1.0 / ALIKE < one_s / other_s < ALIKE


def confirmed(pause: RecurringPause, here: OneOffPause, lasted_s: float) -> RecurringPause:
    """The recurring pause after one more of it, here: where beats are many places apart, its place moves with it."""
    place = here.offset if pause.in_epoch else here.place
    anchor = pause.anchor if place is None or pause.clock else place % pause.period if pause.period else place
    return rewound(pause, here.at_s, lasted_s)._replace(spread=add(pause.spread, lasted_s), anchor=anchor)


def rewound(pause: RecurringPause, began_s: float, lasted_s: float) -> RecurringPause:
    """The recurring pause with its clock, if it has one, run from one that began at this age of the run."""
    if pause.clock is None:
        return pause
    return pause._replace(clock=pause.clock._replace(began_s=began_s, ended_s=began_s + lasted_s))
