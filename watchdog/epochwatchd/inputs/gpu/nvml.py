"""One look at the GPUs through NVML, the library of the NVIDIA driver; any call of it can hang."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from epochwatchd.inputs.gpu.xid_events import XidEvent
from epochwatchd.phrase import Phrase

STAMP_OVERLAP_US = 2_000_000
"""The driver enters the uses of different processes in bursts and out of order: ask again for the last moments."""
PERCENT_MAX = 100
MIB = 2**20
_SLOWED = {
    0x20 | 0x40: Phrase("slowed down: too hot"),
    0x80: Phrase("slowed down: the power supply asks for it"),
    0x08: Phrase("slowed down by the hardware"),
}
"""By bits of ``nvmlClocksEventReason`` (nvml.h), the most telling first. Its own power limit slows every GPU in full
work down, and is no news."""


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
    """One GPU, or one MIG ``instance`` of it, in one look; what the driver does not tell is None.

    ``seen_us``: the newest stamp of all looks so far. ``slowed``: why it runs slower than it could.
    ``uncorrected``: memory errors beyond repair since the driver loaded; ``remap_pending`` and ``remap_failed``: bad
    rows of it wait for a reset to be replaced, or cannot be. ``xids``: what the driver reported since the last look.
    """

    index: int
    uuid: str = ""
    name: str = ""
    utilization_pct: int | None = None
    memory_utilization_pct: int | None = None
    power_w: float | None = None
    processes: tuple[ProcessSample, ...] | None = None
    lost: bool = False
    seen_us: int = 0
    instance: int | None = None
    temperature_c: int | None = None
    slowed: str | None = None
    uncorrected: int | None = None
    remap_pending: bool = False
    remap_failed: bool = False
    xids: tuple[int, ...] = ()


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


def sample(nvml: Any, previous: Iterable[GpuSample] = (), events: Sequence[XidEvent] = ()) -> tuple[GpuSample, ...]:
    """One look at every GPU: ``nvml`` is the initialised ``pynvml``, ``previous`` the last look, ``events`` since then.

    Raises:
        pynvml.NVMLError: the driver does not even say how many GPUs there are. Any other failure loses one figure.
    """
    seen_us = {gpu.index: gpu.seen_us for gpu in previous}
    count = nvml.nvmlDeviceGetCount()
    return tuple(gpu for index in range(count) for gpu in _look_at(nvml, index, seen_us.get(index, 0), events))


def _look_at(nvml: Any, index: int, seen_us: int, events: Sequence[XidEvent]) -> Sequence[GpuSample]:
    """The GPU, or each of its MIG instances if it is divided."""
    mine = [event for event in events if event.gpu == index]
    bare = GpuSample(index, seen_us=seen_us, xids=tuple(event.number for event in mine))
    try:
        handle = _ask(nvml, "nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            return [bare]
        card = _card(nvml, handle, bare)
        return [*_instances(nvml, handle, card, mine)] or [_undivided(nvml, handle, card)]
    except nvml.NVMLError_GpuIsLost:
        return [replace(bare, lost=True)]


def _card(nvml: Any, handle: Any, bare: GpuSample) -> GpuSample:
    """What is known of the whole card, whoever uses which part of it."""
    power_mw = _ask(nvml, "nvmlDeviceGetPowerUsage", handle)
    remapped = _ask(nvml, "nvmlDeviceGetRemappedRows", handle)
    return replace(
        bare,
        uuid=_ask(nvml, "nvmlDeviceGetUUID", handle) or "",
        name=_ask(nvml, "nvmlDeviceGetName", handle) or "NVIDIA GPU",
        power_w=None if power_mw is None else power_mw / 1000,
        temperature_c=_ask(nvml, "nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
        slowed=_slowed(nvml, handle),
        uncorrected=_ask(
            nvml,
            "nvmlDeviceGetTotalEccErrors",
            handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        ),
        remap_pending=bool(remapped and remapped[2]),
        remap_failed=bool(remapped and remapped[3]),
    )


def _slowed(nvml: Any, handle: Any) -> str | None:
    reasons = _ask(nvml, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:  # drivers before 535 have the older name only
        reasons = _ask(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return next((why for bits, why in _SLOWED.items() if reasons and reasons & bits), None)


def _undivided(nvml: Any, handle: Any, card: GpuSample) -> GpuSample:
    rates = _ask(nvml, "nvmlDeviceGetUtilizationRates", handle)
    processes = _processes(nvml, handle, _uses(nvml, handle, card.seen_us))
    return replace(
        card,
        utilization_pct=None if rates is None else rates.gpu,
        memory_utilization_pct=None if rates is None else rates.memory,
        processes=processes,
        seen_us=max([card.seen_us, *(process.stamp_us for process in processes or ())]),
    )


def _instances(nvml: Any, handle: Any, card: GpuSample, events: Sequence[XidEvent]) -> Iterator[GpuSample]:
    """The MIG instances of a divided GPU: who holds memory, and no more, because the driver tells no use of them."""
    mode = _ask(nvml, "nvmlDeviceGetMigMode", handle)
    if not mode or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return
    for number in range(_ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        part = _ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        if part is None:  # that many there could be, not are
            continue
        place = _ask(nvml, "nvmlDeviceGetGpuInstanceId", part)
        yield replace(
            card,
            instance=number,
            uuid=_ask(nvml, "nvmlDeviceGetUUID", part) or f"{card.uuid}/{number}",
            name=_ask(nvml, "nvmlDeviceGetName", part) or card.name,
            power_w=None,
            processes=_processes(nvml, part, None),
            xids=tuple(event.number for event in events if event.instance in (None, place)),
        )


def _ask(nvml: Any, function: str, *args: Any) -> Any:
    """The answer of one call, or None where this package, driver or GPU has none; only a lost GPU is an error."""
    call = getattr(nvml, function, None)  # some are announced to go
    try:
        return call(*args) if call else None
    except nvml.NVMLError_GpuIsLost:
        raise
    except nvml.NVMLError:
        return None


def _processes(nvml: Any, handle: Any, uses: Mapping[int, Any] | None) -> tuple[ProcessSample, ...] | None:
    running = _ask(nvml, "nvmlDeviceGetComputeRunningProcesses_v3", handle)
    if running is None:  # drivers before 510
        running = _ask(nvml, "nvmlDeviceGetComputeRunningProcesses_v2", handle)
    if running is None:
        return None
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
