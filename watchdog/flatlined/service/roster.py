"""Who is being watched: the runs, their workers and the processes behind them, from the first beat to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flatline.wire import FAILED, FINISHED, WireError
from flatlined.detection.observing import forgive, observe, resume
from flatlined.detection.patience import Patience
from flatlined.inputs import processes
from flatlined.inputs.beat_files import BeatFiles
from flatlined.inputs.deaths import Death, Deaths
from flatlined.inputs.memory import Memory
from flatlined.model import Moment, Policy, Worker
from flatlined.service import adoption
from flatlined.service.adoption import Adopted
from flatlined.service.runs import Run

REMOVE_AFTER_S = 10.0
"""The file of a run that is over stays this long, for another user's or the machine's daemon to read its last words."""
NEVER = float("inf")


class Roster:
    """The runs by key, and the run and the process of each worker by the worker's key.

    ``ended_wall`` gives when the end of a run was recorded, None if it was not; ``lesson_for`` what earlier runs of a
    worker's job have taught; ``policy`` what a job asks for.
    """

    def __init__(
        self,
        files: BeatFiles,
        deaths: Deaths,
        memory: Memory,
        *,
        ended_wall: Callable[[str], float | None],
        lesson_for: Callable[[Worker], Patience],
        policy: Callable[[str], Policy],
    ) -> None:
        self.runs: dict[str, Run] = {}
        self.run_of: dict[str, Run] = {}
        self.pid_of: dict[str, int] = {}
        self._files = files
        self._deaths = deaths
        self._memory = memory
        self._ended_wall = ended_wall
        self._lesson_for = lesson_for
        self._policy = policy
        self._over: dict[str, float] = {}

    def adopt(self, adopted: Adopted, moment: Moment) -> Run | None:
        """Begin to watch a worker; gives its run, or None if that is over and told already."""
        run_key, run_name, worker = adopted
        worker = self._tied(worker._replace(patience=self._lesson_for(worker)), moment)
        run = self.runs.get(run_key)
        while run is None and (ended_wall := self._ended_wall(run_key)) is not None:
            if worker.exit is not None or moment.wall_of(worker.started_at) <= ended_wall:
                self._leave(worker, moment)
                return None
            run_key = f"{run_key}+"  # begun anew after its end, as torchrun does with its ranks
            run = self.runs.get(run_key)
        if run is None:
            run = Run(run_key, run_name, self._policy(worker.body.job))
        self._join(run, worker)
        return run

    def take_up(self, run: Run, workers: Iterable[Worker], moment: Moment) -> None:
        """Go on watching a run of the last daemon."""
        for worker in workers:
            self._join(run, self._tied(self._resumed(worker, run, moment), moment))

    def take_in(self, run: Run, worker: Worker, moment: Moment) -> None:
        """A worker of the run after a beat; a wrapper that has just started its command is watched for that."""
        command_pid = worker.body.command_pid
        if command_pid and command_pid != run.workers[worker.key].body.command_pid:
            self._memory.watch(worker.key, command_pid, moment.mono)
        run.workers[worker.key] = worker

    def bury(self, deaths: Iterable[Death], moment: Moment) -> list[Run]:
        """Take in that processes died, with what they said last; gives their runs."""
        runs = []
        for key, seen in deaths:
            run = self.run_of.get(key)
            if run is None:  # its run ended in the meantime
                continue
            end = replace(seen, oom=self._memory.verdict(key, seen, moment.mono))
            run.workers[key] = self._with_last_words(run.workers[key], moment)._replace(exit=end)
            self.pid_of.pop(key, None)
            runs.append(run)
        return runs

    def dismiss(self, run: Run, moment: Moment) -> list[str]:
        """A run is over: nobody of it is watched any more; gives the keys of its workers."""
        del self.runs[run.key]
        for worker in run.workers.values():
            self._leave(worker, moment)
        return list(run.workers)

    def is_over(self, path: str) -> bool:
        """Whether a file is of a run that is over and told."""
        return path in self._over

    def files_to_read(self) -> list[str]:
        """The files of workers that may still beat."""
        return [key for key, run in self.run_of.items() if key[0] == "/" and run.workers[key].exit is None]

    def forgive(self, pause_s: float, *, datagrams_only: bool = False) -> None:
        """Hold so much time against nobody."""
        for key, run in self.run_of.items():
            if not (datagrams_only and key[0] == "/"):
                run.workers[key] = forgive(run.workers[key], pause_s)

    def remove_files(self, now: float) -> None:
        """Remove the files of runs that are over for a while; one that we may not remove is only remembered."""
        for path in [path for path, at in self._over.items() if at <= now]:
            try:
                Path(path).unlink(missing_ok=True)
            except OSError:
                self._over[path] = NEVER
            else:
                del self._over[path]

    def _join(self, run: Run, worker: Worker) -> None:
        self.runs[run.key] = run
        run.workers[worker.key] = worker
        self.run_of[worker.key] = run

    def _tied(self, worker: Worker, moment: Moment) -> Worker:
        """The worker with its process watched, or its end filled in where it is gone."""
        if not worker.local or worker.exit is not None:
            return worker
        pid = processes.find(worker.body)
        start = worker.body.start
        if pid is not None and start is not None and self._deaths.watch(worker.key, pid, start):
            self.pid_of[worker.key] = pid
            self._memory.watch(worker.key, worker.body.command_pid or pid, moment.mono)
            return worker
        return self._with_last_words(adoption.gone(worker, moment), moment)

    def _resumed(self, worker: Worker, run: Run, moment: Moment) -> Worker:
        """A worker of the last daemon. A file tells whether it beat meanwhile; missed datagrams tell nothing."""
        if worker.key[0] != "/":
            return worker if run.incidents else resume(worker, moment.mono)
        with suppress(OSError, WireError):  # gone or torn: its process, or its silence, will tell
            sighting = self._files.read(worker.key)
            if sighting is not None:
                has_beaten = sighting.beat.head.seq != worker.head.seq
                return observe(resume(worker, moment.mono) if has_beaten else worker, sighting.beat, moment.mono)
        return worker

    def _with_last_words(self, worker: Worker, moment: Moment) -> Worker:
        """The worker with what its file says now that nobody writes to it any more."""
        if worker.key[0] != "/":
            return worker
        with suppress(OSError, WireError):  # gone or torn: what was read before stands
            sighting = self._files.read(worker.key)
            if sighting is not None:
                return observe(worker, sighting.beat, moment.mono)
        return worker

    def _leave(self, worker: Worker, moment: Moment) -> None:
        """Done with a worker. Its file is removed a little later, if nobody writes to it any more and we may."""
        key = worker.key
        self._deaths.forget(key)
        self._memory.forget(key)
        self._files.forget(key)
        self.pid_of.pop(key, None)
        self.run_of.pop(key, None)
        if key[0] == "/":
            is_last_word = worker.exit is not None or worker.head.state in (FINISHED, FAILED)
            self._over[key] = moment.mono + REMOVE_AFTER_S if is_last_word else NEVER
