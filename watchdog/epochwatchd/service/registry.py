"""Who is being watched: the runs, their workers and the processes behind them, from the first beat to the end."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, Protocol

from epochwatch.wire import EXITING, FAILED, FINISHED, RUNNING, Beat, Body, WireError
from epochwatchd.config import Config
from epochwatchd.detection.observing import forgive, observe, resume
from epochwatchd.detection.silence import Patience
from epochwatchd.inputs.heartbeats.files import BeatFiles
from epochwatchd.inputs.oom.watch import Memory
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.exits import Death, Deaths
from epochwatchd.model import Exit, Incident, Moment, Worker
from epochwatchd.service import identify
from epochwatchd.service.exit_causes import Endings
from epochwatchd.service.identify import Adopted
from epochwatchd.service.runs import Run
from epochwatchd.service.shares import Shares

log = logging.getLogger("epochwatchd")

TIED_PER_TICK = 100
REMOVE_AFTER_S = 10.0
"""The file of a run that is over stays this long, for another user's or the machine's daemon to read its last words."""
TRY_AGAIN_S = 3600.0
UNSETTLED_MAX = 1000
"""How many dead processes are kept in mind that their parents have not reaped, at a descriptor each."""


class _Over(NamedTuple):
    """When the file of a run that is over is to be removed, and who wrote it."""

    remove_at: float
    sender: tuple[str | None, int | None, int | None]


class Past(Protocol):
    """What is recorded of earlier runs."""

    def ended_wall(self, run_key: str) -> float | None:
        """When the end of a run was recorded; None if it was not."""

    def crash_of(self, run_key: str, moment: Moment) -> Incident | None:
        """The crash with which a run ended; None if it ended otherwise, or did not."""

    def lesson_for(self, worker: Worker) -> Patience:
        """What earlier runs of a worker's job have taught."""


