"""What the looks at the GPUs add up to: who holds memory on which, since when, and when it was last seen working.

``fold`` and ``gpus_of`` are pure; ``GpuReader`` looks from a thread, because a sick driver can hang in any call.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from flatlined.inputs.nvml import GpuSample, ProcessSample, open_driver, sample, total
from flatlined.model import Gpu

NO_DRIVER_RETRY_S = 600.0
FAULT_RETRY_S = 60.0
HUNG_AFTER_S = 30.0
UNWATCHED_AFTER_S = 30.0
"""A longer gap between two looks is time nobody watched, and is not held against anybody: poll more often than this."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory on a GPU, as the looks so far add up."""

    memory_mib: float | None
    held_since: float
    busy_at: float
    stamp_us: int


@dataclass(frozen=True, slots=True)
class WatchedGpu:
    """A GPU's last good look, when that was, and who holds memory on it, by pid."""

    sample: GpuSample
    looked_at: float
    holders: Mapping[int, Holder]


State: TypeAlias = Mapping[int, WatchedGpu]
"""Every GPU by its index."""


def fold(previous: State, samples: Iterable[GpuSample], now: float) -> State:
    """What is known of the GPUs after one more look, taken at ``now`` (monotonic seconds)."""
    return {gpu.index: _advance(previous.get(gpu.index), gpu, now) for gpu in samples}


def _advance(before: WatchedGpu | None, gpu: GpuSample, now: float) -> WatchedGpu:
    if before is not None and gpu.lost:  # a lost GPU tells nothing else, its holders are those of before
        return replace(before, sample=replace(before.sample, lost=True), looked_at=now)
    if before is not None and gpu.processes is None:
        return before
    if before is None or before.sample.uuid != gpu.uuid:  # after a driver restart the index may be another GPU's
        before = WatchedGpu(gpu, now, {})
    working = _working(before, gpu)
    unwatched_s = _unwatched_s(before, now)
    holders = {
        process.pid: _hold(before.holders.get(process.pid), process, now, unwatched_s, working=process.pid in working)
        for process in gpu.processes or ()
    }
    return WatchedGpu(gpu, now, holders)


def _hold(before: Holder | None, process: ProcessSample, now: float, unwatched_s: float, *, working: bool) -> Holder:
    if before is None:
        return Holder(process.memory_mib, now, now, process.stamp_us)
    return Holder(
        process.memory_mib,
        before.held_since + unwatched_s,
        now if working else before.busy_at + unwatched_s,
        max(before.stamp_us, process.stamp_us),
    )


def _working(before: WatchedGpu, gpu: GpuSample) -> Collection[int]:
    """The pids the GPU has worked for since the look before.

    Use that the driver does not attribute to any process, or cannot, counts for all of them: no false alarm.
    """
    processes = gpu.processes or ()
    in_use = gpu.utilization_pct is None or gpu.utilization_pct > 0
    attributed = any(p.use_pct for p in processes) and all(p.use_pct is not None for p in processes)
    if in_use and not attributed:
        return {p.pid for p in processes}
    return {p.pid for p in processes if p.use_pct and p.stamp_us > _last_stamp_us(before, p.pid)}


def _last_stamp_us(before: WatchedGpu, pid: int) -> int:
    holder = before.holders.get(pid)
    return holder.stamp_us if holder else 0


def _unwatched_s(gpu: WatchedGpu, now: float) -> float:
    gap_s = now - gpu.looked_at
    return gap_s if gap_s > UNWATCHED_AFTER_S else 0.0


def gpus_of(state: State, pids: Collection[int], now: float) -> tuple[Gpu, ...]:
    """The GPUs on which any of ``pids`` (a worker's process tree, as the host numbers it) holds memory."""
    return tuple(
        _as_fact(gpu, holders, _unwatched_s(gpu, now))
        for gpu in state.values()
        if (holders := [holder for pid, holder in gpu.holders.items() if pid in pids])
    )


def _as_fact(gpu: WatchedGpu, holders: Collection[Holder], unwatched_s: float) -> Gpu:
    return Gpu(
        index=gpu.sample.index,
        name=gpu.sample.name,
        memory_mib=total(holder.memory_mib for holder in holders),
        busy_at=max(holder.busy_at for holder in holders) + unwatched_s,
        held_since=min(holder.held_since for holder in holders) + unwatched_s,
        utilization_pct=gpu.sample.utilization_pct,
        power_w=gpu.sample.power_w,
        lost=gpu.sample.lost,
    )


class GpuReader:
    """Looks at the GPUs from a thread, one look at a time, so that a driver that hangs holds up one thread at most.

    ``deliver`` is called from that thread with each look. A machine without a driver is nothing to report: no look
    comes, and the driver is tried again every ten minutes.
    """

    def __init__(self, deliver: Callable[[tuple[GpuSample, ...]], None]) -> None:
        self._deliver = deliver
        self._nvml: Any = None
        self._last: tuple[GpuSample, ...] = ()
        self._fault: str | None = None
        self._not_before = -math.inf
        self._look_began_at = 0.0
        self._look: threading.Thread | None = None

    def poll(self, now: float) -> None:
        """Begins a look, unless one is under way or it is too early to try again. Does not block."""
        if self._is_looking() or now < self._not_before:
            return
        self._look_began_at = now
        self._look = threading.Thread(target=self._look_once, args=(now,), name="gpus", daemon=True)
        self._look.start()

    def problem(self, now: float) -> str | None:
        """Why no looks come although there is a driver: it has not answered for 30 s, or fails; else None."""
        waiting_s = now - self._look_began_at
        if self._is_looking() and waiting_s > HUNG_AFTER_S:
            return f"the NVIDIA driver has not answered for {waiting_s:.0f} s"
        return self._fault

    def _is_looking(self) -> bool:
        return self._look is not None and self._look.is_alive()

    def _look_once(self, now: float) -> None:
        try:
            self._nvml = self._nvml or open_driver()
            if self._nvml is None:
                self._fault, self._not_before = None, now + NO_DRIVER_RETRY_S
                return
            self._last = sample(self._nvml, self._last)
        except Exception as error:  # noqa: BLE001 - whatever a sick driver makes of it is reported, not fatal
            self._fault, self._not_before = f"the NVIDIA driver fails: {error}", now + FAULT_RETRY_S
            self._close()
            return
        self._fault = None
        self._deliver(self._last)

    def _close(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):  # it has just failed: the next look begins afresh anyway
                nvml.nvmlShutdown()
