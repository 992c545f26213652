"""Why a process that is there does not beat: what it and those below it do instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from epochwatchd.detection.signals import BY_REQUEST, signal_name
from epochwatchd.detection.timeout import WORKING_WITHIN_S
from epochwatchd.model import CauseCode, Child, Process, WaitKind
from epochwatchd.phrase import Phrase

STOPPED = ("T", "t")
_FATES = {
    "R": Phrase("uses the CPU"),
    "T": Phrase("is stopped"),
    "t": Phrase("is stopped by a debugger"),
    "D": Phrase("waits in the kernel (state D)"),
}

_BY_WAIT: Mapping[WaitKind | None, CauseCode] = {
    "network": "network_wait",
    "polls": "polling",
    "peers": "peer_wait",
}
Reason: TypeAlias = tuple[CauseCode, dict[str, Any]]
"""A cause's code, and the details that its sentence needs."""


def reason(process: Process, now: float) -> Reason:
    """What keeps a silent process from beating."""
    if process.program is not None:
        return "exec", {"program": process.program}
    if process.state in STOPPED:
        return "stopped", {"type": "terminal"} if process.reads_input else {}
    return _work(process, now) or _wait(process)


def _work(process: Process, now: float) -> Reason | None:
    kinds: tuple[tuple[float, Reason], ...] = (
        (process.active_at, ("busy", next((_named(child) for child in process.below if child.state == "R"), {}))),
        (process.moved_at, ("io_wait", {"type": "moving"})),
        (process.gpu_at, ("busy", {"type": "gpu"})),
    )
    return next((found for at, found in kinds if now - at < WORKING_WITHIN_S), None)


def _wait(process: Process) -> Reason:
    """Of one that stands still."""
    if process.state == "D":
        return "io_wait", {}
    if process.stack and process.stack.is_prompt:
        return "stopped", {"type": "prompt"}
    return next(filter(None, map(_held_up_by, process.below)), None) or (
        _BY_WAIT.get(process.wait and process.wait.kind, "deadlock"),
        {},
    )


def _held_up_by(child: Child) -> Reason | None:
    """What a child would explain. For how long it has been so is not known, so only a worker that is surely missed is.

    A helper may have been stopped, or dead and not reaped, since long before the silence; a worker's own bad status
    mostly reaches its parent, but a kill does not.
    """
    if child.state == "D":
        return "io_wait", _named(child)
    if child.is_worker and child.state in STOPPED:
        return "stopped", _named(child)
    signal = -(child.status or 0) if child.state == "Z" else 0
    if child.is_worker and signal > 0 and signal not in BY_REQUEST:
        return "deadlock", {**_named(child), "child_signal": signal_name(signal)}
    return None


def _named(child: Child) -> dict[str, Any]:
    return {"child": f"{child.pid} ({child.name})", "child_pid": child.pid}


def lines(process: Process) -> Iterator[str]:
    """What was seen of it, as evidence."""
    yield Phrase(
        "process state {state}, waiting in {wchan}" if process.wchan else "process state {state}",
        state=process.state,
        wchan=process.wchan,
    )
    if process.is_killed:
        yield Phrase("it was killed (SIGKILL), and ends when the kernel lets go of it")
    for child in process.below:
        yield Phrase(
            "worker process {pid} ({name}) {fate}" if child.is_worker else "process below it: {pid} ({name}) {fate}",
            pid=child.pid,
            name=child.name,
            fate=_FATES.get(child.state) or _end(child),
        )
    if process.stack:
        yield from process.stack.lines


def _end(child: Child) -> str:
    if child.status is None:
        return Phrase("has ended, and was not reaped")
    if child.status < 0:
        return Phrase("was killed by {signal}", signal=signal_name(-child.status))
    return Phrase("ended with status {status}", status=child.status)