class Roster:
    """The runs by key, and the run and the process of each worker by the worker's key.

    ``program_of`` gives what a process has become by ``exec``, where that was seen.
    ``settled`` are runs that are over and told, of which an exit status came only now.
    """

    def __init__(self, config: Config, past: Past, files: BeatFiles, deaths: Deaths, memory: Memory) -> None:
        self.shares = Shares(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self.runs: dict[str, Run] = {}
        self.run_of: dict[str, Run] = {}
        self.pid_of: dict[str, int] = {}
        self.program_of: Callable[[str], str | None] = lambda _: None
        self._config = config
        self._past = past
        self._files = files
        self._deaths = deaths
        self._endings = Endings(memory)
        self._over: dict[str, _Over] = {}
        self._untied: dict[str, None] = {}
        self._unsettled: dict[str, Run] = {}
        self.settled: list[Run] = []

    def adopt(self, adopted: Adopted, moment: Moment) -> Run | None:
        """Begin to watch a worker; gives its run, or None if that is over and told already.

        Raises WireError ``share`` where its user has as many as one may.
        """
        run_key, run_name, worker = adopted
        self._give_up(worker.key)
        self.shares.take(worker.uid, worker.key, worker.head.body_len, moment.mono)
        run = self.runs.get(run_key)
        worker = (
            worker._replace(patience=self._past.lesson_for(worker)) if run is None else self._moved(run, worker, moment)
        )
        worker = self._tied(worker, moment)
        policy = self._config.policy(worker.body.job)
        while run is None and (ended_wall := self._past.ended_wall(run_key)) is not None:
            if worker.exit is not None or moment.wall_of(worker.started_at) <= ended_wall:
                self._deaths.forget(worker.key)
                self._leave(worker, moment)
                return None
            crash = self._past.crash_of(run_key, moment)
            if crash is not None:  # begun anew, as torchrun does with all its ranks when one has crashed: it goes on
                run = Run(run_key, run_name, policy, is_new=False, incidents={"crashed": crash})
                self._close_the_book_on(run_key)
            else:
                run_key = f"{run_key}+"
                run = self.runs.get(run_key)
        run = run or Run(run_key, run_name, policy)
        self._join(run, worker)
        return run

    def _moved(self, run: Run, worker: Worker, moment: Moment) -> Worker:
        """The worker, with what is known of it: its agent may have made its file anew, in another folder."""
        for known in list(run.workers.values()):
            if is_file(known.key) and is_file(worker.key) and known.exit is None and _is_same(known.body, worker.body):
                del run.workers[known.key]
                self._let_go(known)
                self._deaths.forget(known.key)
                return observe(known._replace(key=worker.key), Beat(worker.head, worker.body), moment.mono)
        return worker._replace(patience=self._past.lesson_for(worker))

    def reconfigure(self, config: Config) -> None:
        """From now on by another configuration."""
        self._config = config
        for run in self.runs.values():
            run.policy = config.policy(run.speaker.body.job)

    def take_up(
        self, run: Run, workers: Iterable[Worker], moment: Moment, *, watched_wall: float | None = None
    ) -> None:
        """Go on watching a run of the last daemon, which watched it until then."""
        for worker in workers:
            self.shares.take(worker.uid, worker.key, worker.head.body_len, moment.mono)
            self._join(run, self._tied(self._resumed(worker, run, moment), moment, watched_wall))

    def take_in(self, run: Run, key: str, beat: Beat, moment: Moment) -> None:
        """A beat of a worker; a wrapper that has just started its command is watched for that.

        That it was stopped and thawed teaches nothing about how long its pauses are. Raises WireError ``process`` where
        the beat is in the name of another process than before, ``share`` as ``adopt`` does.
        """
        before = run.workers[key]
        if beat.body is not before.body:
            if not _is_same(beat.body, before.body):
                raise WireError("process", f"it now speaks of process {beat.body.pid} instead of {before.body.pid}")
            self.shares.take(before.uid, key, beat.head.body_len, moment.mono)
        silent = run.incidents.get("silent")
        if silent is not None and silent.finding.cause is not None and silent.finding.cause.code == "stopped":
            before = resume(before, moment.mono)
        run.workers[key] = self._heard(before, beat, moment)

    def _heard(self, before: Worker, beat: Beat, moment: Moment) -> Worker:
        """The worker after a beat."""
        worker = observe(before, beat, moment.mono)
        pid = self.pid_of.get(worker.key)
        if pid is not None and worker.body.command_pid != before.body.command_pid:
            self._endings.watch(worker, pid, moment.mono)
        return self._endings.told(worker, moment)

    def bury(self, deaths: Iterable[Death]) -> list[Run]:
        """Believe that processes died; gives their runs. Then ask to ``explain`` each death."""
        runs = []
        for key, seen in deaths:
            run = self.run_of.get(key)
            if run is not None:
                run.workers[key] = run.workers[key]._replace(exit=seen)
                self.pid_of.pop(key, None)
                runs.append(run)
        return runs

    def explain(self, death: Death, moment: Moment) -> None:
        """Add to a death what the process said last, and what the kernel and its surroundings tell of it."""
        key, seen = death
        run = self.run_of.get(key)
        if run is None:  # its run ended in the meantime
            self._settle(key, seen, moment)
            return
        worker = self._with_last_words(run.workers[key]._replace(exit=None), moment)
        end = worker.exit if worker.head.state == FAILED else None
        end = end or replace(self._endings.explained(key, seen, moment.mono), program=self.program_of(key))
        if end.status == 0 and worker.head.state == RUNNING and self._went_on_as_another(worker, moment):
            worker, end = worker._replace(head=worker.head._replace(state=EXITING)), replace(end, went_on=True)
        run.workers[key] = worker._replace(exit=end)

    def _settle(self, key: str, seen: Exit, moment: Moment) -> None:
        """The exit status of a worker of a run that is over: from now on the run is among the ``settled``."""
        run = self._unsettled.pop(key, None)
        if run is not None:
            worker, end = run.workers[key], self._endings.explained(key, seen, moment.mono)
            program = worker.exit.program if worker.exit is not None else None
            run.workers[key] = worker._replace(exit=replace(end, program=program))
            self.settled.append(run)

    def _went_on_as_another(self, worker: Worker, moment: Moment) -> bool:
        """Whether the process, before it left in order, had become another program (``exec``) with a run of its own."""
        others = (run.workers[key] for key, run in self.run_of.items() if key != worker.key)
        same = [w for w in others if w.uid == worker.uid and _is_same(w.body, worker.body)]
        return any(self._with_last_words(w, moment).head.state in (EXITING, FINISHED) for w in same)

    def went_on(self, worker: Worker) -> bool:
        """Whether a worker's process beats in the name of a later run: after ``exec``, or of one within this run."""
        pid = self.pid_of.get(worker.key)
        later = (self.run_of[key].workers[key] for key, other in self.pid_of.items() if other == pid)
        others = (other for other in later if other.key != worker.key and other.uid == worker.uid)
        return any((other.body.began_ns or 0) > worker.head.time_ns for other in others)

    def dismiss(self, run: Run, moment: Moment) -> list[str]:
        """A run is over: nobody of it is watched any more; gives the keys of its workers.

        Only the exit status of those whose parent has not reaped them is still waited for.
        """
        del self.runs[run.key]
        for key, worker in run.workers.items():
            if worker.exit is not None and worker.exit.unreaped_by is not None:
                self._unsettled[key] = run
            else:
                self._deaths.forget(key)
            self._leave(worker, moment)
        while len(self._unsettled) > UNSETTLED_MAX:
            self._give_up(next(iter(self._unsettled)))
        return list(run.workers)

    def _close_the_book_on(self, run_key: str) -> None:
        """A run goes on: what becomes known of its former end concerns nobody any more."""
        self.settled = [run for run in self.settled if run.key != run_key]
        for key in [key for key, run in self._unsettled.items() if run.key == run_key]:
            self._give_up(key)

    def _give_up(self, key: str) -> None:
        """Wait no longer for an exit status: too many are waited for, or its file is another's now."""
        if self._unsettled.pop(key, None) is not None:
            self._deaths.forget(key)
        self._endings.give_up(key)

    def is_over(self, path: str, body: Body) -> bool:
        """Whether a file is still that of a run that is over and told, and not another's under the same name."""
        over = self._over.get(path)
        if over is not None and over.sender != _sender(body):
            del self._over[path]
            return False
        return over is not None

    def files_to_read(self) -> list[str]:
        """The files of workers that may still beat."""
        return [key for key, run in self.run_of.items() if is_file(key) and run.workers[key].exit is None]

    def forgive(self, pause_s: float, now: float, *, heard_by: Callable[[str], bool] = lambda _: True) -> None:
        """Hold so much time against nobody; with ``heard_by``, a test of keys, against none of those."""
        for key, run in self.run_of.items():
            if heard_by(key):
                run.workers[key] = forgive(run.workers[key], pause_s, now)

    def remove_files(self, now: float) -> None:
        """Remove the files of runs that are over for a while; one that we may not remove is only remembered."""
        for path in [path for path, over in self._over.items() if over.remove_at <= now]:
            try:
                self._files.forget(path)
                sighting = self._files.read(path)
                if sighting is not None and self.is_over(path, sighting.beat.body):
                    self._files.remove(path)
                self._over.pop(path, None)
            except FileNotFoundError:
                del self._over[path]
            except (OSError, WireError):
                self._over[path] = self._over[path]._replace(remove_at=now + TRY_AGAIN_S)
            self._files.forget(path)

    def _join(self, run: Run, worker: Worker) -> None:
        self.runs[run.key] = run
        run.workers[worker.key] = worker
        self.run_of[worker.key] = run

    def _tied(self, worker: Worker, moment: Moment, watched_wall: float | None = None) -> Worker:
        """The worker with its process watched, or its end filled in where it is dead (and was last watched until)."""
        if not worker.local or worker.exit is not None:
            return worker
        alive_at = identify.alive_at(worker, moment, watched_wall)
        try:
            end = self._watch(worker, alive_at, moment)
        except OSError as e:  # no descriptor is left, most likely: who cannot look must not judge
            if worker.key not in self._untied:
                log.warning("%s cannot be watched: %s; it is tried again (raise LimitNOFILE)", worker.key, e)
            self._untied.pop(worker.key, None)
            self._untied[worker.key] = None  # behind all others, whose turn comes first
            return worker
        self._untied.pop(worker.key, None)
        if end is None:
            return self._endings.told(worker, moment)
        return self._with_last_words(self._endings.unseen(worker, end, moment), moment)

    def _watch(self, worker: Worker, alive_at: float, moment: Moment) -> Exit | None:
        """Watch the process of a worker; gives its end if it is dead already. Raises OSError where it cannot be known.

        A dead one that its parent has not reaped still has its exit status.
        """
        pid, start = procfs.find(worker.body), worker.body.start
        if pid is not None and not identify.may_speak_of(worker.uid, pid):
            pid = None  # the pid is another user's by now, or always was
        if pid is None or start is None:
            return Exit(alive_at)
        self.shares.tie(worker.uid, worker.key)
        if not self._deaths.watch(worker.key, pid, start):
            return Exit(alive_at)
        end = self._deaths.met_dead(worker.key, alive_at)
        if end is None:
            self.pid_of[worker.key] = pid
            self._endings.watch(worker, pid, moment.mono)
        return end

    def tie_again(self, moment: Moment) -> None:
        """Try to watch those whose processes could not be watched so far."""
        for key in list(islice(self._untied, TIED_PER_TICK)):
            run = self.run_of.get(key)
            if run is None:
                del self._untied[key]
            else:
                run.workers[key] = self._tied(run.workers[key], moment)

    def _resumed(self, worker: Worker, run: Run, moment: Moment) -> Worker:
        """A worker of the last daemon. A file tells whether it beat meanwhile; missed datagrams tell nothing."""
        if not is_file(worker.key):
            return worker if run.incidents else resume(worker, moment.mono)
        with suppress(OSError, WireError):  # gone or torn: its process, or its silence, will tell
            sighting = self._files.read(worker.key)
            if sighting is not None and _is_same(sighting.beat.body, worker.body):
                has_beaten = sighting.beat.head.seq != worker.head.seq
                return observe(resume(worker, moment.mono) if has_beaten else worker, sighting.beat, moment.mono)
        return worker

    def _with_last_words(self, worker: Worker, moment: Moment) -> Worker:
        """The worker with what its file says now that nobody writes to it any more."""
        if not is_file(worker.key):
            return worker
        with suppress(OSError, WireError):  # gone or torn: what was read before stands
            sighting = self._files.read(worker.key)
            if sighting is not None and _is_same(sighting.beat.body, worker.body):
                return self._heard(worker, sighting.beat, moment)
        return worker

    def _leave(self, worker: Worker, moment: Moment) -> None:
        """Done with a worker. Its file is removed a little later, if nobody writes to it any more and we may."""
        key = worker.key
        self._let_go(worker)
        if is_file(key):
            is_last_word = worker.exit is not None or worker.head.state in (FINISHED, FAILED)
            wait_s = REMOVE_AFTER_S if is_last_word else TRY_AGAIN_S
            self._over[key] = _Over(moment.mono + wait_s, _sender(worker.body))

    def _let_go(self, worker: Worker) -> None:
        key = worker.key
        self.shares.give_back(worker.uid, key)
        self._endings.forget(key)
        self._files.forget(key)
        self.pid_of.pop(key, None)
        self.run_of.pop(key, None)


def is_file(key: str) -> bool:
    """Whether a worker's key is that of a heartbeat file, and not of datagrams."""
    return key[0] == "/"


def _is_same(one: Body, other: Body) -> bool:
    """Whether two beats speak of the same process."""
    return (one.pid, one.start, one.boot, one.pidns) == (other.pid, other.start, other.boot, other.pidns)


def _sender(body: Body) -> tuple[str | None, int | None, int | None]:
    return body.run, body.pid, body.start
