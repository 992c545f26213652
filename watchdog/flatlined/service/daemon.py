"""The daemon: one tick, and the events between ticks. It owns every run; all of it happens on one thread."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from flatline.wire import FAILED, FINISHED, WireError
from flatlined.config import Config
from flatlined.detection import detectors
from flatlined.detection.judge import Failure
from flatlined.detection.observing import forgive, observe, resume
from flatlined.detection.rhythm import is_suspect
from flatlined.inputs import gpus, processes
from flatlined.inputs.beat_files import BeatFiles
from flatlined.inputs.beat_socket import BeatSocket, Datagram
from flatlined.inputs.deaths import Deaths
from flatlined.inputs.looks import Looks
from flatlined.inputs.nvml import GpuSample
from flatlined.model import Exit, Facts, Moment, Worker
from flatlined.service import adoption
from flatlined.service.adoption import Adopted
from flatlined.service.complaints import Complaints
from flatlined.service.datagrams import Datagrams
from flatlined.service.judging import Judgement, findings_of, judgement, repeats
from flatlined.service.runs import Run, current_row
from flatlined.store import Record, Store, StoreError

log = logging.getLogger("flatlined")

INTERVAL_S = 1.0
LATE_INTERVALS = 3
"""A tick this late means that the watchdog itself slept (SIGSTOP, suspend, swap): it judges nobody by that time."""
LAST_WORDS_BATCHES = 5
"""Batches of datagrams read before a death is judged: its last words may still lie in the socket."""
ROWS_PER_TICK = 20
ROWS_ALL_WITHIN_S = 60.0
"""Progress in the store is refreshed in turn: at least so many rows a tick, and every run's in that time."""
SET_ASIDE_S = 3600.0
REMOVE_AFTER_S = 10.0
"""The file of a run that is over stays this long, for another user's or the machine's daemon to read its last words."""


def read_clocks() -> Moment:
    """Both clocks, now."""
    return Moment(time.monotonic(), time.time())


