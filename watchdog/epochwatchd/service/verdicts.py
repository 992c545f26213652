"""From what is known of the runs to verdicts that are stored, and what follows of them. Store first, then believe."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from epochwatchd.config import Config
from epochwatchd.detection import detectors
from epochwatchd.detection.judge import ENDS, Failure
from epochwatchd.model import Incident, Kind, Moment
from epochwatchd.service.complaints import Complaints
from epochwatchd.service.evidence import Evidence
from epochwatchd.service.expected import Expectations
from epochwatchd.service.judging import Judgement, amendment, findings_of, judgement, repeats
from epochwatchd.service.roster import Roster
from epochwatchd.service.runs import Run, current_row, suspicion_changed
from epochwatchd.store import Record, Store, StoreError

log = logging.getLogger("epochwatchd")

ROWS_PER_TICK = 20
ROWS_WITHIN_TICKS = 60
"""Progress in the store is refreshed in turn: at least so many rows a tick, and every run's within so many ticks."""
REFRESH_S = 10.0
"""And no run's more often than this: each row is some thousand bytes on the disk."""
SET_ASIDE_S = 3600.0


class Verdicts:
    """Judges runs and records what changed.

    ``ended`` is called with a run whose end was stored; ``committed`` after anything was stored that has to be sent.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        roster: Roster,
        evidence: Evidence,
        *,
        expected: Expectations,
        complaints: Complaints,
        ended: Callable[[Run, Moment], None],
        committed: Callable[[], None],
    ) -> None:
        self.detectors: Mapping[str, detectors.Detector] = detectors.find()
        self._config = config
        self._store = store
        self._roster = roster
        self._evidence = evidence
        self._expected = expected
        self._complaints = complaints
        self._ended = ended
        self._committed = committed
        self._rotation: deque[Run] = deque()

    def watch(self, run: Run) -> None:
        """A run is watched from now on: its row is kept up to date."""
        self._rotation.append(run)

    def judge_now(self, touched: Iterable[Run | None], moment: Moment) -> None:
        """Judge those of the runs that are new or said an end; the others wait for the tick."""
        distinct = {run.key: run for run in touched if run is not None}
        self.judge([run for run in distinct.values() if run.is_new or run.is_ending], moment)

    def judge(self, runs: Iterable[Run], moment: Moment) -> None:
        """Judge those of the runs that are still watched, and record what changed."""
        judgements = []
        for run in {run.key: run for run in runs if run.key in self._roster.runs}.values():
            facts = self._evidence.of(run, self._roster.pid_of, moment.mono)
            found, failures = findings_of(run, facts, moment.mono, self.detectors)
            for failure in failures:
                self._set_aside(run, failure, moment)
            if run.is_new or run.incidents or any(findings for _, findings in found):
                result = judgement(run, found, moment, self._config)
                if result is not None:
                    judgements.append(result)
            elif suspicion_changed(run, moment.mono):
                judgements.append(Judgement(run, Record(current_row(run, moment)), run.incidents))
        self._apply(judgements, moment)

    def judge_expected(self, moment: Moment) -> None:
        """Judge what was to begin at given times."""
        try:
            self._apply(list(self._expected.judge(moment)), moment)
        except StoreError as e:
            self._complaints.note("store", "the store", f"{e}; what is expected is looked at again", moment.mono)

    def _apply(self, judgements: Sequence[Judgement], moment: Moment) -> None:
        """Store, then believe: what could not be stored is judged again at the next tick."""
        stored = self._stored([j.record for j in judgements if j.record is not None], moment) or {}
        for judged in judgements:
            if judged.record is not None and id(judged.record) not in stored:
                continue
            judged.run.incidents = dict(judged.incidents)
            if judged.run.is_new:
                self._expected.began(judged.run, moment)
            judged.run.is_new = False
            if judged.record is not None:
                judged.run.suspected = judged.record.run.suspected_of
                if judged.record.workers:
                    _mark_stored(judged.run, moment)
            if judged.ended and judged.record is not None:
                judged.run.incidents = _end_told(judged.record)
                self._ended(judged.run, moment)
        if any(record.notices for record in stored.values()):
            self._committed()

    def _stored(self, records: Sequence[Record], moment: Moment) -> dict[int, Record] | None:
        """Store what can be stored; gives that, by the ``id()`` of each; None while the store cannot be used."""
        if not records:
            return {}
        try:
            refused = self._store.record(records, moment)
        except StoreError as e:
            self._complaints.note("store", "the store", f"{e}; verdicts are kept back until it works", moment.mono)
            return None
        stored = {id(record): record for record in records}
        for record, error in refused:
            del stored[id(record)]
            self._complaints.note("store.run", f"the run {record.run.key!r} cannot be stored", repr(error), moment.mono)
        return stored

    def remind(self, moment: Moment) -> None:
        """Repeat what is still wrong, where a route asks for it."""
        if any(route.repeat_every_s for route in self._config.routes):
            wrong = [run for run in (*self._roster.runs.values(), *self._expected.missing) if run.incidents]
            due = [repeats(run, moment, self._config) for run in wrong]
            self._apply([j for j in due if j is not None], moment)

    def save(self, moment: Moment) -> None:
        """Before stopping: what the runs have learned goes into the store. Raises StoreError."""
        self._store.record([_record(run, moment) for run in self._roster.runs.values()], moment)

    def amend(self, moment: Moment) -> None:
        """Tell what has become known of ends that were told before; what cannot be stored is tried again."""
        while self._roster.settled:
            run = self._roster.settled[0]
            found, _ = findings_of(run, {}, moment.mono, self.detectors)
            record = amendment(run, found, moment, self._config)
            if record is not None:
                stored = self._stored([record], moment)
                if stored is None:
                    return
                if stored:
                    run.incidents = _end_told(record)
                    self._committed()
            del self._roster.settled[0]

    def _set_aside(self, run: Run, failure: Failure, moment: Moment) -> None:
        """A detector broke on a worker: said once with its name, and not asked again for an hour."""
        run.set_aside[failure.detector, failure.worker_key] = moment.mono + SET_ASIDE_S
        log.error(
            "detector %s broke on %s and is not asked about it for an hour",
            failure.detector, failure.worker_key, exc_info=failure.error,
        )  # fmt: skip

    def refresh_rows(self, moment: Moment) -> None:
        """Bring some of the rows of runs that went on up to date, in turn, and none of them too often."""
        due = []
        share = len(self._rotation) // ROWS_WITHIN_TICKS
        for _ in range(min(max(ROWS_PER_TICK, share), len(self._rotation))):
            run = self._rotation.popleft()
            if self._roster.runs.get(run.key) is not run:
                continue
            self._rotation.append(run)
            if run.beats != run.stored_beats and moment.mono - run.stored_at >= REFRESH_S:
                due.append((run, _record(run, moment)))
        stored = self._stored([record for _, record in due], moment) or {}
        for run, record in due:
            if id(record) in stored:
                _mark_stored(run, moment)


def _record(run: Run, moment: Moment) -> Record:
    return Record(current_row(run, moment), workers=list(run.workers.values()))


def _mark_stored(run: Run, moment: Moment) -> None:
    run.stored_beats, run.stored_at = run.beats, moment.mono


def _end_told(record: Record) -> dict[Kind, Incident]:
    """The incident by which the end of a run was told last, for what may become known of it later."""
    return {i.finding.kind: i for i in record.closed if i.finding.kind in ENDS}
