"""``stalled``: the GPUs that the worker holds memory on do no work for it, or one of them is lost."""

from __future__ import annotations

from collections.abc import Collection

from flatline.wire import FAILED, FINISHED
from flatlined.model import Cause, Facts, Finding, Gpu, Policy, Severity, Worker


def detect(worker: Worker, facts: Facts, policy: Policy, now: float) -> Finding | None:
    """Critical at once when a GPU is off the bus; a warning when none of its GPUs has worked for it for too long."""
    if not facts.gpus or _has_ended(worker):
        return None
    lost = [gpu for gpu in facts.gpus if gpu.lost]
    if lost:
        return _finding("critical", "gpu_lost", lost, now)
    if _in_announced_phase(worker, now) or now - _quiet_from(worker, facts.gpus) < policy.gpu_stalled_after_s:
        return None
    return _finding("warning", "gpu_idle", facts.gpus, now)


def _has_ended(worker: Worker) -> bool:
    return worker.exit is not None or worker.head.state in (FINISHED, FAILED)


def _in_announced_phase(worker: Worker, now: float) -> bool:
    """Whether a phase with a budget goes on within it; without a budget there is nothing to wait for."""
    head = worker.head
    return head.phase is not None and head.within_s is not None and now <= worker.phase_at + head.within_s


def _quiet_from(worker: Worker, gpus: Collection[Gpu]) -> float:
    """From when on idleness counts: memory is held, and the phase that explained it is over."""
    return max(worker.phase_at, *(max(gpu.busy_at, gpu.held_since) for gpu in gpus))


def _finding(severity: Severity, code: str, gpus: Collection[Gpu], now: float) -> Finding:
    since = max(gpu.busy_at for gpu in gpus)
    details = {"gpus": [gpu.index for gpu in gpus], "idle_s": now - since, "memory_mib": _memory_mib(gpus)}
    return Finding("stalled", severity, since, Cause(code, details, tuple(_line(gpu) for gpu in gpus)))


def _memory_mib(gpus: Collection[Gpu]) -> float | None:
    known = [gpu.memory_mib for gpu in gpus if gpu.memory_mib is not None]
    return sum(known) if len(known) == len(gpus) else None


def _line(gpu: Gpu) -> str:
    """One GPU as measured: ``GPU 0 NVIDIA H100: 0 % used, 40000 MiB held, 71 W``."""
    figures = (
        "lost" if gpu.lost else None,
        None if gpu.utilization_pct is None or gpu.lost else f"{gpu.utilization_pct:.0f} % used",
        None if gpu.memory_mib is None else f"{gpu.memory_mib:.0f} MiB held",
        None if gpu.power_w is None or gpu.lost else f"{gpu.power_w:.0f} W",
    )
    return f"GPU {gpu.index} {gpu.name}: " + ", ".join(figure for figure in figures if figure)
