"""Judging one run: detectors, incidents, messages and routes, up to the record that the store will keep.

Nothing here changes the run; the daemon applies a Judgement only after it is stored, so that a verdict that could not
be stored is simply reached again at the next tick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TypeAlias

from epochwatch.wire import RUNNING as RUNNING_STATE
from epochwatchd.alerting.composing import compose
from epochwatchd.alerting.rendering import render
from epochwatchd.alerting.routing import channels_for, repeats_due
from epochwatchd.config import Config
from epochwatchd.detection.detectors import Detector
from epochwatchd.detection.incidents import Change, advance, incident_id
from epochwatchd.detection.observing import lesson_of
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.detection.verdict import Failure, Judged, examine, judge
from epochwatchd.model import Facts, Finding, Incident, Kind, Moment, Notification, Reason, Worker
from epochwatchd.service.runs import Run, current_row, row
from epochwatchd.store import Record
from epochwatchd.store.records import RunRow

NO_FACTS = Facts()
RUNNING = Judged([])
STALE_END_S = 7 * 86400.0
"""An end this long ago, of a run never seen alive, is history: it is recorded and nobody is woken."""
_REASONS: Mapping[str, Reason] = {
    "opened": "first",
    "escalated": "escalated",
    "amended": "amended",
    "resolved": "resolved",
}

Notice: TypeAlias = tuple[Notification, Sequence[str]]
"""A message, and the channels it goes to."""


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
    for worker in run.workers:
        findings, broken = examine(worker, facts.get(worker.key, NO_FACTS), run.policy, now, detectors)
        found.append((worker, findings))
        failures += broken
    return found, failures


def judgement(
    run: Run, found: Sequence[tuple[Worker, Sequence[Finding]]], moment: Moment, config: Config
) -> Judgement | None:
    """What changes with these findings; None if nothing does."""
    judged = judge(found) if any(findings for _, findings in found) else RUNNING
    # One that leaves is no longer silent, but that is no all-clear: its end says what became of it.
    heard_at = max((w.heard_at for w in run.workers if w.head.state == RUNNING_STATE), default=-math.inf)
    incidents, changes = advance(run.key, run.incidents, judged, heard_at, moment)
    if not changes and not run.is_new:
        return None if incidents == run.incidents else Judgement(run, None, incidents)
    quiet = judged.is_over and (_is_history(run, moment) or _went_on(run))
    notices = _notices(run, changes, moment, config, quiet=quiet)
    if run.is_new and not judged.is_over:
        notices = [*_started(run, moment, config), *notices]
    told = _told(notices)
    incidents = {k: _mark_told(i, told, moment) for k, i in incidents.items()}
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
    lessons = ((worker, lesson_of(worker, moment.mono)) for worker in run.workers)
    return [(worker, lesson) for worker, lesson in lessons if lesson is not None]


def repeats(run: Run, moment: Moment, config: Config) -> Judgement | None:
    """The reminders that are due for the open incidents of a run; None if none are."""
    notices = []
    incidents = dict(run.incidents)
    for kind, incident in run.incidents.items():
        notification = compose(incident, run.speaker, run=run.run, reason="repeat", moment=moment)
        channels = repeats_due(config.routes, notification, incident.notified_wall, moment.wall)
        if channels:
            notices.append((_said(notification, moment, config), channels))
            incidents[kind] = _mark_told(incident, {incident.id: channels}, moment)
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
    lingering = next(iter(incidents.values()), None)
    return row(run, run.speaker, lingering.finding if lingering else None, moment)


def _notices(run: Run, changes: Sequence[Change], moment: Moment, config: Config, *, quiet: bool) -> Sequence[Notice]:
    notices: list[Notice] = []
    for change in changes:
        if change.what == "closed" or quiet:
            continue
        notices += _notice(run, change.incident, change.worker or run.speaker, _REASONS[change.what], moment, config)
    return notices


def _notice(  # noqa: PLR0917 - a message has as many sides
    run: Run, incident: Incident, worker: Worker, reason: Reason, moment: Moment, config: Config
) -> Sequence[Notice]:
    """The message and whom it goes to; nothing where nobody wants it."""
    notification = compose(incident, worker, run=run.run, reason=reason, moment=moment)
    channels = _channels(notification, incident, config)
    return [(_said(notification, moment, config), channels)] if channels else []


def _said(notification: Notification, moment: Moment, config: Config) -> Notification:
    """The message in the configured language, with times of the machine's own zone."""
    return render(
        notification, config.language, datetime.fromtimestamp(moment.wall).astimezone().tzinfo or timezone.utc
    )


def _channels(notification: Notification, incident: Incident, config: Config) -> tuple[str, ...]:
    """Whom the routes name; of a fault's end those hear too who were told of the fault when it was less severe."""
    channels = channels_for(config.routes, notification)
    if notification.status != "resolved" or not channels:
        return channels
    told = [name for name in incident.notified_wall if name in config.channels]
    return tuple(dict.fromkeys([*channels, *told]))


def _started(run: Run, moment: Moment, config: Config) -> Sequence[Notice]:
    worker = run.speaker
    finding = Finding("started", "info", worker.started_at)
    incident = Incident(incident_id(run.key, "started", moment.wall), run.key, finding, moment.wall)
    return _notice(run, incident, worker, "first", moment, config)


def _is_history(run: Run, moment: Moment) -> bool:
    """Whether a run that nobody saw alive ended long ago."""
    last_wall = max(w.head.time_ns for w in run.workers) / 1e9
    return run.is_new and 0 < last_wall < moment.wall - STALE_END_S


def _went_on(run: Run) -> bool:
    """Whether the end is another run's to tell."""
    return all(worker.exit is not None and worker.exit.went_on for worker in run.workers)


def _told(notices: Sequence[Notice]) -> dict[str, Sequence[str]]:
    return {notification.id: channels for notification, channels in notices}


def _mark_told(incident: Incident, told: Mapping[str, Sequence[str]], moment: Moment) -> Incident:
    channels = told.get(incident.id)
    if not channels:
        return incident
    return replace(incident, notified_wall={**incident.notified_wall, **dict.fromkeys(channels, moment.wall)})
