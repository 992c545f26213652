"""``stalled``: a GPU that the worker holds memory on is lost or failing, does not answer, or does no work for it."""

from __future__ import annotations

from collections.abc import Collection

from epochwatch.wire import FAILED, FINISHED
from epochwatchd.detection.gpu.health import idle_limit_s, label, lines
from epochwatchd.detection.gpu.xids import XIDS, Blame
from epochwatchd.detection.timeout import is_suspect
from epochwatchd.model import Cause, CauseCode, Facts, Finding, Gpu, GpuFault, Policy, Severity, Worker
from epochwatchd.phrase import Phrase

UNANSWERED_S = 120.0
"""A driver that is busy (an initialisation, a reset) can take a minute to answer."""
OWN_FAULT_AFTER_S = 30.0
"""A program mostly dies of its own fault by then, and its crash says it all."""
RECOVERED_S = 300.0
"""A run that went on for so long after a fault, beats and GPU, has got over it."""


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """The worst that is to be said of its GPUs: lost, failing, the driver does not answer, idle for too long."""
    gpus = facts.gpus
    if not gpus or worker.exit is not None or worker.head.state in (FINISHED, FAILED):
        return None
    lost = [gpu for gpu in gpus if gpu.lost]
    if lost:
        return _without_work("critical", "gpu_lost", lost, now)
    return _failing(worker, gpus, now) or _unanswered(gpus, now) or _idle(worker, gpus, policy, now)


def _failing(worker: Worker, gpus: Collection[Gpu], now: float) -> Finding | None:
    """The gravest fault that the run has not got over."""
    found = [
        (blame, gpu, fault)
        for gpu in gpus
        for fault in gpu.faults
        if min(worker.beat_at, gpu.busy_at) < fault.at + RECOVERED_S
        and (blame := _blame(fault)) is not None
        and (blame != "program" or _outlived(worker, fault, now))
    ]
    if not found:
        return None
    blame, gpu, fault = min(found, key=lambda one: (_severity(one[0]) != "critical", one[2].at))
    details = {"gpus": [label(gpu)], "xid": fault.number if fault.what == "xid" else None, "blame": blame}
    return Finding("stalled", _severity(blame), fault.at, Cause("gpu_error", details, tuple(lines(gpu))))


def _blame(fault: GpuFault) -> Blame:
    """Whose fault it is; an Xid that is not known is treated with the care of a program's own."""
    if fault.what != "xid":
        return "hardware"
    known = XIDS.get(fault.number)
    return known.blame if known else "program"


def _outlived(worker: Worker, fault: GpuFault, now: float) -> bool:
    """Whether a program's fault can only be the worker's own, and it neither died of it nor went on."""
    return fault.ours and now - fault.at >= OWN_FAULT_AFTER_S and worker.beat_at <= fault.at and is_suspect(worker, now)


def _severity(blame: Blame) -> Severity:
    return "critical" if blame in ("hardware", "driver") else "warning"


def _unanswered(gpus: Collection[Gpu], now: float) -> Finding | None:
    since = next((gpu.unanswered_since for gpu in gpus if gpu.unanswered_since is not None), None)
    if since is None or now - since < UNANSWERED_S:
        return None
    details = {"gpus": [label(gpu) for gpu in gpus], "waiting_s": now - since}
    evidence = tuple(Phrase("before that: {line}", line=line) for gpu in gpus for line in lines(gpu))
    return Finding("stalled", "warning", since, Cause("gpu_driver", details, evidence))


def _idle(worker: Worker, gpus: Collection[Gpu], policy: Policy, now: float) -> Finding | None:
    quiet_s = now - _quiet_from(worker, gpus)
    floor_s = policy.gpu_stalled_after_s
    if quiet_s < floor_s or _in_announced_phase(worker, now):
        return None
    if quiet_s < max(idle_limit_s(gpu, floor_s) for gpu in gpus):
        return None
    return _without_work("warning", "gpu_idle", gpus, now)


def _in_announced_phase(worker: Worker, now: float) -> bool:
    """Whether a phase with a budget goes on within it; without a budget there is nothing to wait for."""
    head = worker.head
    return head.phase is not None and head.within_s is not None and now <= worker.phase_at + head.within_s


def _quiet_from(worker: Worker, gpus: Collection[Gpu]) -> float:
    """From when on idleness counts: memory is held, and the phase that explained it is over."""
    return max(worker.phase_at, *(max(gpu.busy_at, gpu.held_since) for gpu in gpus))


def _without_work(severity: Severity, code: CauseCode, gpus: Collection[Gpu], now: float) -> Finding:
    since = max(gpu.busy_at for gpu in gpus)
    details = {"gpus": [label(gpu) for gpu in gpus], "idle_s": now - since, "memory_mib": _memory_mib(gpus)}
    return Finding("stalled", severity, since, Cause(code, details, tuple(line for gpu in gpus for line in lines(gpu))))


def _memory_mib(gpus: Collection[Gpu]) -> float | None:
    known = [gpu.memory_mib for gpu in gpus if gpu.memory_mib is not None]
    return sum(known) if len(known) == len(gpus) else None
