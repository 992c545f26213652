"""What is wrong with the watchdog itself, told by way of the same verdicts and messages as everything else.

A fault has no process. A worker that never beats stands for it, in a run of its own, as for what is missing: judging,
routes, reminders and the store need to know no more. One message a fault and hour, and one when it is over.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from epochwatch.wire import Beat, Body, Head
from epochwatchd.alerting.composing import stamp
from epochwatchd.config import Config
from epochwatchd.detection.observing import meet
from epochwatchd.model import Cause, Finding, Moment, Policy, Severity, Worker
from epochwatchd.phrase import Phrase
from epochwatchd.service.bulkheads import Broken
from epochwatchd.service.identify import user_name
from epochwatchd.service.judging import Judgement, judgement
from epochwatchd.service.runs import Run, current_row
from epochwatchd.store import Record

PREFIX = "watchdog:"
AGAIN_AFTER_S = 3600.0
EVIDENCE_MAX = 10
"""Lines: one user may have a thousand runs that break it."""


class OwnFault(NamedTuple):
    """A fault that is there now. ``run``: the one that is meant, if it is one; ``user``: whom it concerns."""

    cause: Cause
    severity: Severity = "warning"
    user: str | None = None
    run: Run | None = None


@dataclass(slots=True)
class _Told:
    """The run that stands for a fault, when its incident was last opened, and what is shown of it."""

    run: Run
    opened_wall: float = float("-inf")
    lines: tuple[str, ...] = ()


def bare(fault: OwnFault) -> OwnFault:
    """The same without a word from outside: what broke on a run may break on its name, too."""
    return OwnFault(Cause(fault.cause.code), fault.severity)


class OwnFaults:
    """The faults that were told, and are not over."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def restore(self, run: Run, worker: Worker) -> None:
        """A fault that was open when the last daemon stopped: it is over, or it will be found again."""
        run.stand_in(worker)
        self._told[run.key] = _Told(run)

    @property
    def open(self) -> list[Run]:
        """What stands for the faults that are told and not over."""
        return [told.run for told in self._told.values() if told.run.incidents]

    def names(self, present: Iterable[str]) -> list[str]:
        """The names of the faults that are there, and of those that were told and may be over."""
        return list(dict.fromkeys([*(key.removeprefix(PREFIX) for key in self._told), *present]))

    def judge(self, name: str, fault: OwnFault | None, moment: Moment, config: Config) -> Judgement | None:
        """What changes, now that a fault is there, or is not (None)."""
        told = self._told.get(PREFIX + name)
        if told is None:
            told = self._told[PREFIX + name] = _Told(Run(PREFIX + name, "", Policy(), is_new=False))
        if told.run.incidents:
            told.opened_wall = max(i.opened_wall for i in told.run.incidents.values())
        elif fault is None or 0 <= moment.wall - told.opened_wall < AGAIN_AFTER_S:
            self._forget_old(moment.wall)
            return None
        else:
            worker = _stand_in(told.run.key, fault, moment)
            told.run.stand_in(worker)
            told.run.run = fault.run.run if fault.run else ""
        [worker] = told.run.workers
        found = [Finding("watchdog", fault.severity, worker.started_at, fault.cause)] if fault else []
        result = judgement(told.run, [(worker, found)], moment, config)
        return self._shown(told, fault, result, moment)

    def _shown(self, told: _Told, fault: OwnFault | None, result: Judgement | None, moment: Moment) -> Judgement | None:
        """The same with a row for ``epochwatchd status``: what is wrong, a line each, as it stands now."""
        lines = fault.cause.evidence if fault else ()
        if result is None and lines == told.lines:
            return None
        told.lines = lines
        result = result or Judgement(told.run, None, told.run.incidents)
        record = result.record or Record(current_row(told.run, moment))
        text = {"code": fault.cause.code, "since": stamp(moment.wall), "text": "\n".join(lines)} if fault else None
        ended_wall = None if fault else moment.wall
        row = replace(record.run, verdict="watchdog", ended_wall=ended_wall, suspected=text)
        return replace(result, record=replace(record, run=row))

    def _forget_old(self, now_wall: float) -> None:
        for key, told in list(self._told.items()):
            if not told.run.incidents and not 0 <= now_wall - told.opened_wall < AGAIN_AFTER_S:
                del self._told[key]


def set_aside(broken: Iterable[Broken], runs: Mapping[str, Run]) -> dict[str, OwnFault]:
    """One fault a user, for all of their runs that are watched and on which something broke."""
    ours = sorted((b for b in broken if b.key in runs), key=lambda b: (b.user or "", b.since))
    return {
        f"set_aside:{user}": _set_aside(user, list(group), runs)
        for user, group in groupby(ours, lambda b: b.user or "")
    }


def _set_aside(user: str, broken: Sequence[Broken], runs: Mapping[str, Run]) -> OwnFault:
    lines = [f"{b.title}: {b.step}: {b.fault}" for b in broken]
    if len(lines) > EVIDENCE_MAX:
        more = Phrase("and {count} more: see the watchdog's log", count=len(lines) - EVIDENCE_MAX)
        lines = [*lines[:EVIDENCE_MAX], more]
    meant = [runs[key] for key in dict.fromkeys(b.key for b in broken)]
    if len(meant) == 1:
        return OwnFault(Cause("run_set_aside", {"run": meant[0].title}, tuple(lines)), user=user or None, run=meant[0])
    details = {"runs": f"{len(meant)} runs", "user": user or "unknown"}
    return OwnFault(Cause("run_set_aside", details, tuple(lines)), user=user or None)


def not_watched(uids: Iterable[int | None]) -> dict[str, OwnFault]:
    """One fault for each user whose runs are more than one user may have here; None: of senders that are not known."""
    users = {uid: None if uid is None else user_name(uid) for uid in uids}
    return {
        f"not_watched:{uid}": OwnFault(Cause("too_many_runs", {"user": user} if user else {}), user=user)
        for uid, user in users.items()
    }


def is_own_fault(key: str) -> bool:
    """Whether the key of a run is that of a fault of the watchdog."""
    return key.startswith(PREFIX)


def _stand_in(key: str, fault: OwnFault, moment: Moment) -> Worker:
    body = Body("", host=socket.gethostname())
    if fault.run is not None:
        meant = fault.run.speaker.body
        body = body._replace(job=meant.job, pid=meant.command_pid or meant.pid)
    return meet(key, Beat(Head(), body), moment.mono, user=fault.user or "", local=False, started_at=moment.mono)
