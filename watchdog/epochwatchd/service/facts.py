"""What is known of workers besides their beats: a look at the processes of suspects, and the GPUs they hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from epochwatch.wire import RUNNING
from epochwatchd.detection.gpu.health import works_as_usual
from epochwatchd.detection.timeout import is_suspect, silent_from
from epochwatchd.inputs.gpu import history
from epochwatchd.inputs.gpu.nvml import GpuSample
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.activity import PER_TICK, Looks
from epochwatchd.inputs.stacks.collect import Stacks
from epochwatchd.model import Facts, Gpu, Process, Worker
from epochwatchd.service.runs import Run

ASKED_BEFORE_S = 3.0
"""A process is asked where it hangs so long before its silence is told, so that the first message can say it."""


class Evidence:
    """Gathers facts. Call ``begin`` at every tick."""

    def __init__(self, went_on: Callable[[Worker], bool] = lambda _: False) -> None:
        """``went_on`` gives whether a worker's process beats in the name of a later run."""
        self._went_on = went_on
        self._looks = Looks()
        self._stacks = Stacks()
        self._gpus: history.State = {}
        self._holders: dict[int, set[int]] = {}
        self.gpus_unanswered_since: float | None = None
        self._in_process: Counter[int] | None = None
        self._programs: dict[str, str] = {}

    def begin(self, now: float, looks: float = PER_TICK) -> None:
        """A new tick, in which at most so many processes are looked at."""
        self._looks.begin(now, looks)
        self._in_process = None

    def gpus_seen(self, samples: Sequence[GpuSample], beats: Mapping[int, int], now: float) -> None:
        """A look at the GPUs came back: whoever holds memory on one is tied to the watched process above it.

        ``beats`` are those seen so far, by the pid of the watched process.
        """
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

    def of(self, run: Run, pid_of: Mapping[str, int], now: float) -> dict[str, Facts]:
        """The facts of each worker of a run that there are any of."""
        facts = {}
        for key, worker in run.workers.items():
            pid = pid_of.get(key)
            if pid is None:
                continue
            holders = self._holders.get(pid)
            held = history.gpus_of(self._gpus, holders, now, self.gpus_unanswered_since) if holders else ()
            process = self._process(run, worker, pid_of, held, now)
            if process or held:
                facts[key] = Facts(process, held)
        return facts

    def _process(
        self, run: Run, worker: Worker, pid_of: Mapping[str, int], held: Sequence[Gpu], now: float
    ) -> Process | None:
        """A look at a suspect's process, and where it hangs if it is about to be called silent."""
        if not is_suspect(worker, now):
            self.forget(worker.key)
            return None
        pid = pid_of[worker.key]
        process = self._looks.at(worker.key, pid, worker.body)
        if process is None:
            return None
        if process.program is not None:
            self._programs[worker.key] = process.program
        process = replace(
            process,
            gpu_at=max((gpu.busy_at for gpu in held), default=-math.inf),
            gpu_works=any(works_as_usual(gpu) for gpu in held),
        )
        may_hang = worker.key[0] == "/" and worker.head.state == RUNNING and "silent" not in run.incidents
        soon = now + ASKED_BEFORE_S
        is_due = soon >= silent_from(worker, process, run.policy, soon)
        if is_due and self._is_shared(pid, pid_of) and self._went_on(worker):
            return replace(process, went_on=True)
        wanted = may_hang and is_due
        stack = self._stacks.at(worker.key, pid, worker.body, now, wanted=wanted, uid=worker.uid)
        return replace(process, stack=stack)

    def _is_shared(self, pid: int, pid_of: Mapping[str, int]) -> bool:
        """Whether several workers are in one process; counted once a tick, since thousands may be due at once."""
        if self._in_process is None:
            self._in_process = Counter(pid_of.values())
        return self._in_process[pid] > 1

    def program_of(self, key: str) -> str | None:
        """The command line of what a suspect's process has become by ``exec``, if that was seen."""
        return self._programs.get(key)

    def forget(self, key: str) -> None:
        """A worker is no longer watched, or no longer a suspect."""
        self._looks.forget(key)
        self._programs.pop(key, None)
        self._stacks.forget(key)
