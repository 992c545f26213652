"""Why processes ended: what the kernel, the cgroup and the machine's surroundings add to an exit status."""

from __future__ import annotations

import signal
from dataclasses import replace

from epochwatch.wire import FAILED
from epochwatchd.inputs.oom.watch import KILLED_BELOW, Memory
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.supervisor import going_down, keeper_of
from epochwatchd.model import SHELL_SIGNAL, Exit, Moment, Worker
from epochwatchd.service import identify

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGXCPU)
"""Signals that others send: people, schedulers, the kernel."""
_KILLS = (None, -signal.SIGKILL, KILLED_BELOW)


class Endings:
    """What may have to be known of the ends of watched processes, gathered while they live."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._keepers: dict[str, str | None] = {}
        self._if_killed: dict[str, Exit] = {}

    def watch(self, worker: Worker, pid: int, now: float) -> None:
        """Begin to watch the process of a worker, or the command that it wraps, as soon as that is known."""
        command_pid = procfs.command_of(worker.body, pid)
        wrapper = None if worker.body.command_pid is None else pid
        self._memory.watch(worker.key, command_pid or pid, now, wrapper=wrapper)
        self._keepers[worker.key] = self._keepers.get(worker.key) or keeper_of(pid)

    def explained(self, key: str, seen: Exit, now: float) -> Exit:
        """An end with what else is known of it.

        That fades: of one whose status is still to come it is looked for at once, as if the process had been killed.
        """
        if_killed = self._if_killed.pop(key, None)
        if if_killed is None:
            status = seen.status if seen.unreaped_by is None else -signal.SIGKILL
            oom = self._memory.verdict(key, replace(seen, status=status), now)
            if_killed = replace(seen, oom=oom, evidence=self._evidence(key, status))
        if seen.unreaped_by is not None:
            self._if_killed[key] = if_killed
            return replace(seen, evidence=if_killed.evidence)
        return replace(
            seen,
            oom=if_killed.oom if seen.status in _KILLS else None,
            evidence=if_killed.evidence if _may_come_from_outside(seen.status) else self._own_fault(key, seen, now),
        )

    def _own_fault(self, key: str, seen: Exit, now: float) -> tuple[str, ...]:
        """What the kernel's log says of a process that ended by a signal of its own making."""
        remark = self._memory.remark_on(key, now) if seen.status is not None and seen.status < 0 else None
        return () if remark is None else (f"kernel log: {remark}",)

    def _evidence(self, key: str, status: int | None) -> tuple[str, ...]:
        """What was last seen of the memory of one that was killed, and who may have ended it."""
        if not _may_come_from_outside(status):
            return ()
        seen = self._memory.last_seen(key) if status in _KILLS else ()
        return (*seen, *filter(None, (self._keepers.get(key), going_down())))

    def told(self, worker: Worker, moment: Moment) -> Worker:
        """The worker, if it wraps a command, with the end of that as it told it."""
        body = worker.body
        if worker.exit or not (worker.local and body.command_pid) or worker.head.state != FAILED:
            return worker
        return worker._replace(exit=self.explained(worker.key, Exit(moment.mono, body.exit_status), moment.mono))

    def unseen(self, worker: Worker, end: Exit, moment: Moment) -> Worker:
        """The worker as one that died while nobody watched; the kernel log may still say why."""
        pid = procfs.outer_pid(worker.body) if end.status in _KILLS else None
        oom = None if pid is None else self._memory.past_verdict(pid, end.at)
        gone = identify.gone(worker, moment, replace(end, oom=oom))
        if gone.exit is not None and end.unreaped_by is not None:
            self._if_killed[worker.key] = gone.exit
            return gone._replace(exit=replace(gone.exit, oom=None))
        return gone

    def forget(self, key: str) -> None:
        """Stop watching; a status that is still to come can be explained nevertheless."""
        self._memory.forget(key)
        self._keepers.pop(key, None)

    def give_up(self, key: str) -> None:
        """No status will come any more."""
        self._if_killed.pop(key, None)


def _may_come_from_outside(status: int | None) -> bool:
    """Whether a process, or with a shell's 128 + n one that it waited for, may have been ended by somebody else."""
    return status is None or (-status if status < 0 else status - SHELL_SIGNAL) in FROM_OUTSIDE
