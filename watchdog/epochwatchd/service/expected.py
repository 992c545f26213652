"""The runs that are expected at given times: whether they began, by way of the same verdicts and messages as others.

What is missing has no process. A worker that has never beaten stands for it, in a run of its own, from the time it was
due: judging, routes, reminders and the store need to know no more.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from epochwatch.wire import Beat, Body, Head
from epochwatchd.config import Config, Expected
from epochwatchd.detection import missing
from epochwatchd.detection.missing import Due
from epochwatchd.detection.observing import meet
from epochwatchd.model import Moment, Policy, Worker
from epochwatchd.service.judging import Judgement, judgement
from epochwatchd.service.runs import Run, current_row
from epochwatchd.service.schedule import latest_due, next_due
from epochwatchd.store import Record
from epochwatchd.store.ledger import Ledger

log = logging.getLogger("epochwatchd")

LOOK_AROUND_S = 5.0
"""A watchdog that was not there hears first, for so long, who has begun meanwhile: agents speak every second."""


@dataclass(slots=True)
class _Awaited:
    """One expectation. ``settled_wall``: what was due until then has begun, or is not ours to ask for.

    ``began_wall``: when the latest run that fits began. ``due``: the latest time that is not settled and whose window
    is over; ``next_wall``: when the next window will be.
    """

    match: str
    expected: Expected
    run: Run
    settled_wall: float
    began_wall: float | None = None
    due: Due | None = None
    next_wall: float = 0.0


class Expectations:
    """What is awaited, from ``begin`` on."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._wanted = _wanted_by(config)
        self._awaited: list[_Awaited] = []
        self._restored: dict[str, Run] = {}
        self._judge_from = float("inf")

    @property
    def missing(self) -> list[Run]:
        """What stands for the runs that have not begun."""
        return [awaited.run for awaited in self._awaited if awaited.run.incidents]

    def restore(self, run: Run, worker: Worker, moment: Moment) -> None:
        """Something that was missing when the last daemon stopped; it is forgotten if nobody expects it any more."""
        run.stand_in(worker)
        if run.key in self._wanted:
            self._restored[run.key] = run
        else:
            row = replace(current_row(run, moment), ended_wall=moment.wall)
            self._ledger.record([Record(row, closed=list(run.incidents.values()))], moment)

    def reconfigure(self, config: Config, moment: Moment) -> None:
        """Await what another configuration asks for; what is still expected goes on."""
        known = {awaited.run.key: awaited.run for awaited in self._awaited}
        self._config, self._wanted, self._awaited = config, _wanted_by(config), []
        for run in known.values():
            if run.incidents:
                self.restore(run, run.speaker, moment)
        self.begin(moment)

    def begin(self, moment: Moment) -> None:
        """Await what is configured, with what the store knows of it; what was due before it was expected is let be."""
        for key, settled_wall in self._ledger.expect(list(self._wanted), moment.wall).items():
            run = self._restored.pop(key, None) or Run(key, "", Policy(), is_new=False)
            self._awaited.append(_Awaited(*self._wanted[key], run, settled_wall))
        for job, began_wall in self._ledger.latest_begins():
            self._began(job, began_wall)
        self.look_around(moment)

    def look_around(self, moment: Moment) -> None:
        """The watchdog was away: nothing is judged before it has seen who began meanwhile."""
        self._judge_from = moment.mono + LOOK_AROUND_S

    def began(self, run: Run, moment: Moment) -> None:
        """A run is watched that was not known before."""
        self._began(run.job, moment.wall_of(min(w.started_at for w in run.workers)))

    def _began(self, job: str, began_wall: float) -> None:
        for awaited in self._awaited:
            if fnmatchcase(job, awaited.match):
                awaited.began_wall = max(began_wall, awaited.began_wall or began_wall)

    def judge(self, moment: Moment) -> Iterator[Judgement]:
        """What changes: a run that is missing now, or one that began after all."""
        if moment.mono < self._judge_from:
            return
        for awaited in self._awaited:
            self._look(awaited, moment)
            if awaited.due is not None:
                result = self._judged(awaited, awaited.due, moment)
                if result is not None:
                    yield result

    def _look(self, awaited: _Awaited, moment: Moment) -> None:
        """Whether another window is over, and what was due then."""
        if moment.wall < awaited.next_wall:
            return
        at, until_wall = awaited.expected.at, moment.wall - awaited.expected.within_s
        awaited.due = latest_due(at, awaited.settled_wall, until_wall)
        awaited.next_wall = next_due(at, until_wall).last_wall + awaited.expected.within_s
        if awaited.due is not None and not awaited.run.incidents:
            awaited.run.stand_in(_stand_in(awaited, awaited.due, moment))

    def _judged(self, awaited: _Awaited, due: Due, moment: Moment) -> Judgement | None:
        expected = awaited.expected
        finding = missing.missing(due, expected.at.text, expected.within_s, awaited.began_wall, moment)
        [worker] = awaited.run.workers
        result = judgement(awaited.run, [(worker, [finding] if finding else [])], moment, self._config)
        if finding is None and not awaited.run.incidents:
            self._settle(awaited, due)
        if finding is None and result is not None and result.record is not None:
            row = replace(result.record.run, verdict="missing", ended_wall=moment.wall)
            return replace(result, record=replace(result.record, run=row))
        return result

    def _settle(self, awaited: _Awaited, due: Due) -> None:
        """It has begun, and that is stored: nothing of it, nor what was due before, is asked for again."""
        self._ledger.settle(awaited.run.key, due.last_wall)
        awaited.settled_wall, awaited.due = due.last_wall, None


def _wanted_by(config: Config) -> dict[str, tuple[str, Expected]]:
    """What a configuration expects, by the key of the run that stands for it."""
    return {
        f"expected:{rule.match} {rule.expected.at.text}": (rule.match, rule.expected)
        for rule in config.jobs
        if rule.expected is not None
    }


def is_expected(key: str) -> bool:
    """Whether the key of a run is that of one that was missing."""
    return key.startswith("expected:")


def _stand_in(awaited: _Awaited, due: Due, moment: Moment) -> Worker:
    due_at = moment.mono - (moment.wall - due.last_wall)
    body = Body(awaited.match, host=socket.gethostname())
    return meet(awaited.run.key, Beat(Head(), body), due_at, user="", local=False, started_at=due_at)
