"""Realistic training, made up: when runs of a job beat, pause, and hang. Every range is drawn from once a job.

Durations and periods are drawn log-uniformly from their range: they differ between jobs by magnitudes. What differs
within one job (a step, an evaluation, a stall) is log-normal. Hangs begin at a uniformly drawn time of the run, pauses
included.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from silence_lib.traces import Phase, Trace

Range = tuple[float, float]


@dataclass(frozen=True)
class Training:
    """What trainings of one sort are like; times in seconds. The defaults: half-second steps, nothing announced."""

    step_s: Range = (0.5, 0.5)
    jitter: Range = (0.05, 0.25)
    """Standard deviation of the logarithm of a step's time."""
    run_s: Range = (1.5 * 3600, 12 * 3600)
    runs: int = 4
    epoch_s: Range = (300.0, 2400.0)
    epoch_gap_s: Range = (0.5, 15.0)
    eval_s: Range = (20.0, 180.0)
    eval_spread: Range = (0.01, 0.1)
    eval_every: tuple[int, ...] = (1, 1, 1, 1, 2, 5)
    """An evaluation at every so manieth epoch's end; one of these a job."""
    mid_eval: float = 0.1
    """Share of jobs that evaluate every so many steps instead."""
    save_s: Range = (3.0, 60.0)
    save_spread: Range = (0.05, 0.3)
    save_kinds: tuple[str, ...] = ("epoch", "epoch", "steps", "steps", "steps", "minutes", "none")
    save_every_s: Range = (180.0, 2400.0)
    compile_s: Range = (10.0, 300.0)
    """In half of the jobs after the first beat; in the others before it, and seen only if it is announced."""
    final_s: Range = (5.0, 120.0)
    final: float = 0.5
    stalls_per_h: Range = (0.01, 0.3)
    stall_s: Range = (5.0, 15.0)
    stall_spread: float = 0.7
    collect_s: float = 2.0
    """A garbage collection every 500 to 5,000 steps."""
    told: tuple[str, ...] = ("both", "both", "both", "epoch", "epoch", "step", "none")
    """What beats tell; one of these a job."""
    hangs: float = 0.5
    resumes: float = 0.5
    """After a hang the next run resumes at the last epoch's begin, or else begins anew."""
    announces: bool = False
    within_factor: Range = (1.5, 4.0)
    epochs_only: bool = False
    """One beat an epoch."""


class Job(NamedTuple):
    """One job's own figures, drawn from a Training's ranges."""

    name: str
    training: Training
    step_s: float
    jitter: float
    epoch_steps: int
    epoch_gap_s: float
    eval_s: float
    eval_spread: float
    eval_every: int
    mid_eval_steps: int
    save_s: float
    save_spread: float
    save_kind: str
    save_every_s: float
    compile_s: float
    compiles_late: bool
    final_s: float
    stalls_per_s: float
    stall_s: float
    told: str
    epochs: int
    within_factor: float


def make_job(training: Training, seed: int, number: int) -> list[Trace]:
    """The runs of one job, in order; the same for the same arguments."""
    random = np.random.default_rng([seed, number])
    name = f"job-{number}"
    job = _job(training, random, name)
    traces: list[Trace] = []
    first_epoch = 0
    for i in range(training.runs):
        trace, at_epoch = _run(job, random, f"{name}.{i}", first_epoch)
        first_epoch = at_epoch if trace.hangs and random.random() < training.resumes else 0
        traces.append(trace)
    return traces


def _job(training: Training, random: np.random.Generator, name: str) -> Job:
    def draw(low_high: Range) -> float:
        return float(np.exp(random.uniform(*np.log(low_high))))

    step_s, epoch_s = draw(training.step_s), draw(training.epoch_s)
    epoch_steps = max(1, round(epoch_s / step_s))
    return Job(
        name, training, step_s, draw(training.jitter), epoch_steps, draw(training.epoch_gap_s),
        draw(training.eval_s), draw(training.eval_spread), int(random.choice(training.eval_every)),
        round(draw((0.2, 3.0)) * epoch_steps) if random.random() < training.mid_eval else 0,
        draw(training.save_s), draw(training.save_spread), str(random.choice(training.save_kinds)),
        draw(training.save_every_s), draw(training.compile_s), bool(random.random() < 0.5),
        draw(training.final_s) if random.random() < training.final else 0.0,
        draw(training.stalls_per_h) / 3600, draw(training.stall_s), str(random.choice(training.told)),
        max(2, round(draw(training.run_s) / (epoch_steps * step_s))), draw(training.within_factor),
    )  # fmt: skip


