"""What the daemon costs: CPU, memory and tick time with no run, 1,000 and 10,000 runs that beat once a second.

Every run is a real process (``sleep``) with a heartbeat file of its own; one feeder process writes all the beats,
evenly over each second, as that many agents would. CPU and memory are those of a real ``epochwatchd serve``; ticks are
timed in a second daemon inside this process, on the same runs.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import time
import zlib
from collections.abc import Iterator, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import common
from common import Goal

from epochwatch import identity, wire
from epochwatch.processes import start_ticks

FLEETS = (0, 1_000, 10_000)
GOAL_CPU_PCT = {1_000: 2.0, 10_000: 20.0}
GOAL_MIB = 100.0
SETTLE_S = 2.0
SLICES = 100
"""The feeder beats for a hundredth of the runs, then rests for a hundredth of a second."""
WATCHED = "SELECT count(*) FROM run WHERE verdict = 'running'"


class Cost(NamedTuple):
    """Of one fleet: seconds until all were watched, share of a core, resident MiB (RSS), milliseconds of some ticks."""

    runs: int
    taken_up_s: float
    cpu_pct: float
    rss_mib: float
    ticks_ms: list[float]


def measure(*, quick: bool) -> list[Goal]:
    fleets, seconds, ticks = (FLEETS[1:], 3, 3) if quick else (FLEETS, 30, 15)
    costs = [cost(runs, seconds, ticks) for runs in fleets]
    common.print_table(
        "The daemon, every run beating once a second (CPU in per cent of one core)",
        ["runs", "taken up in s", "CPU %", "CPU µs/beat", "RSS MiB", "tick ms: median", "max"],
        [_row(c) for c in costs],
    )
    return [*(_cpu_goal(c) for c in costs if c.runs), _memory_goal(costs[-1])]


def _row(c: Cost) -> list[str]:
    per_beat = f"{c.cpu_pct * 1e4 / c.runs:.0f}" if c.runs else "-"
    median, most = common.quantile(c.ticks_ms, 0.5), max(c.ticks_ms)
    figures = [f"{c.taken_up_s:.1f}", f"{c.cpu_pct:.2f}", per_beat, f"{c.rss_mib:.1f}", f"{median:.1f}", f"{most:.1f}"]
    return [f"{c.runs:,}", *figures]


def _cpu_goal(c: Cost) -> Goal:
    goal = GOAL_CPU_PCT[c.runs]
    return Goal(f"daemon's CPU with {c.runs:,} runs", f"≤ {goal:g} %", f"{c.cpu_pct:.1f} %", c.cpu_pct <= goal)


def _memory_goal(c: Cost) -> Goal:
    seen = f"{c.rss_mib:.0f} MiB"
    return Goal(f"daemon's memory with {c.runs:,} runs", f"≤ {GOAL_MIB:g} MiB", seen, c.rss_mib <= GOAL_MIB)


def cost(runs: int, seconds: float, ticks: int) -> Cost:
    """What watching so many runs costs, measured over some seconds and some ticks."""
    with common.folder() as place, fleet(runs, place / "beats"):
        begun = time.monotonic()
        with common.serving(place) as served:
            common.wait_until(lambda: served.query(WATCHED) == [(runs,)], f"{runs} runs in the store")
            taken_up_s = time.monotonic() - begun
            time.sleep(SETTLE_S)
            cpu_pct, rss_mib = cpu_share_pct(served.process.pid, seconds), _rss_mib(served.process.pid)
            if served.query(WATCHED) != [(runs,)]:
                raise RuntimeError("a run that beats was not called running")
        return Cost(runs, taken_up_s, cpu_pct, rss_mib, tick_times_ms(place, ticks))


def cpu_share_pct(pid: int, seconds: float) -> float:
    """The share of one core that a process uses during so many seconds, in per cent."""
    used_s, at = common.cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (common.cpu_s(pid) - used_s) / (time.monotonic() - at)


def _rss_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) / 1024


def tick_times_ms(place: Path, ticks: int) -> list[float]:
    """Milliseconds of some ticks, one a second, of a daemon in this process; it stores into ``place``."""
    raise_file_limit()
    with common.daemon_inside(place, directories=[place / "beats"]) as daemon:
        times = []
        for _ in range(ticks):
            time.sleep(1)
            begun = time.perf_counter()
            daemon.tick()
            times.append(1e3 * (time.perf_counter() - begun))
        return times


@contextlib.contextmanager
def fleet(runs: int, folder: Path) -> Iterator[None]:
    """So many runs that beat into ``folder`` until the end of the block."""
    folder.mkdir()
    with sleepers(runs) as pids:
        ready = multiprocessing.Event()
        feeder = multiprocessing.Process(target=feed, args=(folder, _bodies(pids), ready), daemon=True)
        feeder.start()
        try:
            if not ready.wait(60):
                raise TimeoutError("the feeder did not begin")
            yield
        finally:
            feeder.kill()
            feeder.join()


@contextlib.contextmanager
def sleepers(count: int) -> Iterator[list[int]]:
    """So many light processes, by pid, until the end of the block."""
    pids: list[int] = []
    try:
        pids.extend(os.posix_spawn("/bin/sleep", ["sleep", "86400"], {}) for _ in range(count))  # one by one: all end
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def _bodies(pids: Sequence[int]) -> list[wire.Body]:
    here = identity.describe("train", epochs=90)
    return [here._replace(run=f"{pid:012x}", pid=pid, start=start_ticks(pid)) for pid in pids]


def feed(folder: Path, bodies: Sequence[wire.Body], ready: Event) -> None:
    """Beat once a second for each of ``bodies``, until killed."""
    raise_file_limit()
    files = [_create(folder, body) for body in bodies]
    ready.set()
    due, seq = time.monotonic(), 1
    while True:
        seq += 1
        for part in range(SLICES):
            for descriptor, head in files[part::SLICES]:
                now = head._replace(seq=seq, time_ns=time.time_ns(), epoch=seq // 60, loss=1 / seq)
                os.pwrite(descriptor, wire.encode_head(now), 0)
            due += 1 / SLICES
            time.sleep(max(0.0, due - time.monotonic()))


def _create(folder: Path, body: wire.Body) -> tuple[int, wire.Head]:
    data = wire.encode_body(body)
    head = wire.Head(seq=1, body_at=wire.HEAD_SIZE, body_len=len(data), body_crc=zlib.crc32(data))
    hidden, path = folder / f".{body.run}", folder / f"{body.job}.{body.run}.beat"
    hidden.write_bytes(wire.encode_head(head) + data)
    hidden.rename(path)
    return os.open(path, os.O_RDWR), head


def raise_file_limit() -> None:
    """A descriptor for each run is needed: take as many as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    common.main(measure)
