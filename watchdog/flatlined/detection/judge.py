"""From what the detectors find in each worker to what is wrong with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from flatlined.detection.detectors import Detector
from flatlined.model import SEVERITIES, Facts, Finding, Policy, Worker

ENDS = ("finished", "crashed")
_ORDER = ("crashed", "lost", "silent", "stalled", "diverged", "overdue", "finished")

Found: TypeAlias = tuple[Finding, Worker]


class Failure(NamedTuple):
    """A detector that broke on a worker."""

    detector: str
    worker_key: str
    error: Exception


def examine(
    worker: Worker, facts: Facts, policy: Policy, now: float, detectors: Mapping[str, Detector]
) -> tuple[list[Finding], list[Failure]]:
    """What each detector finds in one worker, and which of them broke on it."""
    findings, failures = [], []
    for name, detect in detectors.items():
        try:
            finding = detect(worker, facts, policy, now)
        except Exception as e:  # noqa: BLE001 - a broken plug-in is isolated: named in the log by the caller
            failures.append(Failure(name, worker.key, e))
        else:
            if finding is not None:
                findings.append(finding)
    return findings, failures


def judge(found: Sequence[tuple[Worker, Sequence[Finding]]]) -> list[Found]:
    """What is wrong with a run of these workers, the worst first; empty for ``running``.

    A run ends when a worker crashes or all have finished. Where ``flatline run`` wraps it, the command's own end is
    the truth, told with the exception of the worker inside if it left one.
    """
    ends = {w.key: f for w, findings in found for f in findings if f.kind in ENDS}
    commands = [w for w, _ in found if w.body.command_pid is not None]
    end = _command_end(commands, found, ends) if commands else _end(found, ends)
    if end is not None:
        return [end]
    others = [(f, w) for w, findings in found if w.key not in ends for f in findings]
    return sorted(others, key=lambda one: _rank(one[0]))


def _rank(finding: Finding) -> tuple[int, int, float]:
    return -SEVERITIES.index(finding.severity), _ORDER.index(finding.kind), finding.since


def _end(found: Sequence[tuple[Worker, Sequence[Finding]]], ends: Mapping[str, Finding]) -> Found | None:
    workers = [w for w, _ in found]
    crashed = [(ends[w.key], w) for w in workers if w.key in ends and ends[w.key].kind == "crashed"]
    if crashed:
        return min(crashed, key=lambda one: one[0].since)
    if workers and len(ends) == len(workers):
        return max(((ends[w.key], w) for w in workers), key=lambda one: one[0].since)
    return None


def _command_end(
    commands: Sequence[Worker], found: Sequence[tuple[Worker, Sequence[Finding]]], ends: Mapping[str, Finding]
) -> Found | None:
    command = commands[-1]
    end = ends.get(command.key)
    if end is None:
        return None
    inside = [w for w, _ in found if w.body.command_pid is None]
    if not inside:
        return end, command
    told = [w for w in inside if end.kind == "crashed" and w.key in ends and _says_why(ends[w.key])]
    speaker = told[-1] if told else max(inside, key=lambda w: w.beat_at)
    cause = ends[speaker.key].cause if told else end.cause
    return replace(end, cause=cause), speaker


def _says_why(finding: Finding) -> bool:
    return finding.cause is not None and finding.cause.code in ("exception", "reported")
