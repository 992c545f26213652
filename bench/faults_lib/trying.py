"""One attempt at a row: a real training under a real daemon, what is done to it, and what is then said."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from faults_lib.case import Case, Outcome, Trial, judge
from faults_lib.watching import IMPATIENT, Message, Watchdog, watching

IMPORTS = "import os, signal, sys, threading, time\nfrom epochwatch import agent\nfrom subject import *"
START_WITHIN_S = 60.0
REST_S = 2.5
"""How long to listen on for messages too many: more than two of the daemon's ticks."""


def attempt(case: Case, seed: int, shared: Watchdog) -> Outcome:
    """Try a row once. Raises UnavailableError where the machine lacks what it needs."""
    with ExitStack() as stack:
        watchdog = stack.enter_context(watching(shared.faults)) if case.own_watchdog else shared
        job = f"{IMPATIENT if case.impatient else 'usual'} {case.name} {seed}"
        chance = random.Random(f"{case.name} {seed}")
        place = watchdog.place / "trials" / re.sub(r"\W+", "-", job)
        place.mkdir(parents=True)
        prepared = stack.enter_context(case.within(place))
        surroundings = {
            "EPOCHWATCH_DIR": str(watchdog.served.beats),
            "EPOCHWATCH_JOB": job,
            "PACE_S": str(chance.uniform(0.02, 0.3)),
            "PLACE": str(prepared),
        }
        process = stack.enter_context(training(case, place, surroundings))
        ended = _reaped(process)
        started = watchdog.inbox.start_of(job, START_WITHIN_S)
        if started is None:
            return judge(case, seed, time.time(), [])
        trial = Trial(started.said["pid"], process, place, prepared, watchdog, chance, stack)
        time.sleep(case.warm_up_s + chance.random())
        begun = time.time()
        messages = _told_after_act(case, job, trial)
        is_finish = case.expected[0].kind == "finished"
        return judge(case, seed, ended[0] if is_finish and ended else begun, messages)


def _told_after_act(case: Case, job: str, trial: Trial) -> list[Message]:
    """What is said of the training after the row's act was done to it, until nothing more is to be expected."""
    inbox, wanted = trial.watchdog.inbox, len(case.expected)
    case.act(trial)
    if case.relief and inbox.wait(job, 1, case.patience_s):
        case.relief(trial)
    inbox.wait(job, wanted, case.patience_s)
    return inbox.wait(job, wanted + 100, REST_S)


@contextmanager
def training(case: Case, place: Path, surroundings: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The row's training, until the end of the block."""
    code = f"{case.before}\n{IMPORTS}\n{case.begins}\n{case.code}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **surroundings}
    with (place / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment, cwd=place, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _reaped(process: "subprocess.Popen[bytes]") -> list[float]:
    """Wait for the end of a process as its shell would; gives where the Unix time of its end is going to stand."""
    ended: list[float] = []

    def reap() -> None:
        process.wait()
        ended.append(time.time())

    threading.Thread(target=reap, daemon=True).start()
    return ended
