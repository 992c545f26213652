"""Model to rows and back: the JSON in the store, without the database."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from epochwatch.wire import Body, Head
from epochwatchd.detection import silence
from epochwatchd.detection.silence import SilenceHistory
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


@dataclass(frozen=True, slots=True)
class Record:
    """What one run's judgement changes, to be written in one transaction.

    ``lessons``: what workers that have ended leave to the next run of their job.
    """

    run: RunRow
    workers: Sequence[Worker] = ()
    opened: Sequence[Incident] = ()
    closed: Sequence[Incident] = ()
    notices: Sequence[tuple[Notification, Sequence[str]]] = ()
    lessons: Sequence[tuple[Worker, SilenceHistory]] = ()


def run_from(row: Mapping[str, Any]) -> RunRow:
    """The run of a row of the table."""
    values = {name: row[name] for name in row.keys() if name in RUN_COLUMNS}  # noqa: SIM118 - a row gives its values
    suspected = values.get("suspected")  # absent where the database is still that of an older daemon
    progress = json.loads(values["progress"])
    return RunRow(**{**values, "progress": progress, "suspected": suspected and json.loads(suspected)})


def worker_snapshot(worker: Worker, moment: Moment, boot: str) -> str:
    """What is needed to go on watching ``worker`` after a restart, as JSON.

    Its times are of the monotonic clock, which goes on as long as the machine is up; ``boot`` and ``moment`` tell what
    they meant.
    """
    return to_json(
        {
            "head": worker.head._asdict(),
            "body": _known(worker.body),
            "user": worker.user,
            "uid": worker.uid,
            "local": worker.local,
            "keeps_alive": worker.keeps_alive,
            "beats": worker.beats,
            "rhythm": worker.rhythm,
            "patience": silence.dump(worker.history),
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
    return {name: value for name, value in said.items() if name == "job" or value != Body._field_defaults.get(name)}


def worker_from(key: str, snapshot: str, moment: Moment, boot: str) -> Worker:
    """The worker of a snapshot; after a reboot its times are moved to the new monotonic clock by the wall clock."""
    said = json.loads(snapshot)
    told = numbers({name: value for name, value in said.items() if name not in ("head", "body", "user", "boot")})
    taken = Moment(*told["moment"])
    shift_s = 0.0 if said["boot"] == boot else taken.wall_of(0.0) - moment.wall_of(0.0)
    spread = Spread(*told["spread"])
    pace, not_finite_at = told["pace_from"], told["not_finite_at"]
    return Worker(
        key=key,
        head=_head(said["head"]),
        body=_body(said["body"]),
        user=said["user"],
        local=told["local"],
        started_at=told["started_at"] + shift_s,
        beat_at=told["beat_at"] + shift_s,
        heard_at=told["heard_at"] + shift_s,
        phase_at=told["phase_at"] + shift_s,
        keeps_alive=told["keeps_alive"],
        beats=told["beats"],
        rhythm=Rhythm(*told["rhythm"]),
        pace_from=pace and (pace[0], pace[1] + shift_s),
        not_finite_at=None if not_finite_at is None else not_finite_at + shift_s,
        spread=spread._replace(above_at=spread.above_at + shift_s),
        met_at=told["met_at"] + shift_s,
        history=silence.load(told["patience"]),
        estimate_s=told.get("estimate_s"),
        pace=_pace(told["pace"], shift_s) if "pace" in told else Pace(),
        uid=told.get("uid"),
    )


def _head(said: Mapping[str, Any]) -> Head:
    return Head(**{**said, **{name: numbers(said[name]) for name in ("epoch", "loss", "within_s") if name in said}})


def _body(said: Mapping[str, Any]) -> Body:
    body: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    return Body(**{**body, "metrics": numbers(body.get("metrics"))})


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
    return None if cause is None else to_json(asdict(cause))


def notification_json(notification: Notification) -> str:
    """A notification as the JSON of the contract."""
    return to_json(asdict(notification))


def notification_from(content: str) -> Notification:
    """The notification of its JSON; fields of other versions are left out. Raises ValueError or TypeError."""
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError("a notification that is no JSON object")  # noqa: TRY004 - of what is stored, not of a call
    return Notification(**{f.name: said[f.name] for f in fields(Notification) if f.name in said})


def history_json(learned: SilenceHistory) -> str:
    """What a job has taught, as JSON."""
    return to_json(silence.dump(learned))


def history_from(content: str) -> SilenceHistory:
    """What a job has taught, of its JSON."""
    return silence.load(numbers(json.loads(content)))


def to_json(value: Any) -> str:
    """JSON as everybody reads it: NaN and infinity, which it lacks, are texts."""
    try:
        return _dumps(value)
    except ValueError:  # "Out of range float values are not JSON compliant": rare, so looked for only then
        return _dumps(_finite(value))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else _NAMES[repr(value)]
    if isinstance(value, dict):
        return {name: _finite(child) for name, child in value.items()}
    return [_finite(child) for child in value] if isinstance(value, (list, tuple)) else value


def numbers(value: Any) -> Any:
    """Decoded JSON in which all texts but names are numbers: those that ``to_json`` made texts are floats again."""
    if isinstance(value, str):
        return float(value) if value in _NAMES.values() else value
    if isinstance(value, dict):
        return {name: numbers(child) for name, child in value.items()}
    return [numbers(child) for child in value] if isinstance(value, list) else value


def _mono(wall: float, moment: Moment) -> float:
    return moment.mono - (moment.wall - wall)


RUN_COLUMNS = tuple(RunRow.__dataclass_fields__)
_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
