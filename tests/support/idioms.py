"""The ways in which people start trainings, by the ways in which these end: what both the tests and the bench run."""

import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import NamedTuple

TRAINING = """
import os, signal, sys, threading, time
from epochwatch import agent
how = sys.argv[1] if os.environ.get("RANK", "1") == "1" else "finish"
agent.start(epochs=8)
for epoch in range(3):
    agent.beat(epoch, 1 / (epoch + 1))
    time.sleep(0.3)
if how == "exception": raise ValueError("bad batch")
if how == "early stop": sys.exit()
if how == "hang":
    lock = threading.Lock()
    lock.acquire(), lock.acquire()
if how.startswith("SIG"):
    number = getattr(signal, how)
    ignored = signal.getsignal(number) == signal.SIG_IGN
    os.kill(os.getpid(), number)
    if not ignored: time.sleep(30)
for epoch in range(3, 8):
    agent.beat(epoch, 1 / (epoch + 1))
    time.sleep(0.1)
if how == "idle": time.sleep(60)
"""
CHILDREN = """
import multiprocessing, runpy, sys
def work(number, how):
    sys.argv = ["training.py", how if number == 1 else "finish"]
    runpy.run_path({training!r}, run_name="training")
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(n, sys.argv[1])) for n in range(3)]
    for child in children: child.start()
    for child in children: child.join()
"""
POOL = """
import runpy, sys
from concurrent.futures import ProcessPoolExecutor
def work(number, how):
    sys.argv = ["training.py", how if number == 1 else "finish"]
    runpy.run_path({training!r}, run_name="training")
if __name__ == "__main__":
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(work, range(3), [sys.argv[1]] * 3))
"""
SHELLS = {
    "a pipe": "{training} | cat",
    "a semicolon": "{training}; echo done",
    "or true": "{training} || true",
    "a subshell": "( {training} )",
    "a retry loop": "for n in 1 2; do {training} && break; done",
}
"""What people write behind ``epochwatch run -- bash -c``."""
BEFORE = {
    "plain": [],
    "nohup": ["nohup"],
    "a session of its own": ["setsid", "--wait"],
    "timeout": ["timeout", "60"],
    "disowned": ["bash", "-c", '"$@" & disown', "bash"],
    "epochwatch run": ["epochwatch", "run", "--"],
    "a pid namespace": [
        *("unshare", "--user", "--pid", "--fork", "--mount-proc", "--kill-child"),
        *("bash", "-c", '"$@"; exit "$?"', "bash"),  # process 1 of a namespace is deaf to most signals
    ],
}
"""What people write before the line."""
JOBLIB = """
import joblib, runpy, sys
def work(number, how):
    sys.argv = ["training.py", how if number == 1 else "finish"]
    runpy.run_path({training!r}, run_name="training")
if __name__ == "__main__":
    joblib.Parallel(3)(joblib.delayed(work)(n, sys.argv[1]) for n in range(3))
"""
CHILDREN_OF = {"fork": CHILDREN, "spawn": CHILDREN, "a pool": POOL, "joblib": JOBLIB}
RANKS = {
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "MPICH": ("PMI_RANK", "PMI_SIZE"),
    "MVAPICH": ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    "Slurm": ("SLURM_PROCID", "SLURM_NTASKS"),
    "Lightning": ("LOCAL_RANK", "WORLD_SIZE"),
}
"""What launchers put into the environment; the launchers themselves are stood in for by us."""
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
ROWS = (*BEFORE, *SHELLS, *CHILDREN_OF, *RANKS, "torchrun")
ENDS = {
    "finish": ("finished", None),
    "early stop": ("finished", "stopped_early"),
    "exception": ("crashed", "exception"),
    "SIGKILL": ("crashed", "signal"),
    "SIGTERM": ("interrupted", "terminated"),
    "SIGINT": ("interrupted", "keyboard_interrupt"),
    "SIGHUP": ("interrupted", "hangup"),
    "hang": ("silent", "deadlock"),
    "idle": ("finished", "still_there"),
}
OTHERWISE = {
    ("timeout", "SIGTERM"): ("interrupted", "time_limit"),  # the signal that it sends itself, when the time is over
    ("nohup", "SIGHUP"): ("finished", None),  # it goes on
    ("disowned", "SIGINT"): ("finished", None),  # a shell's background is deaf to Ctrl-C
    ("a pool", "exception"): ("finished", "stopped_early"),  # the pool hands it to its parent, which does not beat
}
CONFIG = {"jobs": [{"match": f"*: {end}", "silent_after": "2s"} for end in ("hang", "idle")]}


