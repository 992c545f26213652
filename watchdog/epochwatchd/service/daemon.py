"""The daemon: one tick, and the events between ticks. All of it happens on one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from epochwatch.wire import FAILED, FINISHED, WireError
from epochwatchd.config import Config
from epochwatchd.inputs.beat_files import BeatFiles
from epochwatchd.inputs.beat_socket import BeatSocket, Datagram, Fault
from epochwatchd.inputs.deaths import Deaths
from epochwatchd.inputs.kernel_log import open_kernel_log
from epochwatchd.inputs.memory import Memory
from epochwatchd.inputs.nvml import GpuSample
from epochwatchd.inputs.proc_connector import open_exit_events
from epochwatchd.model import Moment
from epochwatchd.service import adoption
from epochwatchd.service.complaints import Complaints
from epochwatchd.service.datagrams import Datagrams
from epochwatchd.service.evidence import Evidence
from epochwatchd.service.expected import Expectations, is_expected
from epochwatchd.service.roster import Roster
from epochwatchd.service.runs import Run
from epochwatchd.service.verdicts import Verdicts
from epochwatchd.store import Store

log = logging.getLogger("epochwatchd")

INTERVAL_S = 1.0
LATE_S = 2.0
"""A tick this late means that the watchdog was asleep (SIGSTOP, suspend, swap) or too busy to look."""
LAST_WORDS_BATCHES = 5
"""Batches of datagrams read before a death is judged: its last words may still lie in the socket."""
REFUSED_PER_TICK = 50
"""Files that could not be read are tried again, so many a tick."""


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
            program_of=lambda key: self._evidence.program_of(key),  # noqa: PLW0108 - it is made only below
        )
        self._store = store
        self._files = files
        self._socket = socket
        self._directories = directories
        self._evidence = Evidence(self.roster.went_on)
        self._datagrams = Datagrams(lambda key: store.ended_wall(key) is not None)
        self._expected = Expectations(config, store)
        self._verdicts = Verdicts(
            config,
            store,
            self.roster,
            self._evidence,
            expected=self._expected,
            complaints=self.complaints,
            ended=self._end,
            committed=committed,
        )
        self._refused: dict[str, str] = {}
        self._last_tick_at = float("inf")

    # What happens

    def restore(self, moment: Moment) -> None:
        """Take up the runs that had not ended when the last daemon stopped, and those whose files are there."""
        self._evidence.begin(moment.mono, looks=float("inf"))
        watched_wall = self._store.watched_wall()
        for stored, workers, incidents in self._store.unfinished(moment):
            run = Run(stored.key, stored.run, self.config.policy(stored.job), is_new=False)
            run.suspected = stored.suspected_of
            run.incidents = {i.finding.kind: i for i in incidents}
            if is_expected(run.key):
                self._expected.take_up(run, workers[0], moment)
                continue
            self.roster.take_up(run, workers, moment, watched_wall=watched_wall)
            self._verdicts.watch(run)
        self.discover(moment)
        self._verdicts.judge(self.roster.runs.values(), moment)
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
        self._buried(moment)
        self.roster.bury(self.deaths.overdue(moment.mono), moment)
        self._verdicts.judge(self.roster.runs.values(), moment)
        self._verdicts.judge_expected(moment)
        self._verdicts.amend(moment)
        self._memory.tick(time.monotonic())
        self._verdicts.refresh_rows(moment)
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
        touched = [self._read(path, moment) for path in self._files.appeared()]
        # A wrapper says its end after that of those inside, which may be still to be heard: they know why.
        dead = self._buried(moment)
        self._verdicts.judge_now(touched, moment)
        self._verdicts.judge(dead, moment)

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
        self._verdicts.judge(self._buried(moment), moment)
        self._verdicts.amend(moment)

    def _buried(self, moment: Moment) -> list[Run]:
        """The runs of those who died, whose last words were heard first: they may still lie in the socket."""
        deaths = self.deaths.drain(moment.mono)
        for _ in range(LAST_WORDS_BATCHES if deaths else 0):
            if not self.receive():
                break
        if deaths:
            self._hear_held(moment)
        return self.roster.bury(deaths, moment)

    def gpus_seen(self, samples: Sequence[GpuSample]) -> None:
        """A look at the GPUs came back."""
        beats = {pid: self.roster.run_of[key].workers[key].beats for key, pid in self.roster.pid_of.items()}
        self._evidence.gpus_seen(samples, beats, time.monotonic())

    def gpus_unanswered(self, since: float | None) -> None:
        """The GPU driver has hung in a call since then; None: it answers."""
        self._evidence.gpus_unanswered_since = since

    def remind(self) -> None:
        """Repeat what is still wrong, where a route asks for it."""
        self._verdicts.remind(read_clocks())

    def save(self) -> None:
        """Before stopping: what the runs have learned goes into the store."""
        moment = read_clocks()
        self.receive()
        self._hear_held(moment)
        self._verdicts.save(moment)

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
                self._verdicts.judge_now([run], moment)
        for sender, error in faults:
            self.complaints.note(f"datagram.{error.code}", f"datagram from {sender}", str(error), moment.mono)
        self._verdicts.judge_now(touched, moment)

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
        if unknown := ", ".join(adopted.worker.body.unknown):
            self.complaints.note("wire.unknown", adopted.worker.key, f"{unknown}: upgrade the watchdog", moment.mono)
        run = self.roster.adopt(adopted, moment)
        if run is not None and len(run.workers) == 1:
            self._verdicts.watch(run)
        return run

    def _end(self, run: Run, moment: Moment) -> None:
        for key in self.roster.dismiss(run, moment):
            self._evidence.forget(key)
            self._datagrams.over(key)
