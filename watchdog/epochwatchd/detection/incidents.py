"""When a fault is said, said again and called over: the life of an incident, without a clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from epochwatchd.detection.verdict import Found, Judged
from epochwatchd.model import FLAPS, FLAPS_WITHIN_S, SEVERITIES, Finding, Incident, Kind, Moment, Worker
from epochwatchd.verdicts import VERDICTS


class Change(NamedTuple):
    """What happened to an incident. ``closed`` ends it without a word: the run ended or something worse took over."""

    what: Literal["opened", "escalated", "amended", "resolved", "closed"]
    incident: Incident
    worker: Worker | None


def incident_id(run_key: str, kind: str, opened_wall: float) -> str:
    """A name for an incident that a repeated computation gives again."""
    return hashlib.blake2b(f"{run_key}\n{kind}\n{opened_wall!r}".encode(), digest_size=10).hexdigest()


def advance(
    run_key: str,
    open_: Mapping[Kind, Incident],
    judged: Judged,
    heard_at: float,
    moment: Moment,
    *,
    openings: Mapping[Kind, Sequence[float]] = MappingProxyType({}),
) -> tuple[dict[Kind, Incident], list[Change]]:
    """The incidents open after a look at the run, and what changed.

    ``heard_at`` is when any worker of the run was last heard. Only the worst finding opens an incident; lesser ones
    that were open before stay open as long as they are found.

    ``openings``: when such incidents of the run were opened before, in Unix seconds. One that comes and goes is one
    that lasts: it is called over when it has stayed away.
    """
    found = judged.found
    if judged.is_over:
        finding, worker = found[0]
        closed = [Change("closed", i, None) for i in open_.values()]
        if finding.kind in open_:  # told when the first of several processes fell
            _, change = _keep_found(open_[finding.kind], finding, worker)
            return {}, [*closed, change] if change else closed
        return {}, [*closed, Change("opened", _open(run_key, finding, moment, ()), worker)]
    first = {f.kind: (f, w) for f, w in reversed(found)}
    now_open: dict[Kind, Incident] = {}
    changes = []
    for kind, incident in open_.items():
        kept, change = _keep(incident, first.get(kind), found, heard_at, moment)
        if kept is not None:
            now_open[kind] = kept
        if change is not None:
            changes.append(change)
    if found and found[0][0].kind not in now_open and not _overshadowed(found[0][0], now_open):
        finding, worker = found[0]
        now_open[finding.kind] = _open(run_key, finding, moment, openings.get(finding.kind, ()))
        changes.append(Change("opened", now_open[finding.kind], worker))
    return now_open, changes


def _open(run_key: str, finding: Finding, moment: Moment, openings: Sequence[float]) -> Incident:
    times = 1 + sum(0.0 <= moment.wall - opened < FLAPS_WITHIN_S for opened in openings)
    return Incident(incident_id(run_key, finding.kind, moment.wall), run_key, finding, moment.wall, times=times)


def _keep(
    incident: Incident, match: Found | None, found: Sequence[Found], heard_at: float, moment: Moment
) -> tuple[Incident | None, Change | None]:
    if match is not None:
        return _keep_found(incident, *match)
    if found and _severity(found[0][0]) >= _severity(incident.finding):
        return None, Change("closed", incident, None)
    verdict = VERDICTS[incident.finding.kind]
    if verdict.until_heard and heard_at <= incident.finding.since:
        return incident, None
    gone_at = moment.mono if incident.gone_at is None else incident.gone_at
    clear_after_s = FLAPS_WITHIN_S if incident.times >= FLAPS else verdict.clear_after_s
    if moment.mono - gone_at >= clear_after_s:
        return None, Change("resolved", incident, None)
    return replace(incident, gone_at=gone_at), None


def _keep_found(incident: Incident, finding: Finding, worker: Worker) -> tuple[Incident, Change | None]:
    now = replace(incident, finding=replace(finding, since=incident.finding.since), gone_at=None)
    if _severity(finding) > _severity(incident.finding):
        return now, Change("escalated", now, worker)
    if _explains(finding, incident.finding):
        return now, Change("amended", now, worker)
    return (incident if incident.gone_at is None else replace(incident, gone_at=None)), None


def _explains(after: Finding, before: Finding) -> bool:
    """Whether only now it is known why a process ended, or what it left behind."""
    if after.kind not in ("crashed", "interrupted"):
        return False
    return (not _is_explained(before) and _is_explained(after)) or (_leaves(after) and not _leaves(before))


def _leaves(finding: Finding) -> bool:
    return finding.cause is not None and "left" in finding.cause.details


def _is_explained(finding: Finding) -> bool:
    return finding.cause is None or finding.cause.code != "unknown"


def _severity(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _overshadowed(finding: Finding, open_: Mapping[Kind, Incident]) -> bool:
    return any(_severity(i.finding) > _severity(finding) for i in open_.values())
