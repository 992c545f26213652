"""The daemon: one tick, and the events between ticks. All of it happens on one thread."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from flatline.wire import FAILED, FINISHED, WireError
from flatlined.config import Config
from flatlined.detection import detectors
from flatlined.detection.judge import ENDS, Failure
from flatlined.inputs.beat_files import BeatFiles
from flatlined.inputs.beat_socket import BeatSocket, Datagram, Fault
from flatlined.inputs.deaths import Deaths
from flatlined.inputs.kernel_log import open_kernel_log
from flatlined.inputs.memory import Memory
from flatlined.inputs.nvml import GpuSample
from flatlined.inputs.proc_connector import open_exit_events
from flatlined.model import Incident, Kind, Moment
from flatlined.service import adoption
from flatlined.service.complaints import Complaints
from flatlined.service.datagrams import Datagrams
from flatlined.service.evidence import Evidence
from flatlined.service.expected import Expectations, is_expected
from flatlined.service.judging import Judgement, amendment, findings_of, judgement, repeats
from flatlined.service.roster import Roster
from flatlined.service.runs import Run, current_row, suspicion_changed
from flatlined.store import Record, Store, StoreError

log = logging.getLogger("flatlined")

INTERVAL_S = 1.0
LATE_S = 2.0
"""A tick this late means that the watchdog was asleep (SIGSTOP, suspend, swap) or too busy to look."""
LAST_WORDS_BATCHES = 5
"""Batches of datagrams read before a death is judged: its last words may still lie in the socket."""
ROWS_PER_TICK = 20
ROWS_ALL_WITHIN_S = 60.0
"""Progress in the store is refreshed in turn: at least so many rows a tick, and every run's in that time."""
REFUSED_PER_TICK = 50
"""Files that could not be read are tried again, so many a tick."""
SET_ASIDE_S = 3600.0


def read_clocks() -> Moment:
    """Both clocks, now."""
    return Moment(time.monotonic(), time.time())


