"""How long a silence is a hang: epochwatch's rule beside the usual ones, on recorded or made-up trainings."""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import common
from common import Goal
from silence_lib import training
from silence_lib.rules import RULES, foresight
from silence_lib.score import Score, score, total
from silence_lib.traces import Trace, polled, read
from silence_lib.training import Training

TUNING_SEED, TEST_SEED = 1, 3
RECORDED = Path(__file__).parent / "traces" / "examples.jsonl"
JOBS, VARIANT_JOBS = 320, 120


def main() -> None:
    """Print the tables, and exit with 2 if the file cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, metavar="FILE.jsonl", help="measure on these traces and nothing else")
    parser.add_argument("--quick", action="store_true", help="fewer jobs, for a first impression")
    parser.add_argument("--tune", action="store_true", help="the seeds for tuning, not those for testing")
    options = parser.parse_args()
    if options.traces is None:
        common.print_goals(measure(quick=options.quick, seed=TUNING_SEED if options.tune else TEST_SEED))
        return
    try:
        jobs = by_job(read(options.traces))
    except (OSError, ValueError) as e:
        sys.exit(f"silence: {e}")
    print_scores(
        f"{options.traces}: {len(jobs)} jobs", {name: total(score(r, j) for j in jobs) for name, r in RULES.items()}
    )


def measure(*, quick: bool, seed: int = TEST_SEED) -> list[Goal]:
    """Measure on made-up trainings."""
    share = 8 if quick else 1
    usual = run_all(training.USUAL, JOBS // share, seed)
    print_scores(f"Nothing announced; steps of 0.5 s, {JOBS // share} jobs", usual)
    announced = run_all(training.ANNOUNCED, JOBS // share, seed)
    print_scores(f"Phases announced; steps of 0.5 s, {JOBS // share} jobs", announced)
    rows = []
    for name, variant in training.VARIANTS.items():
        seen = run_all(variant, VARIANT_JOBS // share, seed, ("epochwatch", POLLED))
        rows.append([name, *(cell for s in seen.values() for cell in cells(s)[:4])])
    looked = [f"polled {c}" for c in HEADER[:4]]
    common.print_table(
        "epochwatch elsewhere: each beat, and seen once a second", ["training", *HEADER[:4], *looked], rows
    )
    return [
        *goals("nothing announced", usual["epochwatch"], 1 / 7, "1 a job-week", 120.0),
        *goals("phases announced", announced["epochwatch"], 1 / 30.4, "1 a job-month", 35.0),
    ]


def goals(what: str, seen: Score, per_day: float, in_words: str, p95_s: float) -> list[Goal]:
    """False alerts and delay, each against its goal."""
    false, p95 = seen.false_per_day, seen.delay_s(0.95)
    return [
        Goal(f"{what}: false alerts", f"≤ {in_words} ({per_day:.3f}/day)", f"{false:.3f}/day", false <= per_day),
        Goal(f"{what}: p95 to notice a hang", f"≤ {p95_s:g} s", f"{p95:.0f} s", p95 <= p95_s),
    ]


POLLED = "epochwatch, once a second"
FORESIGHT = "foresight"


def run_all(
    what: Training, jobs: int, seed: int, names: Iterable[str] = (*RULES, POLLED, FORESIGHT)
) -> dict[str, Score]:
    """The score of each rule on made-up jobs, spread over the machine's cores."""
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(one_job, repeat(what), range(jobs), repeat(seed), repeat(tuple(names))))
    return {name: total(f[name] for f in found) for name in names}


def one_job(what: Training, number: int, seed: int, names: Iterable[str]) -> dict[str, Score]:
    """The score of each rule on one made-up job."""
    runs = training.make_job(what, seed, number)
    rules = {**RULES, POLLED: RULES["epochwatch"], FORESIGHT: foresight}
    looked = [polled(run) for run in runs]
    return {name: score(rules[name], looked if name == POLLED else runs) for name in names}


def by_job(traces: Iterable[Trace]) -> list[list[Trace]]:
    """The runs of each job, in order."""
    jobs: dict[str, list[Trace]] = {}
    for trace in traces:
        jobs.setdefault(trace.job, []).append(trace)
    return list(jobs.values())


HEADER = ["false/day", "p50 s", "p95 s", "p95 in steps", "missed", "accuracy", "days", "hangs"]


def print_scores(title: str, scores: dict[str, Score]) -> None:
    """One line a rule."""
    common.print_table(title, ["rule", *HEADER], [[name, *cells(s)] for name, s in scores.items()])


def cells(s: Score) -> list[str]:
    """A score as HEADER has it."""
    return [
        f"{s.false_per_day:.3f}", f"{s.delay_s(0.5):.0f}", f"{s.delay_s(0.95):.0f}", f"{s.step_delay_s(0.95):.0f}",
        f"{s.missed:.1%}", f"{s.accuracy:.5f}", f"{s.up_s / 86400:.1f}", str(len(s.delays_s)),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
