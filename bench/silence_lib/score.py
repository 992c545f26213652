"""How good a rule is: false alerts, and how soon it notices a hang."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from silence_lib.rules import Rule
from silence_lib.traces import Trace

DAY_S = 86400.0
MISSED_S = DAY_S
"""A hang not noticed for a day counts as missed."""


PAUSES = 4.0
"""A silence of so many median gaps is a pause."""


class Score(NamedTuple):
    """What came of some runs. ``up_s``: how long they ran, before they hung or ended; ``wrong_s`` called silent."""

    up_s: float
    wrong_s: float
    false_alerts: int
    delays_s: tuple[float, ...]
    step_delays_s: tuple[float, ...]
    """Of these, the hangs that did not begin within a pause."""

    @property
    def false_per_day(self) -> float:
        """False alerts a job-day."""
        return self.false_alerts / (self.up_s / DAY_S)

    @property
    def accuracy(self) -> float:
        """Query accuracy (Chen, Toueg, Aguilera 2002): how often who asks about a live run is told that it lives."""
        return 1.0 - self.wrong_s / self.up_s

    @property
    def missed(self) -> float:
        """The share of hangs that were missed."""
        return sum(math.isinf(d) for d in self.delays_s) / max(1, len(self.delays_s))

    def delay_s(self, share: float) -> float:
        """The time within which that share of all hangs was noticed, in s; infinite if so many were missed."""
        return _quantile(self.delays_s, share)

    def step_delay_s(self, share: float) -> float:
        """The same of the hangs that did not begin within a pause."""
        return _quantile(self.step_delays_s, share)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def score(rule: Rule, runs: Sequence[Trace]) -> Score:
    """What a rule makes of one job's runs, in order."""
    scores = []
    for run, held in zip(runs, rule(runs), strict=True):
        too_long = held.lasted_s > held.limits_s
        wrong_s = float((held.lasted_s - held.limits_s)[too_long].sum())
        delays = ()
        if run.hangs:
            delay_s = max(0.0, held.last_from + float(held.limits_s[-1]) - run.ended_at)
            delays = (delay_s if delay_s < MISSED_S else math.inf,)
        in_a_step = run.ended_at - held.last_from <= PAUSES * usual_gap_s(run)
        scores.append(Score(run.ended_at, wrong_s, int(too_long.sum()), delays, delays if in_a_step else ()))
    return total(scores)


def total(scores: Iterable[Score]) -> Score:
    """Several scores as one."""
    every = list(scores)
    return Score(
        sum(s.up_s for s in every),
        sum(s.wrong_s for s in every),
        sum(s.false_alerts for s in every),
        tuple(d for s in every for d in s.delays_s),
        tuple(d for s in every for d in s.step_delays_s),
    )


def usual_gap_s(run: Trace) -> float:
    """The median time between beats; 0 for a single beat."""
    return float(np.median(np.diff(run.times))) if len(run.times) > 1 else 0.0
