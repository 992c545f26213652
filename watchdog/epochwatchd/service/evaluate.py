"""From what is known of the runs to verdicts that are stored, and what follows of them. Store first, then believe.

Each run is judged by itself: what breaks on one (facts, detectors, words, routes, its row in the store) is noted and
sets that step of that run aside. See ``bulkheads``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from epochwatchd.config import Config
from epochwatchd.detection import detectors
from epochwatchd.model import Incident, Kind, Moment, Policy, Severity
from epochwatchd.service.bulkheads import Bulkheads, Compartment
from epochwatchd.service.expected import Expectations
from epochwatchd.service.facts import FactFinder
from epochwatchd.service.judging import Judgement, amendment, findings_of, judgement, repeats
from epochwatchd.service.logs import about
from epochwatchd.service.own_faults import PREFIX, OwnFault, OwnFaults, bare
from epochwatchd.service.runs import Run, compartment, current_row, pending_changed
from epochwatchd.store import Record
from epochwatchd.store.ledger import Ledger
from epochwatchd.verdicts import ENDS

log = logging.getLogger("epochwatchd")

REFRESH_EVERY_S = 10.0
"""Progress in the store is refreshed so often at most, ..."""
ROWS_PER_TICK = 20
ROWS_WITHIN_TICKS = 60
"""... in turn: at least so many rows a tick, and every run's within so many ticks."""


_LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}


class Outcome(NamedTuple):
    """What came of a look at the runs.

    ended: those that are over.
    is_told: there is something to send.
    is_refused: something can never be recorded.
    """

    ended: Sequence[Run] = ()
    is_told: bool = False
    is_refused: bool = False


