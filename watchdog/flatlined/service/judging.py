"""Judging one run: detectors, incidents, messages and routes, up to the record that the store will keep.

Nothing here changes the run; the daemon applies a Judgement only after it is stored, so that a verdict that could not
be stored is simply reached again at the next tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flatlined.alerting.composing import compose
from flatlined.alerting.routing import channels_for, repeats_due
from flatlined.config import Config
from flatlined.detection.detectors import Detector
from flatlined.detection.incidents import Change, advance, incident_id
from flatlined.detection.judge import ENDS, Failure, Found, examine, judge
from flatlined.model import Facts, Finding, Incident, Kind, Moment, Notification, Reason, Worker
from flatlined.service.runs import Run, current_row, row
from flatlined.store import Record
from flatlined.store.records import RunRow

NO_FACTS = Facts()
STALE_END_S = 7 * 86400.0
"""An end this long ago, of a run never seen alive, is history: it is recorded and nobody is woken."""
_REASONS: Mapping[str, Reason] = {"opened": "first", "escalated": "escalated", "resolved": "resolved"}


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
    for key, worker in run.workers.items():
        usable = {n: d for n, d in detectors.items() if (n, key) not in run.set_aside} if run.set_aside else detectors
        findings, broken = examine(worker, facts.get(key, NO_FACTS), run.policy, now, usable)
        found.append((worker, findings))
        failures += broken
    return found, failures


def judgement(
    run: Run, found: Sequence[tuple[Worker, Sequence[Finding]]], moment: Moment, config: Config
) -> Judgement | None:
    """What changes with these findings; None if nothing does."""
    worst_first = judge(found) if any(findings for _, findings in found) else []
    heard_at = max(worker.heard_at for worker in run.workers.values())
    incidents, changes = advance(run.key, run.incidents, worst_first, heard_at, moment)
    if not changes and not run.is_new:
        return None if incidents == run.incidents else Judgement(run, None, incidents)
    ended = bool(worst_first) and worst_first[0][0].kind in ENDS
    notices = _notices(run, changes, moment, config, quiet=ended and _is_history(run, moment))
    if run.is_new and not ended:
        notices = [*_started(run, moment, config), *notices]
    told = _told(notices)
    incidents = {k: _mark_told(i, told, moment) for k, i in incidents.items()}
    opened = [incidents.get(c.incident.finding.kind, c.incident) for c in changes if c.what in ("opened", "escalated")]
    record = Record(
        run=_row(run, worst_first, incidents, moment),
        workers=list(run.workers.values()),
        opened=opened,
        closed=[c.incident for c in changes if c.what in ("resolved", "closed")] + (opened if ended else []),
        notices=notices,
    )
    return Judgement(run, record, incidents, ended)


def repeats(run: Run, moment: Moment, config: Config) -> Judgement | None:
    """The reminders that are due for the open incidents of a run; None if none are."""
    notices = []
    incidents = dict(run.incidents)
    for kind, incident in run.incidents.items():
        notification = compose(
            incident, run.speaker, run=run.run, reason="repeat", moment=moment, language=config.language
        )
        channels = repeats_due(config.routes, notification, incident.notified_wall, moment.wall)
        if channels:
            notices.append((notification, channels))
            incidents[kind] = _mark_told(incident, {incident.id: channels}, moment)
    if not notices:
        return None
    opened = [i for k, i in incidents.items() if i is not run.incidents[k]]
    return Judgement(run, Record(current_row(run, moment), opened=opened, notices=notices), incidents)


def _row(run: Run, worst_first: Sequence[Found], incidents: Mapping[Kind, Incident], moment: Moment) -> RunRow:
    if worst_first:
        finding, worker = worst_first[0]
        return row(run, worker, finding, moment)
    lingering = next(iter(incidents.values()), None)
    return row(run, run.speaker, lingering.finding if lingering else None, moment)


def _notices(
    run: Run, changes: Sequence[Change], moment: Moment, config: Config, *, quiet: bool
) -> list[tuple[Notification, Sequence[str]]]:
    notices: list[tuple[Notification, Sequence[str]]] = []
    for change in changes:
        if change.what == "closed" or quiet:
            continue
        worker = change.worker or run.speaker
        notification = compose(
            change.incident, worker, run=run.run, reason=_REASONS[change.what], moment=moment, language=config.language
        )
        notices.append((notification, _channels(notification, change.incident, config)))
    return notices


def _channels(notification: Notification, incident: Incident, config: Config) -> tuple[str, ...]:
    """Whom the routes name; of a fault's end those hear too who were told of the fault when it was less severe."""
    channels = channels_for(config.routes, notification)
    if notification.status != "resolved" or not channels:
        return channels
    told = [name for name in incident.notified_wall if name in config.channels]
    return tuple(dict.fromkeys([*channels, *told]))


def _started(run: Run, moment: Moment, config: Config) -> list[tuple[Notification, Sequence[str]]]:
    worker = run.speaker
    finding = Finding("started", "info", worker.started_at)
    incident = Incident(incident_id(run.key, "started", moment.wall), run.key, finding, moment.wall)
    notification = compose(incident, worker, run=run.run, reason="first", moment=moment, language=config.language)
    channels = channels_for(config.routes, notification)
    return [(notification, channels)] if channels else []


def _is_history(run: Run, moment: Moment) -> bool:
    """Whether a run that nobody saw alive ended long ago."""
    last_wall = max(w.head.time_ns for w in run.workers.values()) / 1e9
    return run.is_new and 0 < last_wall < moment.wall - STALE_END_S


def _told(notices: Sequence[tuple[Notification, Sequence[str]]]) -> dict[str, Sequence[str]]:
    return {notification.id: channels for notification, channels in notices}


def _mark_told(incident: Incident, told: Mapping[str, Sequence[str]], moment: Moment) -> Incident:
    channels = told.get(incident.id)
    if not channels:
        return incident
    return replace(incident, notified_wall={**incident.notified_wall, **dict.fromkeys(channels, moment.wall)})