class Daemon:
    """Watches, judges and records.

    ``directories`` gives where heartbeats are looked for; ``committed`` is called after anything was stored that has to
    be sent.
    """

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
        self.deaths = Deaths(open_exit_events())
        self._memory = Memory(open_kernel_log(time.monotonic()))
        self.roster = Roster(
            files,
            self.deaths,
            self._memory,
            ended_wall=store.ended_wall,
            crash_of=store.crash_of,
            lesson_for=store.lesson_for,
            policy=config.policy,
        )
        self._store = store
        self._files = files
        self._socket = socket
        self._directories = directories
        self._committed = committed
        self._detectors = detectors.find()
        self._evidence = Evidence(self.roster.went_on)
        self._datagrams = Datagrams(lambda key: store.ended_wall(key) is not None)
        self._expected = Expectations(config, store)
        self._refused: dict[str, str] = {}
        self._rotation: deque[Run] = deque()
        self._last_tick_at = float("inf")

    # What happens

    def restore(self, moment: Moment) -> None:
        """Take up the runs that had not ended when the last daemon stopped, and those whose files are there."""
        self._evidence.begin(moment.mono, looks=float("inf"))
        for stored, workers, incidents in self._store.unfinished(moment):
            run = Run(stored.key, stored.run, self.config.policy(stored.job), is_new=False)
            run.suspected = stored.suspected_of
            run.incidents = {i.finding.kind: i for i in incidents}
            if is_expected(run.key):
                self._expected.take_up(run, workers[0], moment)
                continue
            self.roster.take_up(run, workers, moment)
            self._rotation.append(run)
        self.discover(moment)
        self._judge(self.roster.runs.values(), moment)
        self._expected.begin(moment)
        self._last_tick_at = read_clocks().mono

    def tick(self) -> None:
        """One look at everything."""
        moment = self._awake()
        self._last_tick_at = moment.mono
        self._evidence.begin(moment.mono)
        self.discover(moment)
        for path in [*self.roster.files_to_read(), *list(self._refused)[:REFUSED_PER_TICK]]:
            self._read(path, moment)
        self.receive()
        self._hear_held(moment)
        self.roster.tie_again(moment)
        self.roster.bury(self.deaths.overdue(moment.mono), moment)
        self._judge(self.roster.runs.values(), moment)
        self._judge_expected(moment)
        self._amend(moment)
        self._memory.tick(time.monotonic())
        self._refresh_rows(moment)
        self.roster.remove_files(moment.mono)

    def _awake(self) -> Moment:
        """Both clocks, now. Time in which the watchdog did not look, asleep or busy, is held against nobody."""
        moment = read_clocks()
        late_s = moment.mono - self._last_tick_at - INTERVAL_S
        if late_s > LATE_S:
            log.warning("the watchdog could not look for %.1f s; that is held against nobody", late_s)
            self.roster.forgive(late_s, moment.mono)
            self._expected.look_around(moment)
            self._last_tick_at += late_s
        return moment

    def files_appeared(self) -> None:
        """Heartbeat files appeared or were rewritten: read them at once, so that even a short run is known alive."""
        moment = self._awake()
        self._judge_now([self._read(path, moment) for path in self._files.appeared()], moment)

    def discover(self, moment: Moment) -> None:
        """Look for directories, and files in them, that are not watched yet."""
        for path in self._files.watch(self._directories()):
            self._read(path, moment)

    def receive(self) -> bool:
        """Take datagrams that have come, at most one batch; whether more may be waiting."""
        if self._socket is None:
            return False
        moment = self._awake()
        datagrams, faults, more = self._socket.receive(int(moment.wall * 1e9))
        self._hear_all(datagrams, faults, moment)
        return more

    def processes_died(self) -> None:
        """Processes ended: their last words are read, then they are judged at once."""
        moment = self._awake()
        deaths = self.deaths.drain(moment.mono)
        for _ in range(LAST_WORDS_BATCHES):
            if not self.receive():
                break
        self._hear_held(moment)
        self._judge(self.roster.bury(deaths, moment), moment)
        self._amend(moment)

    def gpus_seen(self, samples: Sequence[GpuSample]) -> None:
        """A look at the GPUs came back."""
        beats = {pid: self.roster.run_of[key].workers[key].beats for key, pid in self.roster.pid_of.items()}
        self._evidence.gpus_seen(samples, beats, time.monotonic())

    def gpus_unanswered(self, since: float | None) -> None:
        """The GPU driver has hung in a call since then; None: it answers."""
        self._evidence.gpus_unanswered_since = since

    def remind(self) -> None:
        """Repeat what is still wrong, where a route asks for it."""
        if any(route.repeat_every_s for route in self.config.routes):
            moment = read_clocks()
            wrong = [run for run in (*self.roster.runs.values(), *self._expected.missing) if run.incidents]
            due = [repeats(run, moment, self.config) for run in wrong]
            self._apply([j for j in due if j is not None], moment)

    def save(self) -> None:
        """Before stopping: what the runs have learned goes into the store."""
        moment = read_clocks()
        self.receive()
        self._hear_held(moment)
        self._store.record([self._record(run, moment) for run in self.roster.runs.values()], moment)

    def close(self) -> None:
        """Let go of every process and of the kernel log."""
        self.deaths.close()
        self._memory.close()

    # Heartbeats

    def _read(self, path: str, moment: Moment) -> Run | None:
        """Read a heartbeat file; gives the run if it said something new."""
        try:
            sighting = self._files.read(path)
            if sighting is None or self.roster.is_over(path, sighting.beat.body):
                return None
            sighting = adoption.vouched(sighting)
            run = self.roster.run_of.get(path)
            if run is None:
                run = self._adopt(adoption.of_file(sighting, moment), moment)
            else:
                self.roster.take_in(run, path, sighting.beat, moment)
        except (OSError, WireError) as e:
            self._refuse(path, e, moment)
            return None
        self._refused.pop(path, None)
        return run

    def _refuse(self, path: str, error: Exception, moment: Moment) -> None:
        """Count and name a file that cannot be read, once for each reason it gives."""
        if path not in self.roster.run_of:
            self._files.forget(path)
        code = error.code if isinstance(error, WireError) else type(error).__name__
        known = self._refused.pop(path, None)
        if isinstance(error, FileNotFoundError):
            return
        self._refused[path] = code  # behind all others, whose turn comes first
        if known == code:
            return
        if isinstance(error, PermissionError):  # another user's, kept from us on purpose
            log.debug("%s is not for us to read", path)
        else:
            self.complaints.note(f"file.{code}", path, str(error), moment.mono)

    def _hear_held(self, moment: Moment) -> None:
        """Look at the newest datagram of every sender that only went on, and forgive all what the kernel dropped."""
        if self._socket is None:
            return
        self._hear_all(*self._socket.held(int(moment.wall * 1e9)), moment)
        dropped = self._socket.newly_dropped()
        if dropped:
            self.complaints.note("datagram.dropped", "the kernel", f"{dropped} datagrams dropped", moment.mono)
            self.roster.forgive(INTERVAL_S, moment.mono, datagrams_only=True)

    def _hear_all(self, datagrams: Iterable[Datagram], faults: Iterable[Fault], moment: Moment) -> None:
        touched = []
        for datagram in datagrams:
            run = self._hear(datagram, moment)
            touched.append(run)
            if datagram.beat.head.state in (FINISHED, FAILED):  # what comes next may be of another run
                self._judge_now([run], moment)
        for sender, error in faults:
            self.complaints.note(f"datagram.{error.code}", f"datagram from {sender}", str(error), moment.mono)
        self._judge_now(touched, moment)

    def _hear(self, datagram: Datagram, moment: Moment) -> Run | None:
        """Take in one datagram; gives its run."""
        try:
            place = self._datagrams.place(datagram, self.roster.run_of)
        except WireError as e:
            self.complaints.note(f"datagram.{e.code}", f"datagram from {datagram.sender}", str(e), moment.mono)
            return None
        if place is None:
            return None
        run = self.roster.run_of.get(place.key)
        if run is None:
            return self._adopt(adoption.of_datagram(datagram, place, moment), moment)
        self.roster.take_in(run, place.key, self._datagrams.completed(datagram, run.workers[place.key]), moment)
        return run

    def _adopt(self, adopted: adoption.Adopted, moment: Moment) -> Run | None:
        run = self.roster.adopt(adopted, moment)
        if run is not None and len(run.workers) == 1:
            self._rotation.append(run)
        return run

    # Judging

    def _judge_now(self, touched: Iterable[Run | None], moment: Moment) -> None:
        """Judge those of the runs that are new or said an end; the others wait for the tick."""
        distinct = {run.key: run for run in touched if run is not None}
        self._judge([run for run in distinct.values() if run.is_new or run.is_ending], moment)

    def _judge(self, runs: Iterable[Run], moment: Moment) -> None:
        judgements = []
        for run in {run.key: run for run in runs if run.key in self.roster.runs}.values():
            facts = self._evidence.of(run, self.roster.pid_of, moment.mono)
            found, failures = findings_of(run, facts, moment.mono, self._detectors)
            for failure in failures:
                self._set_aside(run, failure, moment)
            if run.is_new or run.incidents or any(findings for _, findings in found):
                result = judgement(run, found, moment, self.config)
                if result is not None:
                    judgements.append(result)
            elif suspicion_changed(run, moment.mono):
                judgements.append(Judgement(run, Record(current_row(run, moment)), run.incidents))
        self._apply(judgements, moment)

    def _judge_expected(self, moment: Moment) -> None:
        try:
            self._apply(list(self._expected.judge(moment)), moment)
        except StoreError as e:
            self.complaints.note("store", "the store", f"{e}; what is expected is looked at again", moment.mono)

    def _apply(self, judgements: Sequence[Judgement], moment: Moment) -> None:
        """Store, then believe: what could not be stored is judged again at the next tick."""
        records = [j.record for j in judgements if j.record is not None]
        if records and not self._stored(records, moment):
            return
        for judged in judgements:
            judged.run.incidents = dict(judged.incidents)
            if judged.run.is_new:
                self._expected.began(judged.run, moment)
            judged.run.is_new = False
            if judged.record is not None:
                judged.run.suspected = judged.record.run.suspected_of
            if judged.ended and judged.record is not None:
                judged.run.incidents = _end_told(judged.record)
                self._end(judged.run, moment)
        if any(record.notices for record in records):
            self._committed()

    def _stored(self, records: Sequence[Record], moment: Moment) -> bool:
        try:
            self._store.record(records, moment)
        except StoreError as e:
            self.complaints.note("store", "the store", f"{e}; verdicts are kept back until it works", moment.mono)
            return False
        return True

    def _amend(self, moment: Moment) -> None:
        """Tell what has become known of ends that were told before; what cannot be stored is tried again."""
        while self.roster.settled:
            run = self.roster.settled[0]
            found, _ = findings_of(run, {}, moment.mono, self._detectors)
            record = amendment(run, found, moment, self.config)
            if record is not None:
                if not self._stored([record], moment):
                    return
                run.incidents = _end_told(record)
                self._committed()
            del self.roster.settled[0]

    def _end(self, run: Run, moment: Moment) -> None:
        for key in self.roster.dismiss(run, moment):
            self._evidence.forget(key)
            self._datagrams.over(key)

    def _set_aside(self, run: Run, failure: Failure, moment: Moment) -> None:
        """A detector broke on a worker: said once with its name, and not asked again for an hour."""
        run.set_aside[failure.detector, failure.worker_key] = moment.mono + SET_ASIDE_S
        log.error(
            "detector %s broke on %s and is not asked about it for an hour",
            failure.detector, failure.worker_key, exc_info=failure.error,
        )  # fmt: skip

    def _refresh_rows(self, moment: Moment) -> None:
        """Bring some of the rows of runs that went on up to date, in turn."""
        records = []
        share = int(len(self._rotation) * INTERVAL_S / ROWS_ALL_WITHIN_S)
        for _ in range(min(max(ROWS_PER_TICK, share), len(self._rotation))):
            run = self._rotation.popleft()
            if run.key not in self.roster.runs:
                continue
            self._rotation.append(run)
            if run.beats != run.stored_beats:
                records.append(self._record(run, moment))
        if records:
            self._stored(records, moment)

    def _record(self, run: Run, moment: Moment) -> Record:
        run.stored_beats = run.beats
        return Record(current_row(run, moment), workers=list(run.workers.values()))


def _end_told(record: Record) -> dict[Kind, Incident]:
    """The incident by which the end of a run was told last, for what may become known of it later."""
    return {i.finding.kind: i for i in record.closed if i.finding.kind in ENDS}