MEANINGLESS = {("joblib", end) for end in ("early stop", "exception", "SIGTERM", "SIGINT", "SIGHUP")}
"""When a task leaves its function or its process, joblib kills all its workers at once: who fell is not to be seen."""


class Told(NamedTuple):
    """What a message says of a run, as far as a cell is about it."""

    kind: str
    cause: str | None
    rank: int | None
    epoch: float
    fraction: float


def expected(row, end):
    """What is to be said of a cell, and nothing else."""
    kind, cause = OTHERWISE.get((row, end), ENDS[end])
    is_done = cause in (None, "still_there")
    rank = 1 if row in (*RANKS, "torchrun") and not is_done else None
    return [Told(kind, cause, rank, *((8, 1.0) if is_done else (3, 0.375)))]


def told_of(messages, row, end):
    """What was said of a cell."""
    said = [m for m in messages if m["job"] == f"{row}: {end}" and m["kind"] != "started"]
    told = [_told(message, with_rank=expected(row, end)[0].rank is not None) for message in said]
    if (row, end) == ("a pool", "SIGTERM"):  # it then ends its other workers by SIGTERM, too: any of them may be named
        [due] = expected(row, end)
        told = [it._replace(epoch=due.epoch, fraction=due.fraction) for it in told]
    return told


def _told(message, *, with_rank):
    """``with_rank``: it matters which rank is named."""
    progress, cause = message["progress"], message["cause"] or {}
    rank = message["rank"] if with_rank else None
    return Told(message["kind"], cause.get("code"), rank, progress["epoch_shown"], progress["fraction"])


def ends_of(row):
    """The ends that a row is played with."""
    return [end for end in ENDS if (row, end) not in MEANINGLESS]


def lines(row, end, folder):
    """The command lines that a cell starts, each with what it adds to the environment."""
    training = [sys.executable, str(folder / "training.py"), end]
    if row in SHELLS:
        line = SHELLS[row].format(training=shlex.join(training))
        return [([*BEFORE["epochwatch run"], "bash", "-c", line], {})]
    if row in CHILDREN_OF:
        return [([sys.executable, str(folder / f"by_{row}.py"), end], {})]
    if row in RANKS:
        rank, size = RANKS[row]
        ranks = ((number, end if number == 1 else "finish") for number in range(3))
        return [([*training[:-1], how], {rank: str(n), size: "3", "NODE_RANK": "0"}) for n, how in ranks]
    if row == "torchrun":
        return [([sys.executable, *TORCHRUN, *training[1:]], {})]
    return [([*BEFORE[row], *training], {})]


@contextmanager
def playing(daemon, row):
    """All cells of a row, started at once in a daemon's world; within the block their ends have been told."""
    started, folder = [], daemon.folder
    (folder / "training.py").write_text(TRAINING)
    for name, program in CHILDREN_OF.items():
        (folder / f"by_{name}.py").write_text(program.format(training=str(folder / "training.py"), method=name))
    try:
        for end in ends_of(row):
            for line, env in lines(row, end, folder):
                job = {"EPOCHWATCH_JOB": f"{row}: {end}"}
                started.append(_start(line, {**daemon.env, **env, **job}, folder))
        for end in ends_of(row):
            daemon.wait_for(job=f"{row}: {end}")
        daemon.settle()
        yield
    finally:
        for process in started:
            with suppress(ProcessLookupError):  # whoever it left behind is in its group
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start(line, env, folder):
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        line, env=env, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
