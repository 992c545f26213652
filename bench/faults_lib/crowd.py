"""Very many short clean runs: each a process of its own, forked from interpreters that have the agent loaded."""

import contextlib
import os
import subprocess
import sys
import time

import common
from faults_lib.case import Case, Outcome, Told, judge
from faults_lib.watching import NO_STARTS, Watchdog, watching

JOB = "crowd"
NURSERIES = 4
WITHIN_S = 240.0
REST_S = 2.5
NURSERY = """
import os, sys, time
from epochwatch import agent
job, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    if os.fork() == 0:
        agent.start(job=f"{job} {number}", epochs=3)
        for epoch in range(3):
            agent.beat(epoch, 1 / (epoch + 1))
        sys.exit(0)
    os.wait()
    os.write(1, b"%d %f\\n" % (number, time.time()))
"""


def crowd(runs: int, faults: list[str]) -> list[Outcome]:
    """So many runs, as fast as this machine can start them."""
    case = Case(f"{runs:,} short clean runs", (Told("finished", status="notice"),))
    with watching(faults, NO_STARTS) as watchdog:
        ended = _ended(runs, watchdog)
        inbox = watchdog.inbox
        with contextlib.suppress(TimeoutError):  # what is missing is counted below
            common.wait_until(lambda: inbox.count >= runs, "message", WITHIN_S)
        time.sleep(REST_S)
        return [judge(case, number, at, inbox.wait(f"{JOB} {number}", 0, 0.0)) for number, at in ended.items()]


def _ended(runs: int, watchdog: Watchdog) -> dict[int, float]:
    """Start the runs, and give the Unix time at which each had ended."""
    environment = {**os.environ, "EPOCHWATCH_DIR": str(watchdog.served.beats)}
    share = -(-runs // NURSERIES)
    ends = watchdog.place / "ends"
    with ends.open("ab") as output:
        nurseries = [
            subprocess.Popen([sys.executable, "-c", NURSERY, JOB, str(at), str(min(at + share, runs))],
                             env=environment, stdout=output)
            for at in range(0, runs, share)
        ]  # fmt: skip
        for nursery in nurseries:
            if nursery.wait() != 0:
                raise RuntimeError(f"a nursery of short runs ended with {nursery.returncode}")
    return {int(number): float(at) for number, at in map(str.split, ends.read_text().splitlines())}
