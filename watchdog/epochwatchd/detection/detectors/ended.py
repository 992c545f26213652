"""``finished`` and ``crashed``: how a run ended, by its own last words or by what the kernel says of its process."""

from __future__ import annotations

import signal
from dataclasses import replace
from functools import lru_cache

from epochwatch.wire import EXITING, FAILED, FINISHED, Body
from epochwatchd.detection.failures import Failure, classify
from epochwatchd.detection.interruption import interruption, upon_signal
from epochwatchd.detection.launchers import root_cause
from epochwatchd.detection.observing import plan_is_reached
from epochwatchd.detection.progress import epoch_shown, progress_of
from epochwatchd.detection.signals import BY_REQUEST, passed_on, signal_name
from epochwatchd.model import SHELL_SIGNAL, Cause, CauseCode, Exit, Facts, Fallen, Finding, Policy, Worker
from epochwatchd.phrase import Phrase

TRACEBACK_LINES = 30
LEFT_NAMED = 8
EARLY_STRIDES = 2.0
"""Of a plan so many beats' work may be left undone, see ``_stopped_early``."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A finding if the run is over: by word first, by its process's end otherwise."""
    state, end = worker.head.state, worker.exit
    if state not in (FINISHED, FAILED) and end is None:
        return None
    since = end.at if end else worker.beat_at
    if state == FINISHED:
        is_wrapper = worker.body.command_pid is not None
        return _left_in_order(worker, policy, since) if is_wrapper else _finished(worker, policy, since)
    if state == FAILED:
        return _fell(worker, since, _classified(_in_its_own_words(worker), worker.body, worker.body.exit_status))
    assert end is not None
    if _ended_well(worker, end):
        return _left_in_order(worker, policy, since)
    return _fell(worker, since, _classified(_by_its_exit(end), worker.body, end.status))


def _fell(worker: Worker, since: float, cause: Cause) -> Finding:
    """A crash, or an interruption: somebody ended it."""
    code = interruption(cause, worker.body, worker.exit)
    if code is None and cause.code == "exit_code":  # it handled a signal, and left with a status
        code = upon_signal(worker.body)
    if code is None:
        return Finding("crashed", "critical", since, _with_left(worker, cause))
    if code == "terminated" and worker.exit is not None and worker.exit.fell_first is not None:
        return Finding("crashed", "critical", since, _with_left(worker, _of_sibling(worker.exit.fell_first)))
    cause = _with_left(worker, cause)
    return _interrupted(since, replace(cause, code=code, details={**cause.details, **_stopped_early(worker)}))


def _of_sibling(fallen: Fallen) -> Cause:
    """The launcher ends all when one of them falls."""
    told = Phrase("process {pid}, a rank that sends no beats, fell; then the launcher ended this one", pid=fallen.pid)
    return by_status(fallen.status, core_dumped=False, evidence=(told,))


def _with_left(worker: Worker, cause: Cause) -> Cause:
    """The cause of a bad end with the processes that it left behind."""
    left = worker.exit.left if worker.exit is not None else ()
    if not left:
        return cause
    pids = " ".join(map(str, left[:LEFT_NAMED]))
    told = Phrase(
        "{count} of the processes that it started are still there; this ends them: kill {pids}",
        count=len(left),
        pids=pids,
    )
    return replace(cause, details={**cause.details, "left": pids}, evidence=(*cause.evidence, told))


def _left_in_order(worker: Worker, policy: Policy, since: float) -> Finding:
    """A finish; where a signal made it leave before all was done, an interruption."""
    code = upon_signal(worker.body)
    if code is None or plan_is_reached(worker):
        return _finished(worker, policy, since)
    name = signal_name(worker.body.signal or 0)
    evidence = (
        Phrase("it handled {signal}, and left in order", signal=name),
        *(worker.exit.evidence if worker.exit else ()),
    )
    return _interrupted(since, Cause(code, {"type": "orderly", "signal": name, **_stopped_early(worker)}, evidence))


