"""Judging one run: from the facts to the record that the store will keep.

Nothing here changes the run; the daemon applies a Judgement only after it is stored, so that a verdict that could not
be stored is simply reached again at the next tick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from epochwatch.wire import RUNNING as RUNNING_STATE
from epochwatchd.alerting.notices import marked_told, notices_of, reminders, start_notices
from epochwatchd.config import Config
from epochwatchd.detection.detectors import Detector
from epochwatchd.detection.incidents import advance
from epochwatchd.detection.observing import lesson_of
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.detection.verdict import Failure, Judged, examine, judge
from epochwatchd.model import Facts, Finding, Incident, Kind, Moment, Worker
from epochwatchd.service.runs import Run, current_row, row
from epochwatchd.store import Record
from epochwatchd.store.records import RunRow
from epochwatchd.verdicts import VERDICTS

NO_FACTS = Facts()
RUNNING = Judged([])
STALE_END_S = 7 * 86400.0
"""An end this long ago, of a run never seen alive, is history: it is recorded and nobody is woken."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be stored of a run (None: nothing), and what it is afterwards."""

    run: Run
    record: Record | None
    incidents: Mapping[Kind, Incident]
    ended: bool = False


def findings_of(
    run: Run, facts: Mapping[str, Facts], now: float, detectors: Mapping[str, Detector]
) -> tuple[list[tuple[Worker, list[Finding]]], list[Failure]]:
    """What the detectors find in each worker of a run, and those that broke."""
    found, failures = [], []
    for watch in run.watches.values():
        worker = watch.worker
        findings, broken = examine(worker, facts.get(worker.key, NO_FACTS), run.policy, now, detectors)
        found.append((worker, findings))
        failures += broken
    return found, failures


def judgement(
    run: Run, found: Sequence[tuple[Worker, Sequence[Finding]]], moment: Moment, config: Config
) -> Judgement | None:
    """What changes with these findings; None if nothing does."""
    judged = judge(found, moment.mono) if any(findings for _, findings in found) else RUNNING
    # One that leaves is no longer silent, but that is no all-clear: its end says what became of it.
    heard_at = max((w.heard_at for w in run.workers if w.head.state == RUNNING_STATE), default=-math.inf)
    incidents, changes = advance(run.key, run.incidents, judged, heard_at, moment, openings=run.openings)
    if not changes and not run.is_new:
        return None if incidents == run.incidents else Judgement(run, None, incidents)
    quiet = judged.is_over and (_is_history(run, moment) or _went_on(run))
    notices = [] if quiet else notices_of(run.named, run.speaker, changes, moment, config)
    if run.is_new and not judged.is_over:
        notices = [*start_notices(run.key, run.named, run.speaker, moment, config), *notices]
    incidents = marked_told(incidents, notices, moment)
    opened = [
        incidents.get(c.incident.finding.kind, c.incident) for c in changes if c.what not in ("resolved", "closed")
    ]
    record = Record(
        run=_row(run, judged, incidents, moment),
        workers=run.workers,
        opened=opened,
        closed=[c.incident for c in changes if c.what in ("resolved", "closed")] + (opened if judged.is_over else []),
        notices=notices,
        lessons=_lessons(run, moment) if judged.is_over else (),
    )
    return Judgement(run, record, incidents, judged.is_over)


def _lessons(run: Run, moment: Moment) -> list[tuple[Worker, SilenceHistory]]:
    """What the workers of a run that is over leave to the next run of their job."""
    lessons = ((watch.worker, lesson_of(watch.worker, moment.mono)) for watch in run.beating)
    return [(worker, lesson) for worker, lesson in lessons if lesson is not None]


def repeats(run: Run, moment: Moment, config: Config) -> Judgement | None:
    """The reminders that are due for the open incidents of a run; None if none are."""
    notices, incidents = reminders(run.named, run.speaker, run.incidents, moment, config)
    if not notices:
        return None
    opened = [i for k, i in incidents.items() if i is not run.incidents[k]]
    return Judgement(run, Record(current_row(run, moment), opened=opened, notices=notices), incidents)


def amendment(
    run: Run, found: Sequence[tuple[Worker, Sequence[Finding]]], moment: Moment, config: Config
) -> Record | None:
    """What is to be stored and said of a run that is over and told, now that more is known of its end.

    Its incident is the one that told it. When it ended, and what it has taught, stay as they were.
    """
    result = judgement(run, found, moment, config)
    if result is None or result.record is None:
        return None
    ended_wall = moment.wall_of(max(w.exit.at if w.exit else w.beat_at for w in run.workers))
    return replace(result.record, run=replace(result.record.run, ended_wall=ended_wall), lessons=())


def _row(run: Run, judged: Judged, incidents: Mapping[Kind, Incident], moment: Moment) -> RunRow:
    if judged.found:
        finding, worker = judged.found[0]
        return row(run, worker, finding, moment, is_over=judged.is_over)
    lingering = next((incident for incident in incidents.values() if _is_shown(incident, moment)), None)
    return row(run, run.speaker, lingering.finding if lingering else None, moment)


def _is_shown(incident: Incident, moment: Moment) -> bool:
    """Not one that is away for now: of what comes and goes it is said how it is."""
    away_s = 0.0 if incident.gone_at is None else moment.mono - incident.gone_at
    return away_s <= VERDICTS[incident.finding.kind].clear_after_s


def _is_history(run: Run, moment: Moment) -> bool:
    """Whether a run that nobody saw alive ended long ago."""
    last_wall = max(w.head.time_ns for w in run.workers) / 1e9
    return run.is_new and 0 < last_wall < moment.wall - STALE_END_S


def _went_on(run: Run) -> bool:
    """Whether the end is another run's to tell."""
    return all(worker.exit is not None and worker.exit.went_on for worker in run.workers)