class Daemon:
    """Watches, judges and records. ``committed`` is called after anything was stored that may have to be sent."""

    def __init__(
        self,
        config: Config,
        store: Store,
        files: BeatFiles,
        socket: BeatSocket | None,
        *,
        directories: Callable[[], Iterable[Path]],
        committed: Callable[[], None],
    ) -> None:
        self.config = config
        self.complaints = Complaints()
        self.deaths = Deaths()
        self.runs: dict[str, Run] = {}
        self._store = store
        self._files = files
        self._socket = socket
        self._directories = directories
        self._committed = committed
        self._detectors = detectors.find()
        self._run_of: dict[str, Run] = {}
        self._pid_of: dict[str, int] = {}
        self._looks = Looks()
        self._over: dict[str, float] = {}
        self._refused: dict[str, str] = {}
        self._datagrams = Datagrams(store.has_ended)
        self._gpus: gpus.State = {}
        self._gpu_pids: dict[int, set[int]] = {}
        self._rotation: deque[Run] = deque()
        self._last_tick_at = float("inf")

    # What happens

    def restore(self, moment: Moment) -> None:
        """Take up the runs that had not ended when the last daemon stopped, and those whose files are there."""
        self._last_tick_at = moment.mono
        self._looks.begin(moment.mono, limit=float("inf"))
        for stored, workers, incidents in self._store.unfinished(moment):
            run = Run(stored.key, stored.run, self.config.policy(stored.job), is_new=False)
            run.incidents = {i.finding.kind: i for i in incidents}
            for worker in workers:
                self._join(run, self._tied(self._resumed(worker, run, moment), moment))
        self.discover(moment)
        self._judge(self.runs.values(), moment)

    def _resumed(self, worker: Worker, run: Run, moment: Moment) -> Worker:
        """A worker of the last daemon. A file tells whether it beat meanwhile; missed datagrams tell nothing."""
        if not worker.key.startswith("/"):
            return worker if run.incidents else resume(worker, moment.mono)
        with suppress(OSError, WireError):  # gone or torn: its process, or its silence, will tell
            sighting = self._files.read(worker.key)
            if sighting is not None:
                has_beaten = sighting.beat.head.seq != worker.head.seq
                return observe(resume(worker, moment.mono) if has_beaten else worker, sighting.beat, moment.mono)
        return worker

    def tick(self) -> None:
        """One look at everything."""
        moment = read_clocks()
        slept_s = self._slept_s(moment)
        self._looks.begin(moment.mono)
        self.discover(moment)
        for key in [k for k, w in self._workers() if w.exit is None and k.startswith("/")]:
            self._read(key, moment)
        self.receive()
        if slept_s:
            log.warning("the watchdog itself slept for %.1f s; that time is held against nobody", slept_s)
            self._forgive(slept_s, lambda _: True)
        self._bury(self.deaths.overdue(moment.mono), moment)
        self._judge(self.runs.values(), moment)
        self._refresh_rows(moment)
        self._remove_files(moment.mono)

    def files_appeared(self) -> None:
        """Heartbeat files appeared or were rewritten: read them at once, so that even a short run is known alive."""
        moment = read_clocks()
        self._judge_now([self._read(path, moment) for path in self._files.appeared()], moment)

    def discover(self, moment: Moment) -> None:
        """Look for directories and files that are not watched yet."""
        for path in self._files.watch(self._directories()):
            self._read(path, moment)

    def receive(self) -> bool:
        """Take datagrams that have come, at most one batch; whether more may be waiting."""
        if self._socket is None:
            return False
        moment = read_clocks()
        datagrams, faults, more = self._socket.receive(int(moment.wall * 1e9))
        touched = []
        for datagram in datagrams:
            run = self._hear(datagram, moment)
            touched.append(run)
            if datagram.beat.head.state in (FINISHED, FAILED):  # what comes next may be of another run
                self._judge_now([run], moment)
        for sender, fault in faults:
            self.complaints.note(f"datagram.{fault.code}", f"datagram from {sender}", str(fault), moment.mono)
        dropped = self._socket.newly_dropped()
        if dropped:
            self.complaints.note("datagram.dropped", "the kernel", f"{dropped} datagrams dropped", moment.mono)
            self._forgive(INTERVAL_S, lambda key: not key.startswith("/"))
        self._judge_now(touched, moment)
        return more

    def processes_died(self) -> None:
        """Processes ended: their last words are read, then they are judged at once."""
        moment = read_clocks()
        deaths = self.deaths.drain(moment.mono)
        for _ in range(LAST_WORDS_BATCHES):
            if not self.receive():
                break
        self._judge(self._bury(deaths, moment), moment)

    def gpus_seen(self, samples: Sequence[GpuSample]) -> None:
        """A look at the GPUs came back: whoever holds memory on one is tied to the watched process above it."""
        self._gpus = gpus.fold(self._gpus, samples, time.monotonic())
        watched = set(self._pid_of.values())
        self._gpu_pids = {}
        for pid in {process.pid for sample in samples for process in sample.processes or ()}:
            above = next((p for p in processes.lineage(pid) if p in watched), None)
            if above is not None:
                self._gpu_pids.setdefault(above, set()).add(pid)

    def remind(self) -> None:
        """Repeat what is still wrong, where a route asks for it."""
        if any(route.repeat_every_s for route in self.config.routes):
            moment = read_clocks()
            due = [repeats(run, moment, self.config) for run in self.runs.values() if run.incidents]
            self._apply([j for j in due if j is not None], moment)

    def save(self) -> None:
        """Before stopping: what the runs have learned goes into the store."""
        moment = read_clocks()
        self._store.record(
            [Record(current_row(run, moment), list(run.workers.values())) for run in self.runs.values()], moment
        )

    # Heartbeats

    def _read(self, path: str, moment: Moment) -> Run | None:
        """Read a heartbeat file; gives the run if it said something new."""
        if path in self._over:
            return None
        try:
            sighting = self._files.read(path)
            if sighting is None:
                return None
            run = self._run_of.get(path)
            if run is None:
                run = self._adopt(adoption.of_file(sighting, moment), moment)
            else:
                run.workers[path] = observe(run.workers[path], sighting.beat, moment.mono)
        except (FileNotFoundError, PermissionError, WireError) as e:
            self._refuse(path, e, moment)
            return None
        self._refused.pop(path, None)
        return run

    def _refuse(self, path: str, error: Exception, moment: Moment) -> None:
        """Count and name a file that cannot be read, once for each reason it gives."""
        if path not in self._run_of:
            self._files.forget(path)
        code = error.code if isinstance(error, WireError) else type(error).__name__
        if isinstance(error, FileNotFoundError) or self._refused.get(path) == code:
            return
        self._refused[path] = code
        if isinstance(error, PermissionError):  # another user's, kept from us on purpose
            log.debug("%s is not for us to read", path)
        else:
            self.complaints.note(f"file.{code}", path, str(error), moment.mono)

    def _hear(self, datagram: Datagram, moment: Moment) -> Run | None:
        """Take in one datagram; gives its run."""
        try:
            known = self._datagrams.place(datagram, self._run_of)
        except WireError as e:
            self.complaints.note(f"datagram.{e.code}", f"datagram from {datagram.sender}", str(e), moment.mono)
            return None
        if known is None:
            return None
        key, run_name = known
        run = self._run_of.get(key)
        if run is None:
            return self._adopt(adoption.of_datagram(datagram, key, run_name, moment), moment)
        worker = run.workers[key]
        run.workers[key] = observe(worker, self._datagrams.completed(datagram, worker), moment.mono)
        return run

    # Runs and their processes

    def _adopt(self, adopted: Adopted, moment: Moment) -> Run | None:
        """Begin to watch a worker; None if its run is over and told already."""
        run_key, run_name, worker = adopted
        run = self.runs.get(run_key)
        if run is None:
            if self._store.has_ended(run_key):
                self._leave(self._tied(worker, moment), moment)
                return None
            run = Run(run_key, run_name, self.config.policy(worker.body.job))
        self._join(run, self._tied(worker, moment))
        return run

    def _join(self, run: Run, worker: Worker) -> None:
        if run.key not in self.runs:
            self.runs[run.key] = run
            self._rotation.append(run)
        run.workers[worker.key] = worker
        self._run_of[worker.key] = run

    def _tied(self, worker: Worker, moment: Moment) -> Worker:
        """The worker with its process watched, or its end filled in where it is gone."""
        if not worker.local or worker.exit is not None:
            return worker
        pid = processes.find(worker.body)
        start = worker.body.start
        if pid is not None and start is not None and self.deaths.watch(worker.key, pid, start):
            self._pid_of[worker.key] = pid
            return worker
        return self._with_last_words(adoption.gone(worker, moment), moment)

    def _bury(self, deaths: Iterable[tuple[str, Exit]], moment: Moment) -> list[Run]:
        runs = []
        for key, end in deaths:
            run = self._run_of.get(key)
            if run is None:  # its run ended in the meantime
                continue
            worker = self._with_last_words(run.workers[key], moment)
            run.workers[key] = worker._replace(exit=end)
            self._pid_of.pop(key, None)
            runs.append(run)
        return runs

    def _with_last_words(self, worker: Worker, moment: Moment) -> Worker:
        """The worker with what its file says now that nobody writes to it any more."""
        if not worker.key.startswith("/"):
            return worker
        with suppress(OSError, WireError):  # gone or torn: what was read before stands
            sighting = self._files.read(worker.key)
            if sighting is not None:
                return observe(worker, sighting.beat, moment.mono)
        return worker

    def _leave(self, worker: Worker, moment: Moment) -> None:
        """Done with a worker. Its file is removed a little later, if nobody writes to it any more and we may."""
        key = worker.key
        self.deaths.forget(key)
        self._pid_of.pop(key, None)
        self._run_of.pop(key, None)
        self._looks.forget(key)
        self._files.forget(key)
        if not key.startswith("/"):
            self._datagrams.over(key)
        else:
            is_last_word = worker.exit is not None or worker.head.state in (FINISHED, FAILED)
            self._over[key] = moment.mono + REMOVE_AFTER_S if is_last_word else float("inf")

    def _remove_files(self, now: float) -> None:
        """Remove the files of runs that are over; one that we may not remove is only remembered."""
        for path in [path for path, at in self._over.items() if at <= now]:
            try:
                Path(path).unlink(missing_ok=True)
            except OSError:
                self._over[path] = float("inf")
            else:
                del self._over[path]

    # Judging

    def _judge_now(self, touched: Iterable[Run | None], moment: Moment) -> None:
        """Judge those of the runs that are new or said an end; the others wait for the tick."""
        distinct = {run.key: run for run in touched if run is not None}
        self._judge([run for run in distinct.values() if run.is_new or run.is_ending], moment)

    def _judge(self, runs: Iterable[Run], moment: Moment) -> None:
        judgements = []
        for run in {run.key: run for run in runs if run.key in self.runs}.values():
            found, failures = findings_of(run, self._facts(run, moment), moment.mono, self._detectors)
            for failure in failures:
                self._set_aside(run, failure, moment)
            if run.is_new or run.incidents or any(findings for _, findings in found):
                result = judgement(run, found, moment, self.config)
                if result is not None:
                    judgements.append(result)
        self._apply(judgements, moment)

    def _apply(self, judgements: Sequence[Judgement], moment: Moment) -> None:
        """Store, then believe: what could not be stored is judged again at the next tick."""
        if not judgements:
            return
        records = [j.record for j in judgements if j.record is not None]
        try:
            self._store.record(records, moment)
        except StoreError as e:
            self.complaints.note("store", "the store", f"{e}; verdicts are kept back until it works", moment.mono)
            return
        for j in judgements:
            j.run.incidents = dict(j.incidents)
            j.run.is_new = False
            if j.ended:
                self._end(j, moment)
        if any(record.notices for record in records):
            self._committed()

    def _end(self, ended: Judgement, moment: Moment) -> None:
        del self.runs[ended.run.key]
        for worker in ended.run.workers.values():
            self._leave(worker, moment)

    def _set_aside(self, run: Run, failure: Failure, moment: Moment) -> None:
        """A detector broke on a worker: said once with its name, and not asked again for an hour."""
        run.set_aside = {k: until for k, until in run.set_aside.items() if until > moment.mono}
        run.set_aside[failure.detector, failure.worker_key] = moment.mono + SET_ASIDE_S
        log.error(
            "detector %s broke on %s and is not asked about it for an hour",
            failure.detector, failure.worker_key, exc_info=failure.error,
        )  # fmt: skip

    def _facts(self, run: Run, moment: Moment) -> dict[str, Facts]:
        """What is to be known besides beats: a look at the processes of the suspects, and the GPUs they hold."""
        facts = {}
        for key, worker in run.workers.items():
            pid = self._pid_of.get(key)
            if pid is None:
                continue
            holders = self._gpu_pids.get(pid)
            held = gpus.gpus_of(self._gpus, holders, moment.mono) if holders else ()
            process = None
            if is_suspect(worker, moment.mono):
                process = self._looks.at(key, pid)
            else:
                self._looks.forget(key)
            if process or held:
                facts[key] = Facts(process, held)
        return facts

    # Small change

    def _workers(self) -> Iterable[tuple[str, Worker]]:
        return ((key, run.workers[key]) for key, run in self._run_of.items())

    def _slept_s(self, moment: Moment) -> float:
        late_s = moment.mono - self._last_tick_at - INTERVAL_S
        self._last_tick_at = moment.mono
        return late_s if late_s > (LATE_INTERVALS - 1) * INTERVAL_S else 0.0

    def _forgive(self, pause_s: float, which: Callable[[str], bool]) -> None:
        for key, run in self._run_of.items():
            if which(key):
                run.workers[key] = forgive(run.workers[key], pause_s)

    def _refresh_rows(self, moment: Moment) -> None:
        """Bring some of the rows of runs that went on up to date, in turn."""
        records = []
        share = int(len(self._rotation) * INTERVAL_S / ROWS_ALL_WITHIN_S)
        for _ in range(min(max(ROWS_PER_TICK, share), len(self._rotation))):
            run = self._rotation.popleft()
            if run.key not in self.runs:
                continue
            self._rotation.append(run)
            if run.beats != run.stored_beats:
                records.append(Record(current_row(run, moment), workers=list(run.workers.values())))
                run.stored_beats = run.beats
        try:
            self._store.record(records, moment)
        except StoreError as e:
            self.complaints.note("store", "the store", str(e), moment.mono)
