"""What the benchmarks share: figures and goals, tables, and a daemon of their own to measure."""

import argparse
import contextlib
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from epochwatchd.config import Config, Heartbeats, StoreConfig
from epochwatchd.inputs.heartbeats.files import BeatFiles, Folder
from epochwatchd.inputs.heartbeats.sockets import BeatSocket
from epochwatchd.inputs.process.procfs import boot_id, read_stat
from epochwatchd.model import Policy
from epochwatchd.service.daemon import Daemon, read_clocks
from epochwatchd.store import Store
from epochwatchd.store.ledger import Ledger

TMPFS = Path("/dev/shm")
STARTED = "watching"
"""What the daemon logs once it has taken up what is there."""


class Goal(NamedTuple):
    """What was wanted, what was seen, and whether that is enough."""

    what: str
    goal: str
    seen: str
    met: bool


class Measure(Protocol):
    """A topic: prints its tables and gives its goals. ``quick``: less precisely, in seconds."""

    def __call__(self, *, quick: bool) -> list[Goal]:
        """Measure."""


def main(*topics: Measure) -> None:
    """Measure topics one after the other, and print what was wanted and what was seen."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements, for a first impression")
    quick = parser.parse_args().quick
    print(machine())
    print_goals([goal for topic in topics for goal in topic(quick=quick)])


def machine() -> str:
    """One line on what this was measured on."""
    models = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} CPUs, {memory_gib:.0f} GiB; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need, the first to the left and figures to the right."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for first, *others in cells:
        figures = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *figures]).rstrip())


def print_goals(goals: Sequence[Goal]) -> None:
    """One line a goal."""
    print_table("Goals", ["what", "goal", "seen", "met"], [[*g[:3], "yes" if g.met else "NO"] for g in goals])


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that at least ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def wait_until(condition: Callable[[], Any], what: str, within_s: float = 60.0) -> None:
    """Wait for ``condition``. Raises TimeoutError naming ``what`` was waited for."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {within_s:g} s")
        time.sleep(0.01)


@contextlib.contextmanager
def folder(place: Path | None = None) -> Iterator[Path]:
    """A temporary folder in ``place``; by default in memory, where heartbeats usually are."""
    with tempfile.TemporaryDirectory(prefix="epochwatch-bench-", dir=place or TMPFS) as path:
        yield Path(path)


def cpu_s(pid: int) -> float:
    """The CPU seconds that a process has used. Raises ProcessLookupError if it has died."""
    stat = read_stat(pid)
    if stat is None:
        raise ProcessLookupError(f"process {pid} has died")
    return stat.cpu_s


class Served(NamedTuple):
    """A daemon at work, the folder it reads heartbeats from, and its database."""

    process: subprocess.Popen[bytes]
    beats: Path
    store: Path

    def stop(self) -> None:
        """Let it save what it knows and leave."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What its database says now."""
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            return db.execute(sql).fetchall()


@contextlib.contextmanager
def serving(place: Path, **settings: Any) -> Iterator[Served]:
    """A real ``epochwatchd serve`` that keeps all it has in ``place``, until the end of the block."""
    store, log, beats = place / "store" / "epochwatch.db", place / "log", place / "beats"
    beats.mkdir(exist_ok=True)
    config = {"heartbeats": {"udp": "off"}, "routes": [{"to": []}], "store": {"path": str(store)}, **settings}
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "epochwatchd.cli", "serve", "-c", str(place / "config.yaml")]
    with log.open("wb") as output:
        # A temporary directory of its own: those of other agents on this machine are not looked at.
        environment = {**os.environ, "TMPDIR": str(place), "EPOCHWATCH_DIR": str(beats)}
        process = subprocess.Popen(command, env=environment, stderr=output)
    try:
        wait_until(lambda: STARTED in log.read_text() or process.poll() is not None, "daemon")
        if process.poll() is not None:
            raise RuntimeError(f"epochwatchd did not start:\n{log.read_text()}")
        yield Served(process, beats, store)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def daemon_inside(
    place: Path, *, directories: Sequence[Path] = (), sockets: Sequence[BeatSocket] = ()
) -> Iterator[Daemon]:
    """The daemon's core in this process, without a loop: whoever measures calls ``tick`` and ``receive``."""
    config = Config(Heartbeats(), Policy(), (), {}, (), StoreConfig(), "en")
    with (
        contextlib.closing(Ledger(Store(place / "inside.db", boot_id()))) as ledger,
        contextlib.closing(BeatFiles()) as files,
    ):
        daemon = Daemon(config, ledger, files, sockets, lambda: map(Folder, directories))
        with contextlib.closing(daemon):
            daemon.restore(read_clocks())
            yield daemon
