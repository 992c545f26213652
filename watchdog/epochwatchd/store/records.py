"""Model to rows and back: the JSON in the store, without the database."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from epochwatch.wire import Body
from epochwatchd.detection.silence import SilenceHistory
from epochwatchd.model import Cause, Finding, Incident, Kind, Moment, Mute, Notice, Notification, Worker
from epochwatchd.phrase import kept, restored_phrase
from epochwatchd.store.codec import restored


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
    about: Mapping[str, Any] | None = None

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
    notices: Sequence[Notice] = ()
    lessons: Sequence[tuple[Worker, SilenceHistory]] = ()


def run_from(row: Mapping[str, Any]) -> RunRow:
    """The run of a row of the table."""
    values = {name: row[name] for name in row.keys() if name in RUN_COLUMNS}  # noqa: SIM118 - a row gives its values
    for name in ("progress", "suspected", "about"):  # the last two are absent in the database of an older daemon
        values[name] = json.loads(values[name]) if values.get(name) else None
    return RunRow(**values)


def worker_snapshot(worker: Worker, moment: Moment, boot: str) -> str:
    """What is needed to go on watching ``worker`` after a restart, as JSON.

    Its times are of the monotonic clock, which goes on as long as the machine is up; ``boot`` and ``moment`` tell what
    they meant.
    """
    known = {name: value for name, value in worker._asdict().items() if name not in ("key", "exit")}
    said = {"head": worker.head._asdict(), "body": _known(worker.body), "history": worker.history._asdict()}
    return to_json({**known, **said, "boot": boot, "moment": moment})


def _known(body: Body) -> dict[str, Any]:
    """What a body says, as far as it is known here."""
    said = body._replace(unknown=())._asdict()
    return {name: value for name, value in said.items() if name == "job" or value != Body._field_defaults.get(name)}


def worker_from(key: str, snapshot: str, moment: Moment, boot: str) -> Worker:
    """The worker of a snapshot; after a reboot its times are moved to the new monotonic clock by the wall clock."""
    said = json.loads(snapshot)
    taken = Moment(*said["moment"])
    shift_s = 0.0 if said["boot"] == boot else taken.wall_of(0.0) - moment.wall_of(0.0)
    history = _history(said.get("history") or said.get("patience") or {})  # as earlier versions called it
    worker: Worker = restored(Worker, {**said, "key": key, "exit": None, "history": None}, shift_s)
    return worker._replace(history=history)


def incident_from(row: Mapping[str, Any], moment: Moment) -> Incident:
    """The incident of a row of the table."""
    cause = Cause(**json.loads(row["cause"])) if row["cause"] else None
    if cause is not None:
        cause = replace(cause, evidence=tuple(map(restored_phrase, cause.evidence)))
    finding = Finding(row["kind"], row["severity"], _mono(row["since_wall"], moment), cause)
    notified = json.loads(row["notified"])
    return Incident(row["id"], row["run_key"], finding, row["opened_wall"], notified_wall=notified, times=row["times"])


def cause_json(cause: Cause | None) -> str | None:
    """A cause as JSON."""
    return None if cause is None else to_json({**asdict(cause), "evidence": list(map(kept, cause.evidence))})


def notification_json(notification: Notification) -> str:
    """A notification as the JSON of the contract."""
    return to_json(asdict(notification))


_FORMER_REASONS = {"repeat": "reminder", "escalated": "worse"}
"""What messages were called that still wait from before."""


def notification_from(content: str) -> Notification:
    """The notification of its JSON; fields of other versions are left out. Raises ValueError or TypeError."""
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError("a notification that is no JSON object")  # noqa: TRY004 - of what is stored, not of a call
    if said.get("reason") in _FORMER_REASONS:
        said["reason"] = _FORMER_REASONS[said["reason"]]
    return Notification(**{f.name: said[f.name] for f in fields(Notification) if f.name in said})


def mute_from(row: Mapping[str, Any]) -> Mute:
    """The mute of a row of the table."""
    return Mute(**{f.name: row[f.name] for f in fields(Mute) if f.name != "match"}, match=json.loads(row["match"]))


def history_json(learned: SilenceHistory) -> str:
    """What a job has taught, as JSON."""
    return to_json(learned._asdict())


def history_from(content: str) -> SilenceHistory:
    """What a job has taught, of its JSON; nothing where another version wrote it: then the job is learned anew."""
    return _history(json.loads(content))


def _history(said: Mapping[str, Any]) -> SilenceHistory:
    try:
        known: SilenceHistory = restored(SilenceHistory, {_RENAMED.get(name, name): said[name] for name in said})
    except (TypeError, ValueError):
        return SilenceHistory()
    return known


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


def _mono(wall: float, moment: Moment) -> float:
    return moment.mono - (moment.wall - wall)


RUN_COLUMNS = tuple(RunRow.__dataclass_fields__)
_RENAMED = {"habits": "recurring", "surprises": "one_offs"}
"""What earlier versions called parts of a history."""
_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
