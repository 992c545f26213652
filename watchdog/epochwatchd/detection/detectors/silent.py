"""``silent``: the process is there, but its beats have stopped for longer than they ever should."""

from __future__ import annotations

from dataclasses import replace

from epochwatchd.detection import hang_cause
from epochwatchd.detection.gpu.health import label, lines, spins
from epochwatchd.detection.observing import plan_is_reached
from epochwatchd.detection.timeout import WORKING_WITHIN_S, silent_from
from epochwatchd.model import UNKNOWN_STACK, Cause, Facts, Finding, Gpu, Policy, Process, Severity, Worker
from epochwatchd.phrase import Phrase

LOOK_WITHIN_S = 15.0
"""A look at a suspect is taken within seconds, also where there are hundreds; without one in that time it is told."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A critical finding once the limit for silence has passed; a warning for who has promised nothing.

    Where the process was asked what it does, its answer is awaited: that takes a second or two. A process that beats
    in the name of a later run is not silent.
    """
    if not (worker.local or worker.keeps_alive):
        return None
    limit = silent_from(worker, facts.process, policy, now)
    if facts.hangs_with and worker.head.phase is None:
        limit = min(limit, now)
    limit = max(limit, facts.excused_until)
    if now < limit or _is_still_looked_at(worker, facts.process, now - limit):
        return None
    process = facts.process
    if process is not None and _is_no_silence(worker, process, now):
        return None
    if process is not None and process.state not in hang_cause.STOPPED and plan_is_reached(worker):
        return _done_and_still_there(worker, facts)
    has_promised = worker.body.command_pid is None and not worker.body.attached
    severity: Severity = "critical" if has_promised else "warning"
    cause = _with_gpus(_why(worker, process, now), facts.gpus)
    return Finding("silent", severity, _since(worker, process), cause)


def _since(worker: Worker, process: Process | None) -> float:
    """Since when it is silent; one that promised no beat, since when it stands still."""
    if worker.body.attached and process is not None and process.wait is not None:
        return process.wait.since
    return worker.beat_at


def _is_still_looked_at(worker: Worker, process: Process | None, over_s: float) -> bool:
    """Whether a look at the process, or its answer, is still to come: nobody is called silent before that."""
    if process is None:
        return worker.local and worker.exit is None and over_s < LOOK_WITHIN_S
    return process.stack is None


def _is_no_silence(worker: Worker, process: Process, now: float) -> bool:
    return (
        process.went_on
        or (process.stack is not None and process.stack.is_idle and not plan_is_reached(worker))
        or _waits_for_its_person(worker, process, now)
        or _works_without_a_promise(worker, process, now)
    )


def _waits_for_its_person(worker: Worker, process: Process, now: float) -> bool:
    """Whether somebody types at its prompt, and it waits for more: an idle prompt is no hang.

    What waits in C code, as Python's older prompts do, has no place.
    """
    stack = process.stack or UNKNOWN_STACK
    return worker.body.interactive and (stack.is_prompt or not stack.at) and not _works(process, now)


def _works(process: Process, now: float) -> bool:
    return now - process.worked_at < WORKING_WITHIN_S


def _works_without_a_promise(worker: Worker, process: Process, now: float) -> bool:
    """Whether a function that never promised a beat is at work, as inside a library's ``fit``."""
    return worker.body.watched and worker.head.seq == 0 and _works(process, now)


def _done_and_still_there(worker: Worker, facts: Facts) -> Finding:
    """All that was planned is done, and the process waits: for a person, or as a server. That is no hang."""
    held = [label(gpu) for gpu in facts.gpus]
    cause = Cause("still_there", {"gpus": held}, tuple(line for gpu in facts.gpus for line in lines(gpu)))
    return Finding("finished", "warning" if held else "info", worker.beat_at, cause)


def _with_gpus(cause: Cause, gpus: tuple[Gpu, ...]) -> Cause:
    """The cause with what its GPUs do: one that spins says more than that the process waits for it, or polls it."""
    evidence = (*cause.evidence, *(line for gpu in gpus for line in lines(gpu)))
    spinning = [label(gpu) for gpu in gpus if spins(gpu)]
    if spinning and cause.code not in ("stopped", "exec"):
        return Cause("gpu_spin", {**cause.details, "gpus": spinning}, evidence)
    held = {"held": [label(gpu) for gpu in gpus]} if gpus else {}
    return replace(cause, details={**cause.details, **held}, evidence=evidence)


def _why(worker: Worker, process: Process | None, now: float) -> Cause:
    silent_s = now - _since(worker, process)
    if worker.body.attached:
        usual = Phrase("it stands still for {silent_s:,.0f} s", silent_s=silent_s)
    else:
        usual = Phrase(
            "no beat for {silent_s:,.0f} s; the longest gap before was {longest_s:,.1f} s"
            if worker.body.command_pid is None
            else "no output for {silent_s:,.0f} s; the longest gap before was {longest_s:,.1f} s",
            silent_s=silent_s,
            longest_s=worker.rhythm.longest_s,
        )
    phase = (Phrase("in phase {phase!r}", phase=worker.head.phase),) if worker.head.phase else ()
    if process is None:
        return Cause("unknown", {}, (usual, *phase))
    code, more = hang_cause.reason(process, now)
    details = {"state": process.state, "wchan": process.wchan, "at": process.stack and process.stack.at, **more}
    return Cause(code, details, (usual, *phase, *hang_cause.lines(process)))
