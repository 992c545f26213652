"""What ``epochwatch run`` adds to a command: to its time, and to how fast its output comes through."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import common
from cold_import import compiling_into
from common import Goal

GOAL_MS, GOAL_MB_PER_S = 50.0, 100.0
START = "import sys; from epochwatch.cli import main; sys.exit(main())"
WRAPPED = (sys.executable, "-c", START, "run", "--")
QUICK_COMMAND = ("true",)
LINE = b"epoch 12/90 step 15360 loss 0.3141 lr 0.0003 images/s 2841\n"
BAR = b"\r 42%|####      | 42000/100000 [00:10<00:20, 999.9it/s]"
OUTPUTS = {"lines": LINE, "progress bars (\\r)": BAR, "binary": bytes(range(256))}
OUTPUT_MB = 200


def measure(*, quick: bool) -> list[Goal]:
    with common.folder() as folder:
        environment = {**compiling_into(folder / "compiled"), "EPOCHWATCH_DIR": str(folder)}
        plain, wrapped = in_turn([QUICK_COMMAND, (*WRAPPED, *QUICK_COMMAND)], environment, 10 if quick else 40)
        rates = {what: mb_per_s(folder, sample, environment) for what, sample in OUTPUTS.items()}
    taken = {"plain": plain, "epochwatch run": wrapped}
    rows = [[name, f"{common.quantile(some, 0.5):.1f}", f"{min(some):.1f}"] for name, some in taken.items()]
    common.print_table("A command that ends at once, in ms, in turn", ["", "median", "best"], rows)
    common.print_table("Output through epochwatch run", ["", "MB/s"], [[w, f"{r:.0f}"] for w, r in rates.items()])
    added_ms, slowest = common.quantile(wrapped, 0.5) - common.quantile(plain, 0.5), min(rates.values())
    return [
        Goal("time that epochwatch run adds", f"≤ {GOAL_MS:g} ms", f"{added_ms:.1f} ms", added_ms <= GOAL_MS),
        Goal("output through it", f"≥ {GOAL_MB_PER_S:g} MB/s", f"{slowest:.0f} MB/s", slowest >= GOAL_MB_PER_S),
    ]


def in_turn(commands: Sequence[Sequence[str]], environment: Mapping[str, str], times: int) -> list[list[float]]:
    """Milliseconds that each command took, so many times, after once for nothing."""
    taken: list[list[float]] = [[] for _ in commands]
    for _ in range(times + 1):
        for some, command in zip(taken, commands, strict=True):
            begun = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            some.append(1e3 * (time.perf_counter() - begun))
    return [some[1:] for some in taken]


def mb_per_s(folder: Path, sample: bytes, environment: Mapping[str, str]) -> float:
    """How fast a file full of ``sample`` comes through a pipe."""
    path = folder / "output"
    chunk = sample * (10**6 // len(sample))
    with path.open("wb") as file:
        file.writelines([chunk] * OUTPUT_MB)
    begun = time.perf_counter()
    process = subprocess.Popen([*WRAPPED, "cat", str(path)], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    size = 0
    while data := os.read(process.stdout.fileno(), 1 << 20):
        size += len(data)
    assert process.wait() == 0
    return size / 1e6 / (time.perf_counter() - begun)


if __name__ == "__main__":
    common.main(measure)
