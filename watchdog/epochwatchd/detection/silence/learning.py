"""What a gap between two beats teaches."""

from __future__ import annotations

import math

from epochwatch.wire import Head
from epochwatchd.detection.silence.durations import Spread, add
from epochwatchd.detection.silence.history import KEPT, PAUSE_S, Life, SilenceHistory, here_of, place_of, resumed_at
from epochwatchd.detection.silence.limits import PAUSE_FACTOR, WARM_UP, limit_s, phase_limit_s, stand_limit_s
from epochwatchd.detection.silence.pauses import (
    ALIKE,
    EARLIER_RUN_S,
    OneOffPause,
    RecurringPause,
    confirmed,
    foretold,
    is_alike,
    is_due,
    overdue,
    rewound,
)

SOBER_FACTOR = 2.0
"""No gap counts for more than so many limits: a hang that ended after hours must not make everything seem normal."""


STAND_S = 1800.0
"""And so long a step may stand of which nothing is known."""


def teaches(gap_s: float, before: Head, after: Head) -> bool:
    """Whether a gap between two beats teaches anything: few do, and this is cheap to ask."""
    return gap_s >= PAUSE_S or is_new_epoch(before, after)


def is_new_epoch(before: Head, after: Head) -> bool:
    """Whether an epoch ended between two beats; epochs may be told with a fraction."""
    if before.epoch is None or after.epoch is None or before.epoch == after.epoch:
        return False
    return math.floor(before.epoch) != math.floor(after.epoch)


def learn(history: SilenceHistory, gap_s: float, before: Head, after: Head, life: Life) -> SilenceHistory:
    """What is known after a gap of ``gap_s`` seconds between two beats, with no announced phase in it.

    ``life`` is the run's at the first of the two.
    """
    if is_new_epoch(before, after):
        return _learn_epoch_end(history, gap_s, before, after, life)
    if gap_s < PAUSE_S:
        return history
    return _learn_pause(history, gap_s, before, life, anywhere=before.seq >= WARM_UP)


def learn_end(history: SilenceHistory, gap_s: float, last: Head, life: Life) -> SilenceHistory:
    """What is known after a run that ended well ``gap_s`` seconds after its last beat."""
    return history if gap_s < PAUSE_S else _learn_pause(history, gap_s, last, life, anywhere=False)


def learn_phase(
    history: SilenceHistory, name: str, took_s: float, *, in_mid_run: bool, within_s: float | None = None
) -> SilenceHistory:
    """What is known after an announced phase that took so long. ``in_mid_run``: the run had beaten before."""
    others = tuple(p for p in history.phases if p[0] != name)
    if within_s is not None:
        took_s = min(took_s, SOBER_FACTOR * phase_limit_s(history, name, within_s, 0.0))
    spread = add(dict(history.phases).get(name, Spread()), max(took_s, 0.001))
    phases = (*others, (name, spread))[-KEPT:]
    return history._replace(phases=phases, announces=history.announces or in_mid_run)


def learn_wait(history: SilenceHistory, waited_s: float) -> SilenceHistory:
    """What is known after all of a process waited for one another so long, and yet went on."""
    return history if waited_s < PAUSE_S else history._replace(waits=add(history.waits, waited_s, fades=False))


def learn_stand(history: SilenceHistory, stood_s: float, last: Head) -> SilenceHistory:
    """What is known after the step of ``last`` stood still so long while beats came, and then went on.

    An announced phase explains it and teaches nothing.
    """
    if stood_s < PAUSE_S or last.seq < WARM_UP or last.phase is not None:
        return history
    lasted_s = min(stood_s, SOBER_FACTOR * stand_limit_s(history, STAND_S))
    return history._replace(stands=add(history.stands, lasted_s, fades=False))