class Pauses(NamedTuple):
    """What is added to gaps: how long, after which beat, and what it is."""

    gaps: np.ndarray
    named: list[tuple[int, float, str]]

    def add(self, where: np.ndarray, lasts_s: np.ndarray, name: str, *, announced: bool) -> None:
        """Add pauses to the gaps that follow the beats ``where``; announced ones are kept by name."""
        if announced:
            self.named.extend(zip(where.tolist(), lasts_s.tolist(), [name] * len(where), strict=True))
        np.add.at(self.gaps, where, lasts_s)


def _run(job: Job, random: np.random.Generator, name: str, first_epoch: int) -> tuple[Trace, int]:
    t = job.training
    steps = (job.epochs - first_epoch) * job.epoch_steps
    first = first_epoch * job.epoch_steps
    gaps = job.step_s * np.exp(random.normal(0.0, job.jitter, steps + 1) - job.jitter**2 / 2)
    pauses = Pauses(gaps, [])
    _add_pauses(job, random, pauses, first)
    if not t.announces:
        gaps[0] = 0.0  # the first beat registers the run
    times = np.cumsum(gaps)[:-1]  # the last gap is the one before the end
    ended_at = float(times[-1] + gaps[-1])
    number = np.arange(first, first + steps)
    epochs = number // job.epoch_steps
    hangs = random.random() < t.hangs
    if hangs:
        ended_at = float(random.uniform(0.0, ended_at))
    ended_at = max(ended_at, float(times[0]))
    count = int(np.searchsorted(times, ended_at, side="right"))
    at_epoch = int(epochs[count - 1])
    phases = _phases(job, times, pauses.named, ended_at, hangs=hangs)
    keep = slice(job.epoch_steps - 1, count, job.epoch_steps) if t.epochs_only else slice(0, count)
    if t.epochs_only and count < job.epoch_steps:
        keep = slice(0, 1)
    nothing = np.full(count, np.nan)
    tells_epoch, tells_step = job.told in ("both", "epoch"), job.told in ("both", "step")
    return Trace(
        name, job.name, times[keep], np.arange(1, len(times[keep]) + 1),
        (epochs[:count] if tells_epoch else nothing)[keep].astype(float),
        (number[:count] if tells_step else nothing)[keep].astype(float), phases, hangs, ended_at,
        float(gaps[count]),
    ), at_epoch  # fmt: skip


def _phases(
    job: Job, times: np.ndarray, named: list[tuple[int, float, str]], ended_at: float, *, hangs: bool
) -> tuple[Phase, ...]:
    usual = {"eval": job.eval_s, "checkpoint": job.save_s, "compile": job.compile_s, "test": job.final_s}
    phases, at, free_at = [], 0, 0.0
    for at, lasts_s, name in sorted(named, key=lambda n: n[0]):
        begins = max(free_at, float(times[at - 1]) if at else 0.0) + 0.001
        if begins >= ended_at:
            break
        free_at = begins + lasts_s
        never = hangs and free_at > ended_at
        phases.append(
            Phase(name, begins, np.inf if never else free_at, float(round(job.within_factor * usual[name] + 5)))
        )
    return tuple(phases)


