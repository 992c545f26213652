"""The notification of an incident: its facts gathered into the message of the contract. Pure."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from itertools import islice
from typing import Any, NamedTuple

from epochwatchd.detection.observing import eta_s
from epochwatchd.detection.progress import epoch_shown, progress_of
from epochwatchd.model import Best, Cause, Exit, Incident, Kind, Moment, Notification, Reason, Status, Worker
from epochwatchd.phrase import kept
from epochwatchd.verdicts import VERDICTS

WORDS_MAX, WORD_MAX, TAGS_MAX = 100, 300, 32
"""Of a command line and of tags so much is told: a message is no place for more."""


class Checkpoint(NamedTuple):
    """When a checkpoint was saved, by the sender's wall clock in ns, and where; an empty path is not known."""

    at_ns: int
    path: str


class Named(NamedTuple):
    """A run's name, what tells it from the others of its job, the job's name, and the last checkpoint of any rank."""

    run: str
    differs: str | None = None
    job: str = ""
    checkpoint: Checkpoint | None = None


def compose(incident: Incident, worker: Worker, *, run: Named, reason: Reason, moment: Moment) -> Notification:
    """What to tell of ``incident`` now, not yet said in words; ``worker`` is the one it is found in."""
    finding, body = incident.finding, worker.body
    return Notification(
        id=incident.id,
        kind=finding.kind,
        status=_status(finding.kind, reason),
        reason=reason,
        severity=finding.severity,
        job=run.job or body.job or None,
        run=run.run or None,
        host=body.host or "",
        user=worker.user or None,
        pid=body.command_pid or body.pid,
        rank=body.rank,
        since=stamp(moment.wall_of(finding.since)),
        detected_at=stamp(moment.wall),
        cause=_cause(finding.cause),
        progress=progress(worker),
        elapsed_s=round(max(0.0, _until(incident, worker, moment) - worker.started_at), 3),
        argv=[word[:WORD_MAX] for word in body.argv[:WORDS_MAX]],
        cwd=body.cwd,
        tags=tags_of(worker, run.job),
        differs=run.differs,
        checkpoint=_checkpoint(run.checkpoint),
        memory=_memory(worker.exit) if VERDICTS[finding.kind].is_end else None,
        times=incident.times,
        verified=worker.uid is not None or VERDICTS[finding.kind].is_ours,
    )


def tags_of(worker: Worker, job: str) -> dict[str, str]:
    """The tags of a worker of a run of this job; what it calls its job itself is one, where that is another."""
    own = {"job": worker.body.job} if job and worker.body.job != job else {}
    return dict(islice({**own, **(worker.body.tags or {})}.items(), TAGS_MAX))


def stamp(wall: float) -> str:
    """A Unix time as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(wall, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def progress(worker: Worker) -> dict[str, Any]:
    """How far a worker has come, as the contract's ``progress``."""
    head, body, best, done = worker.head, worker.body, worker.best, progress_of(worker)
    return {
        "epoch": _plain(head.epoch),
        "epoch_shown": _plain(epoch_shown(worker.counting, head)),
        "epochs": body.epochs,
        "step": head.step,
        "steps": body.steps,
        "fraction": None if done is None else round(done.fraction, 4),
        "loss": _plain(head.loss, keep_float=True),
        "best_loss": None if best is None else best.loss,
        "best_at": None if best is None else _place(worker, best),
        "metrics": {name: _plain(value, keep_float=True) for name, value in (body.metrics or {}).items()},
        "eta_s": _rounded(eta_s(worker)),
    }


def _place(worker: Worker, best: Best) -> dict[str, Any]:
    """Where the best loss was; ``epoch_shown`` is its epoch as people count."""
    shown = epoch_shown(worker.counting, worker.head._replace(epoch=best.epoch))
    return {"epoch": _plain(best.epoch), "epoch_shown": _plain(shown), "step": best.step}


def _checkpoint(last: Checkpoint | None) -> dict[str, Any] | None:
    return None if last is None else {"path": last.path or None, "at": stamp(last.at_ns / 1e9)}


def _memory(end: Exit | None) -> dict[str, Any] | None:
    """In MiB; of one that has ended, where it was seen."""
    if end is None or end.peak_mib is None:
        return None
    return {"peak_mib": round(end.peak_mib, 1), "limit_mib": None if end.limit_mib is None else round(end.limit_mib, 1)}


def _status(kind: Kind, reason: Reason) -> Status:
    if reason == "resolved":
        return "resolved"
    return "notice" if VERDICTS[kind].is_notice else "firing"


def _until(incident: Incident, worker: Worker, moment: Moment) -> float:
    verdict = VERDICTS[incident.finding.kind]
    if verdict.is_ours:  # nothing has run
        return worker.started_at
    if verdict.is_end and not worker.beats:  # it was met by its first beat or its last, which may have been long ago
        return incident.finding.since
    return max(worker.beat_at, incident.finding.since) if verdict.is_end else moment.mono


def _cause(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {"code": cause.code, "details": dict(cause.details), "evidence": list(map(kept, cause.evidence))}


def _plain(value: float | None, *, keep_float: bool = False) -> float | int | str | None:
    """A number for JSON: NaN and infinity, which it lacks, as texts; whole epochs as integers."""
    if value is None or isinstance(value, int):
        return value
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if keep_float or not value.is_integer() else int(value)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
