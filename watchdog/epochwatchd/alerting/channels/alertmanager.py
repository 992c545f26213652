"""Prometheus Alertmanager: not messages but a mirror of what is wrong (https://prometheus.io/docs/alerting/latest/clients).

An alert is posted when it is told, and again each minute as long as its incident is open, to every member of a cluster:
they find out among themselves what each of them knows. An end (a crash, say) is over at once, and shown for an hour.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from epochwatchd.alerting.channels._http import HttpOptions, HttpUrl, Request, by_status, exchange
from epochwatchd.alerting.cutting import fit
from epochwatchd.alerting.wording import moment
from epochwatchd.model import ChannelError, Limits, Memory, Message, Taken
from epochwatchd.verdicts import VERDICTS

LIMITS = Limits(every_s=0.1, people=False)
SHOWN_S = 300.0
"""An alert that is not posted again ends by itself after so long."""
ENDS_SHOWN_S = 3600.0
ALERTS_MAX = 500
"""So many are shown. Of more, those of the user who has most go, the oldest first."""
LABEL_MAX, SUMMARY_MAX = 300, 400
DESCRIPTION = Limits(2000)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Options(HttpOptions):
    """``url``: of each member, ``http://alertmanager:9093``. ``labels`` are added to every alert."""

    url: Annotated[tuple[HttpUrl, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    labels: dict[str, str] = Field(default_factory=dict)


def send(options: Options, message: Message) -> Taken:
    """Post the alert of the message's incident; it is refreshed from then on. Raises ChannelError."""
    notification, now = message.notification, time.time()
    if notification.status == "notice":
        return Taken("not an alert")
    shown = message.memory.load()
    known = shown.pop(notification.id, None)
    entry = {
        "labels": {**options.labels, **_labels(message)},
        "annotations": _annotations(message),
        "starts": known["starts"] if known else notification.since,
        "until": now + ENDS_SHOWN_S if VERDICTS[notification.kind].is_end else None,
    }
    if notification.status == "resolved":  # by the labels that it was shown with
        answer = _post(options, [_alert(known or entry, now)])
    else:
        answer = _post(options, [_alert(entry, now + SHOWN_S)])
        shown = within_limits({**shown, notification.id: entry})
    message.memory.save(shown)
    return answer


def refresh(options: Options, memory: Memory, open_incidents: frozenset[str]) -> None:
    """Post all that is still wrong, and the end of what is not. Raises ChannelError."""
    shown, now = memory.load(), time.time()
    if not shown:
        return
    goes_on = {key: entry for key, entry in shown.items() if _goes_on(key, entry, open_incidents, now)}
    alerts = [_alert(entry, now + SHOWN_S if key in goes_on else now) for key, entry in shown.items()]
    _post(options, alerts)
    if goes_on.keys() != shown.keys():
        memory.save(goes_on)


def within_limits(shown: Mapping[str, Any], most: int = ALERTS_MAX) -> dict[str, Any]:
    """At most so many entries, the latest last; whoever has most of them loses the oldest."""
    kept = dict(shown)
    while len(kept) > most:
        users = [entry["labels"].get("user") for entry in kept.values()]
        heaviest = max(users, key=users.count)
        del kept[next(key for key, entry in kept.items() if entry["labels"].get("user") == heaviest)]
    return kept


def _goes_on(key: str, entry: Mapping[str, Any], open_incidents: frozenset[str], now: float) -> bool:
    return key in open_incidents if entry["until"] is None else bool(now < entry["until"])


def _labels(message: Message) -> dict[str, str]:
    """What tells alerts apart. Alertmanager takes no empty ones."""
    told = message.notification
    labels = {
        "alertname": f"epochwatch_{told.kind}",
        "severity": told.severity,
        "job": told.job,
        "run": told.run,
        "instance": told.host,
        "user": told.user,
        "cause": (told.cause or {}).get("code"),
    }
    return {name: str(value)[:LABEL_MAX] for name, value in labels.items() if value}


def _annotations(message: Message) -> dict[str, str]:
    return {"summary": message.headline[:SUMMARY_MAX], "description": fit(message.rest, DESCRIPTION)}


def _alert(entry: Mapping[str, Any], ends_wall: float) -> dict[str, Any]:
    starts = moment(str(entry["starts"]))
    ends = max(datetime.fromtimestamp(ends_wall, timezone.utc), starts + timedelta(milliseconds=1))
    times = {"startsAt": starts.isoformat(), "endsAt": ends.isoformat()}
    return {"labels": entry["labels"], "annotations": entry["annotations"], **times}


def _post(options: Options, alerts: Sequence[Mapping[str, Any]]) -> Taken:
    """Post to every member; one that has taken it is enough: it tells the others, and the next minute comes."""
    taken, failed = [], []
    for url in options.url:
        address = f"{url.get_secret_value().rstrip('/')}/api/v2/alerts"
        try:
            taken.append(exchange(options, Request(address, json=alerts), by_status))
        except ChannelError as e:
            failed.append(e)
    if not taken:
        raise failed[0]
    return Taken(f"taken by {len(taken)} of {len(options.url)}" + (f"; {failed[0]}" if failed else ""))
