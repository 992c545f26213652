"""What it costs to judge ten thousand runs once, and how much is remembered of the silences of one."""

import random
import time
from collections.abc import Sequence

import common
from common import Goal

from epochwatch.wire import Beat, Body, Head
from epochwatchd.detection import detectors
from epochwatchd.detection.observing import meet, observe
from epochwatchd.model import Policy, Worker
from epochwatchd.service.judging import findings_of
from epochwatchd.service.runs import Run
from epochwatchd.service.watch import Watch
from epochwatchd.store.records import history_json

RUNS = 10_000
BEATS = 600
EVALUATION_EVERY, EVALUATION_S = 100, 45.0
KINDS = {"steps of a second, just beaten": (1.0, 0.5), "steps of a minute, half a minute ago": (60.0, 30.0)}
GOAL_MS = 50.0
GOAL_KIB = 4.0


def measure(*, quick: bool) -> list[Goal]:
    learned = [_worker(f"{i}", step_s, BEATS // 10 if quick else BEATS) for i, (step_s, _) in enumerate(KINDS.values())]
    times = [_judged_ms(worker, ago_s) for worker, (_, ago_s) in zip(learned, KINDS.values(), strict=True)]
    sizes = [len(history_json(worker.history)) / 1024 for worker in learned]
    common.print_table(
        f"Judging {RUNS:,} healthy runs once, after {EVALUATION_EVERY} steps an epoch with an evaluation",
        ["runs with", "ms", "KiB remembered a run"],
        [[kind, f"{ms:.0f}", f"{kib:.1f}"] for kind, ms, kib in zip(KINDS, times, sizes, strict=True)],
    )
    return [
        Goal(f"judging {RUNS:,} runs", f"≤ {GOAL_MS:g} ms", f"{max(times):.0f} ms", max(times) <= GOAL_MS),
        Goal("rhythm of a run", f"≤ {GOAL_KIB:g} KiB", f"{max(sizes):.1f} KiB", max(sizes) <= GOAL_KIB),
    ]


def _worker(key: str, step_s: float, beats: int) -> Worker:
    """A worker that has trained for a while, with a pause after each epoch."""
    chance = random.Random(key)
    body = Body("train", run=key, pid=1, start=1)
    at, worker = 0.0, meet(key, Beat(Head(seq=1), body), 0.0, user="", local=True, started_at=0.0)
    for step in range(2, beats):
        at += step_s * chance.uniform(0.9, 1.3)
        at += EVALUATION_S if step % EVALUATION_EVERY == 1 else 0.0
        head = Head(seq=step, epoch=float(step // EVALUATION_EVERY), step=step, loss=chance.uniform(0.9, 1.1) / step)
        worker = observe(worker, Beat(head, body), at)
    return worker


def _judged_ms(worker: Worker, ago_s: float) -> float:
    """The fastest of several judgements of a crowd whose runs have all learned the same."""
    runs = [_run(worker._replace(key=f"/{i}")) for i in range(RUNS)]
    found = detectors.find()
    return 1e3 * min(_seconds(runs, found, worker.beat_at + ago_s + tick) for tick in range(5))


def _run(worker: Worker) -> Run:
    return Run(worker.key, worker.key, Policy(), {worker.key: Watch(worker)}, is_new=False)


def _seconds(runs: Sequence[Run], found: dict[str, detectors.Detector], now: float) -> float:
    begun = time.perf_counter()
    wrong = sum(any(findings for _, findings in findings_of(run, {}, now, found)[0]) for run in runs)
    seconds = time.perf_counter() - begun
    if wrong:
        raise RuntimeError(f"{wrong} healthy runs were found to be ill")
    return seconds


if __name__ == "__main__":
    common.main(measure)
