"""The rules that are compared: given the runs of one job in order, each says how long every silence could have got."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from silence_lib.traces import Phase, Trace

from epochwatch.wire import Head
from epochwatchd.detection import silence
from epochwatchd.detection.silence import Life, SilenceHistory
from epochwatchd.detection.silence.durations import LEAST_MARGIN
from epochwatchd.detection.silence.limits import ANNOUNCED_FLOOR_S

GRACE_S = 1800.0
"""Before its first beats every rule waits as long."""


class Silences(NamedTuple):
    """What one run's silences were held against: how long each was, and its limit; the last one ends the run.

    ``last_from``: when the last began, in seconds of the trace. Silences under 20 s may be left out.
    """

    lasted_s: np.ndarray
    limits_s: np.ndarray
    last_from: float


Rule = Callable[[Sequence[Trace]], Iterator[Silences]]


def fixed(limit_s: float) -> Rule:
    """A time-out, the same for all."""
    return _of_gaps(lambda gaps: np.full(len(gaps), limit_s))


def _of_gaps(limits: Callable[[np.ndarray], np.ndarray]) -> Rule:
    """A rule that knows nothing but the gaps between beats so far, of this run alone."""

    def rule(runs: Sequence[Trace]) -> Iterator[Silences]:
        for run in runs:
            gaps = gaps_of(run)
            lim = limits(gaps)
            lim[:1] = np.maximum(lim[:1], GRACE_S)
            yield Silences(gaps, lim, float(run.times[-1]))

    return rule


def gaps_of(run: Trace) -> np.ndarray:
    """The gaps between beats, from the begin of the trace to its end."""
    return np.diff(run.times, prepend=0.0, append=run.ended_at)


def three_means(runs: Sequence[Trace]) -> Iterator[Silences]:
    """Three times the mean gap."""
    return _of_gaps(lambda gaps: 3.0 * _before(np.cumsum(gaps) / np.arange(1, len(gaps) + 1)))(runs)


def _before(values: np.ndarray) -> np.ndarray:
    """What was known when a gap began: the value of the one before."""
    return np.concatenate([[np.inf], values[:-1]])


def cassandra(runs: Sequence[Trace]) -> Iterator[Silences]:
    """Phi accrual as in Cassandra: exponential gaps, a window of 1,000, phi 8."""
    return _of_gaps(lambda gaps: 8.0 * math.log(10.0) * _before(_window(gaps, 1000)[0]))(runs)


AKKA_SIGMAS = 5.23
"""Where Akka's logistic stand-in for the normal distribution reaches phi 8: 1.5976 y + 0.070566 y**3 = 8 ln 10."""


def akka(runs: Sequence[Trace]) -> Iterator[Silences]:
    """Phi accrual as in Akka: normal gaps, 1,000 samples, phi 8, at least 100 ms of deviation, 3 s acceptable pause."""

    def limits(gaps: np.ndarray) -> np.ndarray:
        mean, deviation = _window(gaps, 1000)
        return _before(mean + 3.0 + AKKA_SIGMAS * np.maximum(deviation, 0.1))

    return _of_gaps(limits)(runs)


