"""The ways in which people start trainings, by the ways in which these end: what both the tests and the bench run."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

TRAINING = """
import os, signal, sys, threading, time
from epochwatch import agent
agent.start(epochs=5)
for epoch in range(3):
    agent.beat(epoch, 1 / (epoch + 1))
    time.sleep(0.3)
how = sys.argv[1]
if how == "exception": raise ValueError("bad batch")
if how == "hang":
    lock = threading.Lock()
    lock.acquire(), lock.acquire()
if how.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(30)
for epoch in range(3, 5):
    agent.beat(epoch, 1 / (epoch + 1))
    time.sleep(0.1)
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
SHELLS = {
    "a pipe": "{training} | cat",
    "a semicolon": "{training}; echo done",
    "or true": "{training} || true",
    "a subshell": "( {training} )",
}
RANKS = {
    "torchrun": ("RANK", "WORLD_SIZE"),
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "MPICH": ("PMI_RANK", "PMI_SIZE"),
    "MVAPICH": ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    "Slurm": ("SLURM_PROCID", "SLURM_NTASKS"),
    "Lightning": ("LOCAL_RANK", "WORLD_SIZE"),
}
"""What launchers put into the environment; the launchers themselves are stood in for by us."""
ROWS = ("plain", "nohup", "a session of its own", "timeout", "epochwatch run", *SHELLS, "fork", "spawn", *RANKS)
ENDS = {
    "finish": ("finished", None),
    "exception": ("crashed", "exception"),
    "SIGKILL": ("crashed", "signal"),
    "SIGTERM": ("interrupted", "terminated"),
    "SIGINT": ("interrupted", "keyboard_interrupt"),
    "hang": ("silent", "deadlock"),
}
CELLS = [(row, end) for row in ROWS for end in ENDS]
CONFIG = {"jobs": [{"match": "*: hang", "silent_after": "2s"}]}


def expected(row, end):
    """The verdict and the cause that are right for a cell."""
    if (row, end) == ("timeout", "SIGTERM"):  # the signal that it sends itself, when the time is over
        return "interrupted", "time_limit"
    return ENDS[end]


def told_of(messages, row, end):
    """What was said of a cell."""
    job = f"{row}: {end}"
    return [m for m in messages if m["job"] == job and m["kind"] != "started"]


def is_right(said, row, end):
    """Whether that is one message, with the right verdict, cause, rank and progress."""
    if [(m["kind"], (m["cause"] or {}).get("code")) for m in said] != [expected(row, end)]:
        return False
    [message] = said
    rank_is_right = row not in RANKS or end == "finish" or message["rank"] == 1
    progress = message["progress"]
    return rank_is_right and (progress["epoch_shown"], progress["fraction"]) == (
        (5, 1.0) if end == "finish" else (3, 0.6)
    )


def lines(row, end, folder):
    """The command lines that a cell starts, each with what it adds to the environment."""
    training = [sys.executable, str(folder / "training.py"), end]
    wrapped = ["epochwatch", "run", "--job", f"{row}: {end}", "--"]
    if row in SHELLS:
        return [([*wrapped, "bash", "-c", SHELLS[row].format(training=" ".join(training))], {})]
    if row in ("fork", "spawn"):
        return [([sys.executable, str(folder / f"{row}.py"), end], {})]
    if row in RANKS:
        rank, size = RANKS[row]
        ranks = ((number, end if number == 1 else "finish") for number in range(3))
        return [([*training[:-1], how], {rank: str(n), size: "3", "NODE_RANK": "0"}) for n, how in ranks]
    before = {
        "nohup": ["nohup"],
        "epochwatch run": wrapped,
        "a session of its own": ["setsid", "--wait"],
        "timeout": ["timeout", "60"],
    }
    return [([*before.get(row, []), *training], {})]


@contextmanager
def playing(daemon):
    """All cells, started at once in a daemon's world; within the block their ends have been told."""
    started, folder = [], daemon.folder
    (folder / "training.py").write_text(TRAINING)
    for method in ("fork", "spawn"):
        (folder / f"{method}.py").write_text(CHILDREN.format(training=str(folder / "training.py"), method=method))
    try:
        for row, end in CELLS:
            for line, env in lines(row, end, folder):
                job = {"EPOCHWATCH_JOB": f"{row}: {end}"}
                started.append(_start(line, {**daemon.env, **env, **job}, folder))
        for row, end in CELLS:
            daemon.wait_for(job=f"{row}: {end}")
        daemon.settle()
        yield
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(line, env, folder):
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        line, env=env, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