def _add_pauses(job: Job, random: np.random.Generator, pauses: Pauses, first: int) -> None:
    """Gap ``i`` is the one before beat ``i``; the last one is before the end."""
    t, gaps = job.training, pauses.gaps
    steps = len(gaps) - 1

    def spread(usual_s: float, spread: float, count: int) -> np.ndarray:
        return usual_s * np.exp(random.normal(0.0, spread, count))

    def every(period: int) -> np.ndarray:
        done = np.arange(1, steps + 1)
        return done[(first + done) % period == 0]

    cold = 1.0 if random.random() < 0.8 else 0.3
    if job.compiles_late or t.announces:
        where = np.array([1 if job.compiles_late else 0])
        pauses.add(where, spread(cold * job.compile_s, 0.1, 1), "compile", announced=t.announces)
    epoch_ends = every(job.epoch_steps)
    pauses.add(epoch_ends[:-1], spread(job.epoch_gap_s, 0.2, len(epoch_ends[:-1])), "", announced=False)
    evals = every(job.mid_eval_steps or job.eval_every * job.epoch_steps)
    pauses.add(evals, spread(job.eval_s, job.eval_spread, len(evals)), "eval", announced=t.announces)
    collected = every(int(random.integers(500, 5000)))
    pauses.add(collected, spread(t.collect_s, 0.3, len(collected)), "", announced=False)
    stalls = random.integers(1, steps + 1, random.poisson(job.stalls_per_s * gaps.sum()))
    pauses.add(stalls, spread(job.stall_s, t.stall_spread, len(stalls)), "", announced=False)
    if job.save_kind == "epoch":
        saves = epoch_ends
    elif job.save_kind == "steps":
        saves = every(max(1, round(job.save_every_s / job.step_s)))
    elif job.save_kind == "minutes":
        saves = _by_clock(np.cumsum(gaps), job.save_every_s)
    else:
        saves = np.array([], dtype=int)
    pauses.add(saves, spread(job.save_s, job.save_spread, len(saves)), "checkpoint", announced=t.announces)
    if job.final_s:
        pauses.add(np.array([steps]), spread(job.final_s, 0.05, 1), "test", announced=t.announces)


def _by_clock(times: np.ndarray, every_s: float) -> np.ndarray:
    """The gaps after the first beats that come so long after the last pause of the kind ended, or the begin."""
    found, since = [], 0.0
    while since + every_s < times[-2]:
        i = int(np.searchsorted(times, since + every_s))
        found.append(i + 1)
        since = float(times[i])
    return np.array(found, dtype=int)


USUAL = Training()
ANNOUNCED = replace(USUAL, announces=True)

VARIANTS = {
    "steps of 20 ms": replace(USUAL, step_s=(0.02, 0.02), epoch_s=(30, 300), eval_s=(1, 30), run_s=(1800, 7200)),
    "steps of 5 s": replace(USUAL, step_s=(5, 5), epoch_s=(600, 7200)),
    "steps of 1 min": replace(USUAL, step_s=(60, 60), epoch_s=(1800, 14400), run_s=(6 * 3600, 48 * 3600)),
    "steps of 1 h": replace(USUAL, step_s=(3600, 3600), epoch_s=(36000, 72000), run_s=(72 * 3600, 144 * 3600)),
    "a beat an epoch": replace(USUAL, epochs_only=True, epoch_s=(60, 1200)),
    "epochs not told": replace(USUAL, told=("none", "step")),
    "one long epoch": replace(USUAL, step_s=(1, 10), epoch_s=(90000, 90001), run_s=(90000, 100000), mid_eval=0.0,
                              save_kinds=("steps",), save_every_s=(900, 7200)),
    "evaluations in mid-epoch": replace(USUAL, mid_eval=1.0),
    "long evaluations": replace(USUAL, eval_s=(180, 900), epoch_s=(1800, 7200)),
    "uneven evaluations": replace(USUAL, eval_spread=(0.2, 0.5)),
    "saving by the clock": replace(USUAL, save_kinds=("minutes",), save_s=(20, 120)),
    "bad storage": replace(USUAL, stalls_per_h=(0.3, 2.0), stall_spread=1.2),
    "short runs": replace(USUAL, run_s=(600, 3600), epoch_s=(60, 600)),
    "no second run": replace(USUAL, runs=1),
    "ten runs": replace(USUAL, runs=10),
    "no test at the end": replace(USUAL, final=0.0),
    "every run hangs": replace(USUAL, hangs=1.0),
}  # fmt: skip
"""Trainings that are not like the usual one: nothing was tuned on them."""
