"""Which runs are watched: the runs, and the watch of each of their workers, from the first beat to the end."""

from __future__ import annotations

import logging
import resource
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, Protocol

from epochwatch.wire import EXITING, FAILED, FINISHED, RUNNING, Beat, Body, WireError
from epochwatchd.config import Config
from epochwatchd.detection.observing import excuse_pause, observe, resume
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.detection.telling_apart import words_of
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles
from epochwatchd.inputs.heartbeats.sockets import BeatSocket
from epochwatchd.inputs.oom.watch import OomWatcher
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.exits import Death, Exits
from epochwatchd.model import Exit, Incident, Moment, Worker
from epochwatchd.service import exit_causes, identify
from epochwatchd.service.identify import Identified
from epochwatchd.service.left_behind import LeftBehind
from epochwatchd.service.runs import Run, wished
from epochwatchd.service.shares import Shares
from epochwatchd.service.siblings import Siblings
from epochwatchd.service.watch import Watch

log = logging.getLogger("epochwatchd")

ATTACHED_PER_TICK = 100
REMOVE_AFTER_S = 10.0
"""The file of a run that is over stays this long, for another user's or the machine's daemon to read its last words."""
TRY_AGAIN_S = 3600.0
AWAITED_MAX = 1000
"""How many dead processes are kept in mind that their parents have not reaped, at a descriptor each."""


KIN_MAX, JOBS_MAX = 30, 5000
"""Runs of a job, and jobs, whose words are remembered."""


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

    def lesson_for(self, worker: Worker) -> SilenceHistory:
        """What earlier runs of a worker's job have taught."""


