"""What is known of workers besides their beats: a look at the processes of suspects, and the GPUs they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flatlined.detection.rhythm import is_suspect
from flatlined.inputs import gpus, processes
from flatlined.inputs.looks import PER_TICK, Looks
from flatlined.inputs.nvml import GpuSample
from flatlined.model import Facts
from flatlined.service.runs import Run


class Evidence:
    """Gathers facts. Call ``begin`` at every tick."""

    def __init__(self) -> None:
        self._looks = Looks()
        self._gpus: gpus.State = {}
        self._holders: dict[int, set[int]] = {}

    def begin(self, now: float, looks: float = PER_TICK) -> None:
        """A new tick, in which at most so many processes are looked at."""
        self._looks.begin(now, looks)

    def gpus_seen(self, samples: Sequence[GpuSample], watched: set[int], now: float) -> None:
        """A look at the GPUs came back: whoever holds memory on one is tied to the watched process above it."""
        self._gpus = gpus.fold(self._gpus, samples, now)
        self._holders = {}
        for pid in {process.pid for sample in samples for process in sample.processes or ()}:
            above = next((p for p in processes.lineage(pid) if p in watched), None)
            if above is not None:
                self._holders.setdefault(above, set()).add(pid)

    def of(self, run: Run, pid_of: Mapping[str, int], now: float) -> dict[str, Facts]:
        """The facts of each worker of a run that there are any of."""
        facts = {}
        for key, worker in run.workers.items():
            pid = pid_of.get(key)
            if pid is None:
                continue
            holders = self._holders.get(pid)
            held = gpus.gpus_of(self._gpus, holders, now) if holders else ()
            process = None
            if is_suspect(worker, now):
                process = self._looks.at(key, pid)
            else:
                self._looks.forget(key)
            if process or held:
                facts[key] = Facts(process, held)
        return facts

    def forget(self, key: str) -> None:
        """A worker is no longer watched."""
        self._looks.forget(key)
