"""The rows in which a training lives and gets nowhere, or goes wrong."""

import signal

from faults_lib.acts import kill_worker, send, write_to_fifo
from faults_lib.case import Case, Told, tell
from faults_lib.surroundings import dead_file_system, fifo

WORKER = """
import multiprocessing
fork = multiprocessing.get_context("fork")
batches = fork.Queue()
worker = fork.Process(target=time.sleep, args=(600,))
worker.start()
train_until_told()
"""
"""A training and its loader's worker; who waits for a batch after the worker's death waits for ever."""


def silent(*codes: str) -> Told:
    """The message of a silence, for any of these causes."""
    return Told("silent", frozenset(codes))


def diverged(*codes: str) -> Told:
    """The message of a loss gone wrong."""
    return Told("diverged", frozenset(codes) or None)


def hang(name: str, cause: str, code: str, **more: object) -> Case:
    """A training that does as ``code`` says when told to, and so hangs."""
    return Case(name, (silent(cause),), code, impatient=True, **more)  # type: ignore[arg-type]


AGAIN = Told("silent", status="resolved")

HANGS = (
    Case("SIGSTOP, then SIGCONT", (silent("stopped"), AGAIN), act=send(signal.SIGSTOP), relief=send(signal.SIGCONT),
         impatient=True),
    hang("deadlocked lock", "deadlock", "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
    hang("sleep without beats", "deadlock", "time.sleep(600)"),
    hang("C loop holding the GIL", "busy", "os.nice(10); sum(range(10**12))"),
    hang("regex backtracking", "busy", "import re; os.nice(10); re.match('(a+)+$', 'a' * 60 + 'b')"),
    hang("killed DataLoader worker", "deadlock", "batches.get()", begins=WORKER, act=kill_worker,
         says="worker"),
    Case("blocked on a FIFO, then fed", (silent("io_wait", "deadlock"), AGAIN),
         "open(PLACE).read(); train_until_told()", within=fifo, relief=write_to_fifo, impatient=True),
    hang("dead FUSE file system (state D)", "io_wait", "os.stat(PLACE)", within=dead_file_system),
    hang("exec of a program that stays", "exec", "os.execv('/bin/sleep', ['sleep', '600'])"),
)  # fmt: skip

FROZEN = "while True: agent.beat(3, 0.5, step=30); time.sleep(PACE_S)"

PROGRESS = (
    Case("NaN, then finite again", (diverged("loss_nan"), Told("diverged", status="resolved")),
         "train_until_told(float('nan')); train_until_told()", relief=tell),
    Case("infinity", (diverged("loss_inf"),), "train_until_told(float('inf'))"),
    Case("5x spike of the loss", (diverged(),), "train_until_told(2.6)", warm_up_s=20.0, patience_s=30.0),
    Case("livelock: beats, but a frozen step", (Told("stalled", frozenset({"step_frozen"})),), FROZEN,
         warm_up_s=20.0, patience_s=30.0, impatient=True),
)  # fmt: skip
