"""What ``from epochwatch import agent`` adds to the start of Python, and what it loads."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import common
from common import Goal

BARE, COLD = "pass", "import epochwatch; from epochwatch import agent"
CALLS = (BARE, "import epochwatch", COLD, "import argparse", "import logging", "import asyncio")
LOADED = "import sys; before = set(sys.modules); from epochwatch import agent; print(*sys.modules.keys() - before)"
GOAL_MS = 30.0


def measure(*, quick: bool) -> list[Goal]:
    times: dict[str, list[float]] = {code: [] for code in CALLS}
    with common.folder() as folder:
        environment = compiling_into(folder)
        run(COLD, environment)
        for _ in range(10 if quick else 40):
            for code in CALLS:
                times[code].append(start_ms(code, environment))
        loaded = {name.partition(".")[0] for name in run(LOADED, environment).split()}
    medians = {code: common.quantile(some, 0.5) for code, some in times.items()}
    bare = medians[BARE]
    common.print_table(
        "Starting Python, in ms, in turn",
        ["python -c", "median", "best", "over bare Python", "ratio"],
        [[c, f"{m:.1f}", f"{min(times[c]):.1f}", f"{m - bare:.1f}", f"{m / bare:.2f}"] for c, m in medians.items()],
    )
    cold_ms, foreign = medians[COLD] - bare, sorted(loaded - sys.stdlib_module_names - {"epochwatch"})
    return [
        Goal("cold import over bare Python", f"≤ {GOAL_MS:g} ms", f"{cold_ms:.1f} ms", cold_ms <= GOAL_MS),
        Goal("modules loaded from outside", "none", ", ".join(foreign) or "none", not foreign),
    ]


def compiling_into(folder: Path) -> Mapping[str, str]:
    """The environment, but modules are kept compiled in ``folder``, as they are where a package is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


def start_ms(code: str, environment: Mapping[str, str]) -> float:
    """Milliseconds that a new interpreter needs for this code, from start to exit."""
    begun = time.perf_counter()
    run(code, environment)
    return 1e3 * (time.perf_counter() - begun)


def run(code: str, environment: Mapping[str, str]) -> str:
    """What the code prints in a new interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    common.main(measure)
