"""The daemon: one tick, and the events between ticks. All of it happens on one thread, each step in a bulkhead."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from epochwatch.wire import FAILED, FINISHED, WireError
from epochwatchd.alerting.notices import begun
from epochwatchd.config import Config
from epochwatchd.inputs import missed
from epochwatchd.inputs.gpu.nvml import GpuSample
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles, Folder
from epochwatchd.inputs.heartbeats.sockets import BeatSocket, Datagram, Fault
from epochwatchd.inputs.oom.kernel_log import open_kernel_log
from epochwatchd.inputs.oom.watch import OomWatcher
from epochwatchd.inputs.process.exits import Death, Exits, Kept
from epochwatchd.inputs.process.proc_connector import open_exit_events
from epochwatchd.model import Cause, Moment, Notification
from epochwatchd.service import digests, identify
from epochwatchd.service.bulkheads import Bulkheads
from epochwatchd.service.evaluate import Evaluator, Outcome
from epochwatchd.service.expected import is_expected
from epochwatchd.service.facts import FactFinder
from epochwatchd.service.input_errors import InputErrors
from epochwatchd.service.own_faults import OwnFault, is_own_fault, not_watched, set_aside
from epochwatchd.service.registry import Registry
from epochwatchd.service.runs import Run, compartment
from epochwatchd.service.senders import Senders
from epochwatchd.service.watch import Watch
from epochwatchd.store import StoredRun
from epochwatchd.store.ledger import Ledger

log = logging.getLogger("epochwatchd")

INTERVAL_S = 1.0
LATE_S = 2.0
"""A tick this late means that the watchdog was asleep (SIGSTOP, suspend, swap) or too busy to look."""
LAST_WORDS_S = 0.1
"""So long datagrams are read before a death is judged: its last words may still lie in the socket."""
REFUSED_PER_TICK = 50
"""Files that could not be read are tried again, so many a tick."""
STORE_GRACE_S = 5.0
"""Somebody else may write to the store for a moment: that is nothing to wake anybody for."""
REPLACED_TOLD_S = 600.0
"""For so long the watchdog says that it is not as it was: its store was damaged."""
_BROKEN = object()


def read_clocks() -> Moment:
    """Both clocks, now."""
    return Moment(time.monotonic(), time.time())


class Daemon:
    """Watches, judges and records.

    folders: gives where heartbeats are looked for.
    on_notice: called when there is something to send.
    refused_config: why the newest configuration is not in force; None if it is.
    parked_channels: gives the channels that take nothing for now, and why.
    ending_logins: gives the channels whose login ends soon, and when.
    bad_end: how the last daemon ended, where nobody was told so.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        files: BeatFiles,
        sockets: Sequence[BeatSocket],
        folders: Callable[[], Iterable[Folder]],
        *,
        kept: Kept | None = None,
    ) -> None:
        self.clock: Callable[[], Moment] = read_clocks
        self.config = config
        self.input_errors = InputErrors()
        self.bulkheads = Bulkheads()
        self.exits = Exits(open_exit_events(), kept)
        self._oom = OomWatcher(open_kernel_log(time.monotonic()))
        self.registry = Registry(config, ledger, files, self.exits, self._oom)
        self._facts = FactFinder(self.registry)
        self.evaluator = Evaluator(config, ledger, self.registry.runs, self._facts, self.bulkheads)
        self.on_notice: Callable[[], None] = lambda: None
        self._ledger = ledger
        self._files = files
        self._sockets = sockets
        self._folders = folders
        self._senders = Senders(lambda key: ledger.ended_wall(key) is not None)
        self.refused_config: str | None = None
        self.parked_channels: Callable[[], Mapping[str, str]] = dict
        self.ending_logins: Callable[[], Mapping[str, str]] = dict
        self.bad_end: Mapping[str, Any] | None = None
        self._refused: dict[str, str] = {}
        self._last_tick_at = float("inf")
        self._store_behind_at: float | None = None
        self._replaced_at: float | None = None

    # What happens

    def restore(self, moment: Moment) -> None:
        """Take up the runs that had not ended when the last daemon stopped, and those whose files are there."""
        self._facts.begin(moment.mono, looks=float("inf"))
        found: list[str] = []  # the folders first: what the stored runs beat meanwhile is read in them
        self._step("heartbeat folders", moment, lambda _: found.extend(self._files.watch(self._folders())))
        self._step("what was stored", moment, self._restore_stored, moment)
        self._step("heartbeat files", moment, self._read_all, found, moment)
        self._step("verdicts", moment, self._judge_all)
        self._step("what is expected", moment, self.evaluator.expected.begin, moment)
        self._last_tick_at = self.clock().mono

    def _restore_stored(self, moment: Moment) -> None:
        """The open runs of the store that are not watched yet, each by itself."""
        watched_wall = self._ledger.watched_wall()
        stored = self._ledger.unfinished(moment)
        for key, error in stored.unreadable:
            self.bulkheads.note((key, "its row in the store", None), error, moment.mono)
        for run in stored.runs:
            if run.row.key not in self.registry.runs:
                at = (run.row.key, "its row in the store", None)
                self.bulkheads.attempt(at, moment.mono, self._restore, run, watched_wall, moment, default=None)

    def _restore(self, stored: StoredRun, watched_wall: float | None, moment: Moment) -> None:
        row = stored.row
        run = Run(row.key, row.run, self.config.policy(row.job), is_new=False)
        run.suspected = row.suspected_of
        run.incidents = {i.finding.kind: i for i in stored.incidents}
        for kind, opened_wall in stored.openings:
            run.opened(kind, opened_wall)
        if not stored.workers:
            raise ValueError("none of its workers is stored")
        if is_expected(run.key):
            self.evaluator.expected.restore(run, stored.workers[0], moment)
        elif is_own_fault(run.key):
            self.evaluator.own_faults.restore(run, stored.workers[0])
        else:
            self.registry.restore(run, stored.workers, moment, watched_wall=watched_wall)
            self.evaluator.watch(run)

    def tick(self) -> bool:
        """One look at everything; whether all that it takes to see and to judge was done."""
        moment = self._awake()
        self._last_tick_at = moment.mono
        self._facts.begin(moment.mono)
        step = partial(self._step, moment=moment)
        seen = [
            step("heartbeat folders", call=self.discover),
            step("heartbeat files", call=self._read_known),
            step("datagrams", call=self._hear_waiting),
            step("processes not watched yet", call=self.registry.attach_again),
            step("deaths", call=self._buried),
            step("deaths without a status", call=self._overdue),
            step("verdicts", call=self._judge_all),
        ]
        step("what is expected", call=self._judge_expected)
        step("amendments", call=self._amend)
        step("memory", call=lambda _: self._oom.tick(time.monotonic()))
        step("who is below", call=lambda _: self.registry.look_below())
        step("the store", call=self._look_at_store)
        step("its own faults", call=self._judge_own_faults)
        step("progress", call=self.evaluator.refresh_rows)
        step("what was missed", call=self._complain_of_missed)
        step("files of runs that are over", call=self._remove_files)
        return all(seen)

    def _step(self, name: str, moment: Moment, call: Callable[..., object], *args: object) -> bool:
        """Do what concerns all runs; whether it was done. Without ``args`` it is called with the moment."""
        given = args or (moment,)
        return self.bulkheads.attempt(("", name, None), moment.mono, call, *given, default=_BROKEN) is not _BROKEN

    def event(self, name: str, call: Callable[[], object]) -> Callable[[], bool]:
        """``call`` as the loop may call it when something happened: in a bulkhead of its own."""
        return lambda: self._step(name, self.clock(), lambda _: call())

    def _awake(self) -> Moment:
        """Both clocks, now. Time in which the watchdog did not look, asleep or busy, is held against nobody."""
        moment = self.clock()
        late_s = moment.mono - self._last_tick_at - INTERVAL_S
        if late_s > LATE_S:
            log.warning("the watchdog could not look for %.1f s; that is held against nobody", late_s)
            self.registry.excuse_pause(late_s, moment.mono)
            self.evaluator.expected.look_around(moment)
            self._last_tick_at += late_s
        return moment

    def files_appeared(self) -> None:
        """Heartbeat files appeared or were rewritten: read them at once, so that even a short run is known alive."""
        moment = self._awake()
        touched = [self._read(path, moment) for path in self._files.appeared()]
        # A wrapper says its end after that of those inside, which may be still to be heard: they know why.
        dead = self._buried(moment)
        self._judge_now(touched, moment)
        self._judge(dead, moment)

    def discover(self, moment: Moment) -> None:
        """Look for directories, and files in them, that are not watched yet."""
        self._read_all(self._files.watch(self._folders()), moment)

    def _complain_of_missed(self, moment: Moment) -> None:
        for code, source, text, times in missed.take():
            self.input_errors.note(code, source, text, moment.mono, times)

    def _read_known(self, moment: Moment) -> None:
        self._read_all([*self.registry.files_to_read(), *list(self._refused)[:REFUSED_PER_TICK]], moment)

    def _read_all(self, paths: Iterable[str], moment: Moment) -> None:
        for path in paths:
            self._read(path, moment)

    def receive(self) -> bool:
        """Take datagrams that have come, at most one batch of each socket; whether more may be waiting."""
        more = False
        for socket in self._sockets:
            moment = self._awake()
            datagrams, faults, waiting = socket.receive(int(moment.wall * 1e9))
            self._hear_all(socket, datagrams, faults, moment)
            more = more or waiting
        return more

    def processes_died(self) -> None:
        """Processes ended: their last words are read, then they are judged at once."""
        moment = self._awake()
        self._judge(self._buried(moment), moment)
        self._amend(moment)

    def _buried(self, moment: Moment) -> list[Run]:
        """The runs of those who died, whose last words were heard first: they may still lie in the socket."""
        deaths = self.registry.heed(self.exits.drain(moment.mono))
        until = time.monotonic() + LAST_WORDS_S
        while deaths and self.receive() and time.monotonic() < until:
            pass
        for death in deaths:
            watch: Watch = death.owner
            if watch.via is not None:
                self._hear_all(watch.via, *watch.via.held_of(watch.key, int(moment.wall * 1e9)), moment)
        return self._on_exit(deaths, moment)

    def _overdue(self, moment: Moment) -> None:
        self._on_exit(self.registry.heed(self.exits.overdue(moment.mono)), moment)

    def _on_exit(self, deaths: Sequence[Death], moment: Moment) -> list[Run]:
        """The runs of those who died. That they did is believed first: what breaks later cannot hide it any more."""
        runs = self.registry.on_exit(deaths)
        for death in deaths:
            watch = death.owner
            at = (watch.key, "why it ended", watch.run if self.registry.is_watched(watch) else None)
            self.bulkheads.attempt(at, moment.mono, self.registry.explain, death, moment, default=None)
        return runs

    # What follows

    def _judge_all(self, moment: Moment) -> None:
        self._judge(self.registry.runs.values(), moment)

    def _judge_now(self, touched: Iterable[Watch | None], moment: Moment) -> None:
        """Judge those of the runs that are new or said an end; the others wait for the tick."""
        runs = {watch.run.key: watch.run for watch in touched if watch is not None}
        self._judge([run for run in runs.values() if run.is_new or run.is_ending], moment)

    def _judge(self, runs: Iterable[Run], moment: Moment) -> None:
        self._conclude(self.evaluator.judge(runs, moment), moment)

    def _judge_expected(self, moment: Moment) -> None:
        self._conclude(self.evaluator.judge_expected(moment), moment)

    def _judge_own_faults(self, moment: Moment) -> None:
        self._conclude(self.evaluator.judge_own_faults(self._own_faults(moment), moment), moment)
        self.bad_end = None  # it is over: this one works

    def _amend(self, moment: Moment) -> None:
        self._conclude(self.evaluator.amend(self.registry.late_exits(moment), moment), moment)

    def _conclude(self, outcome: Outcome, moment: Moment) -> None:
        """Let go of runs that are over, each by itself, and have the messages sent."""
        for run in outcome.ended:
            at = compartment(run, "release")
            for watch in self.bulkheads.attempt(at, moment.mono, self.registry.release, run, moment, default=()):
                self._senders.over(watch)
        if outcome.is_told:
            self.on_notice()

    def gpus_seen(self, samples: Sequence[GpuSample]) -> None:
        """A look at the GPUs came back."""
        now = self.clock().mono
        self.bulkheads.attempt(("", "GPUs", None), now, self._facts.gpus_seen, samples, now, default=None)

    def gpus_unanswered(self, since: float | None) -> None:
        """The GPU driver has hung in a call since then; None: it answers."""
        self._facts.gpus_unanswered(since)

    def shown(self) -> list[Notification]:
        """What is watched now, as a message on each would say it."""
        now = self.clock()
        return [begun(run.key, run.named, run.speaker, now) for run in self.registry.runs.values()]

    def remind(self) -> None:
        """Repeat what is still wrong, where a route asks for it."""
        self._step("reminders", self.clock(), lambda now: self._conclude(self.evaluator.remind(now), now))

    def digest(self) -> None:
        """Send the summaries that are due."""
        self._step("summaries", self.clock(), self._digest)

    def _digest(self, moment: Moment) -> None:
        if digests.tell(self.config, self._ledger, moment.wall):
            self.on_notice()

    def reconfigure(self, config: Config) -> None:
        """From now on watch by another configuration; where beats come from stays as it is."""
        self.config = config
        self.registry.reconfigure(config)
        self.evaluator.reconfigure(config, self.clock())

    def save(self) -> None:
        """Before stopping: what the runs have learned goes into the store."""
        moment = self.clock()
        for name, call in (
            ("datagrams", self._hear_waiting),
            ("the store", self._look_at_store),
            ("progress", self.evaluator.save),
        ):
            self._step(name, moment, call)

    def close(self) -> None:
        """Let go of every process and of the kernel log."""
        self.exits.close()
        self._oom.close()

    # The store, and other faults of the watchdog itself

    def _look_at_store(self, moment: Moment) -> None:
        """Write what could not be written before; after a damage, everything that goes on."""
        if self._ledger.catch_up(moment.mono):
            if self._store_behind_at is not None:
                log.info("the store can be written again, and has everything")
            self._store_behind_at = None
        elif self._store_behind_at is None:
            self._store_behind_at = moment.mono
            log.error("%s; verdicts are told from memory until it can be written", self._ledger.problem)
        if self._ledger.is_new():
            log.warning("the store is another than before: all runs that go on are written into it")
            self._restore_stored(moment)
            self.evaluator.write_anew(moment)
            self.on_notice()
        if self._ledger.replaced and self._replaced_at is None:
            self._replaced_at = moment.mono

    def _own_faults(self, moment: Moment) -> dict[str, OwnFault]:
        """What is wrong with the watchdog itself, by a name for each."""
        aside = [b for b in self.bulkheads.broken(moment.mono) if b.until > moment.mono]
        faults = {**set_aside(aside, self.registry.runs), **not_watched(self.registry.shares.full(moment.mono))}
        if self._store_behind_at is not None and moment.mono - self._store_behind_at >= STORE_GRACE_S:
            faults["store"] = OwnFault(Cause("store_unwritable", {"problem": self._ledger.problem or ""}), "critical")
        if self._replaced_at is not None and moment.mono - self._replaced_at < REPLACED_TOLD_S:
            faults["store replaced"] = OwnFault(Cause("store_replaced", {"file": self._ledger.replaced}))
        if self.refused_config is not None:
            lines = tuple(self.refused_config.splitlines())
            faults["configuration"] = OwnFault(Cause("config_refused", {}, lines))
        if self.bad_end is not None:
            faults["bad end"] = OwnFault(Cause("daemon_ended", self.bad_end), "critical")
        for name, reason in self.parked_channels().items():
            faults[f"channel {name}"] = OwnFault(Cause("channel_parked", {"channel": name}, (reason,)))
        for name, day in self.ending_logins().items():
            faults[f"login {name}"] = OwnFault(Cause("login_ends", {"channel": name, "day": day}))
        return faults

    def problems(self) -> list[str]:
        """What is wrong with the watchdog itself, a line each, for whoever looks at the service."""
        now = self.clock().mono
        lines = [f"{b.title}: {b.step} broke ({b.fault})" for b in self.bulkheads.broken(now)]
        if self._store_behind_at is not None:
            lines.append(f"the store cannot be written: {self._ledger.problem}")
        if self._replaced_at is not None:
            lines.append(f"the store was damaged and set aside as {self._ledger.replaced}")
        if self.refused_config is not None:
            lines.append("the new configuration was refused; the old one is in force")
        lines += [f"the channel {name} takes no messages: {reason}" for name, reason in self.parked_channels().items()]
        return lines

    def _remove_files(self, moment: Moment) -> None:
        """Not while the store is behind: after a restart the files are all that is known of those ends."""
        if not self._ledger.is_behind:
            self.registry.remove_files(moment.mono)

    # Heartbeats

    def _read(self, path: str, moment: Moment) -> Watch | None:
        """Read a heartbeat file, in a bulkhead of its own; gives its watch if it said something new."""
        at = (path, "heartbeat file", None)
        return self.bulkheads.attempt(at, moment.mono, self._read_file, path, moment, default=None)

    def _read_file(self, path: str, moment: Moment) -> Watch | None:
        watch = self.registry.watches.get(path)
        file = watch.file if watch and watch.file else BeatFile(path)
        try:
            sighting = self._files.read(file)
            if sighting is None or self.registry.is_over(path, sighting.beat.body):
                return None
            sighting = identify.vouched(sighting)
            if watch is None:
                watch = self._register(identify.of_file(file, sighting, moment), moment)
            else:
                self.registry.on_beat(watch, sighting.beat, moment)
        except (OSError, WireError) as e:
            self._refuse(path, e, moment)
            return None
        self._refused.pop(path, None)
        return watch

    def _refuse(self, path: str, error: Exception, moment: Moment) -> None:
        """Count and name a file that cannot be read, once for each reason it gives."""
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
            self.input_errors.note(f"file.{code}", path, str(error), moment.mono)

    def _hear_waiting(self, moment: Moment) -> None:
        self.receive()
        self._hear_held(moment)

    def _hear_held(self, moment: Moment) -> None:
        """Look at the newest datagram of every sender that only went on, and excuse all of what was dropped."""
        for socket in self._sockets:
            self._hear_all(socket, *socket.held(int(moment.wall * 1e9)), moment)
            dropped = socket.newly_dropped()
            if dropped:
                self.input_errors.note("datagram.dropped", "the kernel", f"{dropped} datagrams dropped", moment.mono)
                self.registry.excuse_pause(INTERVAL_S, moment.mono, heard_by=socket)

    def _hear_all(
        self, socket: BeatSocket, datagrams: Iterable[Datagram], faults: Iterable[Fault], moment: Moment
    ) -> None:
        touched = []
        for datagram in datagrams:
            body = datagram.beat.body
            at = (f"{datagram.sender}|{datagram.uid}|{body.job}|{body.run}|{body.pid}", "datagram", None)
            watch = self.bulkheads.attempt(at, moment.mono, self._hear, socket, datagram, moment, default=None)
            touched.append(watch)
            if datagram.beat.head.state in (FINISHED, FAILED):  # what comes next may be of another run
                self._judge_now([watch], moment)
        for fault in faults:
            self.input_errors.note(f"datagram.{fault.code}", f"datagram from {fault.sender}", fault.text, moment.mono)
        self._judge_now(touched, moment)

    def _hear(self, socket: BeatSocket, datagram: Datagram, moment: Moment) -> Watch | None:
        """Take in one datagram; gives the watch of its worker."""
        try:
            place = self._senders.place(datagram, self.registry.watches)
            if place is None:
                return None
            watch = self.registry.watches.get(place.key)
            if watch is None:
                watch = self._register(identify.of_datagram(datagram, place, socket, moment), moment)
            else:
                beat = self._senders.completed(datagram, watch.worker)
                self.registry.on_beat(watch, beat, moment, socket)
        except (OSError, WireError) as e:
            code = e.code if isinstance(e, WireError) else type(e).__name__
            self.input_errors.note(f"datagram.{code}", f"datagram from {datagram.sender}", str(e), moment.mono)
            return None
        socket.known(place.key, datagram)
        return watch

    def _register(self, identified: identify.Identified, moment: Moment) -> Watch | None:
        unknown = identified.worker.body.unknown
        if unknown:
            said = f"fields that this version does not know are skipped ({', '.join(unknown)}): upgrade the watchdog"
            self.input_errors.note("wire.unknown", identified.worker.key, said, moment.mono)
        watch = self.registry.register(identified, moment)
        if watch is not None and len(watch.run.watches) == 1:
            self.evaluator.watch(watch.run)
        return watch
