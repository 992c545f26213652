"""Why processes ended: what the kernel, the cgroup and the machine's surroundings add to an exit status."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import datetime

from epochwatchd.inputs.oom.decide import UNSEEN
from epochwatchd.inputs.oom.watch import KILLED_BELOW, OomWatch, OomWatcher
from epochwatchd.inputs.process import procfs
from epochwatchd.inputs.process.supervisor import going_down
from epochwatchd.model import SHELL_SIGNAL, Exit, Moment, Worker
from epochwatchd.phrase import Phrase

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGXCPU)
"""Signals that others send: people, schedulers, the kernel."""
_KILLS = (None, -signal.SIGKILL, KILLED_BELOW)
_SECOND = "%Y-%m-%d %H:%M:%S"


def explained(
    seen: Exit, if_killed: Exit | None, oom: OomWatch | None, supervisor: str | None, now: float
) -> tuple[Exit, Exit | None]:
    """An end with what else is known of it; and the same as if it had been killed, while its status is awaited.

    What tells a kill fades: of one whose status is still to come it is looked for at once, as ``if_killed``.
    """
    if if_killed is None:
        seen = replace(seen, goes_down=going_down() is not None)
        status = seen.status if seen.unreaped_by is None else -signal.SIGKILL
        cause = oom.verdict(replace(seen, status=status), now) if oom else None
        sizes = oom.sizes(now) if oom else UNSEEN
        seen = replace(seen, peak_mib=sizes.own_peak_mib, limit_mib=sizes.limit_mib)
        if_killed = replace(seen, oom=cause, evidence=_evidence(status, oom, supervisor, now))
    if seen.unreaped_by is not None:
        return replace(seen, evidence=if_killed.evidence), if_killed
    is_from_outside = _may_come_from_outside(seen.status)
    cause = if_killed.oom if seen.status in _KILLS else None
    evidence = if_killed.evidence if is_from_outside else _own_fault(seen, oom, now)
    told = replace(seen, peak_mib=if_killed.peak_mib, limit_mib=if_killed.limit_mib, goes_down=if_killed.goes_down)
    return replace(told, oom=cause, evidence=evidence), None


def _own_fault(seen: Exit, oom: OomWatch | None, now: float) -> tuple[str, ...]:
    """What the kernel's log says of a process that ended by a signal of its own making."""
    remark = oom.remark(now) if oom and seen.status is not None and seen.status < 0 else None
    return () if remark is None else (Phrase("kernel log: {remark}", remark=remark),)


def _evidence(status: int | None, oom: OomWatch | None, supervisor: str | None, now: float) -> tuple[str, ...]:
    """What was last seen of the memory of one that was killed, and who may have ended it."""
    if not _may_come_from_outside(status):
        return ()
    seen = oom.last_seen(now) if oom and status in _KILLS else ()
    return (*seen, *filter(None, (supervisor, going_down())))


def unseen(worker: Worker, end: Exit, oom: OomWatcher, moment: Moment) -> Exit:
    """The end of one that died while nobody watched, at some time since ``end.at``; the kernel log may say why."""
    pid = procfs.outer_pid(worker.body) if end.status in _KILLS else None
    cause = None if pid is None else oom.past_verdict(pid, end.at)
    since, until = (datetime.fromtimestamp(wall).astimezone() for wall in (moment.wall_of(end.at), moment.wall))
    told = Phrase(
        "it ended between {since} and {until}, while nobody watched",
        since=f"{since:{_SECOND}}",
        until=f"{until:{_SECOND} %Z}",
    )
    rebooted = worker.body.boot not in (None, procfs.boot_id())
    return replace(end, oom=cause, rebooted=rebooted, evidence=(*end.evidence, told))


def _may_come_from_outside(status: int | None) -> bool:
    """Whether a process, or with a shell's 128 + n one that it waited for, may have been ended by somebody else."""
    return status is None or (-status if status < 0 else status - SHELL_SIGNAL) in FROM_OUTSIDE