class Registry:
    """The runs that are watched, by key, and the watch of each worker, by its own."""

    def __init__(self, config: Config, past: Past, files: BeatFiles, exits: Exits, oom: OomWatcher) -> None:
        self.shares = Shares(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self.runs: dict[str, Run] = {}
        self.watches: dict[str, Watch] = {}
        self._config = config
        self._past = past
        self._files = files
        self._exits = exits
        self._oom = oom
        self._over: dict[str, _Over] = {}
        self._unattached: dict[Watch, None] = {}
        self._awaited: dict[str, Watch] = {}
        self._late: list[Run] = []
        self._siblings = Siblings(exits, self.shares)
        self._left_behind = LeftBehind()
        self._kin: dict[tuple[int | None, str], deque[tuple[str, list[str]]]] = {}

    # Whom it begins to watch

    def register(self, identified: Identified, moment: Moment) -> Watch | None:
        """Begin to watch a worker; None if its run is over and told already.

        Raises WireError ``share`` where its user has as many as one may.
        """
        worker = identified.worker
        self._give_up(worker.key)
        share = self.shares.take(worker.uid, worker.head.body_len, moment.mono)
        run = self.runs.get(identified.run_key)
        watch = Watch(self._known_by_now(run, worker, moment), identified.file, identified.via, share)
        try:
            return self._registered(watch, run, identified, moment)
        except BaseException:
            watch.close()
            raise

    def _registered(self, watch: Watch, run: Run | None, identified: Identified, moment: Moment) -> Watch | None:
        run_key, worker = identified.run_key, watch.worker
        self._attach(watch, moment)
        policy = wished(self._config.policy(worker.body.job), worker.body)
        while run is None and (ended_wall := self._past.ended_wall(run_key)) is not None:
            if watch.worker.exit is not None or moment.wall_of(watch.worker.started_at) <= ended_wall:
                watch.close()
                self._remember_as_over(watch, moment)
                return None
            crash = self._past.crash_of(run_key, moment)
            if crash is not None:  # begun anew, as torchrun does with all its ranks when one has crashed: it goes on
                run = Run(run_key, identified.run, policy, is_new=False, incidents={"crashed": crash})
                self._close_the_book_on(run_key)
            else:
                run_key = f"{run_key}+"
                run = self.runs.get(run_key)
        self._join(run or Run(run_key, identified.run, policy), watch, moment)
        return watch

    def _known_by_now(self, run: Run | None, worker: Worker, moment: Moment) -> Worker:
        """The worker, with what is known of it: its agent may have made its file anew, in another folder."""
        for known in list(run.watches.values()) if run else ():
            before = known.worker
            moved = known.file is not None and worker.key != known.key and _is_same(before.body, worker.body)
            if run and moved and identify.is_file(worker.key) and before.exit is None:
                del run.watches[known.key], self.watches[known.key]
                known.close()
                return observe(before._replace(key=worker.key), Beat(worker.head, worker.body), moment.mono)
        return worker._replace(history=self._past.lesson_for(worker))

    def restore(
        self, run: Run, workers: Iterable[Worker], moment: Moment, *, watched_wall: float | None = None
    ) -> None:
        """Go on watching a run of the last daemon, which watched it until then."""
        for worker in workers:
            share = self.shares.take(worker.uid, worker.head.body_len, moment.mono)
            watch = Watch(worker, identify.file_of(worker.key), share=share)
            watch.worker = self._resumed(watch, run, moment)
            self._attach(watch, moment, watched_wall)
            self._join(run, watch, moment)
        run.policy = wished(run.policy, run.speaker.body)

    def _join(self, run: Run, watch: Watch, moment: Moment) -> None:
        watch.run = run
        if run.key not in self.runs:
            self._meet_kin(run, watch.worker)
        self.runs[run.key] = run
        run.watches[watch.key] = self.watches[watch.key] = watch
        if watch.worker.body.names_run:
            run.policy = wished(self._config.policy(run.job), watch.worker.body)
        self._siblings.meet(run, watch, moment)
        self._left_behind.watch(watch)

    def _meet_kin(self, run: Run, worker: Worker) -> None:
        """The latest runs of a job are remembered by their words, for each to be told from the others."""
        kin = self._kin.setdefault((worker.uid, worker.body.job), deque(maxlen=KIN_MAX))
        kin.append((run.key, words_of(worker.body.argv, worker.body.tags)))
        run.others = lambda: [words for key, words in kin if key != run.key]
        if len(self._kin) > JOBS_MAX:
            del self._kin[next(iter(self._kin))]

    def _attach(self, watch: Watch, moment: Moment, watched_wall: float | None = None) -> None:
        """Watch the process of a worker, or fill in its end where it is dead (and was last watched until then)."""
        worker = watch.worker
        if not worker.local or worker.exit is not None:
            return
        try:
            alive_at = identify.alive_at(worker, moment, watched_wall)
            end = self._attached(watch, alive_at, moment, was_watched=watched_wall is not None)
        except OSError as e:  # no descriptor is left, most likely: who cannot look must not judge
            if watch not in self._unattached:
                log.warning("%s cannot be watched: %s; it is tried again (raise LimitNOFILE)", watch.key, e)
            self._unattached.pop(watch, None)
            self._unattached[watch] = None  # behind all others, whose turn comes first
            return
        self._unattached.pop(watch, None)
        if end is None:
            watch.worker = watch.told(worker, moment)
            return
        end = exit_causes.unseen(worker, end, self._oom, moment)
        if end.unreaped_by is not None:
            watch.if_killed, end = end, replace(end, oom=None)
        watch.ended(end)
        watch.worker = self._with_last_words(watch, watch.worker, moment)

    def _attached(self, watch: Watch, alive_at: float, moment: Moment, *, was_watched: bool) -> Exit | None:
        """Watch the process of a worker; gives its end if it is dead already. Raises OSError where it cannot be known.

        A dead one that its parent has not reaped still has its exit status; so has one of which the last daemon, who
        watched it (``was_watched``), left the pidfd.
        """
        worker = watch.worker
        pid, start = procfs.find(worker.body), worker.body.start
        left = procfs.own_pid(worker.body) if was_watched else None
        if left is not None and start is not None and self._exits.was_left(left, start):
            pid = left
        elif pid is None or start is None or not identify.may_speak_of(worker.uid, pid):
            return Exit(alive_at)  # it is gone, and what has its pid now may be another user's
        return watch.attach(pid, self._exits, self._oom, alive_at, moment.mono)

    def attach_again(self, moment: Moment) -> None:
        """Try to watch those whose processes could not be watched so far."""
        for watch in list(islice(self._unattached, ATTACHED_PER_TICK)):
            if self.watches.get(watch.key) is watch:
                self._attach(watch, moment)
            else:
                del self._unattached[watch]

    def reconfigure(self, config: Config) -> None:
        """From now on by another configuration."""
        self._config = config
        for run in self.runs.values():
            run.policy = wished(config.policy(run.job), run.speaker.body)

    # What they say

    def on_beat(self, watch: Watch, beat: Beat, moment: Moment, via: BeatSocket | None = None) -> None:
        """A beat of a worker; a wrapper that has just started its command is watched for that.

        That it was stopped and thawed teaches nothing about how long its pauses are. Raises WireError ``process`` where
        the beat is in the name of another process than before, ``share`` as ``register`` does.
        """
        before = watch.worker
        if beat.body is not before.body:
            if not _is_same(beat.body, before.body):
                raise WireError("process", f"it now speaks of process {beat.body.pid} instead of {before.body.pid}")
            if watch.share:
                watch.share.grow(beat.head.body_len, moment.mono)
        silent = watch.run.incidents.get("silent")
        if silent is not None and silent.finding.cause is not None and silent.finding.cause.code == "stopped":
            before = resume(before, moment.mono)
        watch.worker = self._heard(watch, before, beat, moment)
        watch.via = via

    def _heard(self, watch: Watch, before: Worker, beat: Beat, moment: Moment) -> Worker:
        """The worker after a beat."""
        worker = observe(before, beat, moment.mono)
        if worker.body.command_pid != before.body.command_pid:
            watch.worker = worker
            watch.surround(self._oom, moment.mono)
        return watch.told(worker, moment)

    def _resumed(self, watch: Watch, run: Run, moment: Moment) -> Worker:
        """A worker of the last daemon. A file tells whether it beat meanwhile; missed datagrams tell nothing."""
        worker = watch.worker
        if watch.file is None:
            return worker if run.incidents else resume(worker, moment.mono)
        with suppress(OSError, WireError):  # gone or torn: its process, or its silence, will tell
            sighting = self._files.read(watch.file)
            if sighting is not None and _is_same(sighting.beat.body, worker.body):
                has_beaten = sighting.beat.head.seq != worker.head.seq
                return observe(resume(worker, moment.mono) if has_beaten else worker, sighting.beat, moment.mono)
        return worker

    def _with_last_words(self, watch: Watch, worker: Worker, moment: Moment) -> Worker:
        """The worker with what its file says now that nobody writes to it any more."""
        if watch.file is not None:
            with suppress(OSError, WireError):  # gone or torn: what was read before stands
                sighting = self._files.read(watch.file)
                if sighting is not None and _is_same(sighting.beat.body, worker.body):
                    return self._heard(watch, worker, sighting.beat, moment)
        return worker

    def excuse_pause(self, pause_s: float, now: float, *, heard_by: BeatSocket | None = None) -> None:
        """Hold so much time against nobody; with ``heard_by``, against none of those who are heard there."""
        for watch in self.watches.values():
            if heard_by is None or watch.via is heard_by:
                watch.worker = excuse_pause(watch.worker, pause_s, now)

    # How they end

    def heed(self, deaths: Iterable[Death]) -> list[Death]:
        """The deaths of workers; those of their siblings are noted."""
        return self._siblings.heed(deaths)

    def on_exit(self, deaths: Iterable[Death]) -> list[Run]:
        """Believe that processes died; gives their runs. Then ask to ``explain`` each death."""
        runs = []
        for watch, seen in deaths:
            if self.is_watched(watch):
                watch.ended(seen)
                runs.append(watch.run)
        return runs

    def is_watched(self, watch: Watch) -> bool:
        """Whether a worker is still watched, and its run not over."""
        return self.watches.get(watch.key) is watch

    def explain(self, death: Death, moment: Moment) -> None:
        """Add to a death what the process said last, and what the kernel and its surroundings tell of it."""
        watch, seen = death
        if not self.is_watched(watch):  # its run ended in the meantime
            self._learn_late(watch, seen, moment)
            return
        worker = self._with_last_words(watch, watch.worker._replace(exit=None), moment)
        end = worker.exit if worker.head.state == FAILED else None
        end = end or replace(watch.explained(seen, moment.mono), program=watch.program)
        end = replace(end, fell_first=self._siblings.fell_before(watch.run, end.at))
        if end.status == 0 and worker.head.state == RUNNING and self._went_on_as_another(watch, moment):
            worker, end = worker._replace(head=worker.head._replace(state=EXITING)), replace(end, went_on=True)
        watch.worker = worker._replace(exit=end)

    def _learn_late(self, watch: Watch, seen: Exit, moment: Moment) -> None:
        """The exit status of a worker of a run that is over: what is to be told of it is among the ``late_exits``."""
        if self._awaited.get(watch.key) is watch:
            del self._awaited[watch.key]
            watch.learn_status(seen, moment.mono)
            self._late.append(watch.run)

    def late_exits(self, moment: Moment) -> list[Run]:
        """The runs that are over and told, of which an exit status came only since the last call, or what they left."""
        late, self._late = self._late, []
        left = (watch.run for watch in self._left_behind.due(moment.mono))
        return late + [run for run in left if run.key not in self.runs]

    def look_below(self) -> None:
        """Once a second: who is below the watched processes."""
        self._left_behind.look()

    def _went_on_as_another(self, watch: Watch, moment: Moment) -> bool:
        """Whether the process, before it left in order, had become another program (``exec``) with a run of its own."""
        worker = watch.worker
        others = (other for other in self.watches.values() if other is not watch and other.worker.uid == worker.uid)
        same = [other for other in others if _is_same(other.worker.body, worker.body)]
        return any(
            self._with_last_words(other, other.worker, moment).head.state in (EXITING, FINISHED) for other in same
        )

    def went_on(self, watch: Watch) -> bool:
        """Whether a worker's process beats in the name of a later run: after ``exec``, or of one within this run."""
        others = (o.worker for o in self.watches.values() if o.pid == watch.pid and o is not watch)
        same = (other for other in others if other.uid == watch.worker.uid)
        return any((other.body.began_ns or 0) > watch.worker.head.time_ns for other in same)

    def release(self, run: Run, moment: Moment) -> list[Watch]:
        """A run is over: nobody of it is watched any more; gives the watches of its workers.

        Only the exit status of those whose parent has not reaped them is still waited for.
        """
        del self.runs[run.key]
        self._siblings.release(run)
        for watch in run.watches.values():
            del self.watches[watch.key]
            self._left_behind.died(watch, moment)
            watch.release()
            if watch.awaits_status:
                self._awaited[watch.key] = watch
            self._remember_as_over(watch, moment)
        while len(self._awaited) > AWAITED_MAX:
            self._give_up(next(iter(self._awaited)))
        return list(run.watches.values())

    def _close_the_book_on(self, run_key: str) -> None:
        """A run goes on: what becomes known of its former end concerns nobody any more."""
        self._late = [run for run in self._late if run.key != run_key]
        for key in [key for key, watch in self._awaited.items() if watch.run.key == run_key]:
            self._give_up(key)

    def _give_up(self, key: str) -> None:
        """Wait no longer for an exit status: too many are waited for, or its file is another's now."""
        watch = self._awaited.pop(key, None)
        if watch is not None:
            watch.close()

    # Their files

    def _remember_as_over(self, watch: Watch, moment: Moment) -> None:
        """Its file is removed a little later, if nobody writes to it any more and we may."""
        worker = watch.worker
        if watch.file is not None:
            is_last_word = worker.exit is not None or worker.head.state in (FINISHED, FAILED)
            wait_s = REMOVE_AFTER_S if is_last_word else TRY_AGAIN_S
            self._over[watch.key] = _Over(moment.mono + wait_s, _sender(worker.body))

    def is_over(self, path: str, body: Body) -> bool:
        """Whether a file is still that of a run that is over and told, and not another's under the same name."""
        over = self._over.get(path)
        if over is not None and over.sender != _sender(body):
            del self._over[path]
            return False
        return over is not None

    def files_to_read(self) -> list[str]:
        """The files of workers that may still beat."""
        return [key for key, watch in self.watches.items() if watch.file is not None and watch.worker.exit is None]

    def remove_files(self, now: float) -> None:
        """Remove the files of runs that are over for a while; one that we may not remove is only remembered."""
        for path in [path for path, over in self._over.items() if over.remove_at <= now]:
            try:
                sighting = self._files.read(BeatFile(path))
                if sighting is not None and self.is_over(path, sighting.beat.body):
                    self._files.remove(path)
                self._over.pop(path, None)
            except FileNotFoundError:
                del self._over[path]
            except (OSError, WireError):
                self._over[path] = self._over[path]._replace(remove_at=now + TRY_AGAIN_S)


def _is_same(one: Body, other: Body) -> bool:
    """Whether two beats speak of the same process."""
    return (one.pid, one.start, one.boot, one.pidns) == (other.pid, other.start, other.boot, other.pidns)


def _sender(body: Body) -> tuple[str | None, int | None, int | None]:
    return body.run, body.pid, body.start
