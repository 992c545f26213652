"""The fault matrix: what happens to real trainings, how soon it is noticed, and whether it is named rightly."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import common
from faults_lib.case import Case, Outcome, UnavailableError
from faults_lib.crowd import crowd
from faults_lib.deaths import DEATHS
from faults_lib.hangs import HANGS, PROGRESS
from faults_lib.innocent import INNOCENT
from faults_lib.trying import attempt
from faults_lib.watching import watching

TABLE = (*DEATHS, *HANGS, *PROGRESS, *INNOCENT)
CROWD = "short clean runs"
AT_ONCE = 32
EXAMPLES = 5
SEEDS, RUNS = 5, 10_000
QUICK_SEEDS, QUICK_RUNS = 1, 1_000
HEADER = ["what happens", "seeds", "noticed", "p50 s", "p95 s", "max s", "right", "false", "double", ""]
NOTES = """
Hangs: the trainings' jobs have `silent_after: 5s`, so that a row takes seconds; their delays include these 5 s, and
15 s where beats come but no step is made.
Delays run from the order to fail (OOM: to allocate) to the webhook; for those that finish well, from their end.
The wall clock's jump is a stand-in (only the training sees it); a suspension is SIGSTOP of the daemon
and the training together. A pid is had again by way of /proc/sys/kernel/ns_last_pid."""
Tried = Mapping[Case, Sequence[Outcome]]


def main() -> int:
    """Print the matrix and its total; 1 if anything was missed, misnamed, false or told twice."""
    options = _options()
    cases = [case for case in TABLE if _is_wanted(case.name, options.only)]
    seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    print(common.machine())
    faults: list[str] = []
    tried, skipped = try_all(cases, seeds, faults)
    if _is_wanted(CROWD, options.only):
        outcomes = crowd(QUICK_RUNS if options.quick else RUNS, faults)
        tried[outcomes[0].case] = outcomes
    report(tried)
    for name, reason in skipped.items():
        print(f"skipped: {name}: {reason}")
    for fault in faults:
        print(f"the daemon's own fault: {fault}")
    return 0 if total(tried) and not faults else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help=f"attempts at each row (default {SEEDS})")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="ROW", help="only rows with these words in their names"
    )
    parser.add_argument("--quick", action="store_true", help="one attempt at each row, and 1,000 short runs")
    return parser.parse_args()


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(word.lower() in name.lower() for word in only)


def try_all(cases: Sequence[Case], seeds: int, faults: list[str]) -> tuple[dict[Case, list[Outcome]], dict[str, str]]:
    """Every case with every seed, many at once: outcomes, and why rows were skipped. ``faults``: the daemon's own."""
    tried: dict[Case, list[Outcome]] = {case: [] for case in cases}
    skipped: dict[str, str] = {}
    with watching(faults) as shared, ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {pool.submit(attempt, case, seed, shared): case for case, seed in _longest_first(cases, seeds)}
        for future in _with_progress(futures):
            try:
                tried[futures[future]].append(future.result())
            except UnavailableError as e:
                skipped[futures[future].name] = str(e)
    return {case: outcomes for case, outcomes in tried.items() if outcomes}, skipped


def _longest_first(cases: Sequence[Case], seeds: int) -> list[tuple[Case, int]]:
    """Every case once for each seed, with those first that may take long; the seeds of a row are spread over time."""
    pairs = [(case, seed) for seed in range(seeds) for case in cases]
    return sorted(pairs, key=lambda pair: -pair[0].warm_up_s - pair[0].patience_s)


def _with_progress(futures: Mapping["Future[Outcome]", Case]) -> Iterable["Future[Outcome]"]:
    for done, future in enumerate(as_completed(futures), 1):
        if sys.stderr.isatty():
            print(f"\r{done}/{len(futures)} attempts ", end="", file=sys.stderr, flush=True)
        yield future


def report(tried: Tried) -> None:
    """The table, and every message that should not have been, or should have been another."""
    common.print_table("The fault matrix", HEADER, [_row(case, outcomes) for case, outcomes in tried.items()])
    print(NOTES)
    for case, outcomes in tried.items():
        wrong = Counter("; ".join(map(str, o.messages)) or "nothing" for o in outcomes if not o.is_right)
        for said, times in wrong.most_common(EXAMPLES):
            print(f"{case.name}, {times} times: wanted {case}; said: {said}")


def _row(case: Case, outcomes: Sequence[Outcome]) -> list[object]:
    delays = [o.delay_s for o in outcomes if o.delay_s is not None]
    figures = [f"{common.quantile(delays, q):.2f}" if delays else "-" for q in (0.5, 0.95, 1)]
    noticed, right = sum(not o.missed for o in outcomes), sum(not (o.missed or o.misnamed) for o in outcomes)
    false, double = sum(len(o.false) for o in outcomes), sum(len(o.double) for o in outcomes)
    remark = (
        "not detected yet" if case.not_yet and not noticed else "" if all(o.is_right for o in outcomes) else "WRONG"
    )
    return [case.name, len(outcomes), noticed, *figures, right, false, double, remark]


def total(tried: Tried) -> bool:
    """Print one line for all rows; whether all that was promised holds."""
    promised = [o for case, outcomes in tried.items() for o in outcomes if not (case.not_yet and o.missed)]
    later = sum(case.not_yet and any(o.missed for o in outcomes) for case, outcomes in tried.items())
    missed, misnamed = sum(bool(o.missed) for o in promised), sum(bool(o.misnamed) for o in promised)
    false, double = sum(len(o.false) for o in promised), sum(len(o.double) for o in promised)
    print(
        f"total: {len(tried)} rows, {len(promised)} attempts: {missed} missed, {misnamed} wrongly named, "
        f"{false} false, {double} double; {later} rows not detected yet"
    )
    return not (missed or misnamed or false or double)


if __name__ == "__main__":
    sys.exit(main())
