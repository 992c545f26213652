"""Model to rows and back: the JSON in the store, without the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from epochwatch.wire import Body, Head
from epochwatchd.detection import patience
from epochwatchd.model import (
    Cause,
    Finding,
    Incident,
    Kind,
    Moment,
    Notification,
    Pace,
    Rhythm,
    Spread,
    Windows,
    Worker,
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as ``epochwatchd status`` shows it. Times are Unix seconds."""

    key: str
    job: str
    run: str
    host: str
    user: str
    pid: int | None
    verdict: Kind
    since_wall: float
    cause: str | None
    started_wall: float
    seen_wall: float
    ended_wall: float | None
    progress: Mapping[str, Any]
    suspected: Mapping[str, Any] | None = None

    @property
    def suspected_of(self) -> str | None:
        """The code of what the run is suspected of."""
        return self.suspected["code"] if self.suspected else None


def worker_snapshot(worker: Worker, moment: Moment, boot: str) -> str:
    """What is needed to go on watching ``worker`` after a restart, as JSON.

    Its times are of the monotonic clock, which goes on as long as the machine is up; ``boot`` and ``moment`` tell what
    they meant.
    """
    return _json(
        {
            "head": worker.head._asdict(),
            "body": _known(worker.body),
            "user": worker.user,
            "local": worker.local,
            "keeps_alive": worker.keeps_alive,
            "beats": worker.beats,
            "rhythm": worker.rhythm,
            "patience": patience.dump(worker.patience),
            "met_at": worker.met_at,
            "boot": boot,
            "moment": moment,
            "started_at": worker.started_at,
            "beat_at": worker.beat_at,
            "heard_at": worker.heard_at,
            "phase_at": worker.phase_at,
            "pace_from": worker.pace_from,
            "not_finite_at": worker.not_finite_at,
            "spread": worker.spread,
            "estimate_s": worker.estimate_s,
            "pace": worker.pace,
        }
    )


def _known(body: Body) -> dict[str, Any]:
    """What a body says, as far as it is known here."""
    said = body._replace(unknown=())._asdict()
    return {name: value for name, value in said.items() if value != Body._field_defaults.get(name, "")}


def worker_from(key: str, snapshot: str, moment: Moment, boot: str) -> Worker:
    """The worker of a snapshot; after a reboot its times are moved to the new monotonic clock by the wall clock."""
    said = json.loads(snapshot)
    body: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in said["body"].items()}
    taken = Moment(*said["moment"])
    shift_s = 0.0 if said["boot"] == boot else taken.wall_of(0.0) - moment.wall_of(0.0)
    spread = Spread(*said["spread"])
    pace, not_finite_at = said["pace_from"], said["not_finite_at"]
    return Worker(
        key=key,
        head=Head(**said["head"]),
        body=Body(**body),
        user=said["user"],
        local=said["local"],
        started_at=said["started_at"] + shift_s,
        beat_at=said["beat_at"] + shift_s,
        heard_at=said["heard_at"] + shift_s,
        phase_at=said["phase_at"] + shift_s,
        keeps_alive=said["keeps_alive"],
        beats=said["beats"],
        rhythm=Rhythm(*said["rhythm"]),
        pace_from=pace and (pace[0], pace[1] + shift_s),
        not_finite_at=None if not_finite_at is None else not_finite_at + shift_s,
        spread=spread._replace(above_at=spread.above_at + shift_s),
        met_at=said["met_at"] + shift_s,
        patience=patience.load(said["patience"]),
        estimate_s=said.get("estimate_s"),
        pace=_pace(said["pace"], shift_s) if "pace" in said else Pace(),
    )


def _pace(said: Sequence[Any], shift_s: float) -> Pace:
    stood_at, news_at, calm_s, advances, (place, from_at, usual, slow, slow_at) = said
    windows = Windows(place, from_at + shift_s, tuple(usual), tuple(slow), slow_at + shift_s)
    return Pace(None if stood_at is None else stood_at + shift_s, news_at + shift_s, calm_s, advances, windows)


def incident_from(row: Mapping[str, Any], moment: Moment) -> Incident:
    """The incident of a row of the table."""
    cause = Cause(**json.loads(row["cause"])) if row["cause"] else None
    if cause is not None:
        cause = replace(cause, evidence=tuple(cause.evidence))
    finding = Finding(row["kind"], row["severity"], _mono(row["since_wall"], moment), cause)
    return Incident(row["id"], row["run_key"], finding, row["opened_wall"], notified_wall=json.loads(row["notified"]))


def cause_json(cause: Cause | None) -> str | None:
    """A cause as JSON."""
    return None if cause is None else _json(asdict(cause))


def notification_json(notification: Notification) -> str:
    """A notification as the JSON of the contract."""
    return _json(asdict(notification))


def notification_from(content: str) -> Notification:
    """The notification of its JSON."""
    return Notification(**json.loads(content))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _mono(wall: float, moment: Moment) -> float:
    return moment.mono - (moment.wall - wall)