def _learn_epoch_end(history: SilenceHistory, gap_s: float, before: Head, after: Head, life: Life) -> SilenceHistory:
    known = history._replace(resets=history.resets or _is_reset(before, after))
    place = place_of(known, before)
    is_whole = known.epoch_from is not None or known.first_epoch in (None, math.floor(before.epoch or 0))
    length = (_length(known, place, before),) if is_whole else ()
    ended = known._replace(
        epoch_ends=known.epoch_ends + 1,
        epoch_from=place,
        resumed_at=resumed_at(known, before),
        first_epoch=math.floor(before.epoch or 0) if known.first_epoch is None else known.first_epoch,
        lengths=(*known.lengths, *length)[-3:],
    )
    places = place_of(ended, after) - place
    ended = ended._replace(blur=max(1, places) if gap_s < PAUSE_S else 1)
    if gap_s < PAUSE_S:
        return ended
    recurring = tuple(rewound(h, life.age_s, gap_s) if _keeps_due_clock(h, life) else h for h in history.recurring)
    lasted_s = min(gap_s, SOBER_FACTOR * limit_s(history, before, life))
    return ended._replace(ends=add(history.ends, lasted_s), recurring=recurring)


def _is_reset(before: Head, after: Head) -> bool:
    return before.step is not None and after.step is not None and after.step <= before.step


def _length(history: SilenceHistory, place: int, last: Head) -> int:
    """How many places an epoch had; of a job's very first, its beats tell whether steps are counted from 0 or 1."""
    if history.epoch_from is None:
        return last.seq if abs(place - last.seq) <= 1 else max(1, place)
    return max(1, place - history.epoch_from)


def _keeps_due_clock(pause: RecurringPause, life: Life) -> bool:
    return pause.clock is not None and pause.clock.is_due(life.age_s)


def _learn_pause(history: SilenceHistory, gap_s: float, before: Head, life: Life, *, anywhere: bool) -> SilenceHistory:
    """A gap within an epoch: a slow step, the next recurring pause, a one-off that makes one, or a one-off."""
    if gap_s <= PAUSE_FACTOR * life.usual_s and before.seq >= WARM_UP:
        return history._replace(steps=add(history.steps, gap_s, fades=False))
    allowed_s = limit_s(history, before, life)
    lasted_s = min(gap_s, SOBER_FACTOR * allowed_s)
    here = here_of(history, before, life)
    due = [h for h in history.recurring if is_due(h, here)]
    if not due and gap_s <= allowed_s:
        due = overdue(history.recurring, here, lasted_s)
    if due:
        return _confirm(history, max(due, key=lambda h: h.spread.log_mean), here, lasted_s)
    makers = [f for f in foretold(history.recurring, history.one_offs, here) if is_alike(f.by[-1].lasted_s, lasted_s)]
    if makers:
        one_offs = tuple(s for s in history.one_offs if s not in makers[-1].by)
        recurring = (*history.recurring, confirmed(makers[-1].pause, here, lasted_s))[-KEPT:]
        return history._replace(recurring=recurring, one_offs=one_offs)
    one_off = here._replace(lasted_s=lasted_s, anywhere=anywhere, offset=here.offset if anywhere else None)
    return history._replace(one_offs=(*_longest(history.one_offs, KEPT - 1), one_off))


def _longest(one_offs: tuple[OneOffPause, ...], count: int) -> tuple[OneOffPause, ...]:
    """The longest of them, in their order: a short one that is forgotten costs nobody a false alarm."""
    if len(one_offs) <= count:
        return one_offs
    shortest = min(one_offs, key=lambda s: s.lasted_s)
    return tuple(s for s in one_offs if s is not shortest)


def _confirm(history: SilenceHistory, pause: RecurringPause, here: OneOffPause, lasted_s: float) -> SilenceHistory:
    """A much shorter pause where a pause is due is another one that happened to be there."""
    if lasted_s * ALIKE < pause.spread.typical_s:
        return history
    others = tuple(h for h in history.recurring if h is not pause)
    return history._replace(recurring=(*others, confirmed(pause, here, lasted_s)))


def next_run(history: SilenceHistory, age_s: float) -> SilenceHistory:
    """What the next run of the job begins with, after one that was watched for ``age_s``."""
    return history._replace(
        lived_s=history.lived_s + age_s,
        epoch_from=None,
        resumed_at=0,
        blur=1,
        recurring=tuple(rewound(h, 0.0, 0.0) for h in history.recurring),
        one_offs=tuple(s._replace(at_s=EARLIER_RUN_S) for s in history.one_offs),
    )
