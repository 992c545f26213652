"""Which messages go out, and to whom: an incident's changes, routed. Words come when they are sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from epochwatchd.alerting.composing import Named, compose
from epochwatchd.alerting.routing import channels_for, escalations, repeats_due
from epochwatchd.config import Config
from epochwatchd.detection.incidents import Change, incident_id
from epochwatchd.model import Finding, Incident, Kind, Moment, Notice, Notification, Reason, Worker

_REASONS: Mapping[str, Reason] = {
    "opened": "first",
    "escalated": "worse",
    "amended": "amended",
    "resolved": "resolved",
}


def notices_of(run: Named, speaker: Worker, changes: Iterable[Change], moment: Moment, config: Config) -> list[Notice]:
    """The messages on what changed in a run of this name; where no worker is meant, the ``speaker`` is shown."""
    notices: list[Notice] = []
    for change in changes:
        if change.what != "closed":
            reason, worker = _REASONS[change.what], change.worker or speaker
            notification = compose(change.incident, worker, run=run, reason=reason, moment=moment)
            notices += _notice(notification, change.incident, config)
    return notices


def start_notices(run_key: str, run: Named, worker: Worker, moment: Moment, config: Config) -> list[Notice]:
    """The message that a run has begun."""
    incident = _begin(run_key, worker, moment)
    return _notice(compose(incident, worker, run=run, reason="first", moment=moment), incident, config)


def begun(run_key: str, run: Named, worker: Worker, moment: Moment) -> Notification:
    """What would be said of a run if it began now: for whoever asks which are meant by conditions."""
    return compose(_begin(run_key, worker, moment), worker, run=run, reason="first", moment=moment)


def _begin(run_key: str, worker: Worker, moment: Moment) -> Incident:
    finding = Finding("started", "info", worker.started_at)
    return Incident(incident_id(run_key, "started", moment.wall), run_key, finding, moment.wall)


def reminders(
    run: Named, speaker: Worker, incidents: Mapping[Kind, Incident], moment: Moment, config: Config
) -> tuple[list[Notice], dict[Kind, Incident]]:
    """The reminders that are due for open incidents, and these with when they were told."""
    notices: list[Notice] = []
    for incident in incidents.values():
        notification = compose(incident, speaker, run=run, reason="reminder", moment=moment)
        channels = repeats_due(config.routes, config.people, notification, incident.notified_wall, moment.wall)
        if channels:
            notices.append(Notice(notification, channels))
    return notices, marked_told(incidents, notices, moment)


def marked_told(incidents: Mapping[Kind, Incident], notices: Iterable[Notice], moment: Moment) -> dict[Kind, Incident]:
    """The incidents with when each channel was last told of them."""
    told = {n.notification.id: dict.fromkeys(n.channels, moment.wall) for n in notices if n.after_s is None}
    return {
        kind: replace(i, notified_wall={**i.notified_wall, **told[i.id]}) if told.get(i.id) else i
        for kind, i in incidents.items()
    }


def _notice(notification: Notification, incident: Incident, config: Config) -> list[Notice]:
    """The message and whom it goes to; nothing where nobody wants it.

    The first, and one that says that it is worse, has those behind it who hear of it only where nobody acknowledges.
    """
    channels = _channels(notification, incident, config)
    told = [Notice(notification, channels)] if channels else []
    if notification.status == "firing" and notification.reason in ("first", "worse"):
        unacked = replace(notification, reason="unacked")
        told += [
            Notice(unacked, later, after_s)
            for after_s, names in escalations(config.routes, config.people, notification).items()
            if (later := tuple(name for name in names if name not in channels))
        ]
    return told


def _channels(notification: Notification, incident: Incident, config: Config) -> tuple[str, ...]:
    """Whom the routes name; of a fault's end those hear too who were told of the fault when it was less severe.

    What is said of a channel does not go over it.
    """
    channels = channels_for(config.routes, config.people, notification)
    meant = (notification.cause or {}).get("details", {}).get("channel")
    channels = tuple(name for name in channels if name != meant)
    if notification.status != "resolved" or not channels:
        return channels
    later = (name for names in escalations(config.routes, config.people, notification).values() for name in names)
    told = [name for name in incident.notified_wall if name in config.channels]
    return tuple(dict.fromkeys([*channels, *told, *later]))
