"""``silent``: the process is there, but its beats have stopped for longer than they ever should."""

from __future__ import annotations

from dataclasses import replace

from epochwatchd.detection import hang_cause
from epochwatchd.detection.gpu.health import label, lines, spins
from epochwatchd.detection.timeout import silent_from
from epochwatchd.model import Cause, Facts, Finding, Gpu, Policy, Process, Worker


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """A critical finding once the limit for silence has passed; a wrapped command itself never beats.

    Where the process was asked what it does, its answer is awaited: that takes a second or two. A process that beats
    in the name of a later run is not silent.
    """
    if worker.body.command_pid is not None or not (worker.local or worker.keeps_alive):
        return None
    if now < silent_from(worker, facts.process, policy, now):
        return None
    if facts.process is not None and (facts.process.stack is None or facts.process.went_on):
        return None
    return Finding("silent", "critical", worker.beat_at, _with_gpus(_why(worker, facts.process, now), facts.gpus))


def _with_gpus(cause: Cause, gpus: tuple[Gpu, ...]) -> Cause:
    """The cause with what its GPUs do: one that spins says more than that the process waits for it, or polls it."""
    evidence = (*cause.evidence, *(line for gpu in gpus for line in lines(gpu)))
    spinning = [label(gpu) for gpu in gpus if spins(gpu)]
    if spinning and cause.code not in ("stopped", "exec"):
        return Cause("gpu_spin", {**cause.details, "gpus": spinning}, evidence)
    return replace(cause, evidence=evidence)


def _why(worker: Worker, process: Process | None, now: float) -> Cause:
    silent_s = now - worker.beat_at
    usual = f"no beat for {silent_s:,.0f} s; the longest gap before was {worker.rhythm.longest_s:,.1f} s"
    phase = (f"in phase {worker.head.phase!r}",) if worker.head.phase else ()
    if process is None:
        return Cause("unknown", {}, (usual, *phase))
    code, more = hang_cause.reason(process, now)
    details = {"state": process.state, "wchan": process.wchan, "at": process.stack and process.stack.at, **more}
    return Cause(code, details, (usual, *phase, *hang_cause.lines(process)))