def _interrupted(since: float, cause: Cause) -> Finding:
    return Finding("interrupted", "info" if cause.code == "keyboard_interrupt" else "warning", since, cause)


def _ended_well(worker: Worker, end: Exit) -> bool:
    """An orderly shutdown ended well unless its status says otherwise (``sys.exit``, a fault while it left).

    So did a silent exit 0 when all was done: a sender that announces its end and then leaves with status 0 without a
    word (``os._exit``) did not, unless it was another program by then (``exec``), which had nothing to announce.
    """
    if worker.head.state == EXITING:
        return end.status in (0, None)
    return end.status == 0 and (not worker.body.announces_end or end.program is not None or plan_is_reached(worker))


def _finished(worker: Worker, policy: Policy, since: float) -> Finding:
    """A finish, with what is worth a note: what the run says itself, and that it took less than it was to.

    One that left in order, but with a status that nobody saw, may have failed: with less done than planned, it is a
    warning.
    """
    note, early, took_s = worker.body.reason, _stopped_early(worker), since - worker.started_at
    end = worker.exit if worker.head.state == EXITING else None
    unseen = end is not None and end.status is None
    if policy.min_runtime_s is not None and took_s < policy.min_runtime_s:
        said = (
            [Phrase("its last word: {note}", note=note)] if note else [Phrase("its exit status was not seen")] * unseen
        )
        evidence = (Phrase("it took {took_s:,.1f} s", took_s=took_s), *said)
        return Finding("finished", "warning", since, Cause("too_fast", {"least_s": policy.min_runtime_s}, evidence))
    hidden = _hidden_failure(worker)
    if hidden is not None:
        details = {"failure": hidden.code}
        return Finding("finished", "warning", since, Cause("error_in_output", details, (hidden.evidence,)))
    if note:
        return Finding("finished", "info", since, Cause("reported", {"reason": note, **early}))
    if worker.exit is not None and worker.exit.program is not None:
        return Finding("finished", "info", since, Cause("exec", {"program": worker.exit.program}))
    if end is not None and unseen:
        cause = Cause("unseen_status", early, end.evidence)
        return Finding("finished", "warning" if early else "info", since, cause)
    return Finding("finished", "info", since, Cause("stopped_early", early) if early else None)


def _stopped_early(worker: Worker) -> dict[str, str]:
    """Where a run stopped that had planned more; nothing if it did not.

    The last beat may come a beat's stride before the end, and a plan may not be a whole number of strides: what is left
    must be more than two. Of epochs beaten for many times, the last one counts as done: no beat says where it ends.
    """
    head, body, progress = worker.head, worker.body, progress_of(worker)
    if progress is None:
        return {}
    slack = EARLY_STRIDES * progress.stride
    if progress.unit == "epoch" and not worker.counting.is_fraction and worker.counting.beats > 1:
        slack = 1.0
    if progress.planned - progress.done <= slack or progress.is_reached:
        return {}
    if progress.unit == "step":
        return {"step": f"{head.step:,}", "steps": f"{body.steps:,}"}
    return {"epoch": f"{epoch_shown(worker.counting, head):.4g}", "epochs": f"{body.epochs}"}


def _hidden_failure(worker: Worker) -> Failure | None:
    """The failure in which the output of a wrapped command ends that left with 0, as behind a pipe."""
    body = worker.body
    if body.command_pid is None or worker.head.state != FINISHED or not body.tail or body.signal:
        return None
    return _failure_of(None, None, body.tail, 1)


