"""The facts of workers, besides their beats: what the processes of suspects do, and the GPUs that they hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from epochwatch.wire import RUNNING
from epochwatchd.detection.gpu.health import works_as_usual
from epochwatchd.detection.hang_cause import STOPPED
from epochwatchd.detection.observing import ENOUGH_BEATS, plan_is_reached
from epochwatchd.detection.timeout import CLOSED_S, is_suspect, silent_from
from epochwatchd.inputs.gpu import history
from epochwatchd.inputs.gpu.nvml import GpuSample
from epochwatchd.inputs.process import procfs, waits
from epochwatchd.inputs.process.activity import PER_TICK, Looks
from epochwatchd.inputs.process.descendants import below
from epochwatchd.model import Facts, Gpu, Process, Wait, WaitKind
from epochwatchd.service.runs import Run
from epochwatchd.service.watch import Watch

ASKED_BEFORE_S = 3.0
"""A process is asked where it hangs so long before its silence is told, so that the first message can say it."""

HABITS_PER_TICK = 3
"""The threads of those that beat are looked at now and then, of a few at a time."""
CONNECTED_AFTER_S, INSIDE_MAX = CLOSED_S - ASKED_BEFORE_S - 2.0, 500
"""So late it is looked whom a closed wait may be connected with, and among so many: that costs more than all else."""


class Watched(Protocol):
    """All workers that are watched."""

    watches: dict[str, Watch]

    def went_on(self, watch: Watch) -> bool:
        """Whether a worker's process beats in the name of a later run."""


class FactFinder:
    """Gathers facts. Call ``begin`` at every tick."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks()
        self._gpus: history.State = {}
        self._holders: dict[int, set[int]] = {}
        self._gpus_unanswered_since: float | None = None
        self._in_process: Counter[int | None] | None = None
        self._habits_left = 0

    def begin(self, now: float, looks: float = PER_TICK) -> None:
        """A new tick, in which at most so many processes are looked at."""
        self._looks.begin(now, looks)
        self._habits_left = HABITS_PER_TICK
        self._in_process = None

    def gpus_unanswered(self, since: float | None) -> None:
        """The GPU driver has hung in a call since then; None: it answers."""
        self._gpus_unanswered_since = since

    def gpus_seen(self, samples: Sequence[GpuSample], now: float) -> None:
        """A look at the GPUs came back: whoever holds memory on one is tied to the watched process above it."""
        beats = {watch.pid: watch.worker.beats for watch in self._watched.watches.values() if watch.pid is not None}
        pids = {process.pid for sample in samples for process in sample.processes or ()}
        pids |= {pid for gpu in self._gpus.values() for pid in gpu.holders}  # a lost GPU lists nobody any more
        owners = {}
        for pid in pids:
            above = next((p for p in procfs.lineage(pid) if p in beats), None)
            if above is not None:
                owners[pid] = history.Owner(above, beats[above])
        self._gpus = history.fold(self._gpus, samples, now, owners)
        self._holders = {}
        for pid, owner in owners.items():
            self._holders.setdefault(owner.pid, set()).add(pid)

    def of(self, run: Run, now: float) -> Mapping[str, Facts]:
        """The facts of each worker of a run that there are any of."""
        facts = {}
        for key, watch in run.watches.items():
            pid = watch.pid
            if pid is None:
                continue
            holders = self._holders.get(pid)
            held = history.gpus_of(self._gpus, holders, now, self._gpus_unanswered_since) if holders else ()
            process = self._process(run, watch, held, now)
            if process or held:
                facts[key] = Facts(process, held)
        return self._where_they_hang(run, _together(run, facts, now), now)

    def _process(self, run: Run, watch: Watch, held: Sequence[Gpu], now: float) -> Process | None:
        """A look at a suspect's process."""
        worker = watch.worker
        if not is_suspect(worker, now) or (worker.body.command_pid is not None and watch not in run.beating):
            if watch.activity is not None:
                watch.calm()
            elif self._habits_left and worker.beats >= ENOUGH_BEATS and watch.are_habits_due(now):
                self._habits_left -= 1
                watch.learn_habits(self._looks, now)
            return None
        process = watch.look(self._looks)
        if process is None:
            return None
        process = replace(
            process,
            gpu_at=max((gpu.busy_at for gpu in held), default=-math.inf),
            gpu_works=any(works_as_usual(gpu) for gpu in held),
        )
        if process.wait is not None and process.gpu_at >= process.wait.since:
            process = replace(process, wait=None)
        return process

    def _where_they_hang(self, run: Run, facts: dict[str, Facts], now: float) -> dict[str, Facts]:
        """The facts with where the suspects hang, if one of them is about to be called silent: they are asked at once.

        As soon as one is silent for too long, all are silent that wait with it; and no one before all have answered.
        """
        suspects = {key: it.process for key, it in facts.items() if it.process is not None}
        if not suspects:
            return facts
        soon, excused_until = now + ASKED_BEFORE_S, _excused_until(run, now)
        excused = {key: -math.inf if it.state in STOPPED else excused_until for key, it in suspects.items()}
        limits = {
            key: max(excused[key], silent_from(run.watches[key].worker, process, run.policy, soon))
            for key, process in suspects.items()
        }
        is_due = min(limits.values()) <= soon
        late = {key for key, limit in limits.items() if limit <= now}
        own = {watch.pid for watch in run.watches.values()}
        for key, process in suspects.items():
            watch = run.watches[key]
            may_hang = watch.file is not None and watch.worker.head.state == RUNNING and "silent" not in run.incidents
            if is_due and self._is_shared(watch.pid) and self._watched.went_on(watch):
                suspects[key] = replace(process, went_on=True)
            else:
                stack = watch.ask(now, [pid for pid in process.workers if pid not in own], wanted=may_hang and is_due)
                suspects[key] = replace(process, stack=stack)
        if any(process.stack is None for process in suspects.values()):
            suspects = {key: replace(process, stack=None) for key, process in suspects.items()}
        return facts | {
            key: replace(
                facts[key],
                process=process,
                hangs_with=len(late) > (key in late),
                excused_until=excused[key],
            )
            for key, process in suspects.items()
        }

    def _is_shared(self, pid: int | None) -> bool:
        """Whether several workers are in one process; counted once a tick, since thousands may be due at once."""
        if self._in_process is None:
            self._in_process = Counter(watch.pid for watch in self._watched.watches.values())
        return self._in_process[pid] > 1


