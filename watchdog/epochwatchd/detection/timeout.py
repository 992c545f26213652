"""How long is too long: the time from which on a worker's silence is called one.

What is configured is taken at its word. Else ``history`` says how long a silence may get at this place of the run, by
what the job has done before; and what the process does meanwhile makes that shorter, or rules out the very shortest.
"""

from __future__ import annotations

import math

from epochwatch.wire import EXITING
from epochwatchd.detection import silence
from epochwatchd.detection.observing import life_of, plan_is_reached
from epochwatchd.detection.waits import PIPES
from epochwatchd.model import Policy, Process, Worker

CLOSED_S = 43.0
"""A closed wait (``detection.waits``) is given so long: nobody is left who could end it."""
ATTACHED_CLOSED_S = 120.0
"""The same of a process that was taken up from outside: what it does when all is well was never seen."""
STILL_FACTOR = 6.0
"""Where it is not shown to us what a process waits for, and no thread of it was woken, it is given so much less."""
LONGEST_FACTOR = 1.5
"""But more than the longest that ended well."""
STOPPED_FACTOR = 3.0
STOPPED_FLOOR_S = 5.0
"""A stopped process (SIGSTOP, Ctrl-Z) cannot be computing: no doubt is left to wait for."""
GPU_WORKS_FACTOR = 2.0
"""A process for which a GPU works as it did most likely trains or evaluates, and is given longer."""
WORKING_WITHIN_S = 5.0
"""A process that used the CPU so lately is busy."""
EXITING_FLOOR_S = 60.0
EXITING_FACTOR = 5.0
SUSPECT_FLOOR_S = 2.0
SUSPECT_FACTOR = 2.0
"""A silence is suspect when it is so many times longer than any that was heard of this run."""

OUTPUTS_MIN, WRITES_FOR_S = 10, 60.0
"""A command that was seen to write so often, for so long, goes on writing."""
BUFFERED_FACTOR = 3.0


def silent_from(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    """The time from which on the worker counts as silent if nothing comes; where that is not yet near, an earlier one.

    What is told instead lies ahead of ``now``: exact limits are asked only of the few that may have reached theirs.
    """
    if worker.body.attached:
        return _without_a_waker_from(process)
    if worker.body.command_pid is not None:
        return _without_output_from(worker, process, policy, now)
    if worker.head.seq == 0 and worker.head.phase is None:
        return worker.beat_at + policy.first_beat_within_s
    if policy.silent_after_s is None and now - worker.beat_at < STOPPED_FLOOR_S and worker.head.phase is None:
        return worker.beat_at + STOPPED_FLOOR_S  # no limit is shorter, and most workers have just beaten
    return _limit_from(worker, process, policy, now)


def _limit_from(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    """The same for one that beats; in a phase it has until the phase's end."""
    if worker.head.phase is None:
        return worker.beat_at + _limit_s(worker, process, policy, now)
    grace_s = policy.first_beat_within_s
    budget_s = silence.phase_limit_s(worker.history, worker.head.phase, worker.head.within_s, grace_s)
    announced = worker.phase_at + budget_s
    if worker.beat_at <= worker.phase_at:
        return announced
    return max(announced, worker.beat_at + _limit_s(worker, process, policy, now))


def _without_output_from(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    """The same for a command of which only its output is heard: a few lines are no promise of more.

    While it works, what it writes may be held back in a buffer.
    """
    writes_on = worker.beats >= OUTPUTS_MIN and worker.beat_at - worker.met_at >= WRITES_FOR_S
    if worker.head.seq == 0 or (policy.silent_after_s is None and not writes_on):
        return math.inf
    limit_s = _limit_s(worker, process, policy, now)
    if policy.silent_after_s is None and process is not None and now - process.worked_at < WORKING_WITHIN_S:
        limit_s = max(limit_s, policy.first_beat_within_s, BUFFERED_FACTOR * worker.rhythm.longest_s)
    return worker.beat_at + limit_s


def _without_a_waker_from(process: Process | None) -> float:
    """The same for a process that was taken up from outside: only that nobody is left to wake it is told of it.

    Who writes into a pipe that it reads may be anybody.
    """
    if process is None or process.wait is None or process.wait.kind != "closed":
        return math.inf
    if process.reads_input or (process.wchan or "").startswith(PIPES):
        return math.inf
    return process.wait.since + ATTACHED_CLOSED_S


def _limit_s(worker: Worker, process: Process | None, policy: Policy, now: float) -> float:
    if policy.silent_after_s is not None:
        return policy.silent_after_s
    longest_s = worker.rhythm.longest_s
    is_idle = process is not None and _is_idle(process)
    if worker.head.state == EXITING:
        limit_s = max(EXITING_FLOOR_S, EXITING_FACTOR * longest_s)
        return min(limit_s, _idle_limit_s(worker, process, limit_s)) if process and is_idle else limit_s
    silent_s = now - worker.beat_at
    if not is_idle and silent_s < (floor_s := silence.floor_s(worker.history)):
        return floor_s
    life = life_of(worker, policy.first_beat_within_s)
    if not is_idle and silent_s < (least_s := silence.least_limit_s(worker.history, life)):
        return least_s
    limit_s = silence.limit_s(worker.history, worker.head, life)
    if plan_is_reached(worker):  # a last test, the writing of results
        limit_s = max(limit_s, policy.first_beat_within_s)
    if process is not None and process.state == "D":  # slow storage, which nobody announces
        limit_s = max(limit_s, silence.FLOOR_S)
    if process is not None and process.gpu_works:
        limit_s *= GPU_WORKS_FACTOR
    return min(limit_s, _idle_limit_s(worker, process, limit_s)) if process and is_idle else limit_s


def _is_idle(process: Process) -> bool:
    """Whether a process is stopped, or can hardly go on by itself; somebody is at one in a debugger."""
    if process.state in "Tt":
        return process.state == "T"
    return process.wait is not None and process.wait.kind in ("closed", "still")


def _idle_limit_s(worker: Worker, process: Process, limit_s: float) -> float:
    longest_s, wait = worker.rhythm.longest_s, process.wait
    if process.state == "T" or wait is None:
        return max(STOPPED_FLOOR_S, STOPPED_FACTOR * longest_s)
    if wait.kind == "closed":
        waits: float = worker.history.waits.longest_s
        return wait.since - worker.beat_at + max(CLOSED_S, LONGEST_FACTOR * waits)
    return max(silence.FLOOR_S, LONGEST_FACTOR * longest_s, limit_s / STILL_FACTOR)


def is_suspect(worker: Worker, now: float) -> bool:
    """Whether a worker's silence is long enough to look at its process; cheap, asked of every worker every tick."""
    silent_s = now - worker.beat_at
    return silent_s > SUSPECT_FLOOR_S and silent_s > SUSPECT_FACTOR * worker.rhythm.longest_s


def suspect_from(worker: Worker) -> float:
    """The time from which on a worker's silence is suspect."""
    return worker.beat_at + max(SUSPECT_FLOOR_S, SUSPECT_FACTOR * worker.rhythm.longest_s)
