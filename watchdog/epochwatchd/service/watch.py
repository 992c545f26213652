"""One worker, with everything that is held to watch it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from epochwatch.wire import FAILED, RUNNING, Body
from epochwatchd.detection.observing import learn_wait
from epochwatchd.detection.waits import Habits
from epochwatchd.inputs.heartbeats.files import BeatFile
from epochwatchd.inputs.heartbeats.sockets import BeatSocket
from epochwatchd.inputs.oom.watch import OomWatch, OomWatcher
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.activity import Activity, Looks
from epochwatchd.inputs.process.descendants import Family
from epochwatchd.inputs.process.exits import Exits, ExitWatch
from epochwatchd.inputs.process.supervisor import supervisor_of
from epochwatchd.inputs.stacks.collect import Asking
from epochwatchd.inputs.stacks.frames import with_workers
from epochwatchd.model import Exit, Moment, Process, Stack, Worker
from epochwatchd.service import exit_causes
from epochwatchd.service.shares import Share

if TYPE_CHECKING:
    from epochwatchd.service.runs import Run

HABITS_SOON, HABITS_AGAIN_S, HABITS_EVERY_S = 5, 1.0, 60.0


@dataclass(slots=True, eq=False)
class Watch:
    """One worker, and all that is held to watch it.

    worker: what its beats have shown so far.
    run: what it is part of.
    file: its heartbeat file; None where it sends datagrams.
    via: the socket that its last datagram came by.
    share: what it takes of the watchdog.
    pid: its process, by the number it has here, as long as that is known to live.
    exit_watch: tells when its process ends, and how.
    oom: tells whether the kernel killed it for want of memory.
    supervisor: who may end it from outside, a line of evidence.
    parent: the name of the program that started it.
    activity, asking: what its process does, and where it hangs; while it is a suspect.
    asking_below: where its workers hang, by pid.
    program: the command line of what it has become by ``exec``, if that was seen.
    family: who was seen below its process.
    habits, habits_at: what its threads do while beats come, and when that was last looked at.
    if_killed: its end as it would be explained if it had been killed, while its status is awaited.
    """

    worker: Worker
    run: Run = field(init=False, repr=False)
    file: BeatFile | None = None
    via: BeatSocket | None = None
    share: Share | None = None
    pid: int | None = None
    exit_watch: ExitWatch | None = None
    oom: OomWatch | None = None
    supervisor: str | None = None
    parent: str | None = None
    activity: Activity | None = None
    asking: Asking | None = None
    asking_below: dict[int, Asking] = field(default_factory=dict)
    program: str | None = None
    family: Family | None = None
    habits: Habits | None = None
    habits_at: float = -math.inf
    if_killed: Exit | None = None

    @property
    def key(self) -> str:
        """Where its beats come from."""
        return self.worker.key

    # Its process

    def attach(self, pid: int, exits: Exits, oom: OomWatcher, alive_at: float, now: float) -> Exit | None:
        """Watch its process; gives the end of one that is dead already. Raises OSError where that cannot be known.

        ``alive_at``: when it is last known to have lived.
        """
        if self.share:
            self.share.tie()
        watch = exits.watch(pid, self.worker.body.start or 0, self)
        if watch is None:
            return Exit(alive_at)
        self._stop_waiting()
        self.exit_watch = watch
        end = watch.met_dead(alive_at)
        if end is None:
            self.pid = pid
            self.surround(oom, now)
        return end

    def surround(self, oom: OomWatcher, now: float) -> None:
        """Watch what may tell later why its process ended, or the command that it wraps, as soon as that is known."""
        if self.pid is None:
            return
        body = self.worker.body
        command_pid = procfs.command_of(body, self.pid)
        wrapper = None if body.command_pid is None else self.pid
        self.oom = oom.watch(command_pid or self.pid, now, wrapper=wrapper, instead_of=self.oom)
        self.supervisor = self.supervisor or supervisor_of(self.pid)
        self.parent = self.parent or procfs.name_of_parent(self.pid)

    def ended(self, end: Exit) -> None:
        """Its process is dead; that is believed before anything is asked of it."""
        self.worker = self.worker._replace(exit=end)
        self.pid = None

    def explained(self, end: Exit, now: float) -> Exit:
        """Its end with what else is known of it: see ``exit_causes``."""
        end = replace(end, parent=self.parent)
        explained, self.if_killed = exit_causes.explained(end, self.if_killed, self.oom, self.supervisor, now)
        return explained

    def told(self, worker: Worker, moment: Moment) -> Worker:
        """The worker, if it wraps a command, with the end of that as it told it."""
        body = worker.body
        if worker.exit or not (worker.local and body.command_pid) or worker.head.state != FAILED:
            return worker
        return worker._replace(exit=self.explained(Exit(moment.mono, body.exit_status), moment.mono))

    # A suspect

    @property
    def _working_pid(self) -> int | None:
        """Its process, or the command's that it wraps."""
        return self.pid if self.pid is None else procfs.command_of(self.worker.body, self.pid) or self.pid

    def look(self, looks: Looks) -> Process | None:
        """What its process does; None if it is gone, or was never looked at and has to wait for its turn."""
        pid = self._working_pid
        if pid is None:
            return None
        self.activity = self.activity or Activity(self.habits)
        process = looks.at(self.activity, pid, self.worker.body)
        if process is not None and process.program is not None:
            self.program = process.program
        return process

    def ask(self, now: float, workers: Sequence[int], *, wanted: bool) -> Stack | None:
        """Where it hangs, and where these workers below it do: see ``Asking.at``."""
        pid = self._working_pid
        if pid is None or (self.asking is None and not wanted):
            return Stack()
        self.asking = self.asking or Asking()
        if self.activity is not None and self.asking.is_due(now, wanted=wanted):
            self.activity.asked_at = now
        stack = self.asking.at(pid, self.worker.body, now, wanted=wanted, uid=self.worker.uid)
        if not workers or (not wanted and not self.asking_below):
            return stack
        nobodys = Body("")  # they have no agent that could be asked
        for worker in workers:
            self.asking_below.setdefault(worker, Asking())
        theirs = {
            worker: asking.at(worker, nobodys, now, wanted=wanted, uid=self.worker.uid)
            for worker, asking in self.asking_below.items()
        }
        return None if stack is None or None in theirs.values() else with_workers(stack, theirs)

    def are_habits_due(self, now: float) -> bool:
        """Whether its threads are to be looked at: a few times soon, then now and then."""
        is_young = self.habits is None or self.habits.samples < HABITS_SOON
        return now - self.habits_at >= (HABITS_AGAIN_S if is_young else HABITS_EVERY_S)

    def learn_habits(self, looks: Looks, now: float) -> None:
        """Look at its threads while it beats."""
        if self._working_pid is not None:
            self.habits, self.habits_at = looks.learn(self.habits, self._working_pid), now

    def calm(self) -> None:
        """It is no suspect any more: a closed wait has ended well."""
        wait = self.activity.last.process.wait if self.activity and self.activity.last else None
        if wait is not None and wait.kind == "closed" and self.worker.head.state == RUNNING and self.pid is not None:
            self.worker = learn_wait(self.worker, wait)
        self.activity = self.program = None
        if self.asking is not None:
            self.asking.close()
            self.asking = None
        for asking in self.asking_below.values():
            asking.close()
        self.asking_below.clear()

    # The end of it

    def _stop_waiting(self) -> None:
        if self.exit_watch is not None:
            self.exit_watch.close()
            self.exit_watch = None

    @property
    def awaits_status(self) -> bool:
        """Whether its parent has still to ask how it ended."""
        return self.worker.exit is not None and self.worker.exit.unreaped_by is not None

    def release(self) -> None:
        """Let go of all but its exit status, if that is still to come."""
        if self.share is not None:
            self.share.close()
        if self.oom is not None:
            self.oom.close()
            self.oom = None
        if self.via is not None:
            self.via.forget(self.key)
        self.calm()
        if self.family is not None:
            self.family.close()
            self.family = None
        self.pid = self.supervisor = self.parent = None
        if not self.awaits_status:
            self._stop_waiting()

    def close(self) -> None:
        """Let go of everything."""
        self.release()
        self._stop_waiting()

    def learn_status(self, end: Exit, now: float) -> None:
        """Only now, after its run was told, it is known how it ended."""
        program = self.worker.exit.program if self.worker.exit is not None else None
        self.worker = self.worker._replace(exit=replace(self.explained(end, now), program=program))
