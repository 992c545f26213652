"""Why a process that is there does not beat: what it and those below it do instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from flatlined.detection.detectors.ended import BY_REQUEST, signal_name
from flatlined.detection.rhythm import WORKING_WITHIN_S
from flatlined.model import Child, Process

STOPPED = ("T", "t")
_FATES = {"R": "uses the CPU", "T": "is stopped", "t": "is stopped by a debugger", "D": "waits in the kernel (state D)"}
_CODES = {"T": "stopped", "t": "stopped", "D": "io_wait"}

Reason: TypeAlias = tuple[str, dict[str, Any]]
"""A cause's code, and the details that its sentence needs."""


def reason(process: Process, now: float) -> Reason:
    """What keeps a silent process from beating."""
    if process.program is not None:
        return "exec", {"program": process.program}
    if process.state in STOPPED:
        return "stopped", {}
    return _work(process, now) or _wait(process)


def _work(process: Process, now: float) -> Reason | None:
    kinds: tuple[tuple[float, Reason], ...] = (
        (process.active_at, ("busy", next((_named(child) for child in process.below if child.state == "R"), {}))),
        (process.moved_at, ("io_wait", {"type": "moving"})),
        (process.gpu_at, ("busy", {"type": "gpu"})),
    )
    return next((found for at, found in kinds if now - at < WORKING_WITHIN_S), None)


def _wait(process: Process) -> Reason:
    """Of one that stands still. Dead children that did not surely end badly are helpers that nobody has reaped yet."""
    if process.state == "D":
        return "io_wait", {}
    for child in process.below:
        if child.state in _CODES:
            return _CODES[child.state], _named(child)
        if child.state == "Z" and child.status and -child.status not in BY_REQUEST:
            end = {"child_signal": signal_name(-child.status)} if child.status < 0 else {"child_status": child.status}
            return "deadlock", {**_named(child), **end}
    return "deadlock", {}


def _named(child: Child) -> dict[str, Any]:
    return {"child": f"{child.pid} ({child.name})", "child_pid": child.pid}


def lines(process: Process) -> Iterator[str]:
    """What was seen of it, as evidence."""
    where = f", waiting in {process.wchan}" if process.wchan else ""
    yield f"process state {process.state}{where}"
    for child in process.below:
        yield f"worker process {child.pid} ({child.name}) {_FATES.get(child.state) or _end(child)}"
    if process.stack:
        yield from process.stack.lines


def _end(child: Child) -> str:
    if child.status is None:
        return "has ended, and was not reaped"
    return f"was killed by {signal_name(-child.status)}" if child.status < 0 else f"ended with status {child.status}"
