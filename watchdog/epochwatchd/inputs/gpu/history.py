"""What the looks at the GPUs add up to: who holds memory on which, how they work, and what went wrong with them.

Pure: time is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from epochwatchd.detection.gpu.baseline import Baseline, learn
from epochwatchd.inputs.gpu.nvml import GpuSample, ProcessSample, total
from epochwatchd.model import Gpu, GpuFault, GpuLoad
from epochwatchd.phrase import Phrase

UNWATCHED_AFTER_S = 30.0
"""A longer gap between two looks is time nobody watched, and is not held against anybody: poll more often than this."""
FAULTS_KEPT = 8
NO_BASELINE = Baseline()


class Owner(NamedTuple):
    """The watched process above one that holds memory, and how many of its beats have been seen."""

    pid: int
    beats: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory on a GPU, as the looks so far add up."""

    memory_mib: float | None
    held_since: float
    busy_at: float
    stamp_us: int
    baseline: Baseline = NO_BASELINE


class Fault(NamedTuple):
    """What went wrong with a GPU, when that was seen, and who held memory on it then."""

    at: float
    what: Literal["xid", "ecc", "remap"]
    number: int
    pids: frozenset[int]


@dataclass(frozen=True, slots=True)
class WatchedGpu:
    """A GPU's last good look, when that was, who holds memory on it, by pid, and its faults that concern them."""

    sample: GpuSample
    looked_at: float
    holders: Mapping[int, Holder]
    faults: tuple[Fault, ...] = ()


Key: TypeAlias = tuple[int, int | None]
"""A GPU's index, and the number of its MIG instance."""
State: TypeAlias = Mapping[Key, WatchedGpu]


def fold(previous: State, samples: Iterable[GpuSample], now: float, owners: Mapping[int, Owner] | None = None) -> State:
    """What is known of the GPUs after one more look, taken at ``now`` (monotonic seconds); ``owners`` are by pid."""
    return {key: _advance(previous.get(key), gpu, now, owners or {}) for gpu in samples for key in _keys(gpu, previous)}


def _keys(gpu: GpuSample, previous: State) -> Collection[Key]:
    """What the look is of: a GPU that could not be read stands for all instances that were known of it."""
    is_whole = gpu.processes is None and gpu.instance is None
    return (is_whole and [key for key in previous if key[0] == gpu.index]) or [(gpu.index, gpu.instance)]


def _advance(before: WatchedGpu | None, gpu: GpuSample, now: float, owners: Mapping[int, Owner]) -> WatchedGpu:
    if before is not None and gpu.processes is None:  # lost, or not to be read: its holders are those of before
        faults = _faults(before, before.sample, gpu.xids, now, before.holders.keys())
        sample = replace(before.sample, lost=True) if gpu.lost else before.sample
        return replace(before, sample=sample, looked_at=now if gpu.lost else before.looked_at, faults=faults)
    if before is None or before.sample.uuid != gpu.uuid:  # after a driver restart the index may be another GPU's
        before = WatchedGpu(gpu, now, {})
    working = _working(before, gpu)
    unwatched_s = _unwatched_s(before, now)
    load = _load(gpu, owners)
    holders = {
        process.pid: _learned(
            _hold(before.holders.get(process.pid), process, now, unwatched_s, working=process.pid in working),
            load,
            owners.get(process.pid),
        )
        for process in gpu.processes or ()
    }
    pids = before.holders.keys() if unwatched_s else before.holders.keys() | holders.keys()
    faults = _faults(before, gpu, gpu.xids, now, pids)
    return WatchedGpu(gpu, now, holders, tuple(fault for fault in faults if fault.pids & holders.keys()))


