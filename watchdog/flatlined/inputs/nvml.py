"""One look at the GPUs through NVML, the library of the NVIDIA driver; any call of it can hang."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

STAMP_OVERLAP_US = 2_000_000
"""The driver enters the uses of different processes in bursts and out of order: ask again for the last moments."""
PERCENT_MAX = 100
MIB = 2**20


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process on one GPU. ``use_pct``: its busiest engine, 0 if the driver lists no use, None if it cannot say.

    ``stamp_us``: when the driver last saw that use, on the driver's own clock; 0 without one.
    """

    pid: int
    memory_mib: float | None
    use_pct: int | None
    stamp_us: int = 0


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU in one look; what the driver does not tell is None. ``seen_us``: the newest stamp of all looks so far."""

    index: int
    uuid: str = ""
    name: str = ""
    utilization_pct: int | None = None
    memory_utilization_pct: int | None = None
    power_w: float | None = None
    processes: tuple[ProcessSample, ...] | None = None
    lost: bool = False
    seen_us: int = 0


def open_driver() -> Any:
    """The initialised ``pynvml``, or None where package, library or driver is missing."""
    try:
        nvml = import_module("pynvml")
    except ModuleNotFoundError:
        return None
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return None
    return nvml


def sample(nvml: Any, previous: Iterable[GpuSample] = ()) -> tuple[GpuSample, ...]:
    """One look at every GPU; ``nvml`` is the initialised ``pynvml``, ``previous`` the look before.

    Raises:
        pynvml.NVMLError: the driver does not even say how many GPUs there are. Any other failure loses one figure.
    """
    seen_us = {gpu.index: gpu.seen_us for gpu in previous}
    return tuple(_look_at(nvml, index, seen_us.get(index, 0)) for index in range(nvml.nvmlDeviceGetCount()))


def _look_at(nvml: Any, index: int, seen_us: int) -> GpuSample:
    try:
        handle = _ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index)
        return GpuSample(index, seen_us=seen_us) if handle is None else _figures(nvml, index, handle, seen_us)
    except nvml.NVMLError_GpuIsLost:
        return GpuSample(index, lost=True, seen_us=seen_us)


def _figures(nvml: Any, index: int, handle: Any, seen_us: int) -> GpuSample:
    rates = _ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    power_mw = _ask(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    processes = _processes(nvml, handle, seen_us)
    return GpuSample(
        index=index,
        uuid=_ask(nvml, nvml.nvmlDeviceGetUUID, handle) or "",
        name=_ask(nvml, nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU",
        utilization_pct=None if rates is None else rates.gpu,
        memory_utilization_pct=None if rates is None else rates.memory,
        power_w=None if power_mw is None else power_mw / 1000,
        processes=processes,
        seen_us=max([seen_us, *(process.stamp_us for process in processes or ())]),
    )


def _ask(nvml: Any, call: Callable[..., Any], *args: Any) -> Any:
    """The answer of one call, or None where this driver or GPU has none; only a lost GPU is an error."""
    try:
        return call(*args)
    except nvml.NVMLError_GpuIsLost:
        raise
    except nvml.NVMLError:
        return None


def _processes(nvml: Any, handle: Any, seen_us: int) -> tuple[ProcessSample, ...] | None:
    running = _ask(nvml, nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle)
    if running is None:  # drivers before 510
        running = _ask(nvml, nvml.nvmlDeviceGetComputeRunningProcesses_v2, handle)
    if running is None:
        return None
    uses = _uses(nvml, handle, seen_us)
    memory: dict[int, list[float | None]] = {}
    for process in running:  # a process on several MIG instances is listed once for each
        used = process.usedGpuMemory
        memory.setdefault(process.pid, []).append(None if used is None else used / MIB)
    return tuple(_process(pid, total(parts), uses) for pid, parts in memory.items())


def _process(pid: int, memory_mib: float | None, uses: Mapping[int, Any] | None) -> ProcessSample:
    if uses is None:
        return ProcessSample(pid, memory_mib, None)
    use = uses.get(pid)
    if use is None:
        return ProcessSample(pid, memory_mib, 0)
    return ProcessSample(pid, memory_mib, _busiest(use), use.timeStamp)


def _uses(nvml: Any, handle: Any, seen_us: int) -> Mapping[int, Any] | None:
    """The newest use of each process since shortly before ``seen_us``; None where the driver does not say."""
    try:
        uses = nvml.nvmlDeviceGetProcessUtilization(handle, max(0, seen_us - STAMP_OVERLAP_US))
    except nvml.NVMLError_GpuIsLost:
        raise
    except nvml.NVMLError as error:  # pynvml raises "success" for an empty list
        return {} if error.value in (nvml.NVML_SUCCESS, nvml.NVML_ERROR_NOT_FOUND) else None
    if any(_busiest(use) > PERCENT_MAX for use in uses):
        return None  # some drivers answer with uninitialised memory when dead processes still hold some
    return {use.pid: use for use in sorted(uses, key=lambda use: use.timeStamp)}


def _busiest(use: Any) -> int:
    return int(max(use.smUtil, use.memUtil, use.encUtil, use.decUtil))


def total(parts: Iterable[float | None]) -> float | None:
    """The sum of ``parts``, None if one is not known."""
    known = list(parts)
    return None if None in known else sum(part for part in known if part is not None)