def _window(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the last ``size`` values, at each."""
    sums, squares = np.cumsum(values), np.cumsum(values * values)
    count = np.minimum(np.arange(1, len(values) + 1), size)
    sums[size:] -= sums[:-size].copy()
    squares[size:] -= squares[:-size].copy()
    mean = sums / count
    return mean, np.sqrt(np.maximum(squares / count - mean * mean, 0.0))


NVRX_BEFORE_S = 2700.0
NVRX_EVERY = 1000


def nvrx(runs: Sequence[Trace]) -> Iterator[Silences]:
    """Five times the longest, merged half and half with the limit so far every 1,000 beats, and kept across runs."""
    limit_s, longest_s = NVRX_BEFORE_S, 0.0
    for run in runs:
        gaps = gaps_of(run)
        limits = np.empty(len(gaps))
        for i in range(0, len(gaps), NVRX_EVERY):
            limits[i : i + NVRX_EVERY] = limit_s
            longest_s = max(longest_s, float(gaps[i : i + NVRX_EVERY][: len(gaps) - 1 - i].max(initial=0.0)))
            limit_s = 0.5 * limit_s + 0.5 * 5.0 * longest_s
        yield Silences(gaps, limits, float(run.times[-1]))


def foresight(runs: Sequence[Trace]) -> Iterator[Silences]:
    """What nobody can do: knows how long every silence, even a hang, should have been, and allows a quarter more.

    No rule that spares pauses can be sooner: it is what ours would be, had it seen each of them often.
    """
    for run in runs:
        floor_s = ANNOUNCED_FLOOR_S if run.phases else silence.FLOOR_S
        gaps = gaps_of(run)
        planned = np.append(gaps[:-1], run.planned_s)
        yield Silences(gaps, np.maximum(floor_s, LEAST_MARGIN * planned), float(run.times[-1]))


def ours(runs: Sequence[Trace]) -> Iterator[Silences]:
    """The rule of epochwatch, through the code the daemon runs; each run begins with what the last one has taught."""
    known = SilenceHistory()
    for run in runs:
        silences, known = _listen(run, known)
        yield silences


def _listen(run: Trace, known: SilenceHistory) -> tuple[Silences, SilenceHistory]:
    """What one run's silences were held against, and what the next run begins with."""
    held: list[tuple[float, float]] = []
    last_from = 0.0
    for i, began_at, ended_at, phase in _silences(run):
        last, life = _head(run, i - 1), Life(float(run.times[i - 1]) if i else 0.0, i, GRACE_S)
        last_from, lasted_s = began_at, ended_at - began_at
        if phase is None:
            held.append((lasted_s, silence.limit_s(known, last, life)))
        else:
            held.append((lasted_s, silence.phase_limit_s(known, phase.name, phase.within_s, GRACE_S)))
        if ended_at >= run.ended_at and run.hangs:
            break
        if phase is None and ended_at >= run.ended_at:
            known = silence.learn_end(known, lasted_s, last, life)
        elif phase is None:
            after = _head(run, i) if i < len(run.times) and ended_at >= run.times[i] else last
            known = silence.learn(known, lasted_s, last, after, life)
        else:
            known = silence.learn_phase(known, phase.name, lasted_s, in_mid_run=i > 0)
    lasted, limits = np.array(held).T
    return Silences(lasted, limits, last_from), silence.next_run(known, run.ended_at)


def _silences(run: Trace) -> Iterator[tuple[int, float, float, Phase | None]]:
    """The silences before each beat ``i`` that teach something: begin, end, and the phase if it is one.

    The others are shorter than PAUSE_S and within an epoch (``history.teaches``).
    """
    gaps = gaps_of(run)
    is_new = np.diff(np.floor(run.epochs), prepend=np.nan, append=np.nan) > 0
    phases: dict[int, list[Phase]] = {}
    for phase in run.phases:
        phases.setdefault(int(np.searchsorted(run.times, phase.began_at, side="right")), []).append(phase)
    noteworthy = {*np.flatnonzero((gaps >= silence.PAUSE_S) | is_new).tolist(), *phases, len(gaps) - 1}
    for i in sorted(noteworthy):
        at = float(run.times[i - 1]) if i else 0.0
        for phase in phases.get(i, ()):
            yield i, at, phase.began_at, None
            at = min(phase.ended_at, run.ended_at)
            yield i, phase.began_at, at, phase
        if not phases.get(i) or at < run.ended_at:
            yield i, at, float(run.times[i]) if i < len(run.times) else run.ended_at, None


def _head(run: Trace, i: int) -> Head:
    """The beat ``i`` as the daemon sees it; before the first there is one with the number 0."""
    if i < 0:
        return Head()
    epoch, step = run.epochs[i], run.steps[i]
    return Head(
        seq=int(run.numbers[i]),
        epoch=None if math.isnan(epoch) else float(epoch),
        step=None if math.isnan(step) else int(step),
    )


RULES: dict[str, Rule] = {
    "epochwatch": ours,
    "fixed 60 s": fixed(60.0),
    "fixed 300 s": fixed(300.0),
    "fixed 600 s": fixed(600.0),
    "NVRx, 5 x longest": nvrx,
    "phi, Akka": akka,
    "phi, Cassandra": cassandra,
    "3 x mean": three_means,
}