class Evaluator:
    """Judges runs and records what changed. ``runs``: those that are watched, by key."""

    def __init__(
        self, config: Config, ledger: Ledger, runs: Mapping[str, Run], facts: FactFinder, bulkheads: Bulkheads
    ) -> None:
        self.detectors: Mapping[str, detectors.Detector] = detectors.find()
        self.expected = Expectations(config, ledger)
        self.own_faults = OwnFaults()
        self._config = config
        self._ledger = ledger
        self._runs = runs
        self._facts = facts
        self._bulkheads = bulkheads
        self._rotation: deque[Run] = deque()

    def reconfigure(self, config: Config, moment: Moment) -> None:
        """From now on judge and tell by another configuration."""
        self._config = config
        self.expected.reconfigure(config, moment)

    def watch(self, run: Run) -> None:
        """A run is watched from now on: its row is kept up to date."""
        self._rotation.append(run)

    def judge(self, runs: Iterable[Run], moment: Moment) -> Outcome:
        """Judge those of the runs that are still watched, and record what changed."""
        distinct = {run.key: run for run in runs if run.key in self._runs}
        attempt, now = self._bulkheads.attempt, moment.mono
        judged = [
            attempt(compartment(run, "verdict"), now, self._judged, run, moment, default=None)
            for run in distinct.values()
        ]
        return self._apply([j for j in judged if j is not None], moment)

    def _judged(self, run: Run, moment: Moment) -> Judgement | None:
        at = compartment(run, "facts")
        facts = self._bulkheads.attempt(at, moment.mono, self._facts.of, run, moment.mono, default={})
        usable, aside = self.detectors, self._bulkheads.set_aside(run.key, moment.mono)
        if aside:
            usable = {name: detect for name, detect in usable.items() if name not in aside}
        found, failures = findings_of(run, facts, moment.mono, usable)
        for failure in failures:
            self._bulkheads.note(compartment(run, failure.detector), failure.error, moment.mono)
        if run.is_new or run.incidents or any(findings for _, findings in found):
            return judgement(run, found, moment, self._config)
        if pending_changed(run, moment.mono):
            return Judgement(run, Record(current_row(run, moment)), run.incidents)
        return None

    def judge_expected(self, moment: Moment) -> Outcome:
        """Judge what was to begin at given times."""
        return self._apply(list(self.expected.judge(moment)), moment)

    def judge_own_faults(self, present: Mapping[str, OwnFault], moment: Moment) -> Outcome:
        """Tell what is wrong with the watchdog itself, and when it is over: each by itself, if need be barely."""
        is_told = False
        for name in self.own_faults.names(present):
            fault = present.get(name)
            outcome = self._judge_own_fault(name, fault, moment)
            if outcome is None and fault is not None:
                outcome = self._judge_own_fault(name, bare(fault), moment, "the bare message")
            is_told = is_told or (outcome is not None and outcome.is_told)
        return Outcome(is_told=is_told)

    def _judge_own_fault(
        self, name: str, fault: OwnFault | None, moment: Moment, step: str = "the message"
    ) -> Outcome | None:
        """What came of it; None if it could not be judged or recorded."""
        at = (PREFIX + name, step, None)
        call, nothing = self.own_faults.judge, Judgement(Run("", "", Policy()), None, {})
        judged = self._bulkheads.attempt(at, moment.mono, call, name, fault, moment, self._config, default=nothing)
        if judged is nothing:
            return None
        outcome = self._apply([judged], moment, at) if judged is not None else Outcome()
        return None if outcome.is_refused else outcome

    def _apply(self, judgements: Sequence[Judgement], moment: Moment, at: Compartment | None = None) -> Outcome:
        """Record, then believe: a judgement whose record can never be written sets its run aside, or ``at``."""
        ended = []
        records = [j.record for j in judgements if j.record is not None]
        refused = {id(record): error for record, error in self._ledger.record(records, moment)} if records else {}
        for judged in judgements:
            error = refused.get(id(judged.record))
            if error is None:
                end = compartment(judged.run, "end")
                if self._bulkheads.attempt(end, moment.mono, self._believe, judged, moment, default=False):
                    ended.append(judged.run)
            else:
                self._bulkheads.note(at or compartment(judged.run, "verdict"), error, moment.mono)
        return Outcome(ended, any(record.notices for record in records), bool(refused))

    def _believe(self, judged: Judgement, moment: Moment) -> bool:
        """The run is as it was judged; whether it is over."""
        run, record = judged.run, judged.record
        was_new, run.is_new = run.is_new, False
        if record is not None:
            _log_verdicts(run, record)
        run.incidents = dict(judged.incidents)
        if record is not None:
            run.suspected = record.run.suspected_of
            for incident in record.opened:
                run.opened(incident.finding.kind, incident.opened_wall)
        if was_new:
            if not judged.ended:
                log.info("a run began: %s", run.title, extra=about(job=run.job, run=run.run, user=run.user))
            self.expected.began(run, moment)
        if judged.ended and record is not None:
            run.incidents = _end_told(record)
            return True
        return False

    def remind(self, moment: Moment) -> Outcome:
        """Repeat what is still wrong, where a route asks for it."""
        if not any(route.repeat_every_s for route in self._config.routes):
            return Outcome()
        due = [
            self._bulkheads.attempt(
                compartment(run, "reminder"), moment.mono, repeats, run, moment, self._config, default=None
            )
            for run in self._all
            if run.incidents
        ]
        return self._apply([j for j in due if j is not None], moment)

    @property
    def _all(self) -> list[Run]:
        """The runs that are watched, and what stands for those that are missing, and for our own faults."""
        return [*self._runs.values(), *self.expected.missing, *self.own_faults.open]

    def amend(self, late: Iterable[Run], moment: Moment) -> Outcome:
        """Tell what has become known of the ends of these runs, which were told before."""
        is_told = False
        for run in late:
            at = compartment(run, "amendment")
            record = self._bulkheads.attempt(at, moment.mono, self._amended, run, moment, default=None)
            if record is not None:
                refused = self._ledger.record([record], moment)
                for _, error in refused:
                    self._bulkheads.note(at, error, moment.mono)
                run.incidents = _end_told(record)
                is_told = True
        return Outcome(is_told=is_told)

    def _amended(self, run: Run, moment: Moment) -> Record | None:
        found, _ = findings_of(run, {}, moment.mono, self.detectors)
        return amendment(run, found, moment, self._config)

    def refresh_rows(self, moment: Moment) -> None:
        """Bring some of the rows of runs that went on up to date, in turn."""
        due = []
        share = len(self._rotation) // ROWS_WITHIN_TICKS
        for _ in range(min(max(ROWS_PER_TICK, share), len(self._rotation))):
            run = self._rotation[0]
            if self._runs.get(run.key) is not run:
                self._rotation.popleft()
                continue
            if moment.mono < run.stored_at + REFRESH_EVERY_S:
                break
            self._rotation.rotate(-1)
            run.stored_at = moment.mono
            if run.beats != run.stored_beats:
                due.append(run)
        self._write(due, moment)

    def write_anew(self, moment: Moment) -> None:
        """All runs with their incidents, into a store that knows nothing of them."""
        self._write(self._all, moment)

    def save(self, moment: Moment) -> None:
        """Before stopping: what the runs have learned goes into the store."""
        runs = list(self._runs.values())
        self._write([run for run in runs if run.beats != run.stored_beats] or runs[:1], moment)

    def _write(self, runs: Iterable[Run], moment: Moment) -> None:
        attempt, now = self._bulkheads.attempt, moment.mono
        made = [(run, attempt(compartment(run, "row"), now, _record, run, moment, default=None)) for run in runs]
        rows = {id(record): run for run, record in made if record is not None}
        for record, error in self._ledger.refresh([record for _, record in made if record is not None], moment):
            self._bulkheads.note(compartment(rows[id(record)], "row"), error, now)


def _log_verdicts(run: Run, record: Record) -> None:
    """What is new, and what is over, for whoever looks for it in the log: by job, run, user or verdict."""
    before = {incident.id for incident in run.incidents.values()}
    for incident in {i.id: i for i in (*record.opened, *record.closed)}.values():
        finding, is_over = incident.finding, incident in record.closed and incident.id in before
        if incident.id in before and not is_over:
            continue
        fields = about(job=run.job, run=run.run, user=run.user, verdict=finding.kind)
        if is_over:
            log.info("%s: no longer %s", run.title, finding.kind, extra=fields)
        else:
            why = f" ({finding.cause.code})" if finding.cause else ""
            log.log(_LEVELS[finding.severity], "%s: %s%s", run.title, finding.kind, why, extra=fields)


def _record(run: Run, moment: Moment) -> Record:
    run.stored_beats = run.beats
    return Record(current_row(run, moment), workers=run.workers, opened=list(run.incidents.values()))


def _end_told(record: Record) -> dict[Kind, Incident]:
    """The incident by which the end of a run was told last, for what may become known of it later."""
    return {i.finding.kind: i for i in record.closed if i.finding.kind in ENDS}