def _hold(before: Holder | None, process: ProcessSample, now: float, unwatched_s: float, *, working: bool) -> Holder:
    if before is None:
        return Holder(process.memory_mib, now, now, process.stamp_us)
    busy_at, held_since = before.busy_at + unwatched_s, before.held_since + unwatched_s
    baseline = before.baseline
    if working and busy_at > held_since:  # what came before the first work was loading
        baseline = baseline._replace(longest_idle_s=max(baseline.longest_idle_s, now - busy_at))
    stamp_us = max(before.stamp_us, process.stamp_us)
    return Holder(process.memory_mib, held_since, now if working else busy_at, stamp_us, baseline)


def _learned(holder: Holder, load: GpuLoad | None, owner: Owner | None) -> Holder:
    return holder if owner is None else replace(holder, baseline=learn(holder.baseline, load, owner.beats))


def _load(gpu: GpuSample, owners: Mapping[int, Owner]) -> GpuLoad | None:
    """The load of the GPU in this look, if it can only be one run's."""
    users = {owners[p.pid].pid if p.pid in owners else None for p in gpu.processes or ()}
    if len(users) != 1 or None in users:
        return None
    if gpu.utilization_pct is None or gpu.memory_utilization_pct is None or gpu.power_w is None:
        return None
    return GpuLoad(1, gpu.utilization_pct, gpu.memory_utilization_pct, gpu.power_w)


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


def _faults(
    before: WatchedGpu, gpu: GpuSample, xids: Iterable[int], now: float, pids: Collection[int]
) -> tuple[Fault, ...]:
    """The faults so far and the new ones, of those who held memory; what was wrong before the first look is old."""
    new = [Fault(now, "xid", number, frozenset(pids)) for number in dict.fromkeys(xids)]
    errors = (gpu.uncorrected or 0) - (before.sample.uncorrected or 0)
    if errors > 0 and before.sample.uncorrected is not None:
        new.append(Fault(now, "ecc", errors, frozenset(pids)))
    if gpu.remap_failed and not before.sample.remap_failed:
        new.append(Fault(now, "remap", 1, frozenset(pids)))
    return (*before.faults, *new)[-FAULTS_KEPT:]


def gpus_of(state: State, pids: Collection[int], now: float, unanswered_since: float | None = None) -> tuple[Gpu, ...]:
    """The GPUs on which any of ``pids`` (a worker's process tree, as the host numbers it) holds memory."""
    return tuple(
        _as_fact(gpu, holders, _unwatched_s(gpu, now), unanswered_since)
        for gpu in state.values()
        if (holders := {pid: holder for pid, holder in gpu.holders.items() if pid in pids})
    )


def _as_fact(gpu: WatchedGpu, holders: Mapping[int, Holder], unwatched_s: float, unanswered_since: float | None) -> Gpu:
    first = min(holders.values(), key=lambda holder: holder.held_since)
    return Gpu(
        index=gpu.sample.index,
        name=gpu.sample.name,
        memory_mib=total(holder.memory_mib for holder in holders.values()),
        busy_at=max(holder.busy_at for holder in holders.values()) + unwatched_s,
        held_since=first.held_since + unwatched_s,
        utilization_pct=gpu.sample.utilization_pct,
        power_w=gpu.sample.power_w,
        lost=gpu.sample.lost,
        instance=gpu.sample.instance,
        longest_idle_s=max(holder.baseline.longest_idle_s for holder in holders.values()),
        usual=first.baseline.usual,
        lately=first.baseline.lately,
        faults=tuple(
            GpuFault(fault.at, fault.what, fault.number, ours=fault.pids <= holders.keys())
            for fault in gpu.faults
            if fault.pids & holders.keys()
        ),
        notes=tuple(_notes(gpu.sample)),
        unanswered_since=unanswered_since,
    )


def _notes(gpu: GpuSample) -> Iterator[str]:
    if gpu.slowed:
        why = gpu.slowed
        hot = gpu.temperature_c is not None
        yield Phrase("{why} ({celsius} °C)", why=why, celsius=gpu.temperature_c) if hot else why
    if gpu.remap_failed:
        yield Phrase("bad memory rows that could not be replaced")
    elif gpu.remap_pending:
        yield Phrase("bad memory rows that a reset will replace")
