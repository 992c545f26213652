"""What is known of workers besides their beats: a look at the processes of suspects, and the GPUs they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from flatline.wire import RUNNING
from flatlined.detection.gpus import works_as_usual
from flatlined.detection.rhythm import is_suspect, silent_from
from flatlined.inputs import gpus, processes
from flatlined.inputs.looks import PER_TICK, Looks
from flatlined.inputs.nvml import GpuSample
from flatlined.inputs.stacks import Stacks
from flatlined.model import Facts, Gpu, Process, Worker
from flatlined.service.runs import Run

ASKED_BEFORE_S = 3.0
"""A process is asked where it hangs so long before its silence is told, so that the first message can say it."""


class Evidence:
    """Gathers facts. Call ``begin`` at every tick."""

    def __init__(self) -> None:
        self._looks = Looks()
        self._stacks = Stacks()
        self._gpus: gpus.State = {}
        self._holders: dict[int, set[int]] = {}
        self.gpus_unanswered_since: float | None = None

    def begin(self, now: float, looks: float = PER_TICK) -> None:
        """A new tick, in which at most so many processes are looked at."""
        self._looks.begin(now, looks)

    def gpus_seen(self, samples: Sequence[GpuSample], beats: Mapping[int, int], now: float) -> None:
        """A look at the GPUs came back: whoever holds memory on one is tied to the watched process above it.

        ``beats`` are those seen so far, by the pid of the watched process.
        """
        pids = {process.pid for sample in samples for process in sample.processes or ()}
        pids |= {pid for gpu in self._gpus.values() for pid in gpu.holders}  # a lost GPU lists nobody any more
        owners = {}
        for pid in pids:
            above = next((p for p in processes.lineage(pid) if p in beats), None)
            if above is not None:
                owners[pid] = gpus.Owner(above, beats[above])
        self._gpus = gpus.fold(self._gpus, samples, now, owners)
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
            held = gpus.gpus_of(self._gpus, holders, now, self.gpus_unanswered_since) if holders else ()
            process = self._process(run, worker, pid, held, now)
            if process or held:
                facts[key] = Facts(process, held)
        return facts

    def _process(self, run: Run, worker: Worker, pid: int, held: Iterable[Gpu], now: float) -> Process | None:
        """A look at a suspect's process, and where it hangs if it is about to be called silent."""
        if not is_suspect(worker, now):
            self.forget(worker.key)
            return None
        process = self._looks.at(worker.key, pid)
        if process is None:
            return None
        process = replace(process, gpu_works=any(works_as_usual(gpu) for gpu in held))
        may_hang = worker.key[0] == "/" and worker.head.state == RUNNING and "silent" not in run.incidents
        soon = now + ASKED_BEFORE_S
        wanted = may_hang and soon >= silent_from(worker, process, run.policy, soon)
        return replace(process, stack=self._stacks.at(worker.key, pid, worker.body, now, wanted=wanted))

    def forget(self, key: str) -> None:
        """A worker is no longer watched, or no longer a suspect."""
        self._looks.forget(key)
        self._stacks.forget(key)
