"""What is done to a training or to the watchdog, from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from faults_lib.case import Act, Trial, UnavailableError, tell

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
HOG = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
hoard = []
while True:
    hoard.append(b"x" * 2**20)
"""
DEBUGGER = Path(__file__).parent / "debugger.py"
ASLEEP_S = 10.0
ATTACHED_S = 3.0
PID_TRIES = 200


def send(number: signal.Signals) -> Act:
    """The act of sending a signal to the process that beats."""
    return lambda trial: os.kill(trial.pid, number)


def kill_worker(trial: Trial) -> None:
    """SIGKILL the only child of the process that beats, which then waits for it."""
    [worker] = _children(trial.pid)
    os.kill(worker, signal.SIGKILL)
    tell(trial)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write_to_fifo(trial: Trial) -> None:
    """Give the training what it waits for."""
    (trial.place / "fifo").write_bytes(b"\n")


def sibling_runs_out_of_memory(trial: Trial) -> None:
    """Another process of the training's cgroup is killed by the kernel."""
    command = [sys.executable, "-S", "-c", HOG, str(trial.prepared)]
    status = subprocess.run(command, env={}, check=False).returncode
    if status != -signal.SIGKILL:
        raise UnavailableError(f"the sibling was not killed for its memory, but ended with {status}")


def sibling_then_kill(trial: Trial) -> None:
    """A person kills the training, a moment after a sibling ran out of memory."""
    sibling_runs_out_of_memory(trial)
    os.kill(trial.pid, signal.SIGKILL)


def sibling_then_tell(trial: Trial) -> None:
    """A sibling ran out of memory, and the training goes on to its end."""
    sibling_runs_out_of_memory(trial)
    tell(trial)


def debug(trial: Trial) -> None:
    """Attach a debugger for 3 s, then let the training go on to its end."""
    command = [sys.executable, "-S", str(DEBUGGER), str(trial.pid), str(ATTACHED_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"no debugger may attach: {done.stderr.splitlines()[-1]}")
    tell(trial)


def stop_watchdog(trial: Trial) -> None:
    """Freeze the watchdog for 10 s while the training goes on; then the training ends."""
    _freeze([trial.watchdog.served.process.pid])
    tell(trial)


def suspend(trial: Trial) -> None:
    """Freeze watchdog and training together, as a machine that sleeps does, for 10 s; whoever wakes first is chance."""
    pids = [trial.watchdog.served.process.pid, trial.pid]
    trial.chance.shuffle(pids)
    _freeze(pids)
    time.sleep(2.0)
    tell(trial)


def _freeze(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(ASLEEP_S)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def die_unseen_and_be_replaced(trial: Trial) -> None:
    """While the watchdog is down the training dies and its pid goes to another program; then the watchdog is back."""
    if not os.access(LAST_PID, os.W_OK):
        raise UnavailableError(f"{LAST_PID} may not be written, so a pid cannot be had again at will")
    trial.watchdog.kill()
    os.kill(trial.pid, signal.SIGKILL)
    trial.process.wait()
    impostor = _process_with(trial.pid)
    trial.stack.callback(_end, impostor)
    trial.watchdog.start()


def _process_with(pid: int) -> "subprocess.Popen[bytes]":
    """A process that has the pid of a dead one. Others may take it first, and give it back."""
    for _ in range(PID_TRIES):
        with contextlib.suppress(OSError):  # the kernel is just giving out a pid
            LAST_PID.write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "600"])
        if process.pid == pid:
            return process
        _end(process)
    raise UnavailableError(f"pid {pid} could not be had again in {PID_TRIES} tries")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