def _in_its_own_words(worker: Worker) -> Cause:
    body = worker.body
    if body.exception:
        kind, _, message = body.exception.partition(": ")
        lines = tuple((body.traceback or "").splitlines()[-TRACEBACK_LINES:])
        return Cause("exception", {"type": kind, "message": message}, lines or body.tail[-TRACEBACK_LINES:])
    if worker.exit is not None and worker.exit.oom is not None:
        oom = worker.exit.oom
        return replace(oom, evidence=(*body.tail[-TRACEBACK_LINES:], *oom.evidence))
    if body.exit_status is not None:
        seen = worker.exit.evidence if worker.exit is not None else ()
        root = root_cause(body.tail) if body.exit_status else None
        if root is not None:
            seen = (Phrase("the launcher says: rank {rank} fell first, pid {pid}", rank=root.rank, pid=root.pid), *seen)
        status = root.status if root is not None else body.exit_status
        return by_status(status, core_dumped=False, evidence=(*body.tail[-TRACEBACK_LINES:], *seen))
    return Cause("reported", {"reason": body.reason} if body.reason else {}, body.tail[-TRACEBACK_LINES:])


def _classified(cause: Cause, body: Body, exit_status: int | None) -> Cause:
    """The cause with the class of failure that exception, output and exit status prove together, if they prove one.

    A kill for want of memory, a reboot and what is not known keep their name alone.
    """
    if cause.code not in ("exception", "reported", "exit_code", "signal", "terminated"):
        return cause
    failure = _failure_of(body.exception or body.reason, body.traceback, body.tail, exit_status)
    if failure is None or (failure.code == "keyboard_interrupt" and cause.code == "terminated"):
        return cause
    proof = () if any(line.startswith(failure.evidence) for line in cause.evidence) else (failure.evidence,)
    details = {**cause.details, "failure": failure.code}
    return replace(cause, details=details, evidence=(*proof, *cause.evidence))


@lru_cache(maxsize=256)
def _failure_of(
    exception: str | None, traceback: str | None, tail: tuple[str, ...], exit_status: int | None
) -> Failure | None:
    """``classify``, remembered: a run of many processes is judged every second until all have ended."""
    return classify(exception=exception, traceback=traceback, tail=tail, exit_status=exit_status)


def _by_its_exit(end: Exit) -> Cause:
    if end.oom is not None:
        return end.oom
    if end.rebooted:
        return Cause("reboot", {}, (Phrase("the machine has been started anew since the last beat"), *end.evidence))
    if end.unreaped_by is not None:
        told = Phrase(
            "the process is dead, and its parent, process {parent}, has not asked yet how it ended",
            parent=end.unreaped_by,
        )
        return Cause("unknown", {"status": "unreaped"}, (told, *end.evidence))
    if end.status is None:
        return Cause("unknown", {}, (Phrase("the process is gone; how it ended could not be learned"), *end.evidence))
    became = () if end.program is None else (Phrase("it had become another program: {program}", program=end.program),)
    return by_status(end.status, core_dumped=end.core_dumped, evidence=(*end.evidence, *became))


def by_status(status: int, *, core_dumped: bool, evidence: tuple[str, ...]) -> Cause:
    """The cause that a return code tells (negative: a signal, as ``subprocess`` has it)."""
    number = passed_on(status)
    if number is not None:
        told = Phrase(
            "exit status {status} = 256 - {number}: a child was killed by signal {number} {name}",
            status=status,
            number=number,
            name=signal_name(number),
        )
        return Cause("signal", {"signal": signal_name(number)}, (*evidence, told))
    if status >= 0:
        return Cause("exit_code", {"status": status}, (*evidence, _exit_status(status)))
    name = signal_name(-status)
    code: CauseCode = "terminated" if -status in BY_REQUEST else "signal"
    told = Phrase(
        "killed by signal {number} {name} (core dumped)" if core_dumped else "killed by signal {number} {name}",
        number=-status,
        name=name,
    )
    return Cause(code, {"signal": name, "core": core_dumped}, (*evidence, told))


def _exit_status(status: int) -> str:
    """An exit status in words; shells return 128 + n for a program that a signal ended."""
    number = status - SHELL_SIGNAL
    known = number in set(signal.Signals)
    if not known:
        return Phrase("exit status {status}", status=status)
    return Phrase(
        "exit status {status} = 128 + {number}, {name}", status=status, number=number, name=signal_name(number)
    )
