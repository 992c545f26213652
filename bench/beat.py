"""What one beat costs the training, beside what else people call once a step."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import common
import psutil
from common import Goal

GOAL_WRITTEN_US, GOAL_COALESCED_US, GOAL_TAIL_US = 2.0, 0.5, 50.0
DISK = Path("/var/tmp")
TIMEOUT_S = 300


class Row(NamedTuple):
    """A call, how often it is timed, and whether it is timed on disk too. ``rest_s``: before each call."""

    name: str
    peer: str
    calls: int
    on_disk: bool = False
    rest_s: float = 0.0


FLOOR = Row("an empty call (in every figure)", "nothing", 200_000)
WRITTEN = Row("agent.beat, written", "epochwatch_written", 200_000, on_disk=True)
COALESCED = Row("agent.beat, coalesced", "epochwatch_coalesced", 200_000)
ROWS = (
    FLOOR,
    WRITTEN,
    COALESCED,
    Row("agent.phase, in and out", "epochwatch_phase", 20_000, on_disk=True),
    Row("agent.beat, datagram, coalesced", "epochwatch_datagram", 200_000),
    Row("agent.beat, datagram, one each 6 ms", "epochwatch_datagram", 1_000, rest_s=0.006),
    Row("agent.beat, written, one each 6 ms", "epochwatch_written", 1_000, rest_s=0.006),
    Row("tqdm.update", "tqdm_update", 200_000),
    Row("prometheus_client Gauge.set", "prometheus_gauge", 200_000),
    Row("statsd gauge, UDP", "statsd_gauge", 50_000),
    Row("temporary file and rename", "file_and_rename", 10_000, on_disk=True),
    Row("tensorboardX add_scalar", "tensorboard_scalar", 10_000, on_disk=True),
    Row("wandb offline log", "wandb_offline", 2_000, on_disk=True),
)
CASES = [(row, place) for row in ROWS for place in ((common.TMPFS, DISK) if row.on_disk else (common.TMPFS,))]


class Timing(NamedTuple):
    """Microseconds of a call, the timing itself included."""

    median: float
    p99: float
    p999: float


def measure(*, quick: bool) -> list[Goal]:
    timings = medians(CASES, share=0.05, rounds=1) if quick else medians(CASES, share=0.5, rounds=5)
    floor, written, coalesced = (timings[row, common.TMPFS] for row in (FLOOR, WRITTEN, COALESCED))
    common.print_table(
        "One call, in µs; ratios are of medians less the floor, against agent.beat written on tmpfs",
        ["call", "on", "median", "p99", "p99.9", "ratio"],
        [
            [row.name, file_system(place) if row.on_disk else "-", *_figures(t), _ratio(t, written, floor)]
            for (row, place), t in timings.items()
        ],
    )
    return _goals(written, coalesced)


def medians(cases: list[tuple[Row, Path]], *, share: float, rounds: int) -> dict[tuple[Row, Path], Timing]:
    """The median of each figure over some rounds, in each of which every case has its turn."""
    seen: dict[tuple[Row, Path], list[Timing]] = {case: [] for case in cases}
    for _ in range(rounds):
        for row, place in list(seen):
            try:
                seen[row, place].append(timing(row, place, share))
            except subprocess.CalledProcessError as e:
                del seen[row, place]
                print(f"left out: {row.name}: {e.stderr.strip().splitlines()[-1]}")
    return {
        case: Timing(*(common.quantile(figures, 0.5) for figures in zip(*timings, strict=True)))
        for case, timings in seen.items()
    }


def _figures(t: Timing) -> list[str]:
    return [f"{figure:,.2f}" for figure in t]


def _ratio(t: Timing, ours: Timing, floor: Timing) -> str:
    return f"{(t.median - floor.median) / (ours.median - floor.median):,.2f}"


def _goals(written: Timing, coalesced: Timing) -> list[Goal]:
    return [
        _goal("a written beat, median", GOAL_WRITTEN_US, written.median),
        _goal("a coalesced beat, median", GOAL_COALESCED_US, coalesced.median),
        _goal("a written beat, p99.9 on tmpfs", GOAL_TAIL_US, written.p999),
    ]


def _goal(what: str, goal_us: float, seen_us: float) -> Goal:
    return Goal(what, f"≤ {goal_us:g} µs", f"{seen_us:.2f} µs", seen_us <= goal_us)


def timing(row: Row, place: Path, share: float) -> Timing:
    """The row timed in a process of its own. Raises CalledProcessError where the peer cannot be had."""
    with common.folder(place) as folder:
        calls = max(100, int(row.calls * share))
        peer = [sys.executable, str(Path(__file__).with_name("peers.py")), row.peer, str(folder), str(calls)]
        done = subprocess.run([*peer, str(row.rest_s)], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
        times_us = sorted(ns / 1e3 for ns in json.loads(done.stdout))
        return Timing(*(common.quantile(times_us, q) for q in (0.5, 0.99, 0.999)))


def file_system(path: Path) -> str:
    """The type of the file system that a path is on."""
    mounts = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}
    return next(mounts[above] for above in (path, *path.parents) if above in mounts)


if __name__ == "__main__":
    common.main(measure)