def _excused_until(run: Run, now: float) -> float:
    """Until when the announced phases of some ranks explain that the others wait."""
    workers = run.workers
    if len(workers) <= 1 or all(worker.head.phase is None for worker in workers):
        return -math.inf
    if not any((worker.body.world_size or 1) > 1 for worker in workers):
        return -math.inf
    phases = (worker for worker in workers if worker.head.phase is not None and worker.exit is None)
    return max((silent_from(worker, None, run.policy, now) for worker in phases), default=-math.inf)


def _together(run: Run, facts: dict[str, Facts], now: float) -> dict[str, Facts]:
    """The facts with what the closed waits of a run's workers mean together."""
    found = {key: it.process for key, it in facts.items() if it.process and it.process.wait}
    closed = {key: it.wait.since for key, it in found.items() if it.wait and it.wait.kind == "closed"}
    if not closed:
        return facts
    kind = _kind_together(run, closed, now)
    since = {key: max(closed.values()) if kind == "closed" else at for key, at in closed.items()}
    return facts | {
        key: replace(facts[key], process=replace(found[key], wait=Wait(kind, at))) for key, at in since.items()
    }


def _kind_together(run: Run, closed: Mapping[str, float], now: float) -> WaitKind:
    """One that does not wait so may end the others' waits, be it elsewhere; and so may whom they are connected with."""
    living = [w for w in run.beating if w.worker.exit is None and (w.key in closed or not plan_is_reached(w.worker))]
    are_elsewhere = len(run.beating) < max(watch.worker.body.world_size or 1 for watch in run.beating)
    if are_elsewhere or len(closed) < len(living):
        return "peers"
    if now - max(closed.values()) < CONNECTED_AFTER_S or "silent" in run.incidents:
        return "closed"
    pids = [watch.pid for watch in living if watch.pid is not None]
    inside = {child for pid in pids for child in islice(below(pid), INSIDE_MAX)}
    return "network" if waits.is_connected_outside(pids, inside) else "closed"
