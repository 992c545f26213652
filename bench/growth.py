"""Whether beating for ever costs ever more: memory and the heartbeat file, after many million beats."""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import common
import psutil
from common import Goal

BEATS = 10_000_000
WARM_UP = 100_000
STEPS = 10
"""Beats of one epoch: every tenth beat must be written, the others may be coalesced."""
GOAL_KIB = 256.0
"""Noise of the allocator; a single byte a beat would be 10 MB."""


class Growth(NamedTuple):
    """From the end of the warm-up on: KiB of memory and bytes of the file; and the seconds that the beats took."""

    memory_kib: float
    file_bytes: int
    seconds: float


def measure(*, quick: bool) -> list[Goal]:
    beats = BEATS // 20 if quick else BEATS
    g = growth(beats)
    common.print_table(
        f"{beats:,} beats of one process",
        ["", "seconds", "µs a beat", "memory grew by KiB", "the file grew by bytes"],
        [["agent.beat", f"{g.seconds:.1f}", f"{1e6 * g.seconds / beats:.2f}", f"{g.memory_kib:.0f}", g.file_bytes]],
    )
    met = g.memory_kib <= GOAL_KIB and not g.file_bytes
    return [Goal(f"growth over {beats:,} beats", f"≤ {GOAL_KIB:g} KiB", f"{g.memory_kib:.0f} KiB", met)]


def growth(beats: int) -> Growth:
    """What so many beats leave behind, in a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with common.folder() as folder:
        process = context.Process(target=beat, args=(beats, folder, theirs))
        process.start()
        result = ours.recv()
        process.join()
        return result


def beat(beats: int, folder: Path, out: Connection) -> None:
    """Beat, and say what it left."""
    os.environ["EPOCHWATCH_DIR"] = str(folder)
    from epochwatch import agent  # noqa: PLC0415 - it looks at the environment

    for i in range(WARM_UP):
        agent.beat(i // STEPS, 0.5, step=i)
    memory, size = _memory_kib(), _size(folder)
    begun = time.perf_counter()
    for i in range(beats):
        agent.beat(i // STEPS, 0.5, step=i)
    seconds = time.perf_counter() - begun
    out.send(Growth(_memory_kib() - memory, _size(folder) - size, seconds))


def _memory_kib() -> float:
    return psutil.Process().memory_full_info().uss / 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    common.main(measure)
